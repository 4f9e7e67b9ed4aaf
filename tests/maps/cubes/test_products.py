import numpy as np
import pytest

from tests.support.safe_places import write_safe
from tests.support.small_cubes import MONTHS, small_cube, write_raster
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.quality import quality_table
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

SHORT = dict(zip(BANDS, ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"), strict=True))
FORCE = ("BLUE", "GREEN", "RED", "REDEDGE1", "REDEDGE2", "REDEDGE3", "BROADNIR", "NIR", "SWIR1", "SWIR2")


def numbers(day=0):
    """Return reflectance times 10,000 (band, y, x), int16."""
    cube = small_cube(4, 4, MONTHS[day : day + 1])
    return np.stack([cube[band].values[0] for band in BANDS]).astype(np.int16)


def write_maja(folder, values, *, version="2-2", kinds=("FRE", "SRE"), day="20180115"):
    scene = f"SENTINEL2A_{day}-105905-123_L2A_T31TCJ_C_V{version}"
    (folder / scene / "MASKS").mkdir(parents=True)
    for kind in kinds:
        for band, plane in zip(BANDS, values, strict=True):
            changed = plane if kind == "FRE" else plane + 1
            write_raster(folder / scene / f"{scene}_{kind}_{SHORT[band]}.tif", changed[None])
    clouds = np.zeros((1, 4, 4), np.uint8)
    clouds[0, 0, 1] = 5
    write_raster(folder / scene / "MASKS" / f"{scene}_CLM_R1.tif", clouds)
    return folder


def test_maja_is_read_corrected_with_its_clouds_and_its_untagged_no_data(tmp_path):
    values = numbers()
    values[:, :2, 0] = -10000
    opened = open_cube(write_maja(tmp_path, values))
    np.testing.assert_array_equal(opened["reflectance"][0], values)
    assert opened.attrs["nodata"] == -10000
    assert opened["offset"].values.tolist() == [0]
    assert "Offset: 0 is subtracted on every date (MAJA has none)." in opened.attrs["notes"]
    assert str(opened["time"].values[0])[:19] == "2018-01-15T10:59:05"
    hidden = np.full((4, 4), 4)
    hidden[0, 1] = 9
    np.testing.assert_array_equal(opened["scl"][0], hidden)


def test_the_newer_of_two_processings_of_an_acquisition_is_read_and_the_other_named(tmp_path, caplog):
    old, new = numbers(0), numbers(1)
    write_maja(tmp_path, old, version="1-0", kinds=("FRE",))
    opened = open_cube(write_maja(tmp_path, new, version="2-2", kinds=("FRE",)))
    np.testing.assert_array_equal(opened["reflectance"], new[None])
    assert any("there is a newer processing: SENTINEL2A_" in note for note in opened.attrs["notes"])


def test_two_parts_of_one_pass_are_two_acquisitions(tmp_path):
    cube = open_cube(small_cube(12, 12, MONTHS[3:4]))
    first = write_safe(tmp_path, cube, 0, baseline="05.10", offset=1000)
    write_safe(tmp_path / "again", cube, 0, baseline="05.10", offset=1000).rename(
        first.with_name(first.name.replace("T125031", "T140000"))
    )
    opened = open_cube(tmp_path)
    assert np.diff(opened["time"].values) == np.timedelta64(1, "s")
    np.testing.assert_array_equal(opened["reflectance"][0], opened["reflectance"][1])


def test_force_has_its_broad_and_narrow_infrared_its_clouds_and_no_landsat(tmp_path):
    values = numbers()
    quality = np.zeros((1, 4, 4), np.int16)
    quality[0, 0, :3] = 1 << 3, 2 << 1, 1
    write_raster(tmp_path / "20180415_LEVEL2_SEN2A_BOA.tif", values, FORCE, nodata=-9999)
    write_raster(tmp_path / "20180415_LEVEL2_SEN2A_QAI.tif", quality, ["Quality assurance information"], nodata=1)
    landsat = [name for name in FORCE if "EDGE" not in name and name != "BROADNIR"]
    write_raster(tmp_path / "20180417_LEVEL2_LND08_BOA.tif", values[:6], landsat, nodata=-9999)
    opened = open_cube(tmp_path)
    assert opened.sizes["time"] == 1
    np.testing.assert_array_equal(opened["reflectance"][0], values)
    assert opened["scl"].values[0, 0].tolist() == [3, 9, 0, 4]
    assert any("1 rasters of Landsat are left aside" in note for note in opened.attrs["notes"])
    with pytest.raises(ValueError, match=r"LND08_BOA\.tif is of Landsat, whose bands are others"):
        open_cube(tmp_path / "20180417_LEVEL2_LND08_BOA.tif")


def test_hls_is_dated_by_the_day_of_the_year_and_masked_by_fmask(tmp_path):
    values = numbers()
    values[:, 3, 3] = -9999
    mask = np.zeros((1, 4, 4), np.uint8)
    mask[0, 0, :4] = 0b10, 0b1000, 0b11000000, 255
    scene = "HLS.S30.T31UDS.2018105T105421.v2.0"
    for band, plane in zip(BANDS, values, strict=True):
        write_raster(tmp_path / f"{scene}.{band}.tif", plane[None], nodata=-9999)
    write_raster(tmp_path / f"{scene}.Fmask.tif", mask, nodata=255)
    opened = open_cube(tmp_path)
    assert str(opened["time"].values[0])[:10] == "2018-04-15"
    np.testing.assert_array_equal(opened["reflectance"][0], values)
    assert opened["scl"].values[0, 0].tolist() == [9, 3, 4, 0]


def test_digital_earths_mask_stands_for_scene_classes():
    cube = small_cube(2, 3, MONTHS[:1])
    mask = np.array([[[0, 1, 2], [3, 4, 5]]], np.uint8)
    opened = open_cube(cube.assign(oa_fmask=(("time", "y", "x"), mask)))
    assert opened["scl"].values.tolist() == [[[0, 4, 9], [3, 11, 6]]]
    both = cube.assign(oa_fmask=(("time", "y", "x"), mask), SCL=(("time", "y", "x"), mask))
    np.testing.assert_array_equal(open_cube(both)["scl"], mask)


def test_a_name_that_is_no_mask_has_no_table():
    assert all(quality_table(name) is None for name in ("SCL", "B02", "NDVI_CLM", "cloud_mask"))
    assert quality_table("T31_MG2_R1").take([0, 1, 2, 4, 8]).tolist() == [4, 6, 9, 11, 3]
