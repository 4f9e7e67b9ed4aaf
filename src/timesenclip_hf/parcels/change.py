"""Find what changed between two years from the embeddings that two runs stored, chunk by chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..classification import class_probabilities
from ..extras import needs_extra
from ..maps.making.blocks import stored_embedded
from ..maps.making.map_dataset import check_threshold, map_attributes
from ..maps.making.model_source import Model
from ..maps.making.options import MapOptions
from ..maps.making.plan import chunk_side
from ..maps.making.recipe import Recipe, make_recipe
from ..maps.making.windows import GridWindow, windows_of
from ..models.timesenclip.label_set_timesenclip import Labels, LabelSet
from .area_stretch import check_stretch
from .change_layers import (
    BETWEEN,
    CHANGED,
    COLOURS,
    LAYERS,
    UNCHANGED,
    as_dataset,
    count_pairs,
    drop_small,
    make_layers,
    number_transitions,
)
from .change_probability import (
    PairModel,
    change_probability,
    fit_pairs,
    likeliest_class,
    likeliest_transition,
    pair_likelihoods,
    sharpened,
)
from .pixel_areas import HECTARE, row_areas

with needs_extra("map"):
    import xarray as xr

    from ..maps.cubes.grids import GRID_TOLERANCE, Grid, grid_of
    from ..maps.making.store import stored_embeddings

# Pixels whose probabilities tell shares and prior, at most, and chunks that they are read from, spread over the map. A
# quarter of them, which a map may come to, tells a share of 1 % with a standard error of 0.08 %.
SAMPLE_PIXELS, SAMPLE_CHUNKS = 65_536, 64
# Pixels compared at once: with 512 features some hundred megabytes.
PIXELS_AT_ONCE = 65_536
# How a year was read, which may show as change where it differs.
_READING = ("screen", "estimated_bands", "masked_bands", "minimum_months", "model_bands")


@dataclass(frozen=True)
class ChangeOptions:
    """Say what counts as change.

    Attributes:
        threshold: probability of change from which a pixel counts as changed; at 0.5 the likelier of the two.
        prior: share of the land that changed, 0 to 1, where it is known; when left out it is found without labels, and
            0.05 at least.
        minimum_area: hectares of the smallest patch of changed pixels (side by side) that counts; 0 for all.
        hypothesis_template: for labels in words: one template or several; the checkpoint's own when left out.

    Raises:
        ValueError: a number is out of its range.
    """

    threshold: float = 0.5
    prior: float | None = None
    minimum_area: float = 0.0
    hypothesis_template: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_threshold(self.threshold)
        if self.prior is not None and not 0 <= self.prior <= 1:
            raise ValueError(f"The prior is the share of the land that changed, from 0 to 1, got {self.prior:g}.")
        if not 0 <= self.minimum_area < np.inf:
            raise ValueError(f"The minimum area is in hectares, from 0 on, got {self.minimum_area:g}.")


DEFAULT_CHANGE = ChangeOptions()


class ChangeRule(NamedTuple):
    """Hold what decides about every pixel: classes, what was found of both years' probabilities, and the threshold."""

    label_set: LabelSet
    pairs: PairModel
    threshold: float


