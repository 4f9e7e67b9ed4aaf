"""A dataset card from the dataset itself: tables, two pictures, licences, limits. No figure is typed by hand."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict, DatasetInfo, Features, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData
from matplotlib.figure import Figure

from hub.filling import CARDS, TAGS, citation, fill, table
from timesenclip_hf.data.engine.reports import ImportReport
from timesenclip_hf.data.schema import CLASS_TAXONOMIES, UNKNOWN, taxonomy_of
from timesenclip_hf.maps.files.legend import COLOURS
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

MAP_PICTURE, CLASS_PICTURE = "map.png", "classes.png"
NOT_STATED = "not stated: ask the source before you redistribute"
# A class of fewer rows is named among the limits; our choice.
FEW_ROWS = 10
# More bars than this cannot be read in one picture.
MOST_BARS = 20
LONGEST_NAME = 45
# Columns of numbers and short texts: what the card counts, without the series and the photos' bytes.
COUNTED = ("point_id", "longitude", "latitude", "observed")
ROWS_AT_A_TIME = 1_000
COLUMNS = {
    "point_id": "id of the place, LUCAS point id where there is one",
    "year": "of the series",
    "longitude": "WGS84 degrees",
    "latitude": "WGS84 degrees",
    "country": "NUTS0 code",
    "series": "reflectance, flattened",
    "observed": "whether a look counts",
    "months": "place of a look in the year",
    "dates": "of each look",
    "lc1": "LUCAS land cover code",
    "lu1": "LUCAS land use code",
    "land_cover": "LUCAS land cover, first letter of LC1",
    "land_use": "LUCAS land use, from LU1",
    "crop": "crop, from LC1",
    "habitat": "EUNIS habitat, level 2",
    "bioregion": "biogeographical region",
    "photos": "ground photos: direction, URL, image where it may be redistributed, licence",
}


@dataclass(frozen=True)
class About:
    """What the data cannot say of themselves."""

    repo_id: str
    licence: str = "other"
    series_licence: str = NOT_STATED
    label_licence: str = NOT_STATED
    note: str = ""
    report: ImportReport | None = None
    block_km: float | None = None


@dataclass
class SplitCounts:
    """What the card says of a split."""

    rows: int = 0
    points: set[str] = field(default_factory=set)
    places: list[np.ndarray] = field(default_factory=list)
    looks: int = 0
    missing_looks: int = 0
    classes: dict[str, Counter[int]] = field(default_factory=dict)
    labels: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    photos: Counter[str] = field(default_factory=Counter)
    embedded: Counter[str] = field(default_factory=Counter)
    rows_without_photos: int = 0
    lost_photos: int = 0


def count(split: Dataset) -> SplitCounts:
    """Reads a split once, some rows at a time."""
    classes = [name for name, feature in split.features.items() if isinstance(feature, ClassLabel)]
    counts = SplitCounts(labels={name: _labels_of(name, split.features[name]) for name in classes})
    present = [*(name for name in COUNTED if name in split.column_names), *classes]
    for rows in split.select_columns(present).with_format("arrow").iter(ROWS_AT_A_TIME):
        counts.rows += rows.num_rows
        counts.points.update(rows["point_id"].to_pylist())
        counts.places.append(np.stack([rows["longitude"].to_numpy(), rows["latitude"].to_numpy()]))
        if "observed" in present:
            observed = pc.list_flatten(rows["observed"])
            counts.looks += len(observed)
            counts.missing_looks += len(observed) - (pc.sum(observed).as_py() or 0)
        for column in classes:
            found = pc.value_counts(pc.fill_null(rows[column], UNKNOWN)).to_pylist()
            counts.classes.setdefault(column, Counter()).update({one["values"]: one["counts"] for one in found})
    if "photos" in split.column_names:
        _count_photos(split, counts)
    return counts


def _labels_of(column: str, feature: ClassLabel) -> list[tuple[str, str]]:
    """Code and name of each class; only label sets of this package have codes."""
    if column in CLASS_TAXONOMIES:
        return [(label.code, label.name) for label in taxonomy_of(column).labels]
    return [("", name) for name in feature.names]


def labels_of(counts: Mapping[str, SplitCounts], column: str) -> list[tuple[str, str]]:
    """Code and name of each class of a column; all splits have the same."""
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


def fill_card(
    splits: DatasetDict, counts: Mapping[str, SplitCounts], about: About, num_bytes: Mapping[str, int]
) -> str:
    """The text of README.md.

    Args:
        splits: what is pushed.
        counts: of each split.
        about: licences, and where the data come from.
        num_bytes: of the files of each split.
    """
    features = next(iter(splits.values())).features
    rows = sum(one.rows for one in counts.values())
    points = len(set().union(*(one.points for one in counts.values())))
    with_series = " with Sentinel-2 series" if "series" in features else ""
    values = {
        "metadata": _metadata(splits, counts, about, num_bytes),
        "title": about.repo_id.split("/")[-1],
        "repo_id": about.repo_id,
        "summary": f"{points:,} places{with_series}, {rows:,} rows"
        + (f", {sum(sum(one.photos.values()) for one in counts.values()):,} ground photos" if _photos(counts) else "")
        + f". A row is one place in one year. {about.note}".rstrip(),
        "first_split": next(iter(splits)),
        "series_note": _series_note(features),
        "map_picture": MAP_PICTURE,
        "class_picture": CLASS_PICTURE,
        "size_table": _size_table(counts, num_bytes),
        "features_table": table(
            ("column", "type", "what"),
            ((f"`{name}`", _type_name(feature), COLUMNS.get(name, "")) for name, feature in features.items()),
        ),
        "class_tables": _class_tables(counts),
        "licence_table": _licence_table(counts, about),
        "photo_note": _photo_note(counts),
        "built": _built(about),
        "citation": citation(),
        "limits": "\n".join(f"- {limit}" for limit in _limits(counts, about)),
    }
    return fill(CARDS / "dataset_card.md", values)


def _series_note(features: Features) -> str:
    """How a series is laid out."""
    if "series" not in features:
        return "There are no series in it, only places, codes and photos."
    looks = features["observed"].length
    shape = f"({'looks' if looks < 0 else looks}, {len(BANDS)})"
    if looks > 0 and (side := math.isqrt(features["series"].length // (looks * len(BANDS)))) > 1:
        shape = f"({looks}, {len(BANDS)}, {side}, {side})"
    return (
        f"`series` is an array {shape}, flattened: surface reflectance times 10,000 without offset as 16-bit integers, "
        f"-9999 where missing, in the band order {' '.join(BANDS)}. `observed` is true where a look counts; `months` "
        "is its place in the year, 0 the middle of January."
    )


def _metadata(
    splits: DatasetDict, counts: Mapping[str, SplitCounts], about: About, num_bytes: Mapping[str, int]
) -> str:
    """The card's head, from which the Hub shows columns and splits, and `load_dataset` checks them."""
    total = sum(num_bytes.values())
    info = DatasetInfo(
        features=next(iter(splits.values())).features,
        splits=SplitDict(
            {name: SplitInfo(name, num_bytes=num_bytes[name], num_examples=one.rows) for name, one in counts.items()}
        ),
        download_size=total,
        dataset_size=total,
    )
    data = DatasetCardData(
        license=about.licence,
        task_categories=["zero-shot-classification", "image-classification"],
        tags=list(TAGS),
        size_categories=[_size_category(sum(one.rows for one in counts.values()))],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"data/{name}-*"} for name in splits],
            }
        ],
    )
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    return data.to_yaml()


