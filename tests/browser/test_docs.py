"""The site of `docs/`, opened from its folder, without any server or network."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from hub.docs_site import build_site
from tests.support.browser.chromium import visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("docs"))


@pytest.mark.parametrize("width", [1280, 390])
def test_search_finds_a_page_and_nothing_is_asked_for_elsewhere(site: Path, browser: Browser, width: int):
    with visit(browser, (site / "install.html").as_uri(), width) as page:
        page.keyboard.press("/")
        page.keyboard.type("growing season novelty")
        expect(page.get_by_text("results").or_(page.get_by_text("result")).first).to_be_visible()
        page.keyboard.press("Control+a")
        page.keyboard.type("minimum-months")
        expect(page.locator("a[href*='time.html']").filter(has_text="Few months").first).to_be_visible()
