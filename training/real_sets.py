"""Read small public samples of real pixels with labels, as the folder of real data holds them.

Each set says in `notes` what its labels are. The candidates of a task are all classes of its label set, whether they
occur or not, except where the name of the task says which few it has; they were chosen before anything was scored.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image

from timesenclip_hf.data.schema import month_places
from timesenclip_hf.data.sources.arrays import dataset_from_series
from timesenclip_hf.data.sources.cubes import dataset_from_labels
from timesenclip_hf.data.sources.point_tables import read_labels
from timesenclip_hf.data.sources.tables import read_table
from timesenclip_hf.evaluation.protocol import EvaluationSet
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.evaluation.tasks import Task
from timesenclip_hf.maps.cubes.labels import parse_codes, read_reference
from timesenclip_hf.maps.cubes.reading import open_cube
from timesenclip_hf.taxonomies import Taxonomy, load_taxonomy

ROOT = Path(__file__).resolve().parent.parent
# Label sets that only these samples use; the others are the package's.
LABEL_SETS = Path(__file__).with_name("label_sets")
# Folders of the real data that are not evaluated on, and why.
LEFT_OUT = {
    "worldcereal_cube_100x100": "it has no labels, only what another model said",
    "bigearthnet_3patches": "three patches with several labels each make no figure",
    "eurosat_rgb_2000": "pictures of three bands on one day: no series, nor a ground photo",
    "lucas_photos_32": "photos of seven points without series",
}
# Order of the bands in EuroSAT's files, as its README says.
_EUROSAT_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")


def real_data_folder() -> Path:
    """Return the folder of real data: what TIMESENCLIP_REAL_DATA says, or the one beside this checkout.

    Raises:
        FileNotFoundError: it is absent.
    """
    folder = Path(os.environ.get("TIMESENCLIP_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no real data at {folder}: set TIMESENCLIP_REAL_DATA to the folder that holds it."
        )
    return folder


def real_sets(folder: str | os.PathLike[str]) -> Iterator[EvaluationSet]:
    """Read every labelled set that the folder holds, one after the other.

    Raises:
        FileNotFoundError: it holds none.
    """
    present = [(name, read) for name, read in _SETS.items() if (Path(folder) / name).is_dir()]
    if not present:
        raise FileNotFoundError(f"None of {', '.join(_SETS)} is in {folder}.")
    for name, read in present:
        yield read(Path(folder) / name)


def label_set(name: str) -> Taxonomy:
    """Load a label set of these samples, or of the package."""
    path = LABEL_SETS / f"{name}.json"
    return load_taxonomy(str(path) if path.is_file() else name)


def flanders(folder: Path) -> EvaluationSet:
    """Read a patch of fields, mapped for 2018 from its native dates."""
    taxonomy = label_set("flanders_covers")
    files = folder / "raw_nc"
    cube = open_cube(sorted(files.glob("S2_L2A_*.nc")))
    codes = ";".join(f"{label.name}={label.code}" for label in taxonomy.labels)
    reference = read_reference(next(files.glob("OUTPUT_*.nc")), parse_codes(codes), cube)
    return _set(
        "Flanders 2018",
        dataset_from_labels(cube, reference, year=2018, problems=[]),
        {"label": "covers"},
        {"covers": "flanders_covers"},
        "Maize and grassland are farmers' declarations, built-up is of a land cover map; other codes of the patch "
        "(vegetables, unlabelled land) are no candidates and left out.",
        "Pixels of one field are alike, and all lie within 640 m: the samples are many and the places few.",
    )


def france(folder: Path) -> EvaluationSet:
    """Read pixels of fields, ten-day composites with gaps."""
    table = read_table(folder / "series.npz")
    columns = read_labels(folder / "labels.csv", table.ids).columns
    covers, crops = columns["landcover10"], columns["croptype28"]
    main, with_grassland = label_set("france_crops"), label_set("france_crops_and_grassland")
    columns |= {
        "main_crops": [crop if crop in main.names else "" for crop in crops],
        "main_crops_and_grassland": [
            next((code for code in (crop, cover) if code in with_grassland.names), "")
            for crop, cover in zip(crops, covers, strict=True)
        ],
        "crop_types": ["" if crop == "no_temporary_crop" else crop for crop in crops],
        "covers": ["" if cover == "ignore" else cover for cover in covers],
    }
    return _set(
        "France 2023",
        dataset_from_series(table, columns, year=2023, problems=[]),
        {},
        {
            "main_crops": "france_crops",
            "main_crops_and_grassland": "france_crops_and_grassland",
            "crop_types": "worldcereal_crops",
            "covers": "worldcereal_landcover",
        },
        "Labels are farmers' declarations of 2023, in WorldCereal's legends; what the legend ignores, and fields "
        "without a temporary crop among the crops, have no label.",
        "Winter and spring forms of a cereal are classes of their own in this legend.",
    )


def east_africa(folder: Path) -> EvaluationSet:
    """Read pixels of fields in Uganda and South Sudan, monthly composites."""
    table = read_table(folder / "series.npz")
    columns = read_labels(folder / "labels.csv", table.ids).columns
    crops = label_set("eastafrica_crops").names
    columns |= {
        "crops": [label if label in crops else "" for label in columns["label_full"]],
        "covers": columns["finetune_class"],
    }
    return _set(
        "East Africa 2017",
        dataset_from_series(table, columns, year=2017, problems=[]),
        {},
        {"crops": "eastafrica_crops", "covers": "worldcereal_landcover"},
        "Labels are of field surveys, three in five sorghum; several repeat one field metres apart.",
        "The composites run from December 2016 to November 2017; the year 2017 is read, so that December is missing.",
        "The seasons are not those of Europe, for which the embedded default was made.",
    )


def lucas(folder: Path) -> EvaluationSet:
    """Read survey points, monthly composites from August 2017 on."""
    table = read_table(folder / "series.npz")
    columns = read_labels(folder / "labels.csv", table.ids).columns
    count = len(table)
    columns |= {
        "year": [2018] * count,
        "crop_types": ["wheat" if name == "unspecified_wheat" else "" for name in columns["croptype_name"]],
        # Code 11 of the file's land cover is annual cropland, in LUCAS the letter B.
        "land_cover": ["B" if code == "11" else "" for code in columns["LANDCOVER_LABEL"]],
    }
    # The file has no dates: monthly from August 2017 on, as its README says.
    dates = (np.datetime64("2017-08") + np.arange(17)).astype("datetime64[D]")
    return _set(
        "LUCAS 2018",
        dataset_from_series(table, columns, dates=dates, year=2018, problems=[]),
        {},
        {"land_cover": "lucas_lc", "crop_types": "worldcereal_crops"},
        "All 25 points are wheat, so that one class is all there is: always saying it would be right every time.",
        "The file has the crop and the land cover of the survey, not its land use, so that no land use is scored.",
        "December 2018 is missing, and the composites keep some cloud.",
    )


def crop_mask(folder: Path) -> EvaluationSet:
    """Read points all over Africa, two half-yearly medians."""
    with np.load(folder / "series.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    columns: dict[str, Sequence[Any]] = {
        "cropland": [str(arrays["class_names"][index]) for index in arrays["y"]],
        "year": [2019] * len(arrays["y"]),
    }
    series = dataset_from_series(
        arrays["X"],
        columns,
        bands=arrays["bands"].tolist(),
        months=month_places(2),
        units="reflectance",
        problems=[],
    )
    return _set(
        "Digital Earth Africa 2019",
        series,
        {},
        {"cropland": "cropland_mask"},
        "Labels say cropland or not; everything else is one class, described by six covers.",
        "Two medians a year, the first and the second half, and no B8A, which B08 stands in for: no phenology to read.",
        "The files have no coordinates, so that intervals are drawn by points, and are narrower than they should be.",
    )


def rondonia(folder: Path) -> EvaluationSet:
    """Read points in the Brazilian Amazon, acquisitions every 16 days across New Year."""
    table = read_table(folder / "series.npz")
    columns = read_labels(folder / "labels.csv", table.ids).columns
    covers, pair = columns.pop("label"), label_set("rondonia_forest_or_pasture").names
    columns |= {"covers": covers, "forest_or_pasture": [cover if cover in pair else "" for cover in covers]}
    return _set(
        "Rondonia 2018",
        dataset_from_series(table, columns, season="2018-08", problems=[]),
        {},
        {"covers": "rondonia_covers", "forest_or_pasture": "rondonia_forest_or_pasture"},
        "Labels are pasture, forest, natural vegetation that is no forest, and land cleared within the year.",
        "Of July 2018 to July 2019 the twelve months from August on are read; clouds were filled at the source by "
        "interpolation.",
    )


def eurosat(folder: Path) -> EvaluationSet:
    """Read patches of one day, each as the median of its pixels."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    medians, pictures = [], []
    for row in rows:
        pictures.append(np.asarray(Image.open(folder / "rgb" / row["cls"] / f"{row['id']}.png").convert("RGB")))
        with rasterio.open(folder / "tif13" / row["cls"] / f"{row['id']}.tif") as raster:
            medians.append(np.median(raster.read().reshape(raster.count, -1), axis=1))
    columns: dict[str, Sequence[Any]] = {
        "point_id": [row["id"] for row in rows],
        "longitude": [(float(row["lon_min"]) + float(row["lon_max"])) / 2 for row in rows],
        "latitude": [(float(row["lat_min"]) + float(row["lat_max"])) / 2 for row in rows],
        "scene": [row["cls"] for row in rows],
    }
    series = dataset_from_series(
        np.stack(medians)[:, None].astype(np.float32),
        columns,
        bands=_EUROSAT_BANDS,
        months=month_places(1),
        units="dn",
        offset=0,
        problems=[],
    )
    made = _set(
        "EuroSAT, 100 patches",
        series,
        {},
        {"scene": "eurosat"},
        "One acquisition of an unknown day, at the top of the atmosphere: not what a series encoder is for.",
        "The label is of a scene of 640 m; what is scored is the median of its pixels.",
    )
    return replace(made, images=np.stack(pictures))


_SETS: dict[str, Callable[[Path], EvaluationSet]] = {
    "worldcereal_flanders_2018": flanders,
    "worldcereal_france_2023_dekad": france,
    "worldcereal_eastafrica_2017_monthly": east_africa,
    "worldcereal_lucas2018_25": lucas,
    "deafrica_cropmask_2season": crop_mask,
    "sits_rondonia_2018": rondonia,
    "eurosat_ms_rgb_subset100": eurosat,
}


def _set(name: str, dataset: Any, renamed: dict[str, str], taxonomies: dict[str, str], *notes: str) -> EvaluationSet:
    samples = Samples.from_dataset(dataset.rename_columns(renamed), name=name, texts=tuple(taxonomies))
    tasks = [Task(column, column, label_set(taxonomy)) for column, taxonomy in taxonomies.items()]
    return EvaluationSet(samples, tasks, notes)
