"""Sum up the probabilities of a run over its pixels: the areas that a map itself expects."""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from ..classification import Embedded, class_probabilities
from ..extras import needs_extra
from ..maps.cubes.grids import grid_of
from ..maps.making.blocks import embeddings_from_int8
from ..maps.making.model_source import Model, find_model
from ..maps.making.store import RUN_MANIFEST, MapStore, open_map, stored_embeddings
from ..models.timesenclip.label_set_timesenclip import Labels, LabelSet, as_label_set
from .areas import Expected
from .class_maps import ClassMap
from .pixel_areas import HECTARE, row_areas

with needs_extra("map"):
    import xarray as xr

NOT_CALIBRATED = (
    "Expected areas are sums of the map's own probabilities, which were never calibrated (`timesenclip evaluate` with "
    "--calibrated): they may be as biased as the counts."
)
CALIBRATED = (
    "Expected areas are sums of the map's own probabilities, calibrated elsewhere: without points of known class "
    "nobody knows how far they are off."
)
MAKE_RUN = "timesenclip map --embeddings float16"


def expected_areas(
    run: str | PathLike[str],
    class_map: ClassMap,
    *,
    label_set: str = "",
    labels: Labels | None = None,
    model: Model = None,
) -> Expected:
    """Sum up the probability of each class over the pixels of a finished run, by their areas.

    Args:
        run: folder of the run that the map is of, with its embeddings.
        class_map: the map.
        label_set: name of the run's label set, where it has several.
        labels: the fitted label set that the map was made with; what a run in words was made with is known.
        model: folder or Hub id of the map's checkpoint, or a loaded pipeline; the embedded one when left out.

    Raises:
        ValueError: the folder holds no finished run, one without embeddings, of another map or other weights, or the
            labels are not those of the map.
    """
    run, manifest = Path(run), MapStore(run).manifest
    stored, mapped = stored_embeddings(run), open_map(run, label_set)
    shape = (mapped.sizes["y"], mapped.sizes["x"])
    if mapped.attrs["labels"] != class_map.classes or shape != class_map.shape:
        raise ValueError(f"{run} is not the run of {class_map.path.name}: its classes or its grid are others.")
    if "smoothing" in mapped.attrs:
        raise ValueError(f"{run} was smoothed, which its probabilities do not know: map it without --smooth.")
    fitted = "fitted_to_examples" in mapped.attrs
    if labels is None and fitted:
        raise ValueError(f"{run} was mapped with a fitted label set: give its file, --labels crops.labels.")
    assert manifest is not None, "a run that opens has a manifest"
    made, temperature = _label_set(mapped, labels or manifest["identity"]["labels"][label_set], model)
    areas = row_areas(mapped.rio.crs, grid_of(mapped).transform, shape, str(run))
    hectares = np.zeros(len(class_map.labels))
    for start, probabilities in _blocks(stored, made):
        sums = np.nansum(probabilities, axis=1)
        hectares[: sums.shape[1]] += areas[start : start + len(sums)] @ sums / HECTARE
    return Expected(hectares, NOT_CALIBRATED if temperature == 1.0 and not fitted else CALIBRATED)


def expected_beside(
    class_map: ClassMap, *, label_set: str = "", labels: Labels | None = None, model: Model = None
) -> tuple[Expected | None, str]:
    """Return the expected areas of the run beside a map, `map.run` of `map.tif`, and a note; or why there are none."""
    run = class_map.path.with_suffix(".run")
    if not (run / RUN_MANIFEST).is_file():
        return None, f"The map's own probabilities are not there: expected areas need its run, {run.name} ({MAKE_RUN})."
    try:
        expected = expected_areas(run, class_map, label_set=label_set, labels=labels, model=model)
    except ValueError as error:
        return None, f"Expected areas are not there: {error}"
    return expected, expected.note


def _label_set(mapped: xr.Dataset, labels: Labels, model: Model) -> tuple[LabelSet, float]:
    """Make the classes that the map was made with, and tell the calibration temperature of its checkpoint."""
    source, encoder = find_model(model)
    if source.weights != mapped.attrs["weights_sha256"]:
        raise ValueError(f"The map is of the checkpoint {mapped.attrs['model']}, got {source.name}: name it (--model).")
    template = None if isinstance(labels, LabelSet) else mapped.attrs["hypothesis_template"]
    made = as_label_set(encoder.model, encoder.processor, labels, template)
    if made.labels != mapped.attrs["labels"]:
        raise ValueError(f"The map has the classes {', '.join(mapped.attrs['labels'])}: give those of it (--labels).")
    if made.reads_values:
        raise ValueError("The label set reads monthly values, which a run does not store: fit a set without.")
    return made, float(encoder.model.config.calibration_temperature)


def _blocks(stored: xr.Dataset, label_set: LabelSet) -> Iterator[tuple[int, np.ndarray]]:
    """Give the probabilities (y, x, class) of stored embeddings, chunk by chunk, each with its first row."""
    chunks = stored["embeddings"].chunksizes
    for top, height in _spans(chunks["y"]):
        for left, width in _spans(chunks["x"]):
            block = stored.isel(y=slice(top, top + height), x=slice(left, left + width)).compute()
            values = block["embeddings"].values
            if "embedding_scale" in block:
                values = embeddings_from_int8(values, block["embedding_scale"].values)
            vectors = values.astype(np.float32).reshape(-1, values.shape[-1])
            observed = ~np.isnan(vectors[:, 0])
            unit = torch.nn.functional.normalize(torch.from_numpy(vectors[observed]), dim=-1)
            embedded = Embedded(unit, observed, block["clear_months"].values.reshape(-1))
            yield top, class_probabilities(embedded, label_set).reshape(height, width, -1)


def _spans(lengths: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    start = 0
    for length in lengths:
        yield start, length
        start += length
