"""Cube in, map out: class, probability, entropy, margin and clear months at every pixel."""

import logging
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from tqdm import tqdm

from ..classification import DEFAULT_CHUNK_SIZE, PixelClassifier
from ..cubes.reading import Source, open_cube
from ..extras import needs_extra
from ..models.timesenclip.compositing_timesenclip import choose_year, place_in_year, year_of
from ..models.timesenclip.pipeline_timesenclip import ZeroShotPixelClassificationPipeline
from ..models.timesenclip.radiometry_timesenclip import NO_DATA_VALUES, PLAUSIBLE_REFLECTANCE
from ..models.timesenclip.zero_shot_timesenclip import Labels

with needs_extra("map"):
    import xarray as xr

logger = logging.getLogger(__name__)

# Of the class layer; classes are 1, 2, ... in the order of the labels.
NO_CLASS = 0
MOST_CLASSES = 255
# Pixels that decide for the whole cube which year and unit it has, whatever the chunks are.
SAMPLE_SIZE = 4096


def map_cube(
    cube: Source | Sequence[Source],
    labels: Labels,
    model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
    *,
    hypothesis_template: str | Sequence[str] | None = None,
    year: int | None = None,
    bands: Sequence[str] | None = None,
    crs: str | None = None,
    offset: float | None = None,
    processing_baseline: str | float | None = None,
    device: str | None = None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    progress: bool = True,
) -> xr.Dataset:
    """Names the land cover of every pixel of a cube that fits in memory.

    Args:
        cube: files or xarray objects, as [`open_cube`] reads them, or what it returned.
        labels: class names in words: a list, a string with commas, or `{label: [phrases]}`.
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        year: calendar year to map; without it the one with the most observed months.
        bands: names of bands that the files leave unnamed.
        crs: where the files name none.
        offset: to subtract from digital numbers; what the files say when left out.
        processing_baseline: of the product, instead of an offset.
        device: where to compute, such as "cuda".
        chunk_size: pixels at once; the map does not depend on it.
        progress: show a progress bar.

    Returns:
        On the cube's grid (y, x): `class` uint8, 1 for the first label, 0 where no month is clear; `probability`
        of that class; `entropy` of the probabilities as a share of the largest possible; `margin` between the two
        best; `clear_months` uint8. The attribute `labels` holds the names, `pixels_without_data` the count of zeros.

    Raises:
        ValueError: cube, labels or options cannot be used; the sentence says why.
    """
    if chunk_size < 1:
        raise ValueError(f"`chunk_size` must be at least 1, got {chunk_size}.")
    classifier = PixelClassifier(labels, model, hypothesis_template=hypothesis_template, device=device)
    if len(classifier.labels) > MOST_CLASSES:
        raise ValueError(f"A map holds at most {MOST_CLASSES} classes, got {len(classifier.labels)}.")
    cube = open_cube(cube, bands=bands, crs=crs)
    pixels = _Pixels(cube)
    options = _settle(classifier, pixels, year, offset, processing_baseline)

    total = pixels.count
    layers = _empty_layers(total)
    chunks = -(-total // chunk_size)
    with tqdm(total=total, unit=" pixels", disable=not progress) as bar:
        for first in range(chunks):
            # Every n-th pixel, not a block: the extractor judges units by what it is given, and a block may be all
            # cloud or all water.
            chosen = slice(first, None, chunks)
            probabilities, clear_months = classifier.probabilities(**pixels.series(chosen), **options)
            for name, values in _summarise(probabilities).items():
                layers[name][chosen] = values
            layers["clear_months"][chosen] = clear_months
            bar.update(len(probabilities))
    return _as_dataset(layers, cube, classifier.labels, options.get("year"))


class _Pixels:
    """The cube as series; a slice is copied, the whole never is."""

    def __init__(self, cube: xr.Dataset) -> None:
        values = cube["reflectance"].values
        self.count = values.shape[2] * values.shape[3]
        self.bands = cube["band"].values.tolist()
        self.times = cube["time"].values
        self.nodata = cube.attrs.get("nodata")
        self.offset = cube.attrs.get("offset")
        self._values = values.reshape(*values.shape[:2], self.count)
        self._scl = cube["scl"].values.reshape(len(values), self.count) if "scl" in cube else None

    @property
    def dated(self) -> bool:
        return bool(self.times.dtype.kind == "M")

    def series(self, chosen: slice) -> dict[str, Any]:
        """Arguments of the feature extractor for some of the pixels."""
        return {
            "series": np.ascontiguousarray(self._values[:, :, chosen].transpose(2, 0, 1)),
            "scl": None if self._scl is None else self._scl[:, chosen].T,
            "bands": self.bands,
            "nodata": self.nodata,
        }


def _settle(
    classifier: PixelClassifier,
    pixels: _Pixels,
    year: int | None,
    offset: float | None,
    processing_baseline: str | float | None,
) -> dict[str, Any]:
    """What the extractor would otherwise decide anew for each chunk: the year and the unit."""
    if offset is None and processing_baseline is None:
        offset = pixels.offset
    options: dict[str, Any] = {"offset": offset, "processing_baseline": processing_baseline}
    sample = pixels.series(slice(None, None, -(-pixels.count // SAMPLE_SIZE)))
    integers = sample["series"].dtype.kind in "iu"
    options["units"] = "dn" if integers else "auto"
    years = np.unique(year_of(pixels.times)) if pixels.dated else np.empty(0)
    which_year = year is None and len(years) > 1
    if which_year or not integers:
        places = place_in_year(pixels.times.astype("datetime64[D]")) if pixels.dated else pixels.times
        looks = classifier.processor.feature_extractor(**sample, **options, months=places, allow_empty=True)
    if not integers:
        options["units"] = _units(sample["series"])
    if not pixels.dated:
        if year is not None:
            raise ValueError("`year` chooses among dates, but the looks have months only: leave it out.")
        return {**options, "months": pixels.times}
    if which_year:
        year = int(choose_year(pixels.times, looks["series_mask"])[0])
        logger.warning(
            f"The dates span {years[0]} to {years[-1]}; {year}, with the most observed months, is mapped: pass `year` "
            "to choose."
        )
    return {**options, "dates": pixels.times, "year": year}


def _units(sample: np.ndarray) -> str:
    """The unit that the extractor found in a sample of fractions, by its own limits."""
    present = sample[np.isfinite(sample) & ~np.isin(sample, np.asarray(NO_DATA_VALUES, dtype=np.float32))]
    if present.size == 0:
        return "auto"
    return "reflectance" if np.median(present) <= PLAUSIBLE_REFLECTANCE[1] else "dn"


def _empty_layers(count: int) -> dict[str, np.ndarray]:
    scores = {name: np.full(count, np.nan, dtype=np.float32) for name in ("probability", "entropy", "margin")}
    return {
        "class": np.zeros(count, dtype=np.uint8),
        **scores,
        "clear_months": np.zeros(count, dtype=np.uint8),
    }


def _summarise(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Layers of the map from probabilities (pixels, classes), NaN rows where nothing was observed."""
    best_first = np.sort(probabilities, axis=1)[:, ::-1]
    empty = np.isnan(probabilities[:, 0])
    winners = np.where(empty, NO_CLASS, np.where(np.isnan(probabilities), -1, probabilities).argmax(axis=1) + 1)
    classes = probabilities.shape[1]
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    entropy = -(probabilities * logs).sum(axis=1) / np.log(max(classes, 2))
    runner_up = best_first[:, 1] if classes > 1 else np.zeros_like(best_first[:, 0])
    return {
        "class": winners.astype(np.uint8),
        "probability": best_first[:, 0],
        "entropy": np.clip(entropy, 0, 1),
        "margin": best_first[:, 0] - runner_up,
    }


def _as_dataset(layers: dict[str, np.ndarray], cube: xr.Dataset, labels: list[str], year: int | None) -> xr.Dataset:
    shape = cube["reflectance"].shape[2:]
    mapped = xr.Dataset(
        {name: (("y", "x"), values.reshape(shape)) for name, values in layers.items()},
        coords={"y": cube["y"].values, "x": cube["x"].values},
        attrs={"labels": labels, "pixels_without_data": int((layers["class"] == NO_CLASS).sum())},
    )
    if year is not None:
        mapped.attrs["year"] = year
    mapped["class"].attrs = {
        "flag_values": np.arange(len(labels) + 1, dtype=np.uint8),
        "flag_meanings": " ".join(["no_data", *(label.replace(" ", "_") for label in labels)]),
    }
    located: xr.Dataset = mapped.rio.write_crs(cube.rio.crs)
    return located
