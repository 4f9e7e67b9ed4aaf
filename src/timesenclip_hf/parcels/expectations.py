"""Sum up the probabilities of a run over its pixels: the areas that a map itself expects."""

from os import PathLike
from pathlib import Path

import numpy as np

from ..classification import class_probabilities
from ..extras import needs_extra
from ..maps.cubes.grids import grid_of
from ..maps.making.blocks import stored_embedded
from ..maps.making.model_source import Model
from ..maps.making.options import MapOptions
from ..maps.making.recipe import make_recipe
from ..maps.making.run import check_weights
from ..maps.making.store import RUN_MANIFEST, MapStore, open_map, stored_embeddings
from ..maps.making.windows import windows_of
from ..models.timesenclip.label_set_timesenclip import Labels, LabelSet
from ..words import on_one_line
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
    middle = class_map.transform @ (shape[1] / 2, shape[0] / 2)
    is_placed = np.allclose(middle, (mapped["x"].mean(), mapped["y"].mean()), rtol=1e-9)
    if list(map(on_one_line, mapped.attrs["labels"])) != class_map.classes or shape != class_map.shape or not is_placed:
        raise ValueError(f"{run} is not the run of {class_map.path.name}: its classes or its grid are others.")
    if "smoothing" in mapped.attrs:
        raise ValueError(f"{run} was smoothed, which its probabilities do not know: map it without --smooth.")
    fitted = "fitted_to_examples" in mapped.attrs
    if labels is None and fitted:
        raise ValueError(f"{run} was mapped with a fitted label set: give its file, --labels crops.labels.")
    assert manifest is not None, "a run that opens has a manifest"
    made, temperature = _settle(stored, mapped, labels or manifest["identity"]["labels"][label_set], model)
    areas = row_areas(mapped.rio.crs, grid_of(mapped).transform, shape, str(run))
    hectares = np.zeros(len(class_map.labels))
    for window in windows_of(shape, manifest["side"]):
        probabilities = class_probabilities(stored_embedded(window.cut(stored).compute()), made)
        weights = np.repeat(areas[window.slices[0]], window.width)
        hectares[: probabilities.shape[1]] += weights @ np.nan_to_num(probabilities) / HECTARE
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


def _settle(stored: xr.Dataset, mapped: xr.Dataset, labels: Labels, model: Model) -> tuple[LabelSet, float]:
    """Make the classes that the map was made with, and tell the calibration temperature of its checkpoint."""
    template = None if isinstance(labels, LabelSet) else mapped.attrs["hypothesis_template"]
    recipe = make_recipe(stored, labels, model, MapOptions(hypothesis_template=template))
    check_weights(stored, recipe)
    label_set = recipe.label_sets[""].label_set
    if label_set.labels != mapped.attrs["labels"]:
        raise ValueError(f"The map has the classes {', '.join(mapped.attrs['labels'])}: give those of it (--labels).")
    return label_set, float(recipe.model.encoder().model.config.calibration_temperature)
