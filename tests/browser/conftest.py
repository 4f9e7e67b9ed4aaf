"""One Space and one Chromium for all tests; each test is a visitor of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PATIENCE, chromium, visit
from tests.space_process import ROOT, Space, running_space

# Kept by nobody but the eye: ignored by git, written again by every run.
SCREENSHOTS = ROOT / "runs" / "browser"

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def space() -> Iterator[Space]:
    """The Space, started by its own launcher."""
    with running_space() as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def visitor(space: Space, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the Space as a new visitor: `visitor(width=390)`."""
    with ExitStack() as stack:
        yield lambda width=1280: stack.enter_context(visit(browser, space.url, width))


@pytest.fixture
def page(visitor: Callable[..., Page]) -> Page:
    """The Space, opened on a laptop."""
    return visitor()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder of screenshots."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
