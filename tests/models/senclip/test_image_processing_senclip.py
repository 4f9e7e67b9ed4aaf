import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoImageProcessor, CLIPImageProcessor, CLIPModel

from timesenclip_hf import SenCLIPImageProcessor
from timesenclip_hf.models.senclip.image_processing_senclip import (
    WHITE_REFLECTANCE,
    seems_bgr,
    stretch_each,
    to_eight_bit,
)

MEAN, STD = (0.347, 0.376, 0.296), (0.269, 0.261, 0.276)


def constant(*reflectance: float, size: int = 8) -> np.ndarray:
    return np.broadcast_to(np.array(reflectance), (size, size, len(reflectance))).copy()


def land(size: int = 16, seed: int = 0) -> np.ndarray:
    """Reflectance of fields of soil and of leaf, (size, size, 3)."""
    share = np.random.default_rng(seed).random((size, size, 1))
    return share * [0.2, 0.15, 0.11] + (1 - share) * [0.03, 0.06, 0.04]


@pytest.fixture
def warnings(monkeypatch):
    """What is logged, warnings that come once included."""
    heard: list[str] = []
    monkeypatch.setattr("timesenclip_hf.models.senclip.image_processing_senclip.logger.warning_once", heard.append)
    return heard


def test_a_constant_image_becomes_its_stretched_and_normalised_value():
    values = SenCLIPImageProcessor()(constant(0.1375, 0.275, 0.055))["pixel_values"]
    expected = [(level / 255 - mean) / std for level, mean, std in zip((128, 255, 51), MEAN, STD, strict=True)]
    assert values[0].shape == (3, 224, 224)
    for channel, value in zip(values[0], expected, strict=True):
        np.testing.assert_allclose(channel, value, atol=1e-5)


def test_bands_are_found_by_name_in_any_order_and_spelling():
    processor, image = SenCLIPImageProcessor(), land()
    infrared = np.full((*image.shape[:2], 1), 0.4)
    expected = processor.to_pictures(image)[0]
    blue_first = np.concatenate([image[..., ::-1], infrared], axis=2)
    np.testing.assert_array_equal(processor.to_pictures(blue_first, bands=["B2", "green", "b04", "nir"])[0], expected)
    infrared_first = np.concatenate([infrared, image[..., [1, 0, 2]]], axis=2)
    names = ["B08", "B03", "RED", "blue"]
    np.testing.assert_array_equal(processor.to_pictures(infrared_first, bands=names)[0], expected)
    np.testing.assert_array_equal(processor.to_pictures(np.moveaxis(infrared_first, -1, 0), bands=names)[0], expected)


def test_digital_numbers_are_read_with_their_offset_and_reflectance_as_it_is():
    processor, image = SenCLIPImageProcessor(), land()
    numbers = np.rint(image * 10_000).astype(np.uint16)
    expected = processor.to_pictures(numbers / 10_000)[0]
    np.testing.assert_array_equal(processor.to_pictures(numbers)[0], expected)
    np.testing.assert_array_equal(processor.to_pictures(numbers + 1000, processing_baseline="04.00")[0], expected)
    np.testing.assert_array_equal(processor.to_pictures(torch.from_numpy(numbers / 10_000).float())[0], expected)


def test_per_image_stretch_takes_each_image_from_its_darkest_to_its_brightest_value():
    processor = SenCLIPImageProcessor(stretch="per_image")
    image = constant(0.1, 0.2, 0.3)
    image[0, 0] = 0.05, 0.55, 0.3
    picture = processor.to_pictures(image)[0]
    assert picture[0, 0].tolist() == [0, 255, 128]
    assert picture[1, 1].tolist() == [26, 76, 128]
    np.testing.assert_array_equal(processor.to_pictures(image * 0.5)[0], picture)


def test_eight_bit_pictures_are_taken_as_they_are_by_either_stretch():
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    for stretch in ("fixed", "per_image"):
        processor = SenCLIPImageProcessor(stretch=stretch)
        np.testing.assert_array_equal(processor.to_pictures(picture)[0], picture)
        np.testing.assert_array_equal(processor.to_pictures(Image.fromarray(picture))[0], picture)


def test_the_crop_keeps_the_middle_before_the_image_is_resized():
    picture = np.zeros((10, 12, 3), dtype=np.uint8)
    picture[3:7, 4:8] = 200
    assert (SenCLIPImageProcessor(crop=4).to_pictures(picture)[0] == 200).all()
    values = SenCLIPImageProcessor(crop=4, image_mean=[0, 0, 0], image_std=[1, 1, 1])(picture)["pixel_values"]
    np.testing.assert_allclose(values[0], 200 / 255, atol=1e-6)


def test_images_of_different_sizes_and_shapes_give_one_batch():
    images = [land(16), land(40)[:, :20], np.zeros((7, 9, 3), dtype=np.uint8) + 90]
    assert SenCLIPImageProcessor()(images, return_tensors="pt")["pixel_values"].shape == (3, 3, 224, 224)


def test_pixels_without_data_become_black_and_an_image_of_nothing_else_is_refused():
    image = land()
    image[2, 3, 1] = image[5] = np.nan
    numbers = np.rint(np.nan_to_num(image) * 10_000).astype(np.int16)
    numbers[2, 3, 1] = -9999
    for stretch in ("fixed", "per_image"):
        for values in (image, numbers):
            picture = SenCLIPImageProcessor(stretch=stretch).to_pictures(values)[0]
            assert picture[2, 3, 1] == 0
            assert not picture[5].any()
            assert np.count_nonzero(picture) > 600
    with pytest.raises(ValueError, match="Image 1: no pixel has data: leave the image out"):
        SenCLIPImageProcessor()([land(), np.full((8, 8, 3), np.nan)])


