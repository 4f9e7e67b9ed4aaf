import shutil

import numpy as np
import pytest

from tests.support.safe_places import RESOLUTIONS, metadata_xml, write_band, write_safe
from tests.support.small_cubes import CRS, MONTHS, small_cube, write_raster
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.reading import acquisition_offsets
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


@pytest.fixture(scope="module")
def cube():
    made = small_cube(12, 12, MONTHS[3:6])
    made["B02"][0, 5, 5] = 0
    classes = np.random.default_rng(2).integers(0, 12, (3, 12, 12), dtype=np.uint8)
    return open_cube(made.assign(SCL=(("time", "y", "x"), classes)))


def as_products_have_it(values, band):
    """Return (time, y, x) at the band's finest resolution, laid on the grid of 10 m."""
    step = RESOLUTIONS[band][0] // 10
    return values[:, ::step, ::step].repeat(step, axis=1).repeat(step, axis=2)


def same_pixels(opened, cube, offsets):
    np.testing.assert_array_equal(opened["x"], cube["x"])
    np.testing.assert_array_equal(opened["y"], cube["y"])
    assert opened["band"].values.tolist() == list(BANDS)
    assert acquisition_offsets(opened).tolist() == offsets
    for band in BANDS:
        expected = as_products_have_it(cube["reflectance"].sel(band=band).values, band).astype(np.int64)
        raised = np.where(expected == 0, 0, expected + np.asarray(offsets)[:, None, None])
        np.testing.assert_array_equal(opened["reflectance"].sel(band=band), raised)
    np.testing.assert_array_equal(opened["scl"], as_products_have_it(cube["scl"].values, "SCL"))


def test_safe_products_of_several_baselines_make_one_cube_with_the_offset_of_each(tmp_path, cube):
    write_safe(tmp_path, cube, 0, baseline="02.07")
    write_safe(tmp_path, cube, 1, baseline="04.00", offset=1000)
    write_safe(tmp_path, cube, 2, baseline="05.10", offset=1000)
    opened = open_cube(tmp_path)
    same_pixels(opened, cube, [0, 1000, 1000])
    assert opened.attrs["nodata"] == 0
    assert opened.rio.crs == CRS
    assert opened["time"].values.astype("datetime64[D]").tolist() == MONTHS[3:6].astype("datetime64[D]").tolist()
    products = sorted(tmp_path.glob("*.SAFE"))
    same_pixels(open_cube(products, chunks=5), cube, [0, 1000, 1000])
    same_pixels(open_cube(products[1], dates="2018-05"), cube.isel(time=[1]), [1000])


def test_without_metadata_the_name_of_the_product_tells_the_baseline(tmp_path, cube):
    write_safe(tmp_path, cube, 0, baseline="05.10", offset=1000, metadata=False)
    assert acquisition_offsets(open_cube(tmp_path)).tolist() == [1000]


def test_the_metadata_are_believed_before_the_name(tmp_path, cube):
    path = write_safe(tmp_path, cube, 0, baseline="05.10", raised=0)
    (path / "MTD_MSIL2A.xml").write_text(metadata_xml("05.10", [0] * 13))
    assert acquisition_offsets(open_cube(path)).tolist() == [0]
    (path / "MTD_MSIL2A.xml").write_text(metadata_xml("05.10", []))
    assert acquisition_offsets(open_cube(path)).tolist() == [1000]


def test_a_product_made_by_a_user_does_not_tell_its_offset(tmp_path, cube):
    path = write_safe(tmp_path, cube, 0, baseline="99.99")
    opened = open_cube(path)
    assert acquisition_offsets(opened) is None
    assert opened.attrs["nodata"] == 0


@pytest.mark.parametrize("suffix", ["tif", "jp2"])
def test_a_folder_of_rasters_by_band_and_date_is_one_cube(tmp_path, cube, suffix):
    for index in range(3):
        day = str(cube["time"].values[index])[:10].replace("-", "")
        for band in (*BANDS, "SCL"):
            source = cube["scl"] if band == "SCL" else cube["reflectance"].sel(band=band)
            path = tmp_path / day / f"S2_{day}_{band}.{suffix}"
            write_band(path, source.values[index], cube["y"].values, cube["x"].values, cube.rio.crs)
    (tmp_path / "readme.txt").write_text("no raster")
    opened = open_cube(tmp_path)
    np.testing.assert_array_equal(opened["reflectance"], cube["reflectance"])
    np.testing.assert_array_equal(opened["scl"], cube["scl"])
    assert acquisition_offsets(opened) is None


def test_a_raster_within_a_product_is_read_with_the_offset_of_the_product(tmp_path, cube):
    path = write_safe(tmp_path, cube, 0, baseline="05.10", offset=1000)
    bands = sorted(path.glob("GRANULE/*/IMG_DATA/R10m/*_B0?_10m.jp2"))
    opened = open_cube(bands)
    assert opened["band"].values.tolist() == ["B02", "B03", "B04", "B08"]
    assert acquisition_offsets(opened).tolist() == [1000]


