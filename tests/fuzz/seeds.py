"""Write the intact files that are damaged: one small file or folder for each reader and format."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tests.support.fitted_sets import fitted_from, random_words
from tests.support.sen4map_files import write_derived, write_raw
from tests.support.small_cubes import small_cube, write_raster
from tests.support.stac_places import save_items, write_item
from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.labelling.label_set_files import write_label_set
from timesenclip_hf.maps.cubes.reading import open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.simulator import simulate

DATES = [f"2018-{month:02d}-14" for month in range(1, 13)]


def _series() -> np.ndarray:
    return np.nan_to_num(np.round(simulate(4, seed=0).series * 10_000)).astype(np.int16)


def wide_table(folder: Path) -> Path:
    """Write CSV with a column a band and month."""
    series = _series()
    columns = [f"{band}_{month + 1:02d}" for month in range(12) for band in BANDS]
    frame = pd.DataFrame(series.reshape(len(series), -1), columns=columns)
    frame.insert(0, "id", [f"00{row}" for row in range(len(series))])
    frame.to_csv(folder / "wide.csv", index=False)
    return folder / "wide.csv"


def long_table(folder: Path) -> Path:
    """Write CSV with a row a date."""
    rows = [
        (f"p{place}", date, *values)
        for place, item in enumerate(_series())
        for date, values in zip(DATES, item, strict=True)
    ]
    pd.DataFrame(rows, columns=["id", "date", *BANDS]).to_csv(folder / "long.csv", index=False)
    return folder / "long.csv"


def packed_table(folder: Path) -> Path:
    """Write CSV packed by gzip."""
    (folder / "wide.csv.gz").write_bytes(gzip.compress(wide_table(folder).read_bytes(), mtime=0))
    (folder / "wide.csv").unlink()
    return folder / "wide.csv.gz"


def parquet_table(folder: Path) -> Path:
    """Write Parquet with lists."""
    series = _series()
    frame = pd.DataFrame(
        {"id": [f"p{row}" for row in range(len(series))], "series": [item.tolist() for item in series]}
    )
    frame["dates"] = [DATES] * len(series)
    frame.to_parquet(folder / "nested.parquet", write_page_checksum=True)
    return folder / "nested.parquet"


def excel_table(folder: Path) -> Path:
    """Write Excel with a column a band and month."""
    pd.read_csv(wide_table(folder)).to_excel(folder / "wide.xlsx", index=False)
    (folder / "wide.csv").unlink()
    return folder / "wide.xlsx"


def npz_table(folder: Path) -> Path:
    """Write NPZ with dates."""
    np.savez_compressed(folder / "series.npz", series=_series(), dates=np.array(DATES), bands=np.array(BANDS))
    return folder / "series.npz"


def netcdf4(folder: Path) -> Path:
    """Write NetCDF-4 as xarray writes it."""
    small_cube().to_netcdf(folder / "cube.nc", engine="h5netcdf")
    return folder / "cube.nc"


def netcdf3(folder: Path) -> Path:
    """Write classic NetCDF."""
    cube = small_cube()
    cube.astype(dict.fromkeys(BANDS, np.int16)).to_netcdf(folder / "classic.nc", engine="scipy")
    return folder / "classic.nc"


def geotiff(folder: Path) -> Path:
    """Write a GeoTIFF of the bands of an acquisition."""
    cube = small_cube(times=np.array(["2018-05-14"], dtype="datetime64[ns]"))
    values = np.stack([cube[band].values[0] for band in BANDS])
    return write_raster(folder / "S2_20180514.tif", values, BANDS, compress="deflate")


def zarr2(folder: Path) -> Path:
    """Write a Zarr store of format 2."""
    small_cube().to_zarr(folder / "cube2.zarr", zarr_format=2)
    return folder / "cube2.zarr"


def zarr3(folder: Path) -> Path:
    """Write a Zarr store of format 3."""
    small_cube().to_zarr(folder / "cube3.zarr", zarr_format=3, consolidated=False)
    return folder / "cube3.zarr"


def sen4map(folder: Path) -> Path:
    """Write Sen4Map's groups."""
    return write_raw(folder / "raw.h5", 2, acquisitions=(3, 5), size=8)


def sen4map_compound(folder: Path) -> Path:
    """Write Sen4Map's compound type, with compression."""
    return write_raw(folder / "compound.h5", 2, compound=True, acquisitions=(3, 5), size=8, compression="gzip")


def sen4map_derived(folder: Path) -> Path:
    """Write TimeSenCLIP's derived composites."""
    return write_derived(folder / "derived.h5", 3)


def stac(folder: Path) -> Path:
    """Write an item collection with its rasters."""
    cube = open_cube(small_cube(times=np.array(["2018-05-14", "2018-06-14"], dtype="datetime64[ns]"), bands=BANDS[:3]))
    items = [write_item(folder, cube, index, s2__processing_baseline="04.00") for index in range(2)]
    return save_items(folder, items)


def checkpoint(folder: Path) -> Path:
    """Write a checkpoint of one layer, with its configuration, tokenizer and processor."""
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(DEFAULT_CHECKPOINT)
    model.save_pretrained(folder / "model")
    AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT).save_pretrained(folder / "model")
    return folder / "model"


def state_dict(folder: Path) -> Path:
    """Write a state dict as torch does."""
    generator = torch.Generator().manual_seed(0)
    weights = {f"layer.{index}.weight": torch.randn(8, 8, generator=generator) for index in range(3)}
    torch.save({"state_dict": weights, "hyper_parameters": {"lr": 0.1}}, folder / "last.ckpt")
    return folder / "last.ckpt"


def extractor(folder: Path) -> Path:
    """Write what the feature extractor takes, as JSON."""
    item = {"series": _series()[0].tolist(), "dates": DATES, "bands": list(BANDS), "processing_baseline": "03.01"}
    (folder / "series.json").write_text(json.dumps({**item, "nodata": 0, "units": "dn"}), encoding="utf-8")
    return folder / "series.json"


def labels(folder: Path) -> Path:
    """Write classes with prompts."""
    content = {"maize": ["a field of maize", "corn"], "water": ["a lake"], "town": ["houses"]}
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "labels.json"


def labels_csv(folder: Path) -> Path:
    """Write classes with prompts as CSV."""
    (folder / "labels.csv").write_text("label,prompt\nmaize,a field of maize\nwater,a lake\n", encoding="utf-8")
    return folder / "labels.csv"


def label_set(folder: Path) -> Path:
    """Write a label set that was fitted and reads monthly values."""
    write_label_set(fitted_from(random_words(), with_values=2), folder / "crops.labels")
    return folder / "crops.labels"


SEEDS: dict[str, Callable[[Path], Path]] = {
    function.__name__: function
    for function in (
        *(
            wide_table,
            long_table,
            packed_table,
            parquet_table,
            excel_table,
            npz_table,
            netcdf4,
            netcdf3,
            geotiff,
            zarr2,
        ),
        *(
            extractor,
            zarr3,
            sen4map,
            sen4map_compound,
            sen4map_derived,
            stac,
            checkpoint,
            state_dict,
            labels,
            labels_csv,
            label_set,
        ),
    )
}


# The seeds, which `judging` damages, and what `hostile` damages.
READERS = (*SEEDS, "pointing_elsewhere")


def write_seed(name: str, folder: Path) -> Path:
    """Write the intact file of a reader into an empty folder and return its path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return SEEDS[name](folder)
