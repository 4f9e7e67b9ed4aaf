"""Measure the colours and the page of maps: parts `palette` and `map_page` of the evidence for newcomers.

Distances are measured by coloraide, whose hand is another than that of the package.
"""

import json
import random
import subprocess
import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import xarray as xr
from coloraide import Color

from tests.support.browser.axe import serious_violations
from tests.support.browser.chromium import SIZES, chromium, leaves_loopback, visit
from tests.support.browser.screenshots import keep
from tests.support.small_maps import make_map
from timesenclip_hf.maps import write_map
from timesenclip_hf.maps.files.colours import LEAST_DISTANCE, class_colours, core_colours
from timesenclip_hf.maps.files.preview import write_html
from training.evidence.claims import Ledger

DEFICIENCIES = {"deuteranopia": "deutan", "protanopia": "protan", "tritanopia": "tritan"}
# Labels as users write them, in the colours of the table's words, and others that may stand beside them.
KEPT = {
    **{"permanent water": "water", "broad-leaved forest": "broadleaf", "spruce woodland": "conifer"},
    **{"grassland": "grass", "houses": "built", "bare soil": "bare", "snow": "snow", "winter wheat": "wheat"},
    **{"maize": "maize", "oilseed rape": "rapeseed", "sunflowers": "sunflower", "vineyards": "vineyard"},
}
OTHERS = ("trees", "cropland", "barley", "potatoes", "sugar beet", "wetland", "shrubs", "roads", "orchards", "kohlrabi")
MAPS = 10
# What Debian's Python of QGIS is asked about a GeoTIFF, whose style QGIS finds by itself.
ASK_QGIS = """
import json, os, sys
from qgis.core import Qgis, QgsApplication, QgsRasterLayer
application = QgsApplication([], False)
application.initQgis()
layers = [QgsRasterLayer(path) for path in sys.argv[1:]]
classes, scores = (layer.renderer() for layer in layers)
told = [[int(each.value), each.label, each.color.name()] for each in classes.classes()]
ramp = scores.shader().rasterShaderFunction()
version = Qgis.QGIS_VERSION.split("-")[0]
print(json.dumps([version, told, scores.type(), ramp.minimumValue(), ramp.maximumValue()]), flush=True)
os._exit(0)  # layers that outlive the application end it with a signal
"""


def palette(ledger: Ledger) -> None:
    """Measure how far class colours lie apart for each kind of vision, and whether labels keep theirs."""
    colours = list(core_colours().values())
    for name, kind in {"normal vision": "", **DEFICIENCIES}.items():
        figure = round(_smallest(colours, kind), 2)
        ledger.add(f"smallest CIEDE2000 of any two of {len(colours)} class colours, {name}", figure, ">=", 10)
    worst, moved, drawn = np.inf, 0, random.Random(0)
    for _ in range(MAPS):
        labels = drawn.sample([*OTHERS, *KEPT], 12)
        given = class_colours(labels)
        moved += sum(bool(each.moved_from) for each in given)
        worst = min(worst, *(_smallest([each.colour for each in given], kind) for kind in DEFICIENCIES.values()))
    note = f"{moved} of {12 * MAPS} colours moved, to {LEAST_DISTANCE:g} at least by the package's own measure"
    claim = f"smallest such distance of {MAPS} maps of 12 labels drawn by chance"
    ledger.add(claim, round(worst, 2), ">=", 10, note)
    seen: dict[str, set[tuple[int, int, int]]] = {label: set() for label in (*KEPT, *OTHERS)}
    for _ in range(MAPS):
        labels = [*drawn.sample(list(KEPT), 7), *drawn.sample(OTHERS, 5)]
        drawn.shuffle(labels)
        for label, each in zip(labels, class_colours(labels), strict=True):
            seen[label].add(each.colour)
    one = sum(seen[label] == {core_colours()[word]} for label, word in KEPT.items())
    others = sum(len(seen[label]) == 1 for label in OTHERS)
    note = f"beside 5 of {len(OTHERS)} other labels in any order, of which {others} have one colour too"
    ledger.add(f"labels in the one colour of their words over {MAPS} maps, of 12", one, "==", 12, note)


def map_page(ledger: Ledger) -> None:
    """Open a map's page in Chromium at two widths, and its style in QGIS where that is installed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mapped = _map()
        write_map(mapped, folder / "map.tif")
        write_html({"": mapped}, folder / "map.html")
        _open_page(ledger, folder)
        _ask_qgis(ledger, folder, mapped)


def _open_page(ledger: Ledger, folder: Path) -> None:
    found, overhanging, left, reading = [], [], [], ""
    with chromium() as browser:
        for width in SIZES:
            with visit(browser, (folder / "map.html").as_uri(), width) as page:
                page.on("request", lambda request: left.extend([request.url] if leaves_loopback(request.url) else []))
                page.reload()
                page.wait_for_selector("section[data-ready]")
                for layer in page.locator(".layers input").all():
                    layer.check()
                    found += serious_violations(page)
                overhanging += keep(page, folder / f"{width}.png")
                page.locator("canvas").focus()
                page.keyboard.press("+")
                reading = page.locator("output").inner_text()
    widths = " and ".join(map(str, SIZES))
    ledger.add(f"axe-core: serious violations of map.html at {widths} px, on every layer", len(found), "==", 0)
    ledger.add(f"elements of it that reach beyond a window of {widths} px", len(overhanging), "==", 0)
    ledger.add("requests of it that leave the machine", len(left), "==", 0)
    told = all(word in reading for word in ("probability", "northing", "°"))
    ledger.add("it reads class, probability and place by keys", told, "==", True, reading.replace("\n", "; "))


def _ask_qgis(ledger: Ledger, folder: Path, mapped: xr.Dataset) -> None:
    claim = "classes that QGIS shows by their names and colours, of 12"
    call = ["/usr/bin/python3", "-c", ASK_QGIS, str(folder / "map.tif"), str(folder / "map_scores.tif")]
    environment = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "PATH": "/usr/bin"}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        reason = "QGIS is not here: apt-get install python3-qgis"
        ledger.skip(claim, "==", 12, reason)
        ledger.skip("QGIS shows scores by a ramp from 0 to 1", "==", True, reason)
        return
    version, told, kind, low, high = json.loads(done.stdout.splitlines()[-1])
    labels = mapped.attrs["labels"]
    expected = [
        [code, label, f"#{bytes(each.colour).hex()}"]
        for code, (label, each) in enumerate(zip(labels, class_colours(labels), strict=True), start=1)
    ]
    ledger.add(claim, sum(row in told for row in expected), "==", 12, f"QGIS {version}")
    ledger.add(
        "QGIS shows scores by a ramp from 0 to 1", [kind, low, high] == ["singlebandpseudocolor", 0, 1], "==", True
    )


def _map() -> xr.Dataset:
    mapped = make_map(120, 160, labels=list(core_colours()), model="you/model", unknown_words=["sorrel"])
    mapped["class"][:] = np.add.outer(np.arange(120) // 30 * 4, np.arange(160) // 40) % 12 + 1
    return mapped


def _smallest(colours: list[tuple[int, int, int]], kind: str) -> float:
    """Return the smallest CIEDE2000 of any two colours as somebody with a deficiency sees them (Machado 2009)."""
    shown = [Color("srgb", [value / 255 for value in colour]) for colour in colours]
    if kind:
        shown = [each.filter(kind, 1, method="machado").clip("srgb") for each in shown]
    return min(one.delta_e(other, method="2000", space="lab-d65") for one, other in combinations(shown, 2))


PARTS: dict[str, Callable[[Ledger], None]] = {"palette": palette, "map_page": map_page}
