"""Start Debian's Chromium, headless, for which no host but loopback exists."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

# A laptop's window and a phone's, by their width.
SIZES = {1280: (1280, 900), 390: (390, 844)}
# For one step, on a machine with other work to do: what is asserted is what appears, never when.
PATIENCE = 20_000  # milliseconds
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser for as long as the block lasts.

    Raises:
        FileNotFoundError: there is no chromium.
    """
    executable = shutil.which("chromium")
    if executable is None:
        raise FileNotFoundError("chromium is not installed: `make test-browser` does it on Debian.")
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium runs as root, as in a container, in no other way
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, url: str, width: int = 1280) -> Iterator[Page]:
    """Open a page as a new visitor.

    Raises:
        AssertionError: at the end of the block, if the page asked for anything outside loopback, or a script of it
            failed.
    """
    wide, high = SIZES[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    outside: list[str] = []
    failures: list[str] = []
    context.on("request", lambda request: outside.extend([request.url] if leaves_loopback(request.url) else []))
    page.on("pageerror", lambda error: failures.append(str(error)))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert not outside, f"asked for outside loopback: {outside}"
    assert not failures, f"scripts that failed: {failures}"


def leaves_loopback(url: str) -> bool:
    """Tell whether a request goes out; data and blob URLs go nowhere."""
    address = urlsplit(url)
    return address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1"
