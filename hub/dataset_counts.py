"""Count what a dataset holds: rows, places, classes, photos, and what is missing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset

from timesenclip_hf.data.schema import CLASS_TAXONOMIES, UNKNOWN, taxonomy_of

NOT_STATED = "not stated: ask the source before you redistribute"
# Columns of numbers and short texts: what the card counts, without the series and the photos' bytes.
COUNTED = ("point_id", "longitude", "latitude", "observed")
ROWS_AT_A_TIME = 1_000


@dataclass
class SplitCounts:
    """Hold what the card says of a split.

    Attributes:
        rows: of it.
        points: ids of the places.
        positions: arrays (2, rows) of longitudes and latitudes.
        time_steps: of all series together.
        missing: of these.
        classes: by column how many rows have each class.
        labels: by column code and name of each class.
        photos: by licence.
        embedded: by licence those whose bytes are in the files.
        rows_without_photos: how many.
        lost_photos: those with neither bytes nor URL.
    """

    rows: int = 0
    points: set[str] = field(default_factory=set)
    positions: list[np.ndarray] = field(default_factory=list)
    time_steps: int = 0
    missing: int = 0
    classes: dict[str, Counter[int]] = field(default_factory=dict)
    labels: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    photos: Counter[str] = field(default_factory=Counter)
    embedded: Counter[str] = field(default_factory=Counter)
    rows_without_photos: int = 0
    lost_photos: int = 0


def count(split: Dataset) -> SplitCounts:
    """Read a split once, some rows at a time."""
    classes = [name for name, feature in split.features.items() if isinstance(feature, ClassLabel)]
    counts = SplitCounts(labels={name: _labels_of(name, split.features[name]) for name in classes})
    present = [*(name for name in COUNTED if name in split.column_names), *classes]
    for rows in split.select_columns(present).with_format("arrow").iter(ROWS_AT_A_TIME):
        counts.rows += rows.num_rows
        counts.points.update(rows["point_id"].to_pylist())
        counts.positions.append(np.stack([rows["longitude"].to_numpy(), rows["latitude"].to_numpy()]))
        if "observed" in present:
            observed = pc.list_flatten(rows["observed"])
            counts.time_steps += len(observed)
            counts.missing += len(observed) - (pc.sum(observed).as_py() or 0)
        for column in classes:
            entries = pc.value_counts(pc.fill_null(rows[column], UNKNOWN)).to_pylist()
            counts.classes.setdefault(column, Counter()).update({entry["values"]: entry["counts"] for entry in entries})
    if "photos" in split.column_names:
        _count_photos(split, counts)
    return counts


def _labels_of(column: str, feature: ClassLabel) -> list[tuple[str, str]]:
    """Return code and name of each class; only label sets of this package have codes."""
    if column in CLASS_TAXONOMIES:
        return [(label.code, label.name) for label in taxonomy_of(column).labels]
    return [("", name) for name in feature.names]


def labels_of(counts: Mapping[str, SplitCounts], column: str) -> list[tuple[str, str]]:
    """Return code and name of each class of a column; all splits have the same."""
    return next(iter(counts.values())).labels[column]


def _count_photos(split: Dataset, counts: SplitCounts) -> None:
    for rows in split.select_columns(["photos"]).with_format("arrow").iter(ROWS_AT_A_TIME // 10):
        column = rows["photos"]
        lengths = pc.fill_null(pc.list_value_length(column), 0)
        counts.rows_without_photos += pc.sum(pc.equal(lengths, 0)).as_py()
        photos = pc.list_flatten(column)
        licences = [licence or NOT_STATED for licence in pc.struct_field(photos, "licence").to_pylist()]
        embedded = pc.is_valid(pc.struct_field(photos, ["image", "bytes"])).to_pylist()
        counts.photos.update(licences)
        counts.embedded.update(licence for licence, kept in zip(licences, embedded, strict=True) if kept)
        urls = pc.struct_field(photos, "url").to_pylist()
        counts.lost_photos += sum(not (kept or url) for kept, url in zip(embedded, urls, strict=True))


def known_classes(counts: Mapping[str, SplitCounts]) -> dict[str, list[int]]:
    """List the class columns of which something is known, each with the classes that occur, the commonest first."""
    totals: dict[str, Counter[int]] = {}
    for split in counts.values():
        for column, rows in split.classes.items():
            totals.setdefault(column, Counter()).update(rows)
    known = {column: [index for index, _ in rows.most_common() if index > UNKNOWN] for column, rows in totals.items()}
    return {column: indices for column, indices in known.items() if indices}
