import numpy as np
import pytest

from tests.support.small_cubes import small_cube, write_raster
from timesenclip_hf.app import upload_reading
from timesenclip_hf.app.limits import CUBE_SUFFIXES, MOST_FILES, SERIES_SUFFIXES
from timesenclip_hf.app.upload_reading import check_files, read_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


def test_files_of_the_right_kind_pass(tmp_path):
    np.savez(tmp_path / "series.npz", series=np.ones((1, 12, 10), dtype=np.float32))
    (tmp_path / "series.csv").write_text("id,date,B02\n")
    small_cube().to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    write_raster(tmp_path / "B02_2018-05-14.tif", np.ones((1, 4, 4), dtype=np.uint16))
    assert [file.name for file in check_files([tmp_path / "series.npz"], SERIES_SUFFIXES)] == ["series.npz"]
    assert check_files([tmp_path / "series.csv"], SERIES_SUFFIXES)
    assert len(check_files([tmp_path / "cube.nc", tmp_path / "B02_2018-05-14.tif"], CUBE_SUFFIXES)) == 2


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("series.txt", b"1", "series.txt must end in .csv, .npz, .nc"),
        ("series.nc", b"", "series.nc is empty"),
        ("series.nc", b"hello", "series.nc is no NetCDF file, whatever its name says"),
        ("series.npz", b"id,date,B02\n", "series.npz is no NPZ archive, whatever its name says"),
        ("series.npz", b"PK\x03\x04 and no archive", "series.npz cannot be read as NPZ"),
        ("series.nc", b"\x89HDF\r\n\x1a\n and no more", "series.nc is damaged"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        check_files([tmp_path / name], SERIES_SUFFIXES)


def test_an_upload_that_was_put_away_meanwhile_is_asked_for_again(tmp_path):
    with pytest.raises(ValueError, match=r"cube.nc was put away after a while: upload it again"):
        check_files([tmp_path / "cube.nc"], CUBE_SUFFIXES)


def test_a_virtual_raster_that_calls_itself_a_geotiff_is_not_opened(tmp_path):
    (tmp_path / "cube.tif").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")
    with pytest.raises(ValueError, match=r"^cube.tif is a virtual raster|^cube.tif is no GeoTIFF"):
        check_files([tmp_path / "cube.tif"], CUBE_SUFFIXES)


def test_an_upload_is_measured_packed_and_unpacked(tmp_path, monkeypatch):
    (tmp_path / "series.csv").write_text("x" * 3 * 2**20)
    monkeypatch.setattr(upload_reading, "LARGEST_FILE_MB", 2)
    with pytest.raises(ValueError, match="has 3 MB, at most 2 MB"):
        check_files([tmp_path / "series.csv"], SERIES_SUFFIXES)
    np.savez_compressed(tmp_path / "bomb.npz", series=np.zeros((400_000, 12, 10), dtype=np.uint8))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"bomb.npz has 48,000,000 values, at most 40,000,000 are read"):
        check_files([tmp_path / "bomb.npz"], SERIES_SUFFIXES)
    with pytest.raises(ValueError, match=f"at most {MOST_FILES} at once"):
        check_files([tmp_path / "series.csv"] * (MOST_FILES + 1), SERIES_SUFFIXES)


@pytest.mark.parametrize(("name", "start"), [("cube.tif", b"II*\0 and nothing more"), ("cube.nc", None)])
def test_a_damaged_cube_is_named_in_a_sentence(tmp_path, name, start):
    if start is None:
        small_cube(60, 60).to_netcdf(tmp_path / "whole.nc", engine="h5netcdf")
        start = (tmp_path / "whole.nc").read_bytes()[:-20_000]
    (tmp_path / name).write_bytes(start)
    with pytest.raises(ValueError, match=rf"^{name} (is damaged|is cut)"):
        read_cube([tmp_path / name])


def test_a_raster_cut_short_is_named_in_a_sentence(tmp_path):
    values = np.random.default_rng(0).integers(1, 4000, (10, 60, 60), dtype=np.uint16)
    file = write_raster(tmp_path / "S2_2018-05-14.tif", values, names=BANDS)
    file.write_bytes(file.read_bytes()[:-50_000])
    with pytest.raises(ValueError, match=r"^S2_2018-05-14.tif is (damaged|cut)"):
        read_cube([file])
