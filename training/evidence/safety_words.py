"""Measure what leaves, what is written and what is read damaged: `python -m training.evidence.safety_words [PART]`.

The parts: `vetting` (a minute), `words` (half a minute), `fuzz` (five to ten minutes, 2,000 damaged files).
"""

import csv
import io
import json
import tempfile
import warnings
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from typer.testing import CliRunner

from hub.vetting import check_file, find_objection
from tests.fuzz.__main__ import fuzz as fuzz_readers
from tests.fuzz.seeds import READERS
from tests.fuzz.verdicts import CRASH, HANG, RIGHT, SILENT, TRACEBACK, VALUES
from tests.support.nasty_words import ACTING, FORMULAS, NASTY
from tests.support.small_maps import make_map
from tests.support.vetted_files import dangerous_files, harmless_files, packed, secrets
from timesenclip_hf.app.fragments import render
from timesenclip_hf.cli import app
from timesenclip_hf.data.sources.tables import write_scores
from timesenclip_hf.maps import write_map
from timesenclip_hf.maps.files.preview import write_html
from timesenclip_hf.words import from_cell, in_figure, in_markdown, on_one_line
from training.evidence.claims import Ledger

CASES, FIRST = 2_000, 0
MARKS = "`|[]*$#"


def vetting(ledger: Ledger) -> None:
    """Vet made-up secrets, dangerous files and our own files."""
    ledger.add("made-up secrets, tried", len(secrets()), ">=", 60)
    lost = [name for name, content in secrets().items() if "holds a" not in (find_objection(content) or "")]
    ledger.add("of these, not found by the search for secrets alone", len(lost), "==", 0, ", ".join(lost))
    lost = [name for name, content in secrets().items() if "holds a" not in (find_objection(packed(content)) or "")]
    ledger.add("of these in a zip in a gzip in base64 in JSON, not found", len(lost), "==", 0, ", ".join(lost))
    with tempfile.TemporaryDirectory() as folder:
        carried = {f"{index}.txt": content for index, content in enumerate(secrets().values())}
        passed = _passed(carried, Path(folder))
        ledger.add("of these as files, passed", len(passed), "==", 0, ", ".join(passed))
        ledger.add("dangerous files, tried", len(dangerous_files()), ">=", 25)
        passed = _passed(dangerous_files(), Path(folder))
        ledger.add("of these, passed", len(passed), "==", 0, ", ".join(passed))
    files, refused = harmless_files(), []
    for file in files:
        try:
            check_file(file, file.name)
        except ValueError as error:
            refused.append(str(error))
    kinds = Counter(file.suffix or file.name for file in files)
    note = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    ledger.add("harmless files, our own, tried", len(files), ">=", 200, note)
    ledger.add("of these, refused", len(refused), "==", 0, "; ".join(refused)[:500])


def _passed(contents: dict[str, bytes], folder: Path) -> list[str]:
    passed = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        try:
            check_file(folder / name, name)
            passed.append(name)
        except ValueError:
            continue
    return passed


def words(ledger: Ledger) -> None:
    """Write one list of words in every medium and count what acts."""
    ledger.add("words of strangers, tried in each medium", len(NASTY), ">=", 30)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger.add("CSV: cells that a spreadsheet computes, and ids that do not read back", _csv(folder), "==", 0)
        for medium, count in _map_files(folder).items():
            ledger.add(medium, count, "==", 0)
    pages = [_elements(render("error", sentence=word)) for word in NASTY]
    usual = _elements(render("error", sentence="plain"))
    ledger.add("page: words that become elements", sum(page != usual for page in pages), "==", 0)
    marked = [
        word for word in NASTY if any(in_markdown(word).count(m) != in_markdown(word).count(f"\\{m}") for m in MARKS)
    ]
    ledger.add("Markdown: words that mark", len(marked), "==", 0, ", ".join(map(repr, marked)))
    ledger.add("pictures: words that are formulas, or stop the drawing", _drawn(), "==", 0)
    acting = []
    for word in NASTY:
        if "\x00" not in word and not word.startswith("-"):
            answer = CliRunner().invoke(app, ["classify", f"{tempfile.gettempdir()}/{word}.csv", "--labels", "maize"])
            if answer.exit_code != 1 or len(answer.stderr.splitlines()) != 1 or _acts(answer.output):
                acting.append(repr(word))
    ledger.add("terminal: errors that act or are not one line", len(acting), "==", 0, ", ".join(acting))


