import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.views import choose, complaint, field, open_view, write

pytestmark = pytest.mark.browser


@pytest.fixture
def view(page: Page) -> Page:
    open_view(page, "Search")
    return page


def hits(page: Page) -> dict[str, float]:
    pairs = page.locator("#search-hits .hit").evaluate_all(
        "hits => hits.map(hit => [hit.dataset.point, Number(hit.dataset.score)])"
    )
    return dict(pairs)


def test_words_find_places_the_nearest_first(view: Page):
    write(view, "search-query", "vineyard")
    expect(view.locator("#search-status")).to_contain_text("vineyard")
    places = hits(view)
    assert list(places.values()) == sorted(places.values(), reverse=True)


def test_other_words_find_other_places(view: Page):
    first = hits(view)
    choose(view, "search-queries", "yellow flowers of rapeseed")
    expect(view.locator("#search-status")).to_contain_text("yellow flowers of rapeseed")
    expect(field(view, "search-query")).to_have_value("yellow flowers of rapeseed")
    assert hits(view).keys() != first.keys()


def test_the_places_found_show_their_photos(view: Page):
    photos = view.locator("#search-hits .hit img")
    assert photos.count() >= view.locator("#search-hits .hit").count()
    widths = photos.evaluate_all("images => Promise.all(images.map(i => i.decode().then(() => i.naturalWidth)))")
    assert min(widths) > 0


def test_nothing_to_search_for_is_answered_in_one_sentence(view: Page):
    write(view, "search-query", "  ")
    assert "search" in complaint(view, "search")
