"""Many series at once to class probabilities: what the commands for tables and for maps share."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm
from transformers import pipeline

from .files import first_line
from .models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from .models.timesenclip.encoding_timesenclip import PixelTower, encode
from .models.timesenclip.pipeline_timesenclip import TASK, ZeroShotPixelClassificationPipeline
from .models.timesenclip.zero_shot_timesenclip import CandidateLabels, embed_labels, read_labels, score
from .runtimes.engines import load_tower

# Series a chunk: some tens of megabytes of reflectance for a year of native dates.
DEFAULT_CHUNK_SIZE = 8192


class Embedded(NamedTuple):
    """Series as the pixel tower sees them.

    Attributes:
        embeds: unit embeddings (observed series, projection_dim) float32.
        observed: bool (series,), False where no look is clear.
        clear_months: uint8 (series,), calendar months with a clear look.
    """

    embeds: torch.Tensor
    observed: np.ndarray
    clear_months: np.ndarray


class PixelEncoder:
    """A checkpoint, ready to embed any number of series; those without a clear look pass.

    Args:
        model: folder or Hub id of a checkpoint, or a pipeline already loaded; the embedded one when left out.
        device: where to compute, such as "cuda".
        batch_size: series the encoder takes at once; what suits it and the machine when left out.
        dtype: computes in this type, as [`encode`] takes it; the model's own when left out.
        deduplicate: encode series that are equal to the last bit once.
        runtime: what computes the embeddings: "torch", "onnx" or "openvino"; see [`load_tower`], as for the rest.
        exported: file of `timesenclip export` for the runtime; float32, made in memory, when left out.
        threads: of the runtime; torch's number when left out.

    Raises:
        OSError: the checkpoint, or the exported file, cannot be found.
        ValueError: the runtime does not go with its file, type or device.
        ImportError: the runtime is not installed.
    """

    def __init__(
        self,
        model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
        *,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
        dtype: torch.dtype | str | None = None,
        deduplicate: bool = False,
        runtime: str = "torch",
        exported: str | PathLike[str] | None = None,
        threads: int | None = None,
    ) -> None:
        loaded: Any = model
        if not isinstance(model, ZeroShotPixelClassificationPipeline):
            loaded = load_pipeline(model, device)
        self.model, self.processor = loaded.model, loaded.processor
        self.batch_size, self.dtype, self.deduplicate = batch_size, dtype, deduplicate
        self.tower: PixelTower | None = None
        if runtime != "torch":
            self.tower = load_tower(self.model, runtime, exported=exported, dtype=dtype, threads=threads)
        elif exported is not None:
            raise ValueError("An exported tower needs a runtime: name onnx or openvino, or leave the file out.")

    @property
    def score_scale(self) -> float:
        """What cosines are multiplied with before their softmax: the learned scale over the fitted temperature."""
        return float(self.model.score_scale.detach().float().cpu())

    def embed(self, series: Any, **options: Any) -> Embedded:
        """Embeds series that fit in memory together.

        Args:
            series: as the feature extractor takes them.
            **options: the feature extractor's (`bands`, `dates`, `scl`, ...).
        """
        features = self.processor.feature_extractor(series, allow_empty=True, **options)
        mask = features["series_mask"]
        observed = mask.any(axis=1)
        seen = {name: values[observed] for name, values in features.items()}
        copies = None
        if self.deduplicate and observed.any():
            first, copies = _distinct(seen)
            seen = {name: values[first] for name, values in seen.items()}
        embeds = encode(self.model, seen, batch_size=self.batch_size, dtype=self.dtype, tower=self.tower)
        return Embedded(embeds if copies is None else embeds[copies], observed, _clear_months(features["months"], mask))


class PixelClassifier(PixelEncoder):
    """A checkpoint and a set of class names, ready for any number of series.

    Unlike the pipeline, which builds a list of results for each series, it answers in arrays and lets series
    without a clear look pass.

    Args:
        labels: as the pipeline takes them: a list, a string with commas, or `{label: [phrases]}`.
        model: as [`PixelEncoder`] takes it.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        **options: [`PixelEncoder`]'s.

    Raises:
        ValueError: labels or templates cannot be used.
        OSError: the checkpoint cannot be found.
    """

    def __init__(
        self,
        labels: CandidateLabels,
        model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
        *,
        hypothesis_template: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        phrases = read_labels(labels)  # before a checkpoint is loaded: a wrong label must not cost that
        super().__init__(model, **options)
        self.labels, self.class_embeds = embed_labels(self.model, self.processor, phrases, hypothesis_template)

    def probabilities(self, series: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """Classifies series that fit in memory together.

        Args:
            series: as the feature extractor takes them.
            **options: the feature extractor's (`bands`, `dates`, `scl`, ...).

        Returns:
            Probabilities (series, classes) float32, NaN where no look is clear; and the number of calendar months
            with a clear look (series,).
        """
        embeds, observed, clear_months = self.embed(series, **options)
        return class_probabilities(embeds, observed, self.class_embeds, self.score_scale), clear_months

    def probabilities_of_items(
        self,
        items: Sequence[Any],
        *,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        progress: bool = False,
        **options: Any,
    ) -> np.ndarray:
        """The same for a list of any length, a chunk at a time; probabilities alone."""
        parts = [np.empty((0, len(self.labels)), dtype=np.float32)]
        with tqdm(total=len(items), unit=" series", disable=not progress) as bar:
            for start in range(0, len(items), chunk_size):
                parts.append(self.probabilities(list(items[start : start + chunk_size]), **options)[0])
                bar.update(len(parts[-1]))
        return np.concatenate(parts)


def class_probabilities(
    embeds: torch.Tensor, observed: np.ndarray, class_embeds: torch.Tensor, score_scale: float
) -> np.ndarray:
    """Embeddings to probabilities.

    Args:
        embeds: unit embeddings (observed series, projection_dim).
        observed: bool (series,).
        class_embeds: unit embeddings (classes, projection_dim).
        score_scale: of the model.

    Returns:
        (series, classes) float32, NaN where nothing was observed.
    """
    probabilities = np.full((len(observed), len(class_embeds)), np.nan, dtype=np.float32)
    probabilities[observed] = score(embeds, class_embeds, logit_scale=score_scale).softmax(dim=-1).numpy()
    return probabilities


def load_pipeline(model: str | PathLike[str] | None, device: str | torch.device | None) -> Any:
    """The pipeline of a checkpoint, the embedded one when left out.

    Raises:
        OSError: no checkpoint can be read there.
        ValueError: there is no such device.
    """
    if device is not None:
        check_device(device)
    try:
        return pipeline(TASK, model=None if model is None else str(model), device=device)
    except OSError as error:  # of transformers, over several lines and without the name
        raise OSError(f"No checkpoint can be read from {model or 'the package'}: {first_line(error)}.") from None


def check_device(device: str | torch.device) -> None:
    """Refuses a device that PyTorch cannot compute on here.

    Raises:
        ValueError: there is no such device.
    """
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:  # of PyTorch, which asserts that it was built with CUDA
        raise ValueError(f"PyTorch cannot compute on {device} here: {first_line(error)}.") from None


def _distinct(features: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The first of each set of series whose features are the same bits, and for every series the place of its own."""
    rows = [np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8) for values in features.values()]
    together = np.ascontiguousarray(np.concatenate(rows, axis=1))
    keys = together.view(np.dtype((np.void, together.shape[1])))[:, 0]
    _, first, copies = np.unique(keys, return_index=True, return_inverse=True)
    return first, copies


def _clear_months(places: np.ndarray, mask: np.ndarray) -> np.ndarray:
    months = np.rint(places).astype(np.int64) % MONTHS_PER_YEAR
    seen = [((months == month) & mask).any(axis=1) for month in range(MONTHS_PER_YEAR)]
    return np.asarray(np.sum(seen, axis=0, dtype=np.uint8))
