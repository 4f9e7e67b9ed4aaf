"""Time, by the browser's own clock, from a click that names a pixel to the map drawn anew by a fitted label set."""

import numpy as np
from playwright.sync_api import Page, expect

from tests.support.browser.chromium import chromium, visit
from tests.support.browser.stopwatch import seconds_until
from tests.support.browser.views import field, open_view, source, write
from tests.support.space_process import running_space
from timesenclip_hf.app.example_cubes import EXAMPLES, LANDSCAPES, YEAR, simulate_land
from training.evidence.claims import Ledger
from training.evidence.hub_space import on_two_cores

# Pixels that are named.
PIXELS = 30
# JavaScript: how many are.
NAMED = (
    "[...document.querySelectorAll('#map-examples .example')]"
    ".reduce((sum, each) => sum + Number(each.dataset.count), 0)"
)


def page(ledger: Ledger) -> None:
    """Name pixels of the first example one after the other, each as what it was simulated as."""
    note = on_two_cores()
    covers = simulate_land(next(iter(LANDSCAPES.values())), seed=YEAR)[1]
    rng = np.random.default_rng(0)
    # The strip in the upper right corner is never seen.
    pixels = [(row, column) for row, column in rng.integers(8, len(covers) - 8, (PIXELS, 2)).tolist()]
    with running_space() as space, chromium() as running, visit(running, space.url) as opened:
        open_view(opened, "Map")
        source(opened, "map-classes")
        took = [_name(opened, *pixel, covers[pixel], count) for count, pixel in enumerate(dict.fromkeys(pixels), 1)]
        undone = seconds_until(opened, opened.locator("#map-undo").click, f"{NAMED} === {len(took) - 1}", [])
    longest = max(took)
    ledger.add(
        f"page: seconds from a click that names a pixel of {EXAMPLES[0]} to its map drawn anew, longest",
        *(round(longest, 2), "<=", 1),
        f"{len(took)} pixels, the first {took[0]:.2f} s, the last {took[-1]:.2f} s, half in at most "
        f"{np.median(took):.2f} s; undo {undone:.2f} s; {note}",
    )


def _name(opened: Page, row: int, column: int, cover: str, count: int) -> float:
    """Show a pixel, and time from the click on its label until map and examples follow."""
    field(opened, "map-row").fill(str(row))
    write(opened, "map-column", str(column))
    expect(opened.locator("#map-pixel-status")).to_contain_text(f"Row {row}, column {column}.")
    choice = opened.locator("#map-truth").get_by_label("water" if cover == "lake" else cover, exact=True)
    # Where the pixel had that class already the classes stay, and their probabilities change all the same.
    return seconds_until(opened, choice.click, f"{NAMED} === {count}", ["#map-probability img"])
