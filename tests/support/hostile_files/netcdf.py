"""Write NetCDF-4 files that point elsewhere by HDF5, or by the name of their CRS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .aims import BANDS, MONTHS, SIDE, Aim, Hostile


def write_netcdf(path: Path, change: Callable[[Any], None] | None = None, **attributes: Any) -> Path:
    """Write a small sound NetCDF-4 cube with h5py, with attributes of the file, and let `change` spoil it."""
    import h5py

    with h5py.File(path, "w") as file:
        axes = {
            "time": np.arange(MONTHS, dtype="<i4") * 30 + 14,
            "y": 5_600_000 - 10 * np.arange(SIDE, dtype="<f8"),
            "x": 500_000 + 10 * np.arange(SIDE, dtype="<f8"),
        }
        for name, values in axes.items():
            file.create_dataset(name, data=values).make_scale(name)
        file["time"].attrs["units"] = "days since 2018-01-01"
        for index, band in enumerate(BANDS):
            data = np.full((MONTHS, SIDE, SIDE), 500 + 100 * index, dtype="<u2")
            variable = file.create_dataset(band, data=data, compression="gzip")
            for axis, name in enumerate(axes):
                variable.dims[axis].attach_scale(file[name])
        file.attrs.update({"crs": "EPSG:32631", **attributes})
        if change is not None:
            change(file)
    return path


def _replaced(name: str, make: Callable[[Any], None]) -> Callable[[Any], None]:
    """Take a dataset out of a file and make another one in its place, along the same axes."""

    def change(file: Any) -> None:
        import h5py

        del file[name]
        make(file)
        if isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(file[name], h5py.Dataset):
            for axis, scale in enumerate(("time", "y", "x")[: file[name].ndim]):
                file[name].dims[axis].attach_scale(file[scale])

    return change


def _external(*segments: tuple[str, int, int]) -> Callable[[Any], None]:
    def make(file: Any) -> None:
        file.create_dataset("B08", (MONTHS, SIDE, SIDE), "<u2", external=list(segments))

    return make


def _virtual(source: str) -> Callable[[Any], None]:
    def make(file: Any) -> None:
        import h5py

        layout = h5py.VirtualLayout((MONTHS, SIDE, SIDE), "<u2")
        layout[...] = h5py.VirtualSource(source, "B08", (MONTHS, SIDE, SIDE), "<u2")
        file.create_virtual_dataset("B08", layout)

    return make


def _numbered(source: Path) -> Callable[[Any], None]:
    """Map files that are numbered, block by block: HDF5 seeks them as soon as the dataset is opened."""

    def make(file: Any) -> None:
        import h5py

        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space = h5py.h5s.create_simple((MONTHS, SIDE, SIDE), (h5py.h5s.UNLIMITED, SIDE, SIDE))
        space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (1, 1, 1), (1, SIDE, SIDE))
        name = str(source.with_name(f"{source.stem}%b.h5")).encode()
        plist.set_virtual(space, name, b"B08", h5py.h5s.create_simple((1, SIDE, SIDE)))
        whole = h5py.h5s.create_simple((MONTHS, SIDE, SIDE), (h5py.h5s.UNLIMITED, SIDE, SIDE))
        h5py.h5d.create(file.id, b"B08", h5py.h5t.STD_U16LE, whole, plist)

    return make


def _secret_hdf5(aim: Aim) -> Path:
    """Write the secret as a sound NetCDF-4 file."""
    path = write_netcdf(aim.secret.with_name("secret.h5"))
    write_netcdf(aim.secret.with_name("secret0.h5"))
    return path


def _link(kind: str) -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        import h5py

        other = str(_secret_hdf5(aim))
        links = {"external": h5py.ExternalLink(other, "/B08"), "soft": h5py.SoftLink("/inner/B08")}

        def make(file: Any) -> None:
            file.create_group("inner")["B08"] = links["external"]
            file["B08"] = links[kind]

        return write_netcdf(aim.folder / "cube.nc", _replaced("B08", make))

    return write


def _userblock(aim: Aim) -> Path:
    path = write_netcdf(aim.folder / "cube.nc")
    path.write_bytes(b"#!/bin/sh\n".ljust(512, b"\0") + path.read_bytes())
    return path


def _plugin(aim: Aim) -> Path:
    def make(file: Any) -> None:
        import h5py

        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((MONTHS, SIDE, SIDE))
        plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((MONTHS, SIDE, SIDE))
        h5py.h5d.create(file.id, b"B08", h5py.h5t.STD_U16LE, space, plist)

    return write_netcdf(aim.folder / "cube.nc", _replaced("B08", make))


def _references(aim: Aim) -> Path:
    def make(file: Any) -> None:
        import h5py

        data = np.full((MONTHS, SIDE, SIDE), file["B04"].ref, dtype=h5py.ref_dtype)
        file.create_dataset("B08", data=data, dtype=h5py.ref_dtype)

    return write_netcdf(aim.folder / "cube.nc", _replaced("B08", make))


def _regions(aim: Aim) -> Path:
    def change(file: Any) -> None:
        import h5py

        file.create_dataset("extra", data=[file["B04"].regionref[0]], dtype=h5py.regionref_dtype)

    return write_netcdf(aim.folder / "cube.nc", change)


def _inside_group(aim: Aim) -> Path:
    def change(file: Any) -> None:
        file.create_dataset("deep/deeper/B08", (4,), "<u2", external=[(str(aim.secret), 0, 8)])

    return write_netcdf(aim.folder / "cube.nc", change)


def _netcdf(change: Callable[[Aim], Callable[[Any], None]]) -> Callable[[Aim], Path]:
    return lambda aim: write_netcdf(aim.folder / "cube.nc", _replaced("B08", change(aim)))


BYTES = MONTHS * SIDE * SIDE * 2
HDF5_FILES = [
    Hostile("HDF5 external storage", "cube", _netcdf(lambda aim: _external((str(aim.secret), 0, BYTES)))),
    Hostile(
        "HDF5 external storage from an offset", "cube", _netcdf(lambda aim: _external((str(aim.secret), 7, BYTES)))
    ),
    Hostile(
        "HDF5 external storage in pieces",
        "cube",
        _netcdf(lambda aim: _external((str(aim.secret), 0, 100), (str(aim.secret), 200, BYTES - 100))),
    ),
    Hostile(
        "HDF5 external storage by a relative path", "cube", _netcdf(lambda aim: _external(("../secret.txt", 0, BYTES)))
    ),
    Hostile("HDF5 external storage in a group", "cube", _inside_group),
    Hostile("HDF5 virtual dataset", "cube", _netcdf(lambda aim: _virtual(str(_secret_hdf5(aim))))),
    Hostile(
        "HDF5 virtual dataset of numbered files",
        "cube",
        _netcdf(lambda aim: _numbered(_secret_hdf5(aim))),
    ),
    Hostile("HDF5 external link", "cube", _link("external")),
    Hostile("HDF5 soft link", "cube", _link("soft")),
    Hostile("HDF5 user block", "cube", _userblock),
    Hostile("HDF5 plugin", "cube", _plugin),
    Hostile("HDF5 references", "cube", _references),
    Hostile("HDF5 region references", "cube", _regions),
]


def _systems(aim: Aim) -> dict[str, str]:
    merged = (
        'PROJCS["x",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Mercator_1SP"],EXTENSION["PROJ4","+proj=merc +nadgrids='
        f'{aim.secret} +no_defs"]]'
    )
    return {
        "an address": f"{aim.address}/wkt",
        "an OGC address": "http://www.opengis.net/def/crs/EPSG/0/32631",
        "a file": str(aim.secret),
        "a file address": f"file://{aim.secret}",
        "a file of GDAL": f"/vsicurl/{aim.address}/wkt",
        "a dictionary": f"DICT:{aim.secret},1",
        "an init file": f"+init={aim.secret}:1",
        "a grid": f"+proj=longlat +ellps=WGS84 +nadgrids={aim.secret}",
        "an optional grid": f"+proj=longlat +ellps=WGS84 +nadgrids=@{aim.secret},null",
        "a geoid": f"+proj=longlat +ellps=WGS84 +geoidgrids={aim.address}/geoid.gtx",
        "WKT with a grid": merged,
        "a URN of an address": f"urn:ogc:def:crs:{aim.address}",
    }


def _named_crs(name: str) -> Callable[[Aim], Path]:
    return lambda aim: write_netcdf(aim.folder / "cube.nc", crs=_systems(aim)[name])


def _grid_mapping(aim: Aim) -> Path:
    def change(file: Any) -> None:
        file.create_dataset("spatial_ref", data=0).attrs["crs_wkt"] = f"{aim.address}/wkt"
        for band in BANDS:
            file[band].attrs["grid_mapping"] = "spatial_ref"

    return write_netcdf(aim.folder / "cube.nc", change)


CRS_FILES = [
    *(
        Hostile(f"CRS that is {name}", "cube", _named_crs(name))
        for name in _systems(Aim(Path("upload"), Path("secret"), "http://127.0.0.1"))
    ),
    Hostile("CRS in a grid mapping that is an address", "cube", _grid_mapping),
]
