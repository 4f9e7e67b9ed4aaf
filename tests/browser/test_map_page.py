from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser.axe import AXE, FETCH, serious_violations
from tests.support.browser.chromium import SIZES, leaves_loopback, visit
from tests.support.browser.screenshots import SCREENSHOTS, keep
from tests.support.small_maps import add_coarse, make_map
from timesenclip_hf.maps import reject
from timesenclip_hf.maps.files.preview import write_html

pytestmark = pytest.mark.browser

LABELS = ["water", "maize", "broadleaved woodland"]
HEIGHT, WIDTH = 40, 60


def striped():
    """Make a map of three stripes; its first pixel has no data."""
    mapped = make_map(HEIGHT, WIDTH, labels=LABELS, model="you/model", unknown_words=["sorrel"])
    mapped["class"][:] = np.arange(WIDTH) // 20 + 1
    mapped["class"][0, 0] = 0
    mapped["probability"][:] = np.linspace(0.1, 0.9, HEIGHT, dtype=np.float32)[:, None]
    return mapped


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "map.html"
    coarse = add_coarse(make_map(20, 20))
    write_html({"": striped(), "sure": reject(coarse, 0.3)}, path)
    return path.as_uri()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    with ExitStack() as stack:

        def open_page(width: int = 1280) -> Page:
            page = stack.enter_context(visit(browser, address, width))
            expect(page.locator("section[data-ready]")).to_have_count(2)
            return page

        yield open_page


def point(page: Page, across: float, down: float) -> str:
    """Move the pointer to a share of the first map; return what is read out."""
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    return page.locator("output").first.inner_text()


def colour(page: Page, across: float, down: float) -> list[int]:
    """Read the colour drawn at a share of the first map."""
    drawn: list[int] = page.evaluate(
        """([across, down]) => {
            const view = document.querySelector("canvas");
            const at = [Math.floor(across * view.width), Math.floor(down * view.height)];
            return [...view.getContext("2d").getImageData(...at, 1, 1).data];
        }""",
        [across, down],
    )
    return drawn


@pytest.mark.parametrize("width", SIZES)
def test_nothing_keeps_people_out_on_any_layer(opened, width):
    if not AXE.is_file():
        pytest.skip(FETCH)
    page = opened(width)
    for layer in page.locator("section").first.locator(".layers input").all():
        layer.check()
        assert serious_violations(page) == []


@pytest.mark.parametrize("width", SIZES)
def test_the_page_fits_and_shows_map_and_reading_together(opened, width):
    page = opened(width)
    assert keep(page, SCREENSHOTS / f"map_page_{width}.png") == []
    canvas, reading = (page.locator(name).first.bounding_box() for name in ("canvas", "output"))
    assert reading["y"] + reading["height"] - canvas["y"] < SIZES[width][1]
    sizes = [button.bounding_box() for button in page.locator("button").all()]
    assert all(box["width"] >= 44 and box["height"] >= 44 for box in sizes)


def test_the_pointer_reads_class_probability_and_place(opened):
    page = opened()
    text = point(page, 0.5, 0.5)
    assert text.startswith("maize · probability 0.5")
    # The grid begins at 500,000 east and 5,600,000 north, with pixels of 10 m.
    assert "easting 500300, northing 5599800" in text
    assert "° N, 3.0" in text
    assert point(page, 0.1, 0.9).startswith("water · probability 0.8")
    page.get_by_role("radio", name="Margin").first.check()
    assert "margin" in point(page, 0.8, 0.5)
    assert point(page, 0.008, 0.012).startswith("no clear month")


def test_a_class_that_is_hidden_is_not_drawn(opened):
    page = opened()
    assert colour(page, 0.5, 0.5) == [0xEA, 0xB5, 0x00, 255]
    page.get_by_label("maize").first.uncheck()
    assert colour(page, 0.5, 0.5)[3] == 0
    assert colour(page, 0.1, 0.5)[3] == 255
    page.get_by_role("radio", name="Probability").first.check()
    assert colour(page, 0.5, 0.5)[3] == 0
    page.get_by_role("button", name="Show all").first.click()
    assert colour(page, 0.5, 0.5)[3] == 255
    page.get_by_role("button", name="Hide all").first.click()
    assert colour(page, 0.1, 0.5)[3] == 0


def test_the_wheel_zooms_about_the_pointer_and_dragging_moves(opened):
    page = opened()
    before = point(page, 0.26, 0.51)
    bar = page.locator(".bar span").first.inner_text()
    for _ in range(5):
        page.mouse.wheel(0, -300)
    assert page.locator(".bar span").first.inner_text() != bar
    after = page.locator("output").first.inner_text()
    assert after.splitlines()[0] == before.splitlines()[0]
    box = page.locator("canvas").first.bounding_box()
    page.mouse.down()
    page.mouse.move(box["x"] + 0.26 * box["width"] + 80, box["y"] + 0.51 * box["height"], steps=4)
    page.mouse.up()
    assert point(page, 0.26, 0.51) != after
    page.get_by_role("button", name="Whole map").first.click()
    assert point(page, 0.26, 0.51) == before


def test_keys_move_and_zoom_and_read_the_middle(opened):
    page = opened()
    page.locator("canvas").first.focus()
    for key in "++":
        page.keyboard.press(key)
    reading = page.locator("output").first
    expect(reading).to_contain_text("maize")
    expect(reading).to_have_attribute("aria-live", "polite")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    expect(reading).to_contain_text("broadleaved woodland")
    page.keyboard.press("0")
    expect(reading).to_contain_text("maize")


def test_two_fingers_zoom_on_a_phone(opened):
    page = opened(390)
    box = page.locator("canvas").first.bounding_box()
    bar = page.locator(".bar span").first.inner_text()
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, apart in (("touchStart", 20), ("touchMove", 60), ("touchMove", 140)):
        fingers = [{"x": middle[0] + side * apart, "y": middle[1], "id": number} for number, side in enumerate((-1, 1))]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator(".bar span").first).not_to_have_text(bar)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": middle[0], "y": middle[1]}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("output").first).to_contain_text("maize · probability")


def test_without_scripts_the_pictures_and_the_legend_are_there(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_alt_text("Classes").first).to_be_visible()
    expect(page.locator("canvas").first).to_be_hidden()
    page.get_by_role("radio", name="Probability").first.check()
    expect(page.get_by_alt_text("Probability").first).to_be_visible()
    expect(page.get_by_text("broadleaved woodland").first).to_be_visible()
    context.close()


def test_the_policy_lets_nothing_else_run_or_load(browser, address):
    context = browser.new_context()
    page, asked, refused = context.new_page(), [], []
    page.on("requestfinished", lambda request: asked.extend([request.url] if leaves_loopback(request.url) else []))
    page.on("console", lambda message: refused.append(message.text))
    page.goto(address)
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        const picture = new Image();
        picture.src = "https://example.org/a.png";
        document.body.append(picture);
    }""")
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert asked == []
    assert len([text for text in refused if "Content Security Policy" in text]) >= 2
    context.close()