def _size_category(rows: int) -> str:
    """The Hub's own classes of size."""
    for limit, name in ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M")):
        if rows < limit:
            return name
    return "1M<n<10M"


def _size_table(counts: Mapping[str, SplitCounts], num_bytes: Mapping[str, int]) -> str:
    return table(
        ("split", "rows", "places", "looks", "missing looks", "photos", "megabytes"),
        (
            (
                name,
                f"{one.rows:,}",
                f"{len(one.points):,}",
                f"{one.looks:,}",
                f"{one.missing_looks / max(one.looks, 1):.1%}",
                f"{sum(one.photos.values()):,}",
                f"{num_bytes[name] / 1e6:,.1f}",
            )
            for name, one in counts.items()
        ),
    )


def _type_name(feature: Any) -> str:
    if hasattr(feature, "names"):
        return f"class of {len(feature.names)}"
    if hasattr(feature, "feature"):
        inner = "struct" if isinstance(feature.feature, dict) else feature.feature.dtype
        return f"list of {'' if feature.length < 0 else f'{feature.length} '}{inner}"
    return str(feature.dtype)


def known_classes(counts: Mapping[str, SplitCounts]) -> dict[str, list[int]]:
    """Class columns of which something is known, each with the classes that occur, the commonest first."""
    totals: dict[str, Counter[int]] = {}
    for one in counts.values():
        for column, found in one.classes.items():
            totals.setdefault(column, Counter()).update(found)
    known = {column: [index for index, _ in found.most_common() if index > UNKNOWN] for column, found in totals.items()}
    return {column: indices for column, indices in known.items() if indices}


