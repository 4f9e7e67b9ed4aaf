from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Page, expect
from transformers import pipeline

from tests.support.browser.chromium import SIZES
from tests.support.browser.files import write_cube
from tests.support.browser.views import (
    NO_CLEAR_MONTH,
    choose,
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
from timesenclip_hf.labelling.label_set_files import read_label_set
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


def name_pixel(page: Page, row: int, column: int) -> None:
    field(page, "map-row").fill(str(row))
    write(page, "map-column", str(column))
    expect(page.locator("#map-pixel-status")).to_contain_text(f"Row {row}, column {column}")


@pytest.mark.parametrize("width", SIZES)
def test_the_map_follows_what_a_visitor_says_of_pixels_and_goes_back(visitor: Callable[..., Page], width: int):
    page = visitor(width)
    open_view(page, "Map")
    write(page, "map-words", ", ".join(WORDS))
    words = shares(page, [*WORDS, NO_CLEAR_MONTH])
    before = source(page, "map-classes")
    image = page.locator("#map-classes img")
    box = image.bounding_box()
    assert box is not None
    image.click(position={"x": box["width"] * 10.5 / 64, "y": box["height"] * 50.5 / 64})
    expect(page.locator("#map-pixel-status")).to_contain_text("Row 50, column 10")
    choose(page, "map-truth", "water")
    expect(page.locator('#map-examples [data-label="water"]')).to_have_attribute("data-count", "1")
    expect(image).not_to_have_attribute("src", before)
    write(page, "map-new", "sugar beet")  # of the same pixel, in place of water
    expect(page.locator("#map-examples .example")).to_have_text(["sugar beet 1"])
    assert set(shares(page, [*WORDS, "sugar beet", NO_CLEAR_MONTH])) == {*WORDS, "sugar beet", NO_CLEAR_MONTH}
    expect(field(page, "map-new")).to_have_value("")
    name_pixel(page, 20, 30)
    choose(page, "map-truth", "maize")
    expect(page.locator("#map-examples .example")).to_have_text(["sugar beet 1", "maize 1"])
    page.locator("#map-undo").click()
    expect(page.locator("#map-examples .example")).to_have_text(["sugar beet 1"])
    page.locator("#map-forget").click()
    expect(page.locator("#map-examples .example")).to_have_count(0)
    assert shares(page, [*WORDS, NO_CLEAR_MONTH]) == words


def test_the_label_set_is_taken_away_as_a_file_that_the_package_reads(view: Page, tmp_path: Path):
    choose(view, "map-truth", "rapeseed")
    with view.expect_download() as waiting:
        view.get_by_role("link", name="Download the label set").click()
    waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    label_set = read_label_set(tmp_path / "page.labels")
    assert {label: count for label, count in label_set.fit.examples.items() if count} == {"rapeseed": 1}


def test_pixels_are_named_by_the_keyboard_alone(view: Page):
    field(view, "map-row").press("Tab")
    expect(field(view, "map-column")).to_be_focused()
    field(view, "map-column").fill("20")
    field(view, "map-column").press("Enter")
    expect(view.locator("#map-pixel-status")).to_contain_text("column 20")
    for _ in range(2):
        view.keyboard.press("Tab")
    view.keyboard.press("Space")
    expect(view.locator("#map-examples .example")).to_have_count(1)
    field(view, "map-new").focus()
    view.keyboard.type("sugar beet")
    view.keyboard.press("Tab")
    view.keyboard.press("Enter")
    expect(view.locator("#map-examples .example")).to_have_text(["sugar beet 1"])
    view.locator("#map-undo button, button#map-undo").first.focus()
    view.keyboard.press("Enter")
    expect(view.locator("#map-examples .example")).to_have_count(0)


def test_what_cannot_be_learned_from_is_answered_in_one_sentence(view: Page):
    write(view, "map-new", "a, b")
    assert "one name without commas" in complaint(view, "map")
    view.locator("#map-undo").click()
    expect(view.locator("#map-error").get_by_role("alert")).to_contain_text("nothing to undo")


def test_what_a_visitor_calls_a_pixel_is_shown_as_text_and_never_run(view: Page):
    name = "<img src=x onerror=document.title=1>"
    write(view, "map-new", name)
    expect(view.locator("#map-examples .example")).to_have_text([f"{name} 1"])
    expect(view.locator("#map-truth").get_by_label(name, exact=True)).to_have_count(1)
    expect(view).to_have_title("TimeSenCLIP")


def test_examples_of_a_place_are_not_examples_of_another(view: Page):
    choose(view, "map-truth", "rapeseed")
    expect(view.locator("#map-examples .example")).to_have_count(1)
    choose(view, "map-example", "Wine country, 64 × 64 pixels")
    expect(view.locator("#map-examples .example")).to_have_count(0)


@pytest.mark.parametrize("element", ["map-undo", "map-forget", "map-add", "map-truth label >> nth=0"])
def test_what_is_pressed_with_a_thumb_is_large_enough(visitor: Callable[..., Page], element: str):
    page = visitor(390)
    open_view(page, "Map")
    target = page.locator(f"#{element}")
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box is not None
    assert box["height"] >= 44  # WCAG 2.2, 2.5.5
    assert box["width"] >= 44
