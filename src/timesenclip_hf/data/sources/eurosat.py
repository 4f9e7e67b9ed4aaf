"""EuroSAT (Helber et al. 2019): 27,000 Sentinel-2 patches of 64 x 64 pixels in ten classes.

Read from the Hub (`timm/eurosat-rgb`), from a folder of JPEGs by class, or from a folder of 13-band GeoTIFFs by class.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...files import first_line
from ...taxonomies import Taxonomy, load_taxonomy
from ..engine.reports import ImportReport, Problem
from ..engine.shards import ImportPart, Row, import_parts
from .arrays import write_dataset
from .images import (
    BadImageError,
    check_bands,
    check_picture,
    check_size,
    encode_rgb,
    existing_folder,
    gather,
    pack_bands,
    read_raster,
)

with needs_extra("data"):
    from datasets import ClassLabel, Dataset, Features, Image, List, Value, concatenate_datasets, load_dataset
    from datasets.exceptions import DatasetsError

SIDE = 64
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
"""Order of the bands in EuroSAT's GeoTIFFs of Level-1C digital numbers: B8A comes last, not ninth."""

_PICTURES, _RASTERS = (".jpg", ".jpeg", ".png"), (".tif", ".tiff")
# Names of the files in copies on the Hub.
_PATH_COLUMNS = ("path", "image_id", "filename")
_FILES_PER_PART = 1_000


def read_eurosat(
    source: str | os.PathLike[str],
    *,
    split: str | None = None,
    bands: Sequence[str] = (),
    located: bool = False,
    problems: list[Problem] | None = None,
    progress: bool = False,
) -> Dataset:
    """EuroSAT as a dataset: `image`, `label`, `path`, and where GeoTIFFs tell them `longitude` and `latitude`.

    The labels are those of the taxonomy "eurosat", in its order, whatever order the source has. The RGB of GeoTIFFs
    is made by the stretch that EuroSAT's own JPEGs were made by.

    Args:
        source: folder of the ten class folders, folder of [`import_eurosat`], or id of a dataset on the Hub with the
            columns `image` and `label`.
        split: of a dataset that has splits; all of them, one after the other, when left out.
        bands: of GeoTIFFs, to keep as digital numbers in a column `reflectance`, read by [`as_series`].
        located: every image must have a georeference.
        problems: takes the images that cannot be used, which are left out; without it they end the reading.
        progress: show a bar.

    Raises:
        FileNotFoundError: the source is an empty folder.
        ValueError: a folder that is no class, no such dataset or split, bands or places of pictures, which have none,
            or an image that cannot be used.
    """
    folder = Path(source)
    if not folder.exists() or any(folder.glob("data/*.parquet")):
        return _read_copy(str(source), split, problems, progress, needs=bool(bands or located))
    options = _Options(tuple(check_bands(bands, BANDS)), located, embed=False)
    files = _find_files(folder, options)
    rows = (row for file in logging.tqdm(files, unit=" images", disable=not progress) for row in _read(options, [file]))
    return gather(rows, _features(options), problems)


def import_eurosat(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    bands: Sequence[str] = (),
    located: bool = False,
    workers: int = 2,
    progress: bool = True,
) -> ImportReport:
    """Writes EuroSAT as a dataset that `load_dataset(output)` reads, with the bytes of its images.

    Args:
        source: as for [`read_eurosat`].
        output: folder to write.
        bands: as for [`read_eurosat`].
        located: as for [`read_eurosat`].
        workers: processes.
        progress: show a bar.

    Returns:
        The report; images that cannot be used are left out, counted and listed.

    Raises:
        FileNotFoundError: the source is an empty folder.
        ValueError: as for [`read_eurosat`]; or no image can be used.
    """
    identity = {"kind": "eurosat", "source": str(source), "bands": list(bands), "located": located}
    if not Path(source).exists():
        problems: list[Problem] = []
        dataset = read_eurosat(source, bands=bands, located=located, problems=problems, progress=progress)
        return write_dataset(dataset, output, identity=identity, problems=problems, points=len(dataset) + len(problems))
    options = _Options(tuple(check_bands(bands, BANDS)), located, embed=True)
    files = _find_files(Path(source), options)
    chunks = [files[start : start + _FILES_PER_PART] for start in range(0, len(files), _FILES_PER_PART)]
    return import_parts(
        output,
        [ImportPart(chunk, len(chunk)) for chunk in chunks],
        partial(_read, options),
        _features(options),
        identity=identity | {"files": len(files)},
        workers=workers,
        progress=progress,
    )


@dataclass(frozen=True)
class _Options:
    """How files become rows; `embed`: with the bytes of pictures, not their paths."""

    bands: tuple[str, ...]
    located: bool
    embed: bool


def _features(options: _Options) -> Features:
    features = {
        "image": Image(),
        "label": ClassLabel(names=_taxonomy().class_names),
        "path": Value("string"),
        "longitude": Value("float64"),
        "latitude": Value("float64"),
    }
    if options.bands:
        features["reflectance"] = List(Value("int16"), length=len(options.bands) * SIDE**2)
    return Features(features)


def _taxonomy() -> Taxonomy:
    return load_taxonomy("eurosat")


