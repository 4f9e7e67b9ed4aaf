"""Run one Space and one Chromium for all tests; each test is a visitor of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser.chromium import chromium, visit
from tests.support.space_process import Space, running_space


@pytest.fixture(scope="session")
def space() -> Iterator[Space]:
    """Run the Space, started by its own launcher."""
    with running_space() as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Run Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def visitor(space: Space, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open the Space as a new visitor: `visitor(width=390)`."""
    with ExitStack() as stack:
        yield lambda width=1280: stack.enter_context(visit(browser, space.url, width))


@pytest.fixture
def page(visitor: Callable[..., Page]) -> Page:
    """Open the Space on a laptop."""
    return visitor()
