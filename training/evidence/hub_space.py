"""Measure the claims about the Space: `make evidence-hub PARTS="browser latency visitors screenshots"`.

Parts: browser (all of tests/browser), latency (in the browser, by its own clock), visitors (twenty for a
minute), screenshots (each view at both widths). Some five minutes on two cores, which the visitors and the Space share.
"""

import os
import statistics
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page

from tests.support.browser.chromium import SIZES, chromium, visit
from tests.support.browser.screenshots import SCREENSHOTS, keep, views
from tests.support.browser.stopwatch import labels_shown, seconds_until
from tests.support.browser.views import field, open_view, source, unfold, upload, write
from tests.support.space_process import ROOT, running_space
from timesenclip_hf.app.inputs import WORD_SETS
from timesenclip_hf.app.limits import MOST_SESSIONS
from training.evidence.claims import Ledger, run_parts
from training.evidence.space_visitors import pass_through, uploads, visit_together

# Of the machine that the Space is meant for; more are not used.
CORES = 2
VISITORS, MINUTE = 20, 60
# Each in words of its own, so that none of their embeddings is kept.
WORDS = [
    ["maize", "water"],
    ["wheat", "woodland", "houses"],
    ["rice", "vineyard"],
    ["grass", "a lake"],
    ["oats", "rye"],
]
MAPS = [f"#map-{name} img" for name in ("classes", "probability", "entropy")]


def browser(ledger: Ledger) -> None:
    """Run all tests that drive the page."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = ["-m", "pytest", "-q", "-m", "browser", "tests/browser", f"--junitxml={report}"]
        subprocess.run([sys.executable, *command], cwd=ROOT, stdout=sys.stderr)
        suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        raise RuntimeError("pytest wrote no report")
    bad = sum(int(suite.get(what, 0)) for what in ("errors", "failures", "skipped"))
    count = int(suite.get("tests", 0))
    note = f"{count} tests in {float(suite.get('time', 0)):.0f} s: words, files, clicks, errors, two widths"
    ledger.add("browser tests of the Space that fail or are skipped", bad, "==", 0, note)
    ledger.add("browser tests of the Space that pass", count - bad, ">=", 1)


def latency(ledger: Ledger) -> None:
    """Time a click to the answer drawn, in a Space that nobody has asked anything yet."""
    note = on_two_cores()
    with uploads(1) as files, running_space() as space, chromium() as running:
        with visit(running, space.url) as page:
            source(page, "series-chart")
            example = page.get_by_label("rapeseed", exact=True)
            shown = labels_shown("#series-scores .score", WORD_SETS["Ten covers"].split(", "))
            first = seconds_until(page, example.click, shown, ["#series-chart img"])
            later = [_click(page, "series", words) for words in WORDS]
        with visit(running, space.url) as page:
            open_view(page, "Map")
            unfold(page, "map")
            field(page, "map-words").fill(", ".join(WORDS[0]))
            arrived = seconds_until(page, lambda: upload(page, "map", files.cubes[0]), _drawn("map", WORDS[0]), MAPS)
            mapped = [_click(page, "map", words) for words in WORDS[1:]]
            field(page, "map-row").fill("10")
            write(page, "map-column", "20")
            source(page, "map-pixel-chart")  # it follows the words too
            followed = [_enter(page, words) for words in WORDS]
    ledger.add(
        "series, seconds from the first click to its answer drawn",
        *(round(first, 2), "<=", 2, f"another example; new words then {_range(later)}; {note}"),
    )
    ledger.add(
        "cube of 64 x 64 uploaded, seconds from the file or a click to its map drawn, longest",
        *(round(max(arrived, *mapped), 2), "<=", 5, f"the file {arrived:.2f} s, clicks {_range(mapped)}; {note}"),
    )
    ledger.add(
        "the same map in new words, seconds from Enter to it drawn, longest",
        *(round(max(followed), 2), "<=", 0.5, f"{len(followed)} sets of words: {_range(followed)}; {note}"),
    )


def visitors(ledger: Ledger) -> None:
    """Twenty visitors for a minute, once as many as the Space keeps the cubes of have come and gone."""
    note = on_two_cores()
    with uploads(4) as files, running_space() as space:
        start = space.memory()
        before = pass_through(space, files, MOST_SESSIONS, together=VISITORS)
        full = space.memory()
        visits = visit_together(space, files, VISITORS, MINUTE)
        end = space.memory()
        alive = space.process.poll() is None
    took = sorted(visits.seconds)
    note = (
        f"{len(took)} actions, {visits.refusals} of them a bad file that was refused in a sentence; half took at most "
        f"{statistics.median(took):.1f} s, 95 % at most {took[int(0.95 * len(took))]:.1f} s; {note}"
    )
    name = f"{VISITORS} visitors at the same time for {MINUTE} s"
    problems = [*before, *visits.errors, *([] if alive else ["the Space ended"])]
    ledger.add(f"{name}: errors", len(problems), "==", 0, "; ".join([note, *dict.fromkeys(problems)]))
    peak = max(*visits.memory, end)
    memory = (
        f"{start:.0f} at the start, {full:.0f} with {MOST_SESSIONS} visitors' cubes kept, {peak:.0f} at most, "
        f"{end:.0f} at the end"
    )
    ledger.add(f"{name}: MiB resident gained, all cubes kept before", round(end - full), "<=", 100, memory)
    ledger.add(f"{name}: MiB resident at most", round(peak), "<=", 2048, memory)


def screenshots(ledger: Ledger) -> None:
    """Keep each view at both widths for an eye, and measure what reaches beyond the window."""
    overhanging: list[str] = []
    pictures: list[str] = []
    with running_space() as space, chromium() as running:
        for width in SIZES:
            with visit(running, space.url, width) as page:
                for name in views(page):
                    path = SCREENSHOTS / f"{name}-{width}.png"
                    overhanging += [f"{path.name}: {element}" for element in keep(page, path)]
                    with Image.open(path) as picture:
                        overhanging += [] if picture.width == width else [f"{path.name} is {picture.width} wide"]
                    pictures.append(path.name)
    widths = " and ".join(f"{width} px" for width in SIZES)
    what = f"{', '.join(pictures)} in {SCREENSHOTS.relative_to(ROOT)}"
    ledger.add(f"screenshots of views at {widths} kept", len(pictures), ">=", 8, what)
    ledger.add(f"elements beyond the window at {widths}", len(overhanging), "==", 0, "; ".join(overhanging))


def _click(page: Page, view: str, words: list[str]) -> float:
    field(page, f"{view}-words").fill(", ".join(words))
    return seconds_until(page, page.locator(f"#{view}-run").click, _drawn(view, words), MAPS if view == "map" else [])


def _enter(page: Page, words: list[str]) -> float:
    field(page, "map-words").fill(", ".join(words))
    return seconds_until(page, lambda: field(page, "map-words").press("Enter"), _drawn("map", words), MAPS)


def _drawn(view: str, words: list[str]) -> str:
    return labels_shown({"series": "#series-scores .score", "map": "#map-legend .legend-entry"}[view], words)


def on_two_cores() -> str:
    """Keep this process and those that it starts on two cores; return what the figures were measured on."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)
    return f"{len(cores)} cores shared by the Space and its visitors, load {os.getloadavg()[0]:.1f}"


def _range(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"


PARTS = {"browser": browser, "latency": latency, "visitors": visitors, "screenshots": screenshots}

if __name__ == "__main__":
    run_parts("hub_space", PARTS)