def _acts(text: str) -> bool:
    return any(character in text for character in ACTING)


def _csv(folder: Path) -> int:
    """Count faults of the file that `classify` writes."""
    ids = [word for word in NASTY if "\x00" not in word and "\r" not in word]
    write_scores(folder / "scores.csv", ids, NASTY[:4], np.full((len(ids), 4), 0.25))
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    computed = sum(cell.startswith(FORMULAS) for row in rows for cell in row)
    return computed + sum(from_cell(row[0]) != word for row, word in zip(rows[1:], ids, strict=True))


def _map_files(folder: Path) -> dict[str, int]:
    """Count classes that the files of a map name otherwise, by medium."""
    expected = [on_one_line(word) for word in NASTY]
    write_map(make_map(labels=NASTY), folder / "map.tif")
    with rasterio.open(folder / "map.tif") as raster:
        tags = raster.tags()
    named = [str(tags[f"CLASS_{code}"]) for code in range(1, len(NASTY) + 1)]
    band: Any = ElementTree.parse(folder / "map.tif.aux.xml").find("PAMRasterBand")
    categories = [entry.text for entry in band.findall("CategoryNames/Category")][1:]
    item = json.loads((folder / "map_stac.json").read_text(encoding="utf-8"), parse_constant=float)
    titles = [entry["title"] for entry in item["assets"]["classes"]["classification:classes"][1:]]
    plain = make_map(labels=[f"class {index}" for index in range(len(NASTY))])
    pages = []
    for mapped in (make_map(labels=NASTY), plain):
        write_html({"": mapped}, folder / "page.html")
        pages.append((folder / "page.html").read_text(encoding="utf-8"))
    lists = {"GeoTIFF": named, "GDAL's XML": categories, "STAC": titles}
    counts = {
        f"{medium}: classes that are named otherwise": sum(a != b for a, b in zip(names, expected, strict=True))
        for medium, names in lists.items()
    }
    foreign = set(_elements(pages[0])) - set(_elements(pages[1]))
    return {**counts, "HTML of a map: elements that words made": len(foreign) + _acts(pages[0])}


def _elements(page: str) -> list[str]:
    """List the elements of a page with the names of their attributes."""
    elements: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: elements.append(f"{tag} {sorted(name for name, _ in attrs)}")  # type: ignore[method-assign]
    parser.feed(page)
    return elements


def _drawn() -> int:
    """Count words that a picture takes for formulas; draw them all."""
    figure = Figure()
    axes = figure.subplots()
    for row, word in enumerate(NASTY):
        axes.plot([0, 1], [row, row], label=in_figure(word))
    legend = axes.legend()
    with warnings.catch_warnings(action="ignore"):  # about letters that the font lacks
        figure.savefig(io.BytesIO(), format="png")
    return sum(bool(is_math_text(in_figure(word))) for word in NASTY) + len(NASTY) - len(legend.get_texts())


def fuzz(ledger: Ledger) -> None:
    """Damage files for every reader and count what comes of it."""
    counts: Counter[str] = Counter()
    faults: dict[str, list[str]] = {}
    readers = list(READERS)
    for verdict in fuzz_readers(readers, FIRST, CASES, None):
        counts[verdict.outcome] += 1
        faults.setdefault(verdict.outcome, []).append(f"{verdict.reader} {verdict.case}")
    note = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    ledger.add("damaged files and inputs, tried", counts.total(), ">=", CASES, f"{len(readers)} readers; {note}")
    claims = {
        TRACEBACK: "of these, a traceback",
        HANG: "of these, without an answer for 30 s",
        CRASH: "of these, the process broke down",
        SILENT: "of these, read otherwise than the intact file though its library reads nothing else",
    }
    for outcome, claim in claims.items():
        ledger.add(claim, counts[outcome], "==", 0, ", ".join(faults.get(outcome, []))[:300])
    right = counts[RIGHT] + counts[VALUES]
    ledger.add("of these, read; all others are refused in one sentence", right, ">=", 1)


PARTS = {"vetting": vetting, "words": words, "fuzz": fuzz}