def test_blue_handed_as_red_is_warned_of_unless_the_bands_are_named(warnings):
    processor = SenCLIPImageProcessor()
    processor(land())
    processor(land()[..., ::-1], bands=["B02", "B03", "B04"])
    # Of single images a few seem swapped, and whoever names the bands need not be told to.
    processor(land()[..., ::-1], bands=["B04", "B03", "B02"])
    assert not warnings
    processor(land()[..., ::-1])
    assert len(warnings) == 1
    assert "blue and red seem to be swapped" in warnings[0]
    assert "\n" not in warnings[0]


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([], {}, "no image"),
        (np.zeros((8, 8, 13)), {}, r"Image 0: its shape is \(8, 8, 13\).*name its bands"),
        (np.zeros((8, 8)), {}, r"its shape is \(8, 8\)"),
        (np.zeros((0, 8, 3)), {}, r"its shape is \(0, 8, 3\)"),
        (np.zeros((8, 8, 3)), {"bands": ["B04", "B03"]}, r"lack B02"),
        (np.zeros((8, 8, 4)), {"bands": ["B04", "B03", "B02"]}, r"\(8, 8, 4\).*3 bands that were named"),
        (np.zeros((8, 8, 3)), {"bands": ["B04", "B03", "red"]}, "B04 is named twice"),
        (np.zeros((8, 8, 3)), {"bands": ["B04", "B03", "B99"]}, "Unknown band 'B99'"),
        (np.zeros((8, 8, 3), dtype=bool), {}, "its values are bool"),
        (Image.fromarray(np.zeros((8, 8), dtype=np.uint16)), {}, "its mode is I;16, of more than 8 bits"),
        ([land(), land() * 100], {"units": "reflectance"}, r"Image 1: .*seem to be per cent"),
        (land(), {"units": "per cent"}, "`units` must be one of"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(images, options, message):
    with pytest.raises(ValueError, match=message) as error:
        SenCLIPImageProcessor()(images, **options)
    assert "\n" not in str(error.value)


def test_an_image_smaller_than_the_crop_is_refused():
    with pytest.raises(ValueError, match="Image 1: 16 x 16 pixels are smaller than the crop of 32"):
        SenCLIPImageProcessor(crop=32)([land(40), land(16)])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"stretch": "gamma"}, "`stretch`.*'gamma'"), ({"white_reflectance": 0}, "positive"), ({"crop": 0}, "at least 1")],
)
def test_settings_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SenCLIPImageProcessor(**options)


def test_it_is_saved_and_loaded_as_any_image_processor(tmp_path):
    processor = SenCLIPImageProcessor(stretch="per_image", white_reflectance=0.4, crop=12, size={"shortest_edge": 32})
    processor.save_pretrained(tmp_path)
    loaded = AutoImageProcessor.from_pretrained(tmp_path)
    assert isinstance(loaded, SenCLIPImageProcessor)
    assert loaded.to_dict() == processor.to_dict()
    assert AutoImageProcessor.from_pretrained(tmp_path, crop=8).crop == 8


def test_the_stock_processor_gives_the_same_values_of_pictures_and_remembers_the_stretch(tmp_path, tiny_clip):
    processor = SenCLIPImageProcessor.for_clip(CLIPModel.from_pretrained(tiny_clip), stretch="per_image", crop=12)
    processor.to_clip().save_pretrained(tmp_path)
    stock = AutoImageProcessor.from_pretrained(tmp_path)
    assert type(stock) is type(CLIPImageProcessor())
    again = SenCLIPImageProcessor.from_pretrained(tmp_path)
    assert (again.stretch, again.crop) == ("per_image", 12)
    pictures = processor.to_pictures([land(20), land(30)])
    ours, theirs = (each(pictures, return_tensors="pt")["pixel_values"] for each in (processor, stock))
    assert ours.shape == (2, 3, 32, 32)
    assert torch.equal(ours, theirs)


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([np.float32, np.float64, np.uint16, np.int16, np.uint8]),
    st.integers(0, 2**31),
)
def test_any_numbers_give_finite_values_or_one_sentence(height, width, dtype, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(0.2, 0.5, (height, width, 3))
    image[rng.random(image.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, 0.0])
    if np.dtype(dtype).kind != "f":
        image = np.nan_to_num(image, posinf=6, neginf=0).clip(0, 6) * (40 if dtype == np.uint8 else 5_000)
    processor = SenCLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    try:
        values = processor(image.astype(dtype), return_tensors="pt")["pixel_values"]
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - whether it is refused depends on the numbers
    else:
        assert values.shape == (1, 3, 8, 8)
        assert torch.isfinite(values).all()


def land_picture(seed: int = 0, size: int = 16) -> np.ndarray:
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
    picture = np.clip(land_picture(seed) * gain + [0, haze / 2, haze], 0, 255).astype(np.uint8)
    assert not seems_bgr([picture])
    assert seems_bgr([picture[..., ::-1]])


def test_pictures_of_open_water_have_no_part_in_the_judgement():
    water = np.random.default_rng(0).normal([10, 30, 60], [0.5, 1, 2], (16, 16, 3)).astype(np.uint8)
    assert not seems_bgr([water])
    assert seems_bgr([water, water, land_picture()[..., ::-1]])
    assert not seems_bgr([water, water, land_picture()])


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
