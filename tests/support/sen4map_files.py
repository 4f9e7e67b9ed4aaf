"""HDF5 files as Sen4Map's, filled from the simulator: both raw layouts, and TimeSenCLIP's derived 1 x 1 files."""

from pathlib import Path

import h5py
import numpy as np

from timesenclip_hf.data.sources.countries import BOXES
from timesenclip_hf.models.timesenclip.compositing_timesenclip import month_of
from timesenclip_hf.simulator import SimulatedPoints, simulate
from timesenclip_hf.simulator.climates import EUROPE

FIELDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
COVERS = ("A11", "B11", "B16", "B55", "C10", "C22", "D10", "E20", "F20", "G11", "H12")
USES = ("U111", "U112", "U120", "U370", "U420")
CLOUD, VEGETATION = 9, 4
FIRST_ID = 26_000_000


def write_raw(
    path: Path,
    num_points: int,
    *,
    compound: bool = False,
    acquisitions: tuple[int, int] = (20, 40),
    size: int = 64,
    first: int = 0,
    seed: int = 0,
    compression: str | None = None,
) -> Path:
    """Raw patches: a group of datasets a point, or one dataset of compound type."""
    rng = np.random.default_rng(seed)
    points = simulate(num_points, seed=seed, climates=EUROPE)
    texture = rng.integers(-40, 41, (len(FIELDS), size, size), dtype=np.int16)
    with h5py.File(path, "w") as file:
        for place in range(num_points):
            num_times = int(rng.integers(acquisitions[0], acquisitions[1] + 1))
            dates = np.sort(np.datetime64("2018-01-01") + rng.choice(365, num_times, replace=False))
            bands, classes = _acquisitions(points.series[place], dates, texture, rng)
            layers = dict(zip(FIELDS, bands.swapaxes(0, 1), strict=True)) | {"SCL": classes}
            name = f"Lucas_Point_{FIRST_ID + first + place}"
            if compound:
                dtype = np.dtype([(field, layer.dtype) for field, layer in layers.items()])
                table = np.empty(classes.shape, dtype=dtype)
                for field, layer in layers.items():
                    table[field] = layer
                entry = file.create_dataset(name, data=table, compression=compression)
            else:
                entry = file.create_group(name)
                for field, layer in layers.items():
                    entry.create_dataset(field, data=layer, compression=compression)
            names = [f"{date}T105031_{date}T105027_T31UFS" for date in np.char.replace(dates.astype(str), "-", "")]
            entry.attrs["Image_ID"] = np.asarray(names, dtype=h5py.string_dtype())
            entry.attrs.update(_attributes(points, place, rng))
    return path


def write_derived(path: Path, num_points: int, *, first: int = 0, seed: int = 0) -> Path:
    """Monthly composites of one pixel, with bioregion and habitat."""
    rng = np.random.default_rng(seed)
    points = simulate(num_points, seed=seed, climates=EUROPE)
    values = np.nan_to_num(points.series * 10_000) + 1
    with h5py.File(path, "w") as file:
        for place in range(num_points):
            entry = file.create_group(f"Lucas_Point_{FIRST_ID + first + place}")
            entry.create_dataset("image", data=np.rint(values[place])[:, :, None, None].astype(np.float32))
            entry.attrs.update(_attributes(points, place, rng))
            entry.attrs["bioregion_class_code"] = int(rng.integers(12))
            entry.attrs["EUNIS_L2"] = int(rng.integers(44))
    return path


def _acquisitions(
    series: np.ndarray, dates: np.ndarray, texture: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Digital numbers (time, band, size, size) and scene classes (time, size, size); a third of the dates is cloud."""
    months = month_of(dates)
    ground = series[months] * 10_000
    cloudy = np.isnan(ground).any(axis=1) | (rng.random(len(dates)) < 1 / 3)
    cloudy[len(dates) // 2] = False
    values = np.where(cloudy[:, None], 6_000, np.nan_to_num(ground, nan=1_500))
    bands = (values.astype(np.int16)[:, :, None, None] + texture).clip(1).astype(np.uint16)
    classes = np.where(cloudy, CLOUD, VEGETATION).astype(np.uint8)
    return bands, np.broadcast_to(classes[:, None, None], (len(dates), *texture.shape[1:])).copy()


def _attributes(points: SimulatedPoints, place: int, rng: np.random.Generator) -> dict[str, object]:
    country = sorted(BOXES)[place % len(BOXES)]
    west, south, east, north = BOXES[country]
    cover = COVERS[int(points.class_index[place]) % len(COVERS)]
    return {
        "lc1": cover,
        "lc1_label": f"class {cover}",
        "lu1": USES[place % len(USES)],
        "lu1_label": "use",
        "nuts0": country,
        "Coordinates": np.array([rng.uniform(west, east), rng.uniform(south, north)]),
    }


def divide_bands(path: Path, divisor: float) -> None:
    """Divide the reflectance of every raw point of a file, whose scene classes stay."""
    with h5py.File(path, "a") as file:
        for entry in file.values():
            for band in [name for name in entry if name != "SCL"]:
                values = entry[band][()] / np.float32(divisor)
                del entry[band]
                entry[band] = values
