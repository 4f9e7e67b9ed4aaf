"""Keep pictures of the views: `python -m tests.support.browser.screenshots docs` draws those of the documentation.

The tests and `make evidence-hub` keep theirs in `runs/browser`, which git ignores, for people to see.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, expect

from tests.support.browser.chromium import chromium, visit
from tests.support.browser.views import SENTENCE, choose, field, open_view, source, unfold, upload, write
from tests.support.space_process import ROOT, running_space
from timesenclip_hf.files import whole_file
from timesenclip_hf.files.outputs import check_file

SCREENSHOTS = ROOT / "runs" / "browser"
DOCUMENTED = ("series", "map", "search")
# Elements that are seen and reach beyond the window's right edge; a pixel is a rounding.
_OVERHANGING = """() => [...document.querySelectorAll("main *")]
  .filter(element => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1)
  .map(element => element.outerHTML.slice(0, 120))"""


def views(page: Page) -> Iterator[str]:
    """Show the views one after the other, each with an answer in it, and last an error; yield their names."""
    choose(page, "series-example", "maize, half the year in cloud")
    expect(page.locator("#series-chart figcaption")).to_contain_text("Jan, Feb, Apr, Jun, Nov, Dec")
    source(page, "series-chart")
    yield "series"

    open_view(page, "Map")
    field(page, "map-row").fill("10")
    write(page, "map-column", "20")
    expect(page.locator("#map-pixel-status")).to_contain_text("Row 10, column 20")
    source(page, "map-pixel-chart")
    for name in ("classes", "probability", "entropy"):
        source(page, f"map-{name}")
    yield "map"

    open_view(page, "Search")
    source(page, "search-hits")
    yield "search"

    open_view(page, "Series")
    with TemporaryDirectory() as folder:
        bad = Path(folder) / "table.csv"
        bad.write_text("this,is\nnot,a table\n", encoding="utf-8")
        unfold(page, "series")
        upload(page, "series", bad)
        expect(page.locator("#series-error").get_by_role("alert")).to_have_text(SENTENCE)
        yield "error"


def keep(page: Page, path: Path) -> list[str]:
    """Keep a screenshot of the page to its end; list what reaches beyond the window, which should be nothing."""
    # Neither a hovered button nor a blinking cursor, and nothing that is still fading in.
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    with whole_file(path, overwrite=True) as partial:
        page.screenshot(path=partial, full_page=True, animations="disabled")
    overhanging: list[str] = page.evaluate(_OVERHANGING)
    scrolled = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*overhanging, f"the page, {scrolled} pixels"] if scrolled > 0 else overhanging


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(prog="python -m tests.support.browser.screenshots", description=__doc__)
    options.add_argument("folder", type=Path, help="for the pictures")
    options.add_argument("--overwrite", action="store_true", help="replace pictures that are there already")
    return options


def main(folder: Path, *, overwrite: bool = False) -> None:
    """Draw the pictures of the documentation."""
    for name in DOCUMENTED:
        check_file(folder / f"space_{name}.png", overwrite=overwrite)
    with running_space() as space, chromium() as browser, visit(browser, space.url) as page:
        for name in views(page):
            if name in DOCUMENTED:
                keep(page, folder / f"space_{name}.png")


if __name__ == "__main__":
    try:
        main(**vars(parser().parse_args()))
    except OSError as wrong:
        raise SystemExit(f"error: {wrong}") from None
