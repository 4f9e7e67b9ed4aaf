"""Hold what a checkpoint is evaluated on: series, labels with their class names, coordinates, photo embeddings.

Series are kept as digital numbers, not as the model's inputs, so that several checkpoints with scalings of their own
read the same samples, and so that months can be merged or taken away before the model sees them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ..data.schema import MISSING, UNKNOWN, as_series, month_places
from ..data.splits import block_of
from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR, composite
from .robustness import WINTER_FIRST

MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The three months in the middle of winter, and the six around midsummer, April to September, north of the equator.
SEASONS = {"winter": WINTER_FIRST[:3], "growing season": WINTER_FIRST[-6:]}
# Side of the blocks that intervals are drawn by, as in `data.splits`.
BLOCK_KM = 50.0
# Columns of text of the schema that say a class.
TEXTS = ("country", "lc1", "lu1")
_COLUMNS = ("series", "observed", "months")


@dataclass(frozen=True)
class Samples:
    """Hold labelled series of a split of a data set.

    Attributes:
        name: of the data set.
        split: of it.
        series: digital numbers without offset (samples, time, band[, side, side]), float32, NaN where not observed.
        months: position of each time step in the year, (samples, time), 0 = January.
        point_ids: of the samples.
        labels: class indices of each label column, int64 (samples,), -1 where the class is not known.
        class_names: of each label column, in the order of the indices.
        longitude: WGS84 degrees (samples,), NaN where not known.
        latitude: as the longitude.
        photo_embeds: mean embedding of each sample's ground photos, (samples, projection_dim), NaN where it has none.
        other_columns: of the data set that might be labels, too, but were not asked for.
    """

    name: str
    split: str
    series: np.ndarray
    months: np.ndarray
    point_ids: list[str]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    class_names: dict[str, list[str]] = field(default_factory=dict)
    longitude: np.ndarray | None = None
    latitude: np.ndarray | None = None
    photo_embeds: torch.Tensor | None = None
    other_columns: Sequence[str] = ()

    @classmethod
    def from_dataset(cls, dataset: Any, *, name: str, split: str = "all", texts: Collection[str] = TEXTS) -> "Samples":
        """Read a dataset of the schema, of composites of one length; its class columns become labels.

        Columns of text become labels too where they are among `texts`, each value a class.
        A dataset that is empty, lacks a column, holds native acquisitions, or has a label of no class is a ValueError.
        """
        if len(dataset) == 0:
            raise ValueError(f"The split {split!r} of {name} is empty: there is nothing to evaluate.")
        absent = next((column for column in _COLUMNS if column not in dataset.column_names), None)
        if absent is not None:
            raise ValueError(
                f"{name} has no column {absent!r}: its columns are {', '.join(dataset.column_names)}; import it with "
                "`timesenclip import`."
            )
        num_times, length = (getattr(dataset.features[column], "length", -1) for column in ("observed", "series"))
        if num_times < 1:
            raise ValueError(f"The series of {name} differ in length: import them as composites.")
        side = round((length // (num_times * len(BANDS))) ** 0.5)
        table = dataset.with_format("arrow")[:]
        series = as_series(table, crop=side).astype(np.float32)
        observed = _rows(table, "observed").reshape(-1, num_times)
        series[series == MISSING] = np.nan
        series[~observed] = np.nan
        labels, class_names = _labels(dataset, name, texts)
        ids = table["point_id"].to_pylist() if "point_id" in dataset.column_names else range(len(series))
        longitude, latitude = (
            np.asarray(table[column].to_numpy(), dtype=np.float64) if column in dataset.column_names else None
            for column in ("longitude", "latitude")
        )
        months, embeds = _rows(table, "months").reshape(-1, num_times), _photo_embeds(dataset)
        others = [column for column, feature in dataset.features.items() if getattr(feature, "dtype", "") == "string"]
        others = [column for column in others if column not in (*labels, "point_id")]
        read = series, months, list(map(str, ids)), labels, class_names, longitude, latitude, embeds, others
        return cls(name, split, *read)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def num_times(self) -> int:
        """Return T."""
        return int(self.series.shape[1])

    def select(self, rows: np.ndarray | Sequence[int]) -> "Samples":
        """Take some of the samples, in the order of `rows`, numbers or booleans."""
        index = np.arange(len(self))[np.asarray(rows)]
        columns = ("series", "months", "longitude", "latitude", "photo_embeds")
        values = {name: getattr(self, name) for name in columns if getattr(self, name) is not None}
        labels = {column: indices[index] for column, indices in self.labels.items()}
        ids = [self.point_ids[row] for row in index]
        return replace(self, point_ids=ids, labels=labels, **{name: array[index] for name, array in values.items()})

    def features(
        self, extractor: Any, composites: int | None = None, missing: Collection[int] = ()
    ) -> dict[str, torch.Tensor]:
        """Make a checkpoint's inputs, `pixel_series`, `series_mask` and `months`; a series may have an empty mask.

        Time steps are first taken away that lie in `missing` months, 0 = January, then merged to so many `composites`
        by medians over equal parts of the year: 4 for quarters, 1 for the year; they stay as they are when left out.
        """
        series, months = self.series, self.months
        if missing:
            hidden = np.isin(np.rint(months).astype(np.int64) % MONTHS_PER_YEAR, list(missing))
            series = np.where(hidden.reshape(*hidden.shape, *(1,) * (series.ndim - 2)), np.float32(np.nan), series)
        if composites is not None and composites != self.num_times:
            series, months = _merge(series, months, composites, self.name)
        reading = {"months": months, "units": "dn", "offset": 0, "bands": BANDS}
        return dict(extractor(series, **reading, allow_empty=True, return_tensors="pt"))

    def blocks(self, block_km: float = BLOCK_KM) -> np.ndarray | None:
        """Return the number of each sample's spatial block; `None` where a sample has no coordinates."""
        if self.longitude is None or self.latitude is None:
            return None
        return blocks_of(self.longitude, self.latitude, block_km)


