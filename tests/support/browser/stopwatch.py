"""Measure from a click, an Enter or a file to the answer drawn, by the browser's own clock."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.support.browser.views import NO_CLEAR_MONTH

# Watches every frame drawn from the first click, Enter or file until `ready` holds and all pictures named are decoded.
_WATCH = """([ready, pictures]) => {
  const starts = ["click", "keydown", "change"];
  const holds = new Function(`return ${ready}`);
  const shown = () => pictures.map(selector => document.querySelector(selector));
  const sources = shown().map(image => image?.src);
  window.stopwatch = new Promise(done => {
    const start = event => {
      if (event.type === "keydown" && event.key !== "Enter") return;
      for (const type of starts) removeEventListener(type, start, true);
      const from = performance.now();
      const check = async () => {
        const images = shown();
        if (!holds() || images.some((image, index) => !image || image.src === sources[index]))
          return requestAnimationFrame(check);
        await Promise.all(images.map(image => image.decode()));
        requestAnimationFrame(() => done((performance.now() - from) / 1000));
      };
      check();
    };
    for (const type of starts) addEventListener(type, start, true);
  });
}"""


def seconds_until(page: Page, act: Callable[[], object], ready: str, pictures: list[str]) -> float:
    """Measure seconds from the click, the Enter or the choice of a file in `act` until the answer is drawn.

    Args:
        page: the page.
        act: what does one of these, once.
        ready: JavaScript that is true when the answer's text is there, and false before.
        pictures: CSS selectors of pictures that must have changed and be decoded.
    """
    page.evaluate(_WATCH, [ready, pictures])
    act()
    return float(page.evaluate("window.stopwatch"))


def labels_shown(rows: str, labels: list[str]) -> str:
    """Write JavaScript that is true when rows of a selector show these labels, and none else but "no clear month"."""
    wanted = ",".join(sorted(labels))
    return (
        f"[...document.querySelectorAll({rows!r})].map(row => row.dataset.label)"
        f".filter(label => label !== {NO_CLEAR_MONTH!r}).sort().join() === {wanted!r}"
    )
