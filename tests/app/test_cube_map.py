import numpy as np
import pytest

from tests.app.conftest import SIDE
from tests.support.small_cubes import small_cube as raw_cube
from timesenclip_hf.app import cube_map
from timesenclip_hf.app.cube_map import answer_pixel, keep_cube, relabel
from timesenclip_hf.app.example_cubes import EXAMPLES, example_cube, simulate_land
from timesenclip_hf.app.upload_reading import read_cube
from timesenclip_hf.maps import map_cube
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions

WORDS = "wheat, maize, woodland, buildings, water"


@pytest.mark.parametrize("text", [WORDS, "crops, water", "water"])
def test_the_map_is_that_of_the_command_in_any_words_from_embeddings_kept_once(
    page_model, small_cube, kept, text, monkeypatch
):
    expected = map_cube(small_cube, text, progress=False)
    monkeypatch.setattr(page_model, "embed", None)  # nothing is encoded again
    answer = relabel(page_model, kept, page_model.words(text))
    assert answer.classes.tolist() == expected["class"].values.tolist()
    np.testing.assert_allclose(answer.probability, expected["probability"].values, atol=1e-5)
    seen = answer.classes > 0
    np.testing.assert_allclose(answer.entropy[seen], expected["entropy"].values[seen], atol=1e-5)
    assert np.isnan(answer.entropy[~seen]).all()
    assert answer.shares.sum() == pytest.approx(1)


def test_a_pixel_answers_as_its_map_says(page_model, kept):
    answer = relabel(page_model, kept, page_model.words(WORDS))
    row, column = np.argwhere(answer.classes > 0)[137]
    pixel = answer_pixel(page_model, kept, page_model.words(WORDS), row, column)
    assert pixel.probabilities.argmax() + 1 == answer.classes[row, column]
    assert pixel.probabilities.max() == pytest.approx(answer.probability[row, column])


def test_a_pixel_outside_or_under_cloud_all_year_is_refused(page_model, kept):
    with pytest.raises(ValueError, match=f"no pixel in row {SIDE}, column 0: the map has rows 0 to {SIDE - 1}"):
        answer_pixel(page_model, kept, page_model.words(WORDS), SIDE, 0)
    row, column = np.argwhere(relabel(page_model, kept, page_model.words(WORDS)).classes == 0)[0]
    with pytest.raises(ValueError, match="has no clear month"):
        answer_pixel(page_model, kept, page_model.words(WORDS), row, column)


def test_an_uploaded_cube_of_two_years_is_mapped_as_the_command_maps_it(tmp_path, page_model):
    dates = np.datetime64("2017-03-01", "ns") + np.arange(30) * np.timedelta64(20, "D")
    raw_cube(4, 5, times=dates).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    cube = read_cube([tmp_path / "cube.nc"])
    answer = relabel(
        page_model, keep_cube(page_model, page_model.reader.read_cube(cube, offset=50)), page_model.words(WORDS)
    )
    expected = map_cube(cube, WORDS, reading=SeriesOptions(offset=50), progress=False)
    assert answer.classes.tolist() == expected["class"].values.tolist()


def test_what_takes_too_long_is_stopped_in_a_sentence(page_model, small_cube, monkeypatch):
    monkeypatch.setattr(cube_map, "MOST_SECONDS", -1.0)
    with pytest.raises(ValueError, match="stopped after -1 seconds, with 0 of 400 pixels done"):
        keep_cube(page_model, page_model.reader.read_cube(small_cube))


def test_a_cube_with_too_many_pixels_is_refused(page_model):
    large = open_cube(raw_cube(130, 128, times=np.array(["2018-05-01"], dtype="datetime64[ns]")))
    with pytest.raises(ValueError, match="130 × 128 = 16,640 pixels"):
        page_model.reader.read_cube(large)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_fields_clouds_and_a_strip_that_was_never_seen(name):
    cube = example_cube(name)
    assert cube["reflectance"].shape == (12, 10, 64, 64)
    hidden = (cube["reflectance"].values == cube.attrs["nodata"]).all(axis=1)
    assert 0 < hidden.all(axis=0).mean() < 0.01
    assert 1 <= hidden.all(axis=(1, 2)).sum() <= 3
    assert hidden.any(axis=0).mean() > 0.9
    with pytest.raises(ValueError, match="There is no example 'Sea'"):
        example_cube("Sea")


def test_a_land_is_the_cube_with_the_cover_of_each_pixel_in_fields(small_cube):
    covers = {"wheat": 1, "maize": 1}
    cube, names = simulate_land(covers, seed=1, side=SIDE)
    assert cube["reflectance"].equals(small_cube["reflectance"])
    assert names.shape == (SIDE, SIDE)
    assert set(names.ravel()) == {*covers, "lake", "buildings"}
    finer = simulate_land(covers, seed=1, side=SIDE, fields=150)[1]
    assert (finer[1:] != finer[:-1]).sum() > (names[1:] != names[:-1]).sum()
