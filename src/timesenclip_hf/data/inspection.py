"""Say what is understood of a table of series or of the files of a cube, without a model."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR, asked_window, count_months, describe_window
from ..models.timesenclip.dates_timesenclip import parse_dates
from ..models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ..models.timesenclip.options_timesenclip import SeriesOptions, take_steps
from ..models.windows import share_window
from .sources.frames import SUFFIXES
from .sources.tables import SeriesTable, read_table

# Ids that a sentence lists before it counts them.
FEW_IDS = 5
# Series that are read to tell unit and gaps, spread evenly over the table.
MOST_SERIES = 5_000
# Side of the pieces that a cube is sampled in.
CHUNK = 256
UNIT_NAMES = {
    "dn": "digital numbers (reflectance times 10,000)",
    "reflectance": "reflectance (0 to 1)",
    "percent": "per cent",
    "auto": "in no unit that can be told, because nothing is observed",
}
_TABLE_SUFFIXES = {*SUFFIXES, ".npz", ".gz"}
_CUBE_SUFFIXES = {".tif", ".tiff", ".jp2", ".vrt", ".nc", ".nc4", ".h5"}


class Inspection(NamedTuple):
    """Hold what was understood, a sentence each, and why a command would refuse it, if it would."""

    subject: str
    sentences: list[str]
    refusal: str | None

    def __str__(self) -> str:
        end = [] if self.refusal is None else [f"It would be refused: {self.refusal}"]
        return "\n".join([self.subject, *(f"  {sentence}" for sentence in [*self.sentences, *end])])


def inspect_source(
    sources: Sequence[str | os.PathLike[str]],
    reading: SeriesOptions | None = None,
    *,
    crs: str | None = None,
    id_column: str | None = None,
) -> Inspection:
    """Read a table of series, or the files of a cube, as `classify` and `map` read them, and say how.

    Args:
        sources: files or folders: a table of series in one or several files, or a cube.
        reading: what is known of the numbers; `bands` names those that the files of a cube leave unnamed.
        crs: coordinate reference system of a cube whose files name none.
        id_column: column that names the series of a table, where it is none of the usual ones.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it can be read neither as a table nor as a cube; the sentence says why.
    """
    reading = reading or SeriesOptions()
    paths = [Path(source) for source in sources]
    if absent := next((path for path in paths if not path.exists() and ":" not in path.name), None):
        raise FileNotFoundError(f"No such file: {absent}.")
    if all(_is_table(path) for path in paths):
        steps, reading = take_steps(reading)
        table = read_table(paths if len(paths) > 1 else paths[0], id_column=id_column, steps=steps)
        return _inspect_table(table, _listed(paths), reading)
    return _inspect_cube(paths, reading, crs)


def _is_table(path: Path) -> bool:
    if path.is_dir():
        files = [file for file in path.iterdir() if not file.name.startswith(".")]
        suffixes = {file.suffix.lower() for file in files}
        is_cube = any(file.is_dir() for file in files) or bool(suffixes & _CUBE_SUFFIXES)
        return bool(suffixes & _TABLE_SUFFIXES) and not is_cube
    return Path(path.name.partition(":")[0]).suffix.lower() in _TABLE_SUFFIXES


def _inspect_table(table: SeriesTable, subject: str, reading: SeriesOptions) -> Inspection:
    extractor = TimeSenCLIPFeatureExtractor()
    kept = np.unique(np.linspace(0, len(table) - 1, min(len(table), MOST_SERIES)).astype(int)).tolist()
    ids: list[str] = [table.ids[index] for index in kept]
    items: Sequence[Any] = [table.series[index] for index in kept]
    sentences = [*table.notes, *_describe_items(items, ids, len(table))]
    try:
        items, reading = share_window(extractor, items, reading)
        settled, notes = extractor.settle(items, reading)
        features = extractor(items, settled, allow_empty=True, judge=False)
    except ValueError as error:
        return Inspection(f"{subject}: a table of {len(table)} series", sentences, str(error))
    sentences += [_unit(settled.units), *_window(items, settled), *notes]
    sentences += _gaps(count_months(features["months"], features["series_mask"]), ids)
    return Inspection(f"{subject}: a table of {len(table)} series", sentences, None)


def _inspect_cube(paths: Sequence[Path], reading: SeriesOptions, crs: str | None) -> Inspection:
    from ..maps.cubes import open_cube
    from ..maps.making.sampling import sample_pixels, settle

    steps: dict[str, Any] = {"start": reading.start, "step": reading.step}
    cube = open_cube(list(paths), bands=reading.bands, crs=crs, chunks=CHUNK, **steps)
    subject, sentences = f"{_listed(paths)}: a cube", list(cube.attrs["notes"])
    extractor = TimeSenCLIPFeatureExtractor()
    try:
        settled = settle(cube, extractor, reading)
        series, scl = sample_pixels(cube)
        features = extractor(series, settled, scl=scl, allow_empty=True, judge=False)
    except ValueError as error:
        return Inspection(subject, sentences, str(error))
    sentences += [_unit(settled.units), *_window([series], settled)]
    sentences += _gaps(count_months(features["months"], features["series_mask"]), [])
    return Inspection(subject, sentences, None)


def _describe_items(items: Sequence[Any], ids: Sequence[str], count: int) -> list[str]:
    """Say ids, bands and times of the series of a table."""
    named = f"Series: {count}, with the ids {_list_ids(ids)}."
    bands = sorted({tuple(item["bands"]) for item in items if item.get("bands") is not None}, key=len)
    held = [] if not bands else [f"Bands: {', '.join(bands[-1])}{' in the fullest series' if len(bands) > 1 else ''}."]
    dated = [parse_dates(item["dates"]) for item in items if item.get("dates") is not None]
    if dated:
        days, lengths = np.concatenate(dated), [len(days) for days in dated]
        counts = f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
        return [named, *held, f"Times: {counts} acquisitions a series, from {days.min()} to {days.max()}."]
    steps = sorted({len(np.ravel(item["months"])) for item in items if item.get("months") is not None})
    return [named, *held, *([f"Times: {' or '.join(map(str, steps))} calendar months a series."] if steps else [])]


def _unit(units: str) -> str:
    return f"Unit: the values are read as {UNIT_NAMES[units]}."


def _window(items: Sequence[Any], settled: SeriesOptions) -> list[str]:
    """Say of which twelve months the series are read, where dates tell."""
    seasons = {item.get("season") for item in items if isinstance(item, Mapping)} - {None}
    if len(seasons) > 1:
        return [f"Window: each series has its own twelve months, {len(seasons)} windows in all."]
    chosen = SeriesOptions(season=seasons.pop()) if seasons else settled
    start = asked_window(chosen)
    return [] if start is None else [f"Window: {describe_window(start)}."]


def _gaps(counts: np.ndarray, ids: Sequence[str]) -> list[str]:
    """Say how many months are observed, (series,), and which series have none."""
    seen = counts[counts > 0]
    subject = "series" if len(ids) else "pixels of the sample"
    sentences = []
    if len(seen):
        spread = f"{seen.min()}" if seen.min() == seen.max() else f"{seen.min()} to {seen.max()}"
        sentences.append(f"Months observed: {spread} of {MONTHS_PER_YEAR}, {seen.mean():.1f} on average.")
    if empty := np.flatnonzero(counts == 0).tolist():
        which = f": {_list_ids([ids[index] for index in empty])}" if len(ids) else ""
        sentences.append(f"No observation: {len(empty)} of {len(counts)} {subject}{which}.")
    return sentences


def _list_ids(ids: Sequence[str]) -> str:
    rest = len(ids) - FEW_IDS
    return ", ".join(ids[:FEW_IDS]) + (f" and {rest} more" if rest > 0 else "")


def _listed(paths: Sequence[Path]) -> str:
    return paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
