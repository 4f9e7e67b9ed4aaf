"""What files declare is held against what they hold and against limits, before anything is allocated."""

import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from tests.support.hostile_files.absurd import ABSURD
from tests.support.hostile_files.netcdf import write_netcdf
from tests.support.hostile_files.rasters import write_tiff
from timesenclip_hf.gate import PLAIN, STRICT, admit

pytestmark = [pytest.mark.needs_extra("map"), pytest.mark.needs_extra("data")]

BOTH = ["many_columns", "long_axis", "wide_cube", "large_chunk", "many_bands", "large_raster", "large_tile"]
BOTH += ["large_classic", "long_array", "large_zarr"]


@pytest.mark.parametrize("limits", [STRICT, PLAIN], ids=["strict", "plain"])
@pytest.mark.parametrize("name", BOTH)
def test_a_small_file_that_declares_absurdly_much_is_refused_and_costs_little(name, limits, tmp_path):
    path = ABSURD[name](tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=path.name.replace(".", r"\.")) as caught:
            admit(path, limits)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_page_does_not_unpack_what_the_command_line_does(tmp_path):
    path = ABSURD["bomb_npz"](tmp_path)
    assert path.stat().st_size < 2**20
    assert admit(path, PLAIN) == "NPZ"
    with pytest.raises(ValueError, match=r"has 67,108,864 values, at most 40,000,000 are read"):
        admit(path, STRICT)


def test_what_a_packed_table_unpacks_to_is_bounded(tmp_path):
    path = ABSURD["bomb_gzip"](tmp_path)
    assert admit(path, PLAIN) == "gzip"
    with pytest.raises(ValueError, match=r"declares \d MB of values, but holds 0.02 MB"):
        admit(path, replace(PLAIN, free_bytes=2**20, ratio=100))
    with pytest.raises(ValueError, match="is gzip, which is not read here"):
        admit(path, STRICT)


def test_years_of_tiles_are_admitted_by_their_headers_alone(tmp_path):
    import rasterio

    path = tmp_path / "tile.tif"
    shape = {"width": 10_980, "height": 10_980, "count": 12 * 73, "dtype": "uint16"}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "band", "SPARSE_OK": True}
    with rasterio.open(
        path, "w", driver="GTiff", BIGTIFF="YES", transform=rasterio.Affine(10, 0, 0, 0, -10, 0), **shape, **tiles
    ):
        pass
    os.truncate(path, 2**30)  # as much as sound tiles take, and nothing on the disk
    assert admit(path, PLAIN) == "TIFF"
    with pytest.raises(ValueError, match=r"has 1,073,741,824 bytes, at most 20,971,520 are read"):
        admit(path, STRICT)


def test_sound_files_are_admitted_under_both_profiles(tmp_path):
    np.savez(tmp_path / "series.npz", series=np.ones((3, 12, 10)), id=["a", "b", "c"])
    (tmp_path / "series.csv").write_text("id,date,B02\na,2018-05-14,0.1\n", encoding="utf-8")
    files = {
        write_netcdf(tmp_path / "cube.nc"): "HDF5",
        write_tiff(tmp_path / "B02_2018-05-14.tif"): "TIFF",
        tmp_path / "series.npz": "NPZ",
        tmp_path / "series.csv": "text",
    }
    assert [admit(path, limits) for path in files for limits in (STRICT, PLAIN)] == [
        kind for kind in files.values() for _ in range(2)
    ]


def test_a_file_is_what_it_holds_and_not_what_it_is_called(tmp_path):
    cube = write_netcdf(tmp_path / "cube.csv")
    assert admit(cube) == "HDF5"
    for content, sentence in {
        b"": "is empty",
        b"\x80\x04\x95": "a pickle, which could run code",
        b"%PDF-1.7": "is a PDF",
        b"\0\1\2\3": "none of the formats",
        b"<GDAL_WMS>": "is XML",
    }.items():
        (tmp_path / "cube.nc").write_bytes(content)
        with pytest.raises(ValueError, match=sentence):
            admit(tmp_path / "cube.nc")
