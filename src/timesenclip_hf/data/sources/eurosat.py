"""Read EuroSAT (Helber et al. 2019): 27,000 Sentinel-2 patches of 64 x 64 pixels in ten classes.

It comes from the Hub (`timm/eurosat-rgb`), from a folder of JPEGs by class, or from a folder of 13-band GeoTIFFs by
class.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ...extras import needs_extra
from ...files import first_line
from ...taxonomies import load_taxonomy
from ..engine.reports import ImportReport, Problem, UnusableError
from ..engine.shards import Row, import_parts
from ..opening import ALL, read_dataset
from .arrays import write_dataset
from .images import NOWHERE, check_picture, check_size, encode_bands, read_raster
from .pictures import Picture, PictureReader, existing_folder

with needs_extra("data"):
    from datasets import ClassLabel, Dataset, Image, Value
    from datasets.exceptions import DatasetsError

SIDE = 64
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
"""Order of the bands in EuroSAT's GeoTIFFs of Level-1C digital numbers: B8A comes last, not ninth."""

_PICTURES, _RASTERS = (".jpg", ".jpeg", ".png"), (".tif", ".tiff")
# Names of the files in copies on the Hub.
_PATH_COLUMNS = ("path", "image_id", "filename")
_OWNER = "EuroSAT's"