def blocks_of(longitude: np.ndarray, latitude: np.ndarray, block_km: float = BLOCK_KM) -> np.ndarray | None:
    """Return the number of each place's spatial block; `None` where a coordinate is not known."""
    return None if np.isnan(longitude + latitude).any() else block_of(longitude, latitude, block_km)


def parse_months(missing: str | Sequence[int] | None) -> tuple[str | None, tuple[int, ...]]:
    """Read months to leave out: what to call them, `None` where nothing is left out, and which, 0 = January.

    They go by "winter", "growing season", names such as "jan,feb", numbers 1 to 12 such as "1,2,12" or `[1, 2, 12]`;
    `None` or "none" leaves out nothing; anything else is a ValueError.
    """
    if missing is None or missing == "none":
        return None, ()
    if isinstance(missing, str):
        name = missing.replace("_", " ").strip().lower()
        if name in SEASONS:
            return name, tuple(sorted(SEASONS[name]))
        parts = [part.strip()[:3] for part in name.split(",")]
    else:
        parts = [str(month) for month in missing]
    numbers = [MONTH_NAMES.index(part) + 1 if part in MONTH_NAMES else part for part in parts]
    wrong = next((part for part in numbers if not str(part).isdecimal() or not 1 <= int(part) <= MONTHS_PER_YEAR), None)
    if wrong is not None or not numbers:
        raise ValueError(
            f"Missing months must be {', '.join(SEASONS)}, names such as 'jan,feb' or numbers from 1 to 12, got "
            f"{missing!r}."
        )
    months = tuple(sorted({int(number) - 1 for number in numbers}))
    return ", ".join(MONTH_NAMES[month] for month in months), months


def _merge(series: np.ndarray, months: np.ndarray, composites: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    if composites < 1 or MONTHS_PER_YEAR % composites or composites > series.shape[1]:
        raise ValueError(
            f"{name} has {series.shape[1]} composites a year, which cannot become {composites}: ask for a divisor of "
            "12 that is no larger."
        )
    periods = (np.rint(months).astype(np.int64) % MONTHS_PER_YEAR) * composites // MONTHS_PER_YEAR
    merged, _ = composite(series, ~np.isnan(series), periods, num_periods=composites)
    return merged, np.broadcast_to(np.asarray(month_places(composites), dtype=np.float32), merged.shape[:2]).copy()


def _rows(table: Any, column: str) -> np.ndarray:
    return np.asarray(table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False))


def _labels(dataset: Any, name: str, texts: Collection[str]) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Read class columns by their own names, and columns of text by the values they have; empty text is not known."""
    labels, class_names = {}, {}
    for column, feature in dataset.features.items():
        if hasattr(feature, "names"):
            indices = np.asarray([UNKNOWN if index is None else index for index in dataset[column]], dtype=np.int64)
            wrong = np.flatnonzero((indices < UNKNOWN) | (indices >= len(feature.names)))
            if len(wrong):
                raise ValueError(
                    f"Row {wrong[0]} of {name} has the label {indices[wrong[0]]} in {column!r}, which has "
                    f"{len(feature.names)} classes: labels are -1 (not known) to {len(feature.names) - 1}."
                )
            labels[column], class_names[column] = indices, list(feature.names)
        elif column in texts:
            names = np.asarray(["" if text is None else str(text).strip() for text in dataset[column]])
            values = sorted(set(names.tolist()) - {""})
            if values:
                indices = np.where(names == "", UNKNOWN, np.searchsorted(values, names))
                labels[column], class_names[column] = indices, values
    return labels, class_names


def _photo_embeds(dataset: Any) -> torch.Tensor | None:
    """Average the unit embeddings of each row's photos."""
    photos = dataset.features.get("photos")
    if photos is None or "embedding" not in photos.feature:
        return None
    size = photos.feature["embedding"].length
    means = np.full((len(dataset), size), np.nan, dtype=np.float32)
    for row, shown in enumerate(dataset["photos"]):
        embeds = [photo["embedding"] for photo in shown or () if photo["embedding"] is not None]
        if embeds:
            means[row] = torch.nn.functional.normalize(torch.tensor(embeds), dim=-1).mean(dim=0).numpy()
    known = torch.from_numpy(means)
    return None if bool(known.isnan().all()) else torch.nn.functional.normalize(known, dim=-1)
