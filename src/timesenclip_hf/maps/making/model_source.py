"""Load the checkpoint of a map once in each process, and say where other processes find it."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from threading import Lock

import torch

from ...classification import PixelEncoder
from ...extras import needs_extra
from ...models.timesenclip.encoding_timesenclip import check_precision, precision_name
from ...models.timesenclip.pipeline_timesenclip import ZeroShotPixelClassificationPipeline
from ...models.timesenclip.weights_timesenclip import weights_hash
from ...runtimes.exported import name_of_exported
from ...runtimes.options import DEFAULT_COMPUTE, ComputeOptions

Model = str | PathLike[str] | ZeroShotPixelClassificationPipeline | None


@dataclass(frozen=True)
class ModelSource:
    """Say where a process finds the model; it is loaded once and kept.

    Attributes:
        name: folder or Hub id.
        weights: hash of its weights, which every worker must find there.
        compute: "cuda" deals the devices out to the workers of a machine.
        tower: what [`name_of_exported`] tells of the exported tower, where there is one.
    """

    name: str
    weights: str
    compute: ComputeOptions
    tower: str | None = None

    @property
    def _key(self) -> "ModelSource":
        # A runtime is opened with its threads, torch's are set at every use.
        return replace(self, compute=replace(self.compute, threads=None)) if self.compute.runtime == "torch" else self

    def encoder(self) -> PixelEncoder:
        """Return the encoder of this process; raise a ValueError where checkpoint or exported tower are others here."""
        threads = self.compute.threads
        if threads is not None and torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with _loading:  # two threads must not load it twice
            if self._key not in _encoders:
                _encoders[self._key] = self._load()
            return _encoders[self._key]

    def _load(self) -> PixelEncoder:
        encoder, other = PixelEncoder(self.name, replace(self.compute, device=own_device(self.compute.device))), None
        if self.tower is not None and name_of_exported(self.compute.exported or "") != self.tower:
            other = f"exported tower {self.compute.exported} is another"
        elif weights_hash(encoder.model.state_dict()) != self.weights:
            other = f"checkpoint {self.name} has other weights"
        if other is not None:
            raise ValueError(f"The {other} on this worker than where the run was started: give a path that all share.")
        return encoder


_encoders: dict[ModelSource, PixelEncoder] = {}
_loading = Lock()


def find_model(
    model: Model, compute: ComputeOptions = DEFAULT_COMPUTE, *, shared: bool = False
) -> tuple[ModelSource, PixelEncoder]:
    """Load a checkpoint in this process and say where others, which must see it if it is `shared`, find it.

    Raises:
        OSError: no checkpoint can be read there.
        ValueError: it cannot be computed with like this, or other processes cannot find a loaded pipeline.
    """
    dtype = None if compute.dtype is None else precision_name(compute.dtype)
    if dtype is not None and compute.runtime == "torch":
        check_precision(dtype, torch.device(compute.device or "cpu"))
    # In types that travel and can be compared, whatever form the caller gave them in.
    device = None if compute.device is None else str(compute.device)
    exported = None if compute.exported is None else str(Path(compute.exported).absolute())
    compute = replace(compute, device=device, dtype=dtype, exported=exported)
    encoder = PixelEncoder(model, compute)
    is_loaded = isinstance(model, ZeroShotPixelClassificationPipeline)
    name = str(encoder.model.name_or_path) if model is None or is_loaded else str(model)
    if is_loaded and shared and not Path(name).is_dir():
        raise ValueError("Other processes cannot see a loaded pipeline: give the folder of its checkpoint.")
    tower = None if exported is None else name_of_exported(exported)
    source = ModelSource(name, weights_hash(encoder.model.state_dict()), compute, tower)
    with _loading:  # this process need not load it again
        _encoders[source._key] = encoder
    return source, encoder


def own_device(device: str | torch.device | None) -> str | torch.device | None:
    """Choose the device of a numbered Dask worker: "cuda" means the one of its own number."""
    if device != "cuda" or torch.cuda.device_count() < 2:
        return device
    with needs_extra("map"):
        from distributed import get_worker

    try:
        name = str(get_worker().name)
    except ValueError:  # no worker: the process that was started
        return device
    return f"cuda:{int(name) % torch.cuda.device_count()}" if name.isdigit() else device
