"""Measure every claim about the inputs that people have: cases, layouts of tables and cubes, products, and numbers."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.support import cube_layouts, table_layouts
from tests.support.eopf_stores import at_real_place, give_real_metadata, write_eopf, write_geozarr
from tests.support.safe_places import write_safe
from tests.support.wide_layouts import wide_layouts
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.data.sources.frame_tables import table_from_frame
from timesenclip_hf.data.sources.tables import SeriesTable, read_table
from timesenclip_hf.maps import map_cube, open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.models.timesenclip.steps_timesenclip import Steps
from training.evidence import sources_numbers
from training.evidence.claims import ROOT, Ledger, run_parts
from training.evidence.sources_neighbours import neighbours

LABELS = "rapeseed,maize,coniferous forest,water,houses"
# Inputs as people have them, each a script that says whether its outcome is right.
CASES = ROOT.parent / "shared" / "cases"
# Largest difference of a probability that counts as the same.
SAME = 1e-6
PERMUTATIONS = 200


def cases(ledger: Ledger) -> None:
    """Run the scripts of cases that lie beside this checkout."""
    claim = "cases as people have them with the right outcome"
    scripts = sorted(CASES.glob("[0-9]*.py"))
    if not scripts:
        ledger.skip(claim, "==", 34, "there are no cases beside this checkout")
        return
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    wrong = []
    for script in scripts:
        ended = subprocess.run([sys.executable, script], env=environment, capture_output=True, timeout=900, check=False)
        if ended.returncode:
            wrong.append(script.stem)
    ledger.add(claim, len(scripts) - len(wrong), "==", len(scripts), ", ".join(wrong))


def neighbour_cases(ledger: Ledger) -> None:
    """Try inputs of kinds next to those."""
    wrong, tried = [], neighbours()
    for name, case in tried.items():
        with tempfile.TemporaryDirectory() as folder:
            if not case(Path(folder)):
                wrong.append(name)
    ledger.add(
        "inputs of neighbouring kinds with the right outcome",
        len(tried) - len(wrong),
        "==",
        len(tried),
        ", ".join(wrong),
    )
    ledger.add("inputs of neighbouring kinds", len(tried), ">=", 34)


def tables(ledger: Ledger) -> None:
    """Classify one set of series from every layout of tables, as the control or refused."""
    classifier = PixelClassifier(LABELS)
    values = table_layouts.control()
    expected = classifier.probabilities(values)[0]
    apart: dict[str, float] = {}
    misread: list[str] = []
    for layout in table_layouts.LAYOUTS:
        with tempfile.TemporaryDirectory() as folder:
            source = layout.write(Path(folder), table_layouts.rows_of(values))
            if layout.options is None:
                misread += [] if _is_refused(lambda source=source: read_table(source)) else [layout.name]  # type: ignore[misc]
                continue
            table = read_table(source)
        scores = _scores(classifier, table, layout.options)
        order = [table.ids.index(name) for name in layout.ids]
        apart[f"long, {layout.name}"] = float(np.nanmax(np.abs(scores[order] - expected)))
    complete = np.random.default_rng(0).integers(150, 4000, (4, 12, 10))
    expected = classifier.probabilities(complete)[0]
    for wide in wide_layouts(complete):
        if wide.options is None:
            misread += [] if _is_refused(lambda wide=wide: table_from_frame(wide.make())) else [wide.name]  # type: ignore[misc]
            continue
        table = table_from_frame(wide.make(), steps=Steps(**wide.options))
        apart[f"wide, {wide.name}"] = float(np.abs(_scores(classifier, table, {}) - expected).max())
    _add_layouts(ledger, "tables", apart, misread)


def cubes(ledger: Ledger) -> None:
    """Map one cube from every form of cubes, as the control or refused."""
    control = cube_layouts.control()
    expected = cube_layouts.layers_of(map_cube(open_cube(control), LABELS, progress=False))
    apart: dict[str, float] = {}
    misread: list[str] = []
    for layout in cube_layouts.cube_layouts():
        with tempfile.TemporaryDirectory() as folder:

            def mapped(layout: Any = layout, folder: str = folder) -> Any:
                return map_cube(layout.open(Path(folder) / "cube", control), LABELS, progress=False).compute()

            if layout.options is None:
                misread += [] if _is_refused(mapped) else [layout.name]
                continue
            layers = cube_layouts.layers_of(mapped())
        apart[layout.name] = float(np.nanmax(np.abs(layers["probability"] - expected["probability"])))
        if not np.array_equal(layers["class"], expected["class"]):
            misread.append(layout.name)
    _add_layouts(ledger, "cubes", apart, misread)


def products(ledger: Ledger) -> None:
    """Map the same pixels, clouds among them, as SAFE, EOPF and GeoZarr, the stores with metadata of a real product."""
    made = at_real_place(cube_layouts.control())
    shape = tuple(made.sizes[axis] for axis in ("time", "y", "x"))
    clouds = np.random.default_rng(5).choice(np.asarray([4, 5, 9], np.uint8), shape)
    control = open_cube(made.assign(SCL=(("time", "y", "x"), clouds)))
    maps = {}
    with tempfile.TemporaryDirectory() as folder:
        writers: dict[str, Callable[[Path, Any, int], Any]]
        writers = {"SAFE": _write_safe, "EOPF": write_eopf, "GeoZarr": write_geozarr}
        for name, write in writers.items():
            place = Path(folder) / name
            for index in range(control.sizes["time"]):
                path = write(place, control, index)
                if name != "SAFE":
                    give_real_metadata(path, name.lower())
            maps[name] = map_cube(open_cube(place), LABELS, progress=False).compute()
    expected = maps.pop("SAFE")
    for name, mapped in maps.items():
        same = [
            layer for layer in expected.data_vars if mapped[layer].values.tobytes() == expected[layer].values.tobytes()
        ]
        ledger.add(f"{name}: layers of the map that are SAFE's bit for bit", len(same), "==", len(expected.data_vars))


def _write_safe(folder: Path, cube: Any, index: int) -> None:
    write_safe(folder, cube, index, baseline="05.11", offset=1000)


def order(ledger: Ledger) -> None:
    """Permute rows, columns, spellings and types of a table at random."""
    classifier, random = PixelClassifier(LABELS), np.random.default_rng(0)
    values = table_layouts.control()
    expected = classifier.probabilities(values)[0]
    spellings = (BANDS, table_layouts.EARTH_ENGINE, table_layouts.EARTH_SEARCH, table_layouts.THEIA)
    furthest = 0.0
    for _ in range(PERMUTATIONS):
        names = spellings[random.integers(len(spellings))]
        frame = table_layouts.renamed(table_layouts.dated(table_layouts.rows_of(values)), names)
        frame = frame.iloc[random.permutation(len(frame)), random.permutation(frame.shape[1])]
        kind = random.choice(["int16", "int32", "int64", "float32", "float64", "str", "object"])
        table = table_from_frame(frame.astype(dict.fromkeys(names, str(kind))))
        scores = _scores(classifier, table, {})[[table.ids.index(name) for name in table_layouts.IDS]]
        furthest = max(furthest, float(np.nanmax(np.abs(scores - expected))))
    claim = f"largest change of a probability over {PERMUTATIONS} permutations of rows, columns, names and types"
    ledger.add(claim, furthest, "<=", SAME)


def _scores(classifier: PixelClassifier, table: SeriesTable, options: Any) -> np.ndarray:
    return classifier.probabilities_of_items(table.series, SeriesOptions(**options))


def _is_refused(call: Callable[[], Any]) -> bool:
    """Tell whether a call is refused in one sentence."""
    try:
        call()
    except ValueError as error:
        return "\n" not in str(error)
    return False


def _add_layouts(ledger: Ledger, kind: str, apart: dict[str, float], misread: list[str]) -> None:
    worst = max(apart, key=lambda name: apart[name])
    ledger.add(f"layouts of {kind} that are read", len(apart), ">=", 60)
    ledger.add(f"layouts of {kind}: largest difference of a probability", apart[worst], "<=", SAME, worst)
    ledger.add(
        f"layouts of {kind} that are misread, or not refused in one sentence", len(misread), "==", 0, ", ".join(misread)
    )


PARTS = {
    "cases": cases,
    "neighbours": neighbour_cases,
    "tables": tables,
    "cubes": cubes,
    "products": products,
    "order": order,
    **sources_numbers.PARTS,
}

if __name__ == "__main__":
    run_parts("sources", PARTS)