def _find_files(folder: Path, options: _Options) -> list[tuple[int, Path]]:
    """Every image with the index of its class, sorted by class and name."""
    taxonomy = _taxonomy()
    files = []
    for entry in sorted(one for one in existing_folder(folder).iterdir() if one.is_dir()):
        try:
            label = taxonomy.find(entry.name)
        except ValueError:
            raise ValueError(
                f"{folder} has a folder {entry.name!r}, which is no class of EuroSAT: it must hold the folders "
                f"{', '.join(taxonomy.names)}, or some of them."
            ) from None
        found = [file for file in sorted(entry.iterdir()) if file.suffix.lower() in (*_PICTURES, *_RASTERS)]
        files += [(taxonomy.indices[label.code], file) for file in found]
    if not files:
        raise FileNotFoundError(f"{folder} holds no image in folders named {', '.join(taxonomy.names)}.")
    picture = next((file for _, file in files if file.suffix.lower() in _PICTURES), None)
    if picture is not None and (options.bands or options.located):
        raise ValueError(f"{picture.name} has neither bands nor a georeference: give the folder of 13-band GeoTIFFs.")
    return sorted(files)


def _read(options: _Options, files: Sequence[tuple[int, Path]]) -> Iterator[Row | Problem]:
    for label, path in files:
        try:
            row = _read_raster(path, options) if path.suffix.lower() in _RASTERS else _read_picture(path, options)
        except BadImageError as error:
            yield Problem(error.reason, path.stem, path.name, error.detail)
        else:
            yield {"label": label, "path": f"{path.parent.name}/{path.name}", **row}


def _read_picture(path: Path, options: _Options) -> Row:
    check_picture(path, SIDE, "EuroSAT's")
    image = {"bytes": path.read_bytes() if options.embed else None, "path": path.name if options.embed else str(path)}
    return {"image": image, "longitude": np.nan, "latitude": np.nan}


def _read_raster(path: Path, options: _Options) -> Row:
    raster = read_raster(path, located=options.located)
    count, height, width = raster.values.shape
    check_size(width, height, SIDE, "EuroSAT's")
    if count != len(BANDS):
        raise BadImageError("GeoTIFF of other bands", f"{count} bands, EuroSAT's have {len(BANDS)}")
    bands = dict(zip(BANDS, raster.values, strict=True))
    row: dict[str, Any] = {"image": encode_rgb(bands), "longitude": raster.longitude, "latitude": raster.latitude}
    if options.bands:
        row["reflectance"] = pack_bands(bands, options.bands, SIDE).ravel()
    return row


def _read_copy(
    source: str, split: str | None, problems: list[Problem] | None, progress: bool, *, needs: bool
) -> Dataset:
    """A dataset on the Hub or on disk, with the labels in our order."""
    try:
        found = load_dataset(source)
    except (OSError, ValueError, DatasetsError) as error:
        raise ValueError(
            f"There is neither a folder {source} nor such a dataset on the Hub ({first_line(error)}): give "
            'the folder of the ten classes, or an id such as "timm/eurosat-rgb".'
        ) from None
    if split is not None and split not in found:
        raise ValueError(f"{source} has no split {split!r}, but {', '.join(found)}.")
    dataset = found[split] if split is not None else concatenate_datasets(list(found.values()))
    features = dataset.features
    if not isinstance(features.get("image"), Image) or not isinstance(features.get("label"), ClassLabel):
        raise ValueError(f"{source} must have a column `image` of pictures and a column `label` of classes.")
    if needs and not {"reflectance", "longitude"} <= set(features):
        raise ValueError(f"{source} has neither bands nor places: give the folder of 13-band GeoTIFFs.")
    kept, columns = [], dataset.cast_column("image", Image(decode=False))["image"]
    for place, image in enumerate(logging.tqdm(columns, unit=" images", disable=not progress)):
        try:
            check_picture(image["bytes"] or Path(image["path"]), SIDE, "EuroSAT's")
            kept.append(place)
        except BadImageError as error:
            problem = Problem(error.reason, str(place), f"row {place} of {source}", error.detail)
            if problems is None:
                raise ValueError(f"{problem.source}: {error}.") from None
            problems.append(problem)
    path = next((name for name in _PATH_COLUMNS if name in features), None)
    if path not in (None, "path"):
        dataset = dataset.rename_column(path, "path")
    return _in_our_order(dataset.select(kept) if len(kept) < len(dataset) else dataset, source)


def _in_our_order(dataset: Dataset, source: str) -> Dataset:
    taxonomy = _taxonomy()
    names = dataset.features["label"].names
    if names == taxonomy.class_names:
        return dataset
    try:
        ours = np.array([taxonomy.indices[taxonomy.find(name).code] for name in names])
    except ValueError as error:
        raise ValueError(f"The labels of {source} are not EuroSAT's: {error}") from None
    labels = ours[np.asarray(dataset["label"])].tolist()
    place = dataset.column_names.index("label")
    feature = ClassLabel(names=taxonomy.class_names)
    order = [*dataset.column_names[:place], "label", *dataset.column_names[place + 1 :]]
    return dataset.remove_columns("label").add_column("label", labels, feature=feature).select_columns(order)
