from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import SIZES, visit
from tests.browser.views import choose, complaint, field, open_view, scores, source, unfold, upload, write
from tests.space_process import COMMAND, Space, running_space

pytestmark = pytest.mark.browser


def keep(page: Page, folder: Path, name: str, width: int) -> None:
    """A screenshot of the whole view, if it is no wider than its window."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overhang = page.evaluate(
        "() => [...document.querySelectorAll('main *, .gradio-container *')].filter(one => one.checkVisibility() && "
        "one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 120))"
    )
    assert not overhang


@pytest.mark.parametrize("width", SIZES)
def test_every_view_fits_its_window(visitor: Callable[..., Page], screenshots: Path, tmp_path: Path, width: int):
    page = visitor(width)
    choose(page, "series-example", "maize, half the year in cloud")
    expect(page.locator("#series-chart figcaption")).to_contain_text("No clear look")
    source(page, "series-chart")
    keep(page, screenshots, "series", width)

    open_view(page, "Map")
    field(page, "map-row").fill("10")
    write(page, "map-column", "20")
    expect(page.locator("#map-pixel-chart img")).to_be_visible()
    keep(page, screenshots, "map", width)

    open_view(page, "Search")
    source(page, "search-hits")
    keep(page, screenshots, "search", width)

    open_view(page, "Series")
    (tmp_path / "table.csv").write_text("this,is\nnot,a table\n", encoding="utf-8")
    unfold(page, "series")
    upload(page, "series", tmp_path / "table.csv")
    complaint(page, "series")
    keep(page, screenshots, "error", width)


def test_visitors_do_not_see_each_others_words(visitor: Callable[..., Page]):
    first, second = visitor(), visitor()
    write(first, "series-words", "water, houses")
    write(second, "series-words", "maize, wheat")
    scores(first, "series-scores", ["water", "houses"])
    scores(second, "series-scores", ["maize", "wheat"])
    first.reload()
    expect(first.locator('#series-scores [data-label="houses"]')).to_have_count(0)


def test_the_command_opens_the_same_page(page: Page, browser: Browser):
    with running_space(COMMAND) as local, visit(browser, local.url) as opened:
        expect(opened).to_have_title(page.title())
        for name in ("Series", "Map", "Search"):
            open_view(opened, name)


@pytest.mark.parametrize("address", ["http://example.org/font.woff2", "http://localhost.example:80/"])
def test_a_page_that_asks_for_anything_outside_loopback_is_noticed(space: Space, browser: Browser, address: str):
    with pytest.raises(AssertionError, match="outside loopback"), visit(browser, space.url) as page:
        page.evaluate("address => fetch(address).catch(() => null)", address)
