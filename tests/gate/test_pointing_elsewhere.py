"""No file leads to another: each is refused in one sentence, opens nothing and asks nobody."""

from pathlib import Path

import pytest

from tests.support.hostile_files import POINTING_ELSEWHERE, Hostile, aim_at
from tests.support.hostile_files.aims import SECRET
from tests.support.hostile_files.netcdf import write_netcdf
from tests.support.hostile_files.rasters import simple_source, vrt_text, write_tiff
from tests.support.hostile_files.witness import Opened, listener, read
from tests.support.hostile_files.zarr import write_zarr
from timesenclip_hf.maps.cubes import open_cube

pytestmark = [pytest.mark.needs_extra("map"), pytest.mark.needs_extra("train")]


@pytest.fixture(scope="module")
def listening():
    with listener() as heard:
        yield heard


@pytest.mark.parametrize("hostile", POINTING_ELSEWHERE, ids=lambda hostile: hostile.name)
def test_a_file_that_points_elsewhere_is_refused_in_one_sentence(hostile: Hostile, tmp_path: Path, listening):
    aim = aim_at(tmp_path, listening.address)
    path = hostile.write(aim)
    opened = Opened(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        read(hostile.road, path)
    sentence = str(caught.value)
    assert opened.names() == []
    assert listening.requests() == []
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 500
    assert SECRET[:20].decode() not in sentence
    opened.close()


def test_the_witness_sees_a_file_that_is_opened_and_an_address_that_is_asked(tmp_path: Path):
    from urllib.error import HTTPError
    from urllib.request import urlopen

    with listener() as listening:
        aim = aim_at(tmp_path, listening.address)
        opened = Opened(tmp_path)
        aim.secret.read_bytes()
        with pytest.raises(HTTPError):
            urlopen(f"{listening.address}/x")
        assert opened.names() == ["secret.txt"]
        assert listening.requests() == ["GET /x HTTP/1.1"]
        opened.close()


def test_the_same_files_without_their_pointers_are_read(tmp_path: Path):
    netcdf = open_cube(write_netcdf(tmp_path / "cube.nc"))
    zarr = open_cube(write_zarr(tmp_path / "cube.zarr"))
    assert netcdf["reflectance"].shape == zarr["reflectance"].shape == (12, 10, 4, 4)
    assert (zarr["reflectance"] == 900).all()


def test_a_vrt_of_a_raster_beside_it_is_read(tmp_path: Path):
    write_tiff(tmp_path / "below.tif")
    path = tmp_path / "B04_2018-06-15.vrt"
    path.write_text(vrt_text(simple_source("below.tif", 1)), encoding="utf-8")
    assert (open_cube(path)["reflectance"] == 900).all()