def _class_tables(counts: Mapping[str, SplitCounts]) -> str:
    tables = []
    for column, indices in known_classes(counts).items():
        labels = labels_of(counts, column)
        rows = [(*labels[index], *(f"{one.classes[column][index]:,}" for one in counts.values())) for index in indices]
        rows.append(("", "not known", *(f"{one.classes[column][UNKNOWN]:,}" for one in counts.values())))
        tables.append(f"### `{column}`\n" + table(("code", "class", *counts), rows))
    return "\n\n".join(tables) or "No class is known of any row."


def _photos(counts: Mapping[str, SplitCounts]) -> Counter[str]:
    return sum((one.photos for one in counts.values()), Counter())


def _licence_table(counts: Mapping[str, SplitCounts], about: About) -> str:
    embedded = sum((one.embedded for one in counts.values()), Counter())
    series = [("series", "all", "yes", about.series_licence)] if any(one.looks for one in counts.values()) else []
    rows = [*series, ("codes and classes", "all", "yes", about.label_licence)]
    for licence, number in _photos(counts).most_common():
        if embedded[licence]:
            rows.append(("photos", f"{embedded[licence]:,}", "yes", licence))
        if number > embedded[licence]:
            rows.append(("photos", f"{number - embedded[licence]:,}", "no, as URLs", licence))
    return table(("what", "how many", "in the files", "licence"), rows)


def _photo_note(counts: Mapping[str, SplitCounts]) -> str:
    if not _photos(counts):
        return "There are no photos."
    return (
        "A photo in the files is under `image` as bytes. A photo that is not has its address under `url`: fetch it "
        "from there, under its licence; addresses may cease to work."
    )


def _built(about: About) -> str:
    report = about.report
    if report is None:
        return "No import report came with the data."
    # Lists of files and paths of a machine tell a reader nothing.
    settings = {
        name: value
        for name, value in report.identity.items()
        if isinstance(value, (int, float, str)) and not Path(str(value)).is_absolute()
    }
    lines = [
        f"`timesenclip import`, {', '.join(f'{name} {value}' for name, value in settings.items())}: {report.rows:,} of "
        f"{report.points:,} points were written. SHA-256 of the imported rows: `{report.content_hash}`.",
    ]
    if report.counts:
        lines.append(table(("what the import found", "how often"), report.counts.items()))
    return "\n\n".join(lines)


