from concurrent.futures import ThreadPoolExecutor

import dask
import numpy as np
import xarray as xr

from tests.support.small_cubes import small_cube, write_raster
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.datasets import open_dataset
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

READS = 1


def write_sources(folder):
    """A cube in each form: NetCDF-4, classic NetCDF, GeoTIFF and Zarr."""
    cube = small_cube(12, 10)
    cube.to_netcdf(folder / "new.nc", engine="h5netcdf", encoding={band: {"zlib": True} for band in BANDS})
    cube.astype("int16").to_netcdf(folder / "classic.nc", engine="scipy")
    open_cube(cube).to_zarr(folder / "cube.zarr", zarr_format=2)
    values = np.random.default_rng(0).integers(1, 4000, (len(BANDS), 12, 10), dtype=np.uint16)
    write_raster(folder / "S2_2018-05-14.tif", values, names=BANDS)
    return [folder / name for name in ("new.nc", "classic.nc", "cube.zarr", "S2_2018-05-14.tif")]


def test_cubes_opened_and_read_by_many_threads_at_once_are_those_of_a_thread_alone(tmp_path):
    sources = write_sources(tmp_path)
    alone = [open_cube(source)["reflectance"].values for source in sources]

    def read(index):
        with dask.config.set(scheduler="threads", num_workers=4):
            return open_cube(sources[index], chunks=8)["reflectance"].values

    order = [*range(len(sources)), 0, 0, 1, 1] * READS
    with ThreadPoolExecutor(4) as pool:
        for index, values in zip(order, pool.map(read, order), strict=True):
            np.testing.assert_array_equal(values, alone[index])


def test_netcdf_is_never_left_to_the_library_that_breaks_down_in_threads(tmp_path, monkeypatch):
    engines, opened = [], xr.open_dataset
    monkeypatch.setattr(xr, "open_dataset", lambda path, engine, **how: engines.append(engine) or opened(path, **how))
    for source in write_sources(tmp_path)[:2]:
        open_dataset(source).close()
    assert engines == ["h5netcdf", "scipy"]  # netCDF4 would come first
