from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Page, expect
from transformers import pipeline

from tests.support.browser.files import write_cube
from tests.support.browser.views import (
    NO_CLEAR_MONTH,
    complaint,
    field,
    open_view,
    scores,
    shares,
    source,
    unfold,
    upload,
    write,
)
from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps import map_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK

pytestmark = pytest.mark.browser

WORDS = ["maize", "woodland", "water"]
MAPS = ("map-classes", "map-probability", "map-entropy")
HEIGHT, WIDTH = 4, 6


@pytest.fixture
def view(page: Page) -> Page:
    open_view(page, "Map")
    return page


@pytest.fixture
def unfolded(view: Page) -> Page:
    unfold(view, "map")
    return view


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    return write_cube(tmp_path / "cube.nc", HEIGHT, WIDTH, seed=6)


def test_other_words_change_the_maps_and_the_legend(view: Page):
    before = {name: source(view, name) for name in MAPS}
    write(view, "map-words", ", ".join(WORDS))
    assert set(shares(view, [*WORDS, NO_CLEAR_MONTH])) == {*WORDS, NO_CLEAR_MONTH}
    for name in MAPS:
        expect(view.locator(f"#{name} img")).not_to_have_attribute("src", before[name])
    three = {name: source(view, name) for name in MAPS}
    write(view, "map-words", "water, houses")
    shown = shares(view, ["water", "houses", NO_CLEAR_MONTH])
    assert sum(shown.values()) == pytest.approx(1, abs=0.001)
    for name in MAPS:
        expect(view.locator(f"#{name} img")).not_to_have_attribute("src", three[name])


def test_an_uploaded_cube_is_mapped_as_map_cube_maps_it(unfolded: Page, cube: Path):
    field(unfolded, "map-words").fill(", ".join(WORDS))
    upload(unfolded, "map", cube)
    expect(unfolded.locator("#map-status")).to_contain_text(f"{HEIGHT} × {WIDTH} pixels")
    classes = map_cube(cube, WORDS, progress=False)["class"].values
    expected = {label: float((classes == index).mean()) for index, label in enumerate(WORDS, start=1)}
    assert shares(unfolded, WORDS) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", MAPS)
def test_a_click_on_a_pixel_shows_its_series(unfolded: Page, cube: Path, name: str):
    field(unfolded, "map-words").fill(", ".join(WORDS))
    upload(unfolded, "map", cube)
    expect(unfolded.locator("#map-status")).to_contain_text(f"{HEIGHT} × {WIDTH} pixels")
    row, column = 2, 4
    image = unfolded.locator(f"#{name} img")
    source(unfolded, name)
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    assert box is not None
    image.click(position={"x": box["width"] * (column + 0.5) / WIDTH, "y": box["height"] * (row + 0.5) / HEIGHT})
    expect(field(unfolded, "map-row")).to_have_value(str(row))
    expect(field(unfolded, "map-column")).to_have_value(str(column))
    expect(unfolded.locator("#map-pixel-chart img")).to_be_visible()
    with xr.open_dataset(cube) as opened:
        series = np.stack([opened[band].values[:, row, column] for band in BANDS], axis=-1) / 10_000
    expected = {
        entry["label"]: entry["score"] for entry in pipeline(TASK, device="cpu")(series, candidate_labels=WORDS)
    }
    assert scores(unfolded, "map-pixel-scores", WORDS) == pytest.approx(expected, abs=1e-4)


def test_a_pixel_is_found_by_its_row_and_column_too(view: Page):
    field(view, "map-row").fill("10")
    write(view, "map-column", "20")
    expect(view.locator("#map-pixel-status")).to_contain_text("Row 10, column 20")
    expect(view.locator("#map-pixel-chart img")).to_be_visible()


def test_a_pixel_outside_the_map_is_answered_in_one_sentence(view: Page):
    field(view, "map-row").fill("64")
    write(view, "map-column", "0")
    assert "rows 0 to 63" in complaint(view, "map")


@pytest.mark.parametrize(
    ("name", "content"), [("cube.nc", b"CDF\x01 and nothing more"), ("cube.tif", b"II*\0 and nothing more")]
)
def test_a_bad_cube_is_answered_in_one_sentence(unfolded: Page, tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    upload(unfolded, "map", tmp_path / name)
    sentence = complaint(unfolded, "map")
    assert name in sentence
    assert "Sorry" not in sentence


def test_a_cube_with_too_many_pixels_is_answered_in_one_sentence(unfolded: Page, tmp_path: Path):
    small_cube(200, 200, MONTHS[:1], bands=["B04"]).to_netcdf(tmp_path / "wide.nc", engine="h5netcdf")
    upload(unfolded, "map", tmp_path / "wide.nc")
    assert "200 × 200" in complaint(unfolded, "map")
