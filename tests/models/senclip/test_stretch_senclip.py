import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from timesenclip_hf.models.senclip.stretch_senclip import WHITE_REFLECTANCE, seems_bgr, stretch_each, to_eight_bit


def land(seed: int = 0, size: int = 16) -> np.ndarray:
    """Fields of soil and of leaf, as a picture: (size, size, 3)."""
    share = np.random.default_rng(seed).random((size, size, 1))
    soil, leaf = np.array([140, 110, 90]), np.array([40, 60, 50])
    return (share * soil + (1 - share) * leaf).astype(np.uint8)


def test_the_stretch_is_linear_up_to_white_and_black_where_nothing_is_known():
    pixels = np.array([[0, WHITE_REFLECTANCE / 2, WHITE_REFLECTANCE], [-0.01, 1.0, np.nan]])
    assert to_eight_bit(pixels).tolist() == [[0, 128, 255], [0, 255, 0]]


def test_digital_numbers_and_four_bands_are_no_picture():
    with pytest.raises(ValueError, match=r"around 1500 are not reflectance.*divide"):
        to_eight_bit(np.full((1, 8, 8, 3), 1500))
    with pytest.raises(ValueError, match=r"red, green and blue, got the shape \(1, 8, 8, 4\)"):
        to_eight_bit(np.zeros((1, 8, 8, 4)))


def test_an_image_is_stretched_from_its_own_darkest_to_its_own_brightest_value_whatever_its_unit():
    pixels = np.array([[[100, 200, 300], [400, 600, np.nan]]])
    expected = [[[0, 51, 102], [153, 255, 0]]]
    assert stretch_each(pixels).tolist() == stretch_each(pixels / 10_000).tolist() == expected


def test_an_image_of_one_value_is_stretched_to_black():
    assert not stretch_each(np.full((4, 4, 3), 0.3)).any()


@given(gain=st.floats(0.5, 1.2), haze=st.integers(0, 60), seed=st.integers(0, 100))
def test_blue_first_is_told_from_red_first_under_any_light_and_haze(gain, haze, seed):
    picture = np.clip(land(seed) * gain + [0, haze / 2, haze], 0, 255).astype(np.uint8)
    assert not seems_bgr([picture])
    assert seems_bgr([picture[..., ::-1]])


def test_pictures_of_open_water_have_no_part_in_the_judgement():
    water = np.random.default_rng(0).normal([10, 30, 60], [0.5, 1, 2], (16, 16, 3)).astype(np.uint8)
    assert not seems_bgr([water])
    assert seems_bgr([water, water, land()[..., ::-1]])
    assert not seems_bgr([water, water, land()])


@pytest.mark.real_data
def test_the_stretch_is_that_of_the_eurosat_pictures(real_data):
    rasterio = pytest.importorskip("rasterio", reason="GeoTIFF is read by the extra `map`")
    folder = real_data / "eurosat_ms_rgb_subset100"
    for file in sorted(folder.glob("tif13/*/*.tif"))[::20]:
        with rasterio.open(file) as raster:
            reflectance = np.moveaxis(raster.read([4, 3, 2]), 0, -1) / 10_000
        picture = np.asarray(Image.open(folder / "rgb" / file.parent.name / f"{file.stem}.png")).astype(int)
        assert np.abs(picture - to_eight_bit(reflectance)).max() <= 1


@pytest.mark.real_data
def test_no_batch_of_eurosat_pictures_is_taken_for_bgr_and_every_one_is_once_it_is(real_data):
    files = sorted(real_data.glob("eurosat_rgb_2000/*/*.jpg"))
    for start in range(20):
        batch = [np.asarray(Image.open(file)) for file in files[start::125]]
        assert not seems_bgr(batch)
        assert seems_bgr([picture[..., ::-1] for picture in batch])