def spoiled(path, content):
    (path / "MTD_MSIL2A.xml").write_text(content)
    return path


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: spoiled(path, "<broken"), r"metadata S2A_.*MTD_MSIL2A.xml cannot be read"),
        (lambda path: spoiled(path, metadata_xml("04.00", [-1000, -900])), r"have different offsets \(900, 1000\)"),
        (lambda path: spoiled(path, metadata_xml("04.00", [], 1000)), "reflectance times 1000 instead of 10000"),
    ],
)
def test_a_product_that_does_not_say_how_it_is_stored_is_refused(tmp_path, cube, spoil, sentence):
    path = spoil(write_safe(tmp_path, cube, 0))
    with pytest.raises(ValueError, match=sentence) as caught:
        open_cube(path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_cube_is_refused_in_one_sentence(tmp_path, cube):
    with pytest.raises(ValueError, match="holds no Sentinel-2 band: give a Zarr store, a SAFE product"):
        open_cube(tmp_path)
    write_raster(tmp_path / "elevation.tif", np.ones((1, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"No band of the 1 rasters in .* has the name of a Sentinel-2 band"):
        open_cube(tmp_path)
    (tmp_path / "S2_20180501_B02.jp2").write_text("half a file")
    with pytest.raises(
        ValueError, match=r"S2_20180501_B02.jp2 is no raster but text, whatever its name says"
    ) as caught:
        open_cube(tmp_path)
    assert "\n" not in str(caught.value)
    shutil.rmtree(tmp_path)
    path = write_safe(tmp_path, cube, 0, level="L1C")
    with pytest.raises(ValueError, match=r"top of the atmosphere \(L1C\): give the L2A product"):
        open_cube(path)


def test_the_name_of_a_folder_dates_its_files(tmp_path, cube):
    for index, name in enumerate(("2018-04-15", "S2A_31UDS_20180515_0_L2A", "20180615T105031")):
        for band in BANDS:
            values = cube["reflectance"].sel(band=band).values[index]
            write_band(tmp_path / name / f"{band}.tif", values, cube["y"].values, cube["x"].values, cube.rio.crs)
    opened = open_cube(tmp_path)
    np.testing.assert_array_equal(opened["reflectance"], cube["reflectance"])
    np.testing.assert_array_equal(opened["time"], MONTHS[3:6])


def test_what_holds_no_band_beside_a_cube_is_left_aside_and_named(tmp_path, cube):
    write_raster(tmp_path / "S2_20180415.tif", cube["reflectance"].values[0], BANDS)
    write_raster(tmp_path / "elevation.tif", np.ones((1, 4, 4), np.float32))
    labels = small_cube(4, 4).rename({band: f"code{band[1:]}" for band in BANDS})
    labels.to_netcdf(tmp_path / "labels.nc", engine="h5netcdf")
    notes = open_cube(tmp_path).attrs["notes"]
    assert f"Left aside of {tmp_path.name}, as without a Sentinel-2 band: elevation.tif." in notes
    assert f"Left aside of {tmp_path.name}, as without a Sentinel-2 band: labels.nc." in notes
    (tmp_path / "S2_20180415.tif").unlink()
    (tmp_path / "elevation.tif").unlink()
    with pytest.raises(ValueError, match=r"holds no Sentinel-2 band, only labels\.nc: give a folder of bands"):
        open_cube(tmp_path)
    (tmp_path / "labels.nc").rename(tmp_path / "S2A_MSIL2A.SAFE.zip")
    with pytest.raises(ValueError, match=r"holds no Sentinel-2 band, but S2A_MSIL2A\.SAFE\.zip: give"):
        open_cube(tmp_path)


def test_names_that_contradict_those_of_the_files_are_refused(tmp_path, cube):
    path = write_raster(tmp_path / "S2_20180415.tif", cube["reflectance"].values[0], BANDS)
    assert open_cube(path, bands=["B2", *BANDS[1:]]).identical(open_cube(path))
    with pytest.raises(ValueError, match=r"S2_20180415\.tif names its bands itself, .*: leave `bands` out") as caught:
        open_cube(path, bands=[*reversed(BANDS)])
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="The files lie in EPSG:32631, not in EPSG:32632: leave `crs` out"):
        open_cube(path, crs="EPSG:32632")
    assert open_cube(path, crs="32631").rio.crs == CRS


def test_two_tiles_are_not_one_cube(tmp_path, cube):
    write_safe(tmp_path / "one", cube, 0)
    write_safe(tmp_path / "two", cube.assign_coords(x=cube["x"] + 1000), 0)
    with pytest.raises(ValueError, match="is given twice: give one tile a cube") as caught:
        open_cube(tmp_path)
    assert "\n" not in str(caught.value)
