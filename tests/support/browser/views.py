"""Do what a visitor does on the Space's three views, and read what is then to be seen."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

SENTENCE = re.compile(r"^\s*\S[^\n]*[.!?]\s*$")

# In the legend of a map, beside its classes.
NO_CLEAR_MONTH = "no clear month"


def open_view(page: Page, name: str) -> None:
    """Go to the view `Series`, `Map` or `Search`."""
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.locator(f"#tab-{name.lower()}")).to_be_visible()


def field(page: Page, element: str) -> Locator:
    """Find the text box or number of an element."""
    return page.locator(f"#{element}").locator("textarea, input:not([type=range])").first


def write(page: Page, element: str, text: str) -> None:
    """Type in place of what stood there, and press Enter."""
    field(page, element).fill(text)
    field(page, element).press("Enter")


def choose(page: Page, element: str, name: str) -> None:
    """Take one of the choices or buttons offered."""
    offered = page.locator(f"#{element}")
    offered.get_by_label(name, exact=True).or_(offered.get_by_role("button", name=name, exact=True)).click()


def unfold(page: Page, view: str) -> None:
    """Open what a view offers for a visitor's own files."""
    page.get_by_role("button", name="Or your own").and_(page.locator(f"#{view}-own > button")).click()
    expect(page.locator(f"#{view}-file")).to_be_visible()


def upload(page: Page, view: str, path: Path) -> None:
    """Give a file to a view whose files are unfolded."""
    page.locator(f"#{view}-file input[type=file]").set_input_files(path)


def shown(page: Page, rows: str, labels: list[str], value: str) -> dict[str, float]:
    """Read the numbers beside these labels, in the order shown, once there are these labels and no others.

    Args:
        page: the page.
        rows: CSS selector of the rows, such as `#series-scores .score`.
        labels: the labels.
        value: name of the rows' `data-` attribute with the number.
    """
    located = page.locator(rows)
    for label in labels:
        expect(located.and_(page.locator(f'[data-label="{label}"]'))).to_have_count(1)
    expect(located).to_have_count(len(labels))
    pairs = located.evaluate_all(f"rows => rows.map(row => [row.dataset.label, Number(row.dataset.{value})])")
    return dict(pairs)


def scores(page: Page, element: str, labels: list[str]) -> dict[str, float]:
    """Read the probabilities of these labels."""
    return shown(page, f"#{element} .score", labels, "score")


def shares(page: Page, labels: list[str]) -> dict[str, float]:
    """Read the shares of the map of these labels, by its legend."""
    return shown(page, "#map-legend .legend-entry", labels, "share")


def source(page: Page, element: str) -> str:
    """Tell where the picture of an element comes from, once it is drawn; another picture has another address."""
    page.locator(f"#{element}").scroll_into_view_if_needed()  # below the window pictures are not loaded
    image = page.locator(f"#{element} img").first
    expect(image).to_be_visible()
    return str(image.evaluate("image => image.decode().then(() => image.src)"))


def complaint(page: Page, view: str) -> str:
    """Read the sentence that says what went wrong on a view, once it is there."""
    alert = page.locator(f"#{view}-error").get_by_role("alert")
    expect(alert).to_have_text(SENTENCE)
    return alert.inner_text()
