from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser.chromium import SIZES, visit
from tests.support.browser.screenshots import SCREENSHOTS, keep, views
from tests.support.browser.views import open_view, scores, write
from tests.support.space_process import COMMAND, Space, running_space

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", SIZES)
def test_every_view_fits_its_window(visitor: Callable[..., Page], width: int):
    page = visitor(width)
    for name in views(page):
        assert keep(page, SCREENSHOTS / f"{name}-{width}.png") == []


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
