"""Fill a dataset card from the dataset itself: tables, licences, limits. No figure is typed by hand."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import DatasetDict, DatasetInfo, Features, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard, DatasetCardData

from hub.dataset_counts import NOT_STATED, SplitCounts, known_classes, labels_of
from hub.filling import CARDS, TAGS, citation, fill, table
from timesenclip_hf.data.engine.reports import ImportReport
from timesenclip_hf.data.schema import UNKNOWN
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.words import in_markdown

MAP_PICTURE, CLASS_PICTURE = "map.png", "classes.png"
# A class of fewer rows is named among the limits; our choice.
FEW_ROWS = 10
COLUMNS = {
    "point_id": "id of the place, LUCAS point id where there is one",
    "year": "of the series",
    "longitude": "WGS84 degrees",
    "latitude": "WGS84 degrees",
    "country": "NUTS0 code",
    "series": "reflectance, flattened",
    "observed": "whether a time step was observed",
    "months": "position of a time step in the year",
    "dates": "of each time step",
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
    """Hold what the data cannot say of themselves.

    Attributes:
        repo_id: where they go, user/name.
        licence: of the dataset, as the Hub names it.
        series_licence: of the reflectance.
        label_licence: of codes and classes.
        note: sentence for the head of the card.
        report: of the import, if there is one.
        block_km: side of the blocks of which none straddles two splits.
    """

    repo_id: str
    licence: str = "other"
    series_licence: str = NOT_STATED
    label_licence: str = NOT_STATED
    note: str = ""
    report: ImportReport | None = None
    block_km: float | None = None


def fill_card(
    splits: DatasetDict, counts: Mapping[str, SplitCounts], about: About, num_bytes: Mapping[str, int]
) -> str:
    """Fill README.md.

    Args:
        splits: what is pushed.
        counts: of each split.
        about: licences, and where the data come from.
        num_bytes: of the files of each split.
    """
    features = next(iter(splits.values())).features
    rows = sum(split.rows for split in counts.values())
    points = len(set().union(*(split.points for split in counts.values())))
    photos = sum(_photos(counts).values())
    with_series = " with Sentinel-2 series" if "series" in features else ""
    values = {
        "title": about.repo_id.split("/")[-1],
        "repo_id": about.repo_id,
        "summary": f"{points:,} places{with_series}, {rows:,} rows"
        + (f", {photos:,} ground photos" if photos else "")
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
    return fill(DatasetCard, CARDS / "dataset_card.md", _metadata(splits, counts, about, num_bytes), values)


def _series_note(features: Features) -> str:
    """Say how a series is laid out."""
    if "series" not in features:
        return "There are no series in it, only places, codes and photos."
    times = features["observed"].length
    shape = f"({'time steps' if times < 0 else times}, {len(BANDS)})"
    if times > 0 and (side := math.isqrt(features["series"].length // (times * len(BANDS)))) > 1:
        shape = f"({times}, {len(BANDS)}, {side}, {side})"
    return (
        f"`series` is an array {shape}, flattened: surface reflectance times 10,000 without offset as 16-bit integers, "
        f"-9999 where missing, in the band order {' '.join(BANDS)}. `observed` is true where a time step counts; "
        "`months` is its position in the year, 0 the middle of January."
    )


def _metadata(
    splits: DatasetDict, counts: Mapping[str, SplitCounts], about: About, num_bytes: Mapping[str, int]
) -> DatasetCardData:
    """Write the card's head, from which the Hub shows columns and splits, and `load_dataset` checks them."""
    total = sum(num_bytes.values())
    info = DatasetInfo(
        features=next(iter(splits.values())).features,
        splits=SplitDict(
            {name: SplitInfo(name, num_bytes=num_bytes[name], num_examples=counts[name].rows) for name in counts}
        ),
        download_size=total,
        dataset_size=total,
    )
    data = DatasetCardData(
        license=about.licence,
        task_categories=["zero-shot-classification", "image-classification"],
        tags=list(TAGS),
        size_categories=[_size_category(sum(split.rows for split in counts.values()))],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"data/{name}-*"} for name in splits],
            }
        ],
    )
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    return data


def _size_category(rows: int) -> str:
    """Name the size as the Hub does."""
    for limit, name in ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M")):
        if rows < limit:
            return name
    return "1M<n<10M"