def read_eurosat(
    source: str | os.PathLike[str],
    *,
    split: str | None = None,
    bands: Sequence[str] = (),
    located: bool = False,
    problems: list[Problem] | None = None,
    progress: bool = False,
) -> Dataset:
    """Read EuroSAT into memory: `image`, `label`, `path`, and where GeoTIFFs tell them `longitude` and `latitude`.

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
        dataset = _open_copy(str(source), split)
        if (bands or located) and not {"reflectance", "longitude"} <= set(dataset.features):
            raise ValueError(f"{source} has neither bands nor places: give the folder of 13-band GeoTIFFs.")
        return _in_our_order(_leave_out(dataset, str(source), problems, progress), str(source))
    reader = _Reader(bands, located)
    return reader.load(_find_files(folder, reader), problems, progress)


def import_eurosat(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    bands: Sequence[str] = (),
    located: bool = False,
    workers: int = 2,
    progress: bool = True,
) -> ImportReport:
    """Write EuroSAT as a dataset that `load_dataset(output)` reads, with the bytes of its images.

    Images that cannot be used are left out, counted and listed in the report.

    Args:
        source: folder of the ten class folders, or id of a dataset on the Hub.
        output: folder to write.
        bands: of GeoTIFFs, to keep as digital numbers in a column `reflectance`.
        located: every image must have a georeference.
        workers: processes.
        progress: show a bar.

    Raises:
        FileNotFoundError: the source is an empty folder.
        ValueError: the source is no EuroSAT, pictures are asked for bands or places, or no image can be used.
    """
    identity = {"kind": "eurosat", "source": str(source), "bands": list(bands), "located": located}
    if not Path(source).exists():
        problems: list[Problem] = []
        dataset = read_eurosat(source, bands=bands, located=located, problems=problems, progress=progress)
        return write_dataset(dataset, output, identity=identity, problems=problems)
    reader = _Reader(bands, located, embed=True)
    parts = reader.parts(files := _find_files(Path(source), reader))
    identity["files"] = len(files)
    return import_parts(
        output, parts, reader.rows, reader.features, identity=identity, workers=workers, progress=progress
    )


@dataclass(frozen=True)
class _Reader(PictureReader):
    """Read files of which the class is known; `embed`: with the bytes of pictures, not their paths."""

    embed: bool = False

    known_bands = BANDS
    side = SIDE
    pictures_per_part = 1_000

    @property
    def columns(self) -> dict[str, Any]:
        label = ClassLabel(names=load_taxonomy("eurosat").class_names)
        return {"image": Image(), "label": label, "path": Value("string")}

    def read(self, picture: Picture) -> Iterator[Row]:
        path = picture.path
        row: dict[str, Any] = {"label": picture.label, "path": f"{path.parent.name}/{path.name}"}
        if path.suffix.lower() not in _RASTERS:
            check_picture(path, SIDE, _OWNER)
            bytes_, name = (path.read_bytes(), path.name) if self.embed else (None, str(path))
            yield {**row, "image": {"bytes": bytes_, "path": name}, **NOWHERE}
            return
        values, location = read_raster(path, located=self.located)
        count, height, width = values.shape
        check_size(width, height, SIDE, _OWNER)
        if count != len(BANDS):
            raise UnusableError("GeoTIFF of other bands", f"{count} bands, EuroSAT's have {len(BANDS)}")
        yield {**row, **location, **encode_bands(dict(zip(BANDS, values, strict=True)), self.bands, SIDE)}


def _find_files(folder: Path, reader: _Reader) -> list[Picture]:
    """List every image with the index of its class, sorted by class and name."""
    taxonomy, files = load_taxonomy("eurosat"), []
    names = ", ".join(taxonomy.names)
    for entry in sorted(path for path in existing_folder(folder).iterdir() if path.is_dir()):
        try:
            label = taxonomy.find(entry.name)
        except ValueError:
            wrong = f"{folder} has a folder {entry.name!r}, which is no class of EuroSAT"
            raise ValueError(f"{wrong}: it must hold the folders {names}, or some of them.") from None
        images = [file for file in entry.iterdir() if file.suffix.lower() in (*_PICTURES, *_RASTERS)]
        files += [Picture(file, taxonomy.indices[label.code]) for file in images]
    if not files:
        raise FileNotFoundError(f"{folder} holds no image in folders named {names}.")
    files.sort(key=lambda file: (file.label, file.path))
    picture = next((file.path for file in files if file.path.suffix.lower() in _PICTURES), None)
    if picture is not None and (reader.bands or reader.located):
        raise ValueError(f"{picture.name} has neither bands nor a georeference: give the folder of 13-band GeoTIFFs.")
    return files


def _open_copy(source: str, split: str | None) -> Dataset:
    """Open a dataset on the Hub or on disk."""
    try:
        dataset = read_dataset(source, split or ALL)
    except (FileNotFoundError, DatasetsError) as error:
        absent = f"There is neither a folder {source} nor such a dataset on the Hub ({first_line(error)})"
        hint = 'give the folder of the ten classes, or an id such as "timm/eurosat-rgb"'
        raise ValueError(f"{absent}: {hint}.") from None
    features = dataset.features
    if not isinstance(features.get("image"), Image) or not isinstance(features.get("label"), ClassLabel):
        raise ValueError(f"{source} must have a column `image` of pictures and a column `label` of classes.")
    path = next((name for name in _PATH_COLUMNS if name in features), "path")
    return dataset if path == "path" else dataset.rename_column(path, "path")


def _leave_out(dataset: Dataset, source: str, problems: list[Problem] | None, progress: bool) -> Dataset:
    """Leave out the rows whose image cannot be used."""
    kept, images = [], dataset.cast_column("image", Image(decode=False))["image"]
    for row, image in enumerate(logging.tqdm(images, unit=" images", disable=not progress)):
        try:
            check_picture(image["bytes"] or Path(image["path"]), SIDE, _OWNER)
            kept.append(row)
        except UnusableError as error:
            if problems is None:
                raise ValueError(f"row {row} of {source}: {error}.") from None
            problems.append(Problem(error.reason, str(row), f"row {row} of {source}", error.detail))
    return dataset.select(kept) if len(kept) < len(dataset) else dataset


def _in_our_order(dataset: Dataset, source: str) -> Dataset:
    taxonomy = load_taxonomy("eurosat")
    names = dataset.features["label"].names
    if names == taxonomy.class_names:
        return dataset
    try:
        ours = np.array([taxonomy.indices[taxonomy.find(name).code] for name in names])
    except ValueError as error:
        raise ValueError(f"The labels of {source} are not EuroSAT's: {error}") from None
    labels, feature = ours[np.asarray(dataset["label"])].tolist(), ClassLabel(names=taxonomy.class_names)
    relabelled = dataset.remove_columns("label").add_column("label", labels, feature=feature)
    return relabelled.select_columns(dataset.column_names)