def detect_change(
    first: str | PathLike[str],
    second: str | PathLike[str],
    labels: Labels,
    model: Model = None,
    *,
    options: ChangeOptions = DEFAULT_CHANGE,
    store: Path | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Compare two years of the same land, from the embeddings that their runs stored.

    The probability of change is that of [`change_probability`], whose docstring derives it and
    says what it assumes. A pixel that changed has the likeliest two different classes, one that did not the likeliest
    class that it can have kept.

    Args:
        first: folder of the finished run of the earlier year, mapped with `embeddings`.
        second: of the later year, with the same checkpoint on the same grid.
        labels: a list of names, a string with commas, `{label: [phrases]}`, or a [`LabelSet`]; two classes at least.
        model: folder or Hub id of the runs' checkpoint, or a loaded pipeline; the embedded one when left out.
        options: threshold, prior and minimum area.
        store: new folder to keep the layers in; in memory when left out.
        progress: show a progress bar.

    Returns:
        Layers (y, x): `class`, 0 where a year has no data, 1 for no change, 2, 3, ... for the transitions that occur,
        the commonest first, as the attribute `labels` names them; `from` and `to`, 1 for the first of
        `class_labels`; `probability` of change; `distance`, 1 less the cosine of the two embeddings. Attributes:
        `pixels` and `hectares` (from, to) of each pair of classes, `prior` (the share of the land that changed, by
        the probabilities), `notes` and how it was made.

    Raises:
        ValueError: a run keeps no embeddings or is not finished, the grids or the checkpoints differ, there are fewer
            than two classes, or no pixel has data in both years.
    """
    years = stored_embeddings(first), stored_embeddings(second)
    recipe = make_recipe(years[0], labels, model, MapOptions(hypothesis_template=options.hypothesis_template))
    label_set = recipe.label_sets[""].label_set
    if len(label_set.labels) < 2:
        raise ValueError(f"Change is from one class to another: give two at least, got {label_set.labels[0]!r} alone.")
    _check_weights(years, (first, second), recipe.model.weights, recipe.model.name)
    check_same_grid(*years, first, second)
    shape = years[0].sizes["y"], years[0].sizes["x"]
    sized: Any = (years[0].rio.crs, grid_of(years[0]).transform, shape, str(first))
    check_stretch(*sized)
    hectares = row_areas(*sized) / HECTARE
    windows = list(windows_of(shape, chunk_side(years[0], None)))
    rule = _settle(years, windows, label_set, options)
    layers = make_layers(years[0], windows[0], store)
    for window in tqdm(windows, unit=" chunks", disable=not progress):
        for name, values in compare_block(_read(years[0], window), _read(years[1], window), rule).items():
            layers[name][window.slices] = values
    drop_small(layers, windows, int(np.ceil(round(options.minimum_area / hectares.mean(), 6))))
    pixels, areas, without_data = count_pairs(layers, windows, len(label_set.labels), hectares)
    attributes = _describe(years, [Path(first).stem, Path(second).stem], recipe, rule, options)
    attributes["labels"] = number_transitions(layers, windows, pixels, label_set.labels)
    attributes |= {"pixels": pixels.tolist(), "hectares": areas.tolist(), "hectares_without_data": without_data}
    return as_dataset(years[0], layers, store, attributes)


def check_same_grid(first: xr.Dataset, second: xr.Dataset, *names: str | PathLike[str]) -> None:
    """Raise a ValueError that says in what the grids of two runs, of these two names, differ."""
    if first.rio.crs is None or first.rio.crs != second.rio.crs:
        systems = " and ".join("none" if each.rio.crs is None else each.rio.crs.to_string() for each in (first, second))
        differing = f"coordinate reference systems ({systems})"
    elif (first.sizes["y"], first.sizes["x"]) != (second.sizes["y"], second.sizes["x"]):
        sizes = " and ".join(f"{each.sizes['y']} x {each.sizes['x']}" for each in (first, second))
        differing = f"sizes ({sizes} pixels)"
    elif not _same_centres(grid_of(first), grid_of(second)):
        corners = " and ".join(f"{float(each['x'][0]):.10g}, {float(each['y'][0]):.10g}" for each in (first, second))
        differing = f"pixels (the first is at {corners})"
    else:
        return
    raise ValueError(
        f"{names[0]} and {names[1]} differ in their {differing}: map both years on one grid, in one coordinate "
        "reference system."
    )


def _same_centres(first: Grid, second: Grid) -> bool:
    """Tell whether two grids of the same size have the same pixels, up to the rounding of coordinates."""
    return first.equals(second) or (
        np.abs(first.x - second.x).max() <= GRID_TOLERANCE * abs(first.across)
        and np.abs(first.y - second.y).max() <= GRID_TOLERANCE * abs(first.down)
    )


def _check_weights(
    years: tuple[xr.Dataset, xr.Dataset], names: tuple[str | PathLike[str], ...], weights: str, model: str
) -> None:
    ours, theirs = (year.attrs["weights_sha256"] for year in years)
    if ours != theirs:
        raise ValueError(
            f"{names[0]} and {names[1]} are of checkpoints with other weights ({years[0].attrs['model']} and "
            f"{years[1].attrs['model']}), whose embeddings cannot be compared: map one of them again."
        )
    if ours != weights:
        raise ValueError(
            f"The embeddings are of {years[0].attrs['model']}, whose weights are not those of {model}: name the same "
            "checkpoint."
        )


def compare_block(first: xr.Dataset, second: xr.Dataset, rule: ChangeRule) -> dict[str, np.ndarray]:
    """Compute the layers (y, x) of a block that is in memory, but for `class`; `changed` and `stable` are between."""
    shape = first.sizes["y"], first.sizes["x"]
    rows = max(1, PIXELS_AT_ONCE // shape[1])
    pieces = []
    for start in range(0, shape[0], rows):
        part = slice(start, start + rows)
        pieces.append(_compare_pixels(first.isel(y=part), second.isel(y=part), rule))
    return {name: np.concatenate([piece[name] for piece in pieces]).reshape(shape) for name in pieces[0]}


def _compare_pixels(first: xr.Dataset, second: xr.Dataset, rule: ChangeRule) -> dict[str, np.ndarray]:
    before, after = stored_embedded(first), stored_embedded(second)
    seen = before.observed & after.observed
    earlier, later = (class_probabilities(each, rule.label_set)[seen] for each in (before, after))
    earlier, later = sharpened(earlier, rule.pairs.sharpness), sharpened(later, rule.pairs.sharpness)
    same, different = pair_likelihoods(earlier, later, rule.pairs)
    probabilities = change_probability(different / same, rule.pairs.prior)
    stable = likeliest_class(earlier, later, rule.pairs)
    changed = probabilities >= rule.threshold
    pair = [np.where(changed, moved, stable) for moved in likeliest_transition(earlier, later)]
    ours, theirs = (each.embeds.numpy()[seen[each.observed]] for each in (before, after))
    kinds = {**LAYERS, **BETWEEN}
    layers = {name: np.full(len(seen), fill, dtype) for name, (dtype, fill) in kinds.items() if name != "class"}
    layers["from"][seen], layers["to"][seen] = (each + 1 for each in pair)
    layers["probability"][seen] = probabilities
    layers["distance"][seen] = 1 - (ours * theirs).sum(axis=1).clip(-1, 1)
    layers["stable"][seen] = stable + 1
    layers["changed"][seen] = np.where(changed, CHANGED, UNCHANGED)
    return layers


def _settle(
    years: tuple[xr.Dataset, xr.Dataset], windows: Sequence[GridWindow], label_set: LabelSet, options: ChangeOptions
) -> ChangeRule:
    """Find what a sample of the pixels tells of both years' probabilities."""
    chosen = [
        windows[index] for index in np.unique(np.linspace(0, len(windows) - 1, SAMPLE_CHUNKS).round().astype(int))
    ]
    step = int(np.ceil(np.sqrt(sum(window.pixels for window in chosen) / SAMPLE_PIXELS)))
    read: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for window in chosen:
        pair = [stored_embedded(_read(year, window, step)) for year in years]
        seen = pair[0].observed & pair[1].observed
        for probabilities, embedded in zip(read, pair, strict=True):
            probabilities.append(class_probabilities(embedded, label_set)[seen])
    first, second = (np.concatenate(each) for each in read)
    if not len(first):
        raise ValueError("No pixel has data in both years: give runs of years in which the same land was seen.")
    return ChangeRule(label_set, fit_pairs(first, second, options.prior), options.threshold)


def _read(year: xr.Dataset, window: GridWindow, step: int = 1) -> xr.Dataset:
    """Read every so many rows and columns of a block of a run's embeddings."""
    block = window.cut(year[[name for name in ("embeddings", "embedding_scale", "clear_months") if name in year]])
    thinned = slice(None, None, step)
    read: xr.Dataset = block.isel(y=thinned, x=thinned).compute(scheduler="synchronous")
    return read


def _describe(
    years: tuple[xr.Dataset, xr.Dataset], names: Sequence[str], recipe: Recipe, rule: ChangeRule, options: ChangeOptions
) -> dict[str, Any]:
    """Say how the change was found, in types that JSON has; a run that knows no year is called by its name."""
    first, second = (year.attrs for year in years)
    told = [each.get("season") or each.get("year") for each in (first, second)]
    of_years = ("labels", "year", "season", *_READING)
    attributes: dict[str, Any] = {
        **{name: value for name, value in map_attributes(recipe, "").items() if name not in of_years},
        "class_labels": rule.label_set.labels,
        "class_colours": COLOURS,
        "years": [name if year is None else year for year, name in zip(told, names, strict=True)],
        "prior": rule.pairs.prior,
        "prior_is_given": options.prior is not None,
        "sharpness": rule.pairs.sharpness,
        "threshold": options.threshold,
        "minimum_area": options.minimum_area,
        "notes": [],
    }
    for name in _READING:
        if first.get(name) != second.get(name):
            differing = f"{name.replace('_', ' ')}: {first.get(name)} and {second.get(name)}"
            attributes["notes"].append(f"the two years were read differently, which may show as change ({differing})")
    if None not in told and told[0] == told[1]:
        attributes["notes"].append(f"both runs are of {told[0]}")
    return attributes