def _size_table(counts: Mapping[str, SplitCounts], num_bytes: Mapping[str, int]) -> str:
    return table(
        ("split", "rows", "places", "time steps", "missing", "photos", "megabytes"),
        (
            (
                name,
                f"{split.rows:,}",
                f"{len(split.points):,}",
                f"{split.time_steps:,}",
                f"{split.missing / max(split.time_steps, 1):.1%}",
                f"{sum(split.photos.values()):,}",
                f"{num_bytes[name] / 1e6:,.1f}",
            )
            for name, split in counts.items()
        ),
    )


def _type_name(feature: Any) -> str:
    if hasattr(feature, "names"):
        return f"class of {len(feature.names)}"
    if hasattr(feature, "feature"):
        inner = "struct" if isinstance(feature.feature, dict) else feature.feature.dtype
        return f"list of {'' if feature.length < 0 else f'{feature.length} '}{inner}"
    return str(feature.dtype)


def _class_tables(counts: Mapping[str, SplitCounts]) -> str:
    tables = []
    for column, indices in known_classes(counts).items():
        labels = labels_of(counts, column)
        rows: list[tuple[str, ...]] = [
            (*map(in_markdown, labels[index]), *(f"{split.classes[column][index]:,}" for split in counts.values()))
            for index in indices
        ]
        rows.append(("", "not known", *(f"{split.classes[column][UNKNOWN]:,}" for split in counts.values())))
        tables.append(f"### `{column}`\n" + table(("code", "class", *counts), rows))
    return "\n\n".join(tables) or "No class is known of any row."


def _photos(counts: Mapping[str, SplitCounts]) -> Counter[str]:
    return sum((split.photos for split in counts.values()), Counter())


def _licence_table(counts: Mapping[str, SplitCounts], about: About) -> str:
    embedded = sum((split.embedded for split in counts.values()), Counter())
    series = (
        [("series", "all", "yes", about.series_licence)] if any(split.time_steps for split in counts.values()) else []
    )
    rows = [*series, ("codes and classes", "all", "yes", about.label_licence)]
    for licence, number in _photos(counts).most_common():
        if embedded[licence]:
            rows.append(("photos", f"{embedded[licence]:,}", "yes", in_markdown(licence)))
        if number > embedded[licence]:
            rows.append(("photos", f"{number - embedded[licence]:,}", "no, as URLs", in_markdown(licence)))
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
    stated = ", ".join(f"{name} {in_markdown(value)}" for name, value in settings.items())
    lines = [
        f"`timesenclip import`, {stated}: {report.rows:,} of "
        f"{report.points:,} points were written. SHA-256 of the imported rows: `{report.content_hash}`.",
    ]
    if report.counts:
        counted = ((in_markdown(name), count) for name, count in report.counts.items())
        lines.append(table(("what the import found", "how often"), counted))
    return "\n\n".join(lines)


def _limits(counts: Mapping[str, SplitCounts], about: About) -> list[str]:
    rows = sum(split.rows for split in counts.values())
    time_steps = sum(split.time_steps for split in counts.values())
    limits = []
    if time_steps:
        missing = sum(split.missing for split in counts.values()) / time_steps
        limits.append(
            f"{missing:.1%} of the time steps are missing; clouds that the scene classification missed are not."
        )
    for column, indices in known_classes(counts).items():
        totals = sum((split.classes[column] for split in counts.values()), Counter())
        labels = labels_of(counts, column)
        few = [in_markdown(labels[index][1]) for index in indices if totals[index] < FEW_ROWS]
        sentence = f"`{column}`: {totals[UNKNOWN] / rows:.1%} of the rows are unknown"
        commonest = indices[0]
        share = totals[commonest] / max(rows - totals[UNKNOWN], 1)
        sentence += f", {share:.1%} of the others are {in_markdown(labels[commonest][1])}"
        limits.append(sentence + (f"; fewer than {FEW_ROWS} rows: {', '.join(few)}." if few else "."))
    if _photos(counts):
        bare = sum(split.rows_without_photos for split in counts.values())
        limits.append(f"{bare:,} of {rows:,} rows have no photo.")
        if lost := sum(split.lost_photos for split in counts.values()):
            limits.append(f"{lost:,} photos have neither bytes nor a URL here.")
    if len(counts) > 1 and about.block_km is not None:
        limits.append(
            f"No block of {about.block_km:g} km straddles two splits; points at the edges of blocks are near."
        )
    elif len(counts) > 1:
        limits.append("The splits were not checked for spatial blocks: neighbours may lie in two splits.")
    return limits
