import numpy as np
import pytest

from tests.support.small_cubes import small_cube, write_raster
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

EARTH_ENGINE = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
FORCE = ("BLUE", "GREEN", "RED", "REDEDGE1", "REDEDGE2", "REDEDGE3", "BROADNIR", "NIR", "SWIR1", "SWIR2")
VALUES = np.random.default_rng(0).integers(100, 4000, (12, 10, 4, 3), dtype=np.int16)
STEPS = {"start": "2018-01", "step": "month"}


def same(cube, values=VALUES, first="2018-01-01"):
    """Whether a cube has the values, by the names of its bands, from the first date on."""
    assert str(cube["time"].values[0])[:10] == first
    np.testing.assert_array_equal(cube["reflectance"].sel(band=list(BANDS)).values, values)


@pytest.mark.parametrize(
    ("name_of", "steps"),
    [
        (lambda band, month: f"{month}_{EARTH_ENGINE[band]}", STEPS),
        (lambda band, month: EARTH_ENGINE[band] + (f"_{month}" if month else ""), STEPS),
        (lambda band, month: f"S2_2018{month + 1:02d}_{EARTH_ENGINE[band]}", {}),
        (lambda band, month: f"{FORCE[band]}_2018-{month + 1}-1", {}),
    ],
)
def test_the_bands_of_a_raster_are_named_together(tmp_path, name_of, steps):
    names = [name_of(band, month) for month in range(12) for band in range(10)]
    path = write_raster(tmp_path / "all.tif", VALUES.reshape(120, 4, 3), names)
    cube = open_cube(path, **steps)
    same(cube)
    assert any("2018-01-01 to 2018-12-01" in note for note in cube.attrs["notes"])
    if steps:
        with pytest.raises(ValueError, match=r"The bands .* are numbered, .* such as --start 2018-01-01 --step month"):
            open_cube(path)


def test_the_files_of_a_folder_are_named_together(tmp_path):
    for month in range(12):
        write_raster(tmp_path / f"composite_{month}.tif", VALUES[month], FORCE)
    same(open_cube(tmp_path, **STEPS))
    same(open_cube(sorted(tmp_path.glob("*.tif"), reverse=True), **STEPS))
    with pytest.raises(ValueError, match="files composite_0 to composite_11 are numbered, and nothing says when"):
        open_cube(tmp_path)


def test_a_file_a_band_has_its_dates_in_its_band_names_or_by_their_order(tmp_path):
    dates = [f"2018{month:02d}03_SEN2A" for month in range(1, 13)]
    for band, short in enumerate(("BLU", "GRN", "RED", "RE1", "RE2", "RE3", "BNR", "NIR", "SW1", "SW2")):
        write_raster(tmp_path / f"2018-2018_001-365_HL_TSA_SEN2L_{short}_TSS.tif", VALUES[:, band], dates)
    same(open_cube(tmp_path), first="2018-01-03")
    for band, name in enumerate(BANDS):
        write_raster(tmp_path / "stacks.tif", VALUES[:, band]).rename(tmp_path / f"stack_{name}.tiff")
    same(open_cube(sorted(tmp_path.glob("*.tiff")), **STEPS))
    with pytest.raises(ValueError, match="bands step 1 to step 12 are numbered, and nothing says when"):
        open_cube(sorted(tmp_path.glob("*.tiff")))


@pytest.mark.parametrize(
    ("times", "steps", "first"),
    [
        (np.arange(12), STEPS, "2018-01-01"),
        (np.arange(36), {"start": "2018", "step": "dekad"}, "2018-01-01"),
        (np.arange(201801, 201813), {}, "2018-01-01"),
        (np.array([f"2018-{month}-5" for month in range(1, 13)]), {}, "2018-01-05"),
        (np.array(["2017-12-31T23:00", "2018-01-31T23:00", "2018-06-30T22:00"], "datetime64[ns]"), {}, "2018-01-01"),
    ],
)
def test_a_time_axis_may_hold_numbers_texts_and_local_midnights(times, steps, first):
    dataset = small_cube(times=times)
    cube = open_cube(dataset, **steps)
    assert str(cube["time"].values[0])[:10] == first
    np.testing.assert_array_equal(cube["reflectance"].sel(band="B8A"), dataset["B8A"])


@pytest.mark.parametrize(
    "times",
    [
        np.arange(4, 10),
        np.arange(4.0, 10.0),
        np.array(["04", "05", "06", "07", "08", "09"]),
        np.array(["Apr", "May", "Jun", "Jul", "Aug", "Sep"]),
        np.array(["April", "May", "June", "July", "August", "Sept."], dtype=object),
    ],
)
def test_a_time_axis_of_months_stays_months(times):
    cube = open_cube(small_cube(times=times))
    assert cube["time"].values.tolist() == [3, 4, 5, 6, 7, 8]
    assert "The times of the cube, 4 to 9 are read as the months April to September." in cube.attrs["notes"]


@pytest.mark.parametrize(
    ("cube", "options", "sentence"),
    [
        (small_cube(times=np.arange(36)), {}, r"times of the cube, 0 to 35 are numbered, .* --step dekad"),
        (small_cube().drop_vars("time"), {}, "has no coordinates: give each acquisition its date, or the date of the"),
        (small_cube(), STEPS, "The time axis of the cube has dates already: leave the start and the step out"),
    ],
)
def test_a_time_axis_that_could_be_misread_is_asked_about(cube, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        open_cube(cube, **options)


def test_an_axis_without_coordinates_is_dated_by_start_and_step():
    times = open_cube(small_cube().drop_vars("time"), start="2018-07", step="month")["time"].values
    assert [str(time)[:10] for time in times[[0, -1]]] == ["2018-07-01", "2019-06-01"]


def test_variables_are_named_together():
    dataset = small_cube(times=np.array(["2018-01-15"], "datetime64[ns]")).isel(time=0, drop=True)
    named = dataset.rename(dict(zip(BANDS, (f"{name}_2018-4-3" for name in FORCE), strict=True)))
    cube = open_cube(named)
    assert str(cube["time"].values[0])[:10] == "2018-04-03"
    np.testing.assert_array_equal(cube["reflectance"].sel(band="B08")[0], dataset["B08"])


def test_bands_that_are_only_counted_are_named_by_the_caller(tmp_path):
    names = [f"b{number}" for number in range(1, 14)]
    values = np.pad(VALUES[0], ((0, 3), (0, 0), (0, 0)))
    path = write_raster(tmp_path / "S2_20180101.tif", values, names)
    same(open_cube(path, bands=[*BANDS, "B01", "B09", "B10"]), VALUES[:1])
    with pytest.raises(ValueError, match=r'only count the bands, .* such as bands="B01,B02'):
        open_cube(path)
