"""From a click to what it asks for, by the browser's own clock: no time of the test's own process is counted."""

from collections.abc import Callable

from playwright.sync_api import Page

# Watches every frame drawn from the first click or Enter until `ready` holds and all pictures named are decoded.
_WATCH = """([ready, pictures]) => {
  const holds = new Function(`return ${ready}`);
  const found = () => pictures.map(one => document.querySelector(one));
  const sources = found().map(image => image?.src);
  window.stopwatch = new Promise(done => {
    const start = event => {
      if (event.type === "keydown" && event.key !== "Enter") return;
      for (const type of ["click", "keydown"]) removeEventListener(type, start, true);
      const from = performance.now();
      const look = async () => {
        const images = found();
        if (!holds() || images.some((image, place) => !image || image.src === sources[place]))
          return requestAnimationFrame(look);
        await Promise.all(images.map(image => image.decode()));
        requestAnimationFrame(() => done((performance.now() - from) / 1000));
      };
      look();
    };
    for (const type of ["click", "keydown"]) addEventListener(type, start, true);
  });
}"""


def seconds_until(page: Page, act: Callable[[], object], ready: str, pictures: list[str]) -> float:
    """Seconds from the click or Enter in `act` until the answer is drawn.

    Args:
        page: the page.
        act: what clicks, or presses Enter, once.
        ready: JavaScript that is true when the answer's text is there, and false before.
        pictures: CSS selectors of pictures that must have changed and be decoded.
    """
    page.evaluate(_WATCH, [ready, pictures])
    act()
    return float(page.evaluate("window.stopwatch"))


def labels_shown(rows: str, labels: list[str]) -> str:
    """JavaScript that is true when exactly these labels are shown in rows of this selector."""
    return f"[...document.querySelectorAll({rows!r})].map(row => row.dataset.label).sort().join() === {','.join(sorted(labels))!r}"