def _limits(counts: Mapping[str, SplitCounts], about: About) -> list[str]:
    rows = sum(one.rows for one in counts.values())
    missing = sum(one.missing_looks for one in counts.values()) / max(sum(one.looks for one in counts.values()), 1)
    limits = []
    if any(one.looks for one in counts.values()):
        limits.append(
            f"{missing:.1%} of the looks are missing; clouds that the scene classification overlooked are not."
        )
    for column, indices in known_classes(counts).items():
        totals = sum((one.classes[column] for one in counts.values()), Counter())
        labels = labels_of(counts, column)
        few = [labels[index][1] for index in indices if totals[index] < FEW_ROWS]
        sentence = f"`{column}`: {totals[UNKNOWN] / rows:.1%} of the rows are unknown"
        commonest = indices[0]
        sentence += (
            f", {totals[commonest] / max(rows - totals[UNKNOWN], 1):.1%} of the others are {labels[commonest][1]}"
        )
        limits.append(sentence + (f"; fewer than {FEW_ROWS} rows: {', '.join(few)}." if few else "."))
    if _photos(counts):
        bare = sum(one.rows_without_photos for one in counts.values())
        limits.append(f"{bare:,} of {rows:,} rows have no photo.")
        if lost := sum(one.lost_photos for one in counts.values()):
            limits.append(f"{lost:,} photos have neither bytes nor a URL here.")
    if len(counts) > 1 and about.block_km is not None:
        limits.append(
            f"No block of {about.block_km:g} km straddles two splits; points at the edges of blocks are near."
        )
    elif len(counts) > 1:
        limits.append("The splits were not checked for spatial blocks: neighbours may lie in two splits.")
    return limits


def draw_map(counts: Mapping[str, SplitCounts], path: Path) -> None:
    """Every point at its place, coloured by split."""
    figure = Figure(figsize=(8, 6), dpi=120, layout="constrained")
    axes = figure.subplots()
    middle, placeless = [], 0
    size = min(20.0, max(0.3, 20_000 / max(sum(one.rows for one in counts.values()), 1)))
    for colour, (name, one) in zip(_colours(len(counts)), counts.items(), strict=True):
        places = np.concatenate(one.places, axis=1) if one.places else np.empty((2, 0))
        middle.append(places[1])
        placeless += int(np.isnan(places).any(axis=0).sum())
        axes.scatter(*places, s=size, color=colour, linewidths=0, label=f"{name} ({one.rows:,})")
    latitudes = np.concatenate(middle)
    latitudes = latitudes[~np.isnan(latitudes)]
    if len(latitudes):
        # A degree of longitude is this much shorter than one of latitude.
        axes.set_aspect(1 / max(0.1, math.cos(math.radians(float(np.median(latitudes))))))
    axes.set_xlabel("Longitude (°)")
    axes.set_ylabel("Latitude (°)")
    axes.ticklabel_format(useOffset=False)
    axes.margins(0.08)
    if placeless:
        axes.set_title(f"{placeless:,} rows have no place")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(counts), frameon=False, markerscale=2)
    figure.savefig(path)


def draw_classes(counts: Mapping[str, SplitCounts], path: Path) -> None:
    """Rows of each class, one panel a class column, stacked by split."""
    known = known_classes(counts)
    heights = [0.9 + 0.24 * min(len(indices), MOST_BARS) for indices in known.values()] or [1.2]
    figure = Figure(figsize=(9, sum(heights) + 0.6), dpi=100, layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if not known:
        panels[0].text(0.5, 0.5, "no class is known of any row", ha="center", transform=panels[0].transAxes)
        panels[0].set_axis_off()
    for axes, (column, indices) in zip(panels, known.items(), strict=False):
        shown = indices[:MOST_BARS]
        left = np.zeros(len(shown))
        for colour, (split, one) in zip(_colours(len(counts)), counts.items(), strict=True):
            widths = np.asarray([one.classes[column][index] for index in shown])
            axes.barh(np.arange(len(shown)), widths, left=left, color=colour, label=split)
            left += widths
        names = [labels_of(counts, column)[index][1] for index in shown]
        axes.set_yticks(np.arange(len(shown)), [shorten(name, LONGEST_NAME, placeholder="…") for name in names])
        axes.invert_yaxis()
        commonest = "" if len(shown) == len(indices) else f", the {len(shown)} commonest of {len(indices)}"
        axes.set_title(column.replace("_", " ") + commonest, loc="left")
        axes.set_xlabel("rows")
        axes.locator_params(axis="x", nbins=6)
    if known:
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(counts), frameon=False
        )
    figure.savefig(path)


def _colours(number: int) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(number)]
