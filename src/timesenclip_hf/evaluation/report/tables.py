"""Gather what takes more than the templates to tabulate: baselines, confusions, nested figures, the papers' figures."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .figures import MOST_NUMBERED_CELLS
from .reading import (
    NONE,
    ResultEntry,
    cell,
    count,
    drawn_entries,
    entries_of,
    figure,
    interval_of,
    support,
    title_of,
    words,
)  # fmt: skip

PAPERS = Path(__file__).with_name("paper_results.json")
MOST_CONFUSIONS = 10
BASELINE_METRICS = ("balanced_accuracy", "accuracy")

Row = tuple[str, ...]


def figures(metrics: ResultEntry, names: Sequence[str]) -> list[str]:
    """Write some of the metrics."""
    return [figure(metrics.get(name)) for name in names]


def listed(values: ResultEntry, between: str = ": ") -> list[str]:
    """Write names with their values."""
    return [f"{name}{between}{'; '.join(v) if isinstance(v, list) else cell(v)}" for name, v in values.items()]


def flat(values: ResultEntry, before: str = "") -> Iterator[Row]:
    """Write nested figures as rows, each with the way to it."""
    for name, value in values.items():
        title = f"{before}{words(name)}"
        if isinstance(value, Mapping) and "value" not in value:
            yield from flat(value, f"{title}, ")
        else:
            yield title, cell(value)


def baselines(run: ResultEntry) -> list[Row]:
    """Write the drawn entry of each task and its baselines below it; nothing where there are none."""
    rows: list[Row] = []
    for drawn in drawn_entries(run):
        ours = (f"this checkpoint, {words(drawn['prompts'])}", *figures(drawn["metrics"], BASELINE_METRICS))
        rows += [(words(drawn["task"]), *row) for row in (ours, *_baselines_of(run, drawn))]
    return rows if len(rows) > len(drawn_entries(run)) else []


def _baselines_of(run: ResultEntry, drawn: ResultEntry) -> Iterator[Row]:
    """Write the baselines of a drawn entry, once for all prompts, or once for each where they read them too."""
    shown: dict[str, dict[Row, Any]] = {}
    for entry in entries_of(run, "raw"):
        if all(entry[key] == drawn[key] for key in ("task", "composites", "missing")):
            for name, metrics in entry["baselines"].items():
                shown.setdefault(name, {}).setdefault(_baseline(name, metrics), entry["prompts"])
    for name, pairs in shown.items():
        title = "blind guess" if name == "chance" else words(name)
        for pair, view in pairs.items():
            yield f"{title}, {words(view)}" if len(pairs) > 1 else title, *pair


def _baseline(name: str, metrics: Any) -> Row:
    """Write balanced accuracy and accuracy; a number alone is the latter, and of a blind guess the former."""
    if isinstance(metrics, Mapping) and "value" not in metrics:
        return tuple(figures(metrics, BASELINE_METRICS))
    return (figure(metrics), NONE) if name == "chance" else (NONE, figure(metrics))


def confusions(entry: ResultEntry) -> list[Row]:
    """Write the largest confusions, where a matrix is too large to read them from."""
    labels = entry["labels"]
    if len(labels) <= MOST_NUMBERED_CELLS or not entry["confusion"]:
        return []
    totals = np.array([*support(entry).values()])[:, None]
    wrong = np.array(entry["confusion"], dtype=float)
    np.fill_diagonal(wrong, 0)
    shares = np.divide(wrong, totals, out=np.zeros_like(wrong), where=totals > 0)
    order = np.lexsort((-wrong.ravel(), -shares.ravel()))[: min(MOST_CONFUSIONS, np.count_nonzero(wrong))]
    places = np.column_stack(np.unravel_index(order, wrong.shape)).tolist()
    return [(labels[t], labels[named], f"{shares[t, named]:.0%}", f"{wrong[t, named]:,.0f}") for t, named in places]


def beside_the_papers(runs: Sequence[ResultEntry]) -> Iterator[dict[str, Any]]:
    """Write a table a paper, ours in the last rows, and what keeps the two from being compared."""
    for paper in json.loads(PAPERS.read_text(encoding="utf-8")).values():
        columns, counts = dict(paper["tasks"]), paper["classes"]
        if any("overall" in row for row in paper["rows"].values()):
            columns["overall"] = "overall"
        rows = [(name, *(_several(row.get(task, ())) for task in columns)) for name, row in paper["rows"].items()]
        ours = [row for run in runs if (row := _our_row(run, paper["prompts"], list(columns))) is not None]
        classes = ", ".join(f"{name} {counts[task]}" for task, name in paper["tasks"].items())
        heads = [f"{name}, {counts[task]} classes" if task in counts else name for task, name in columns.items()]
        yield {
            **paper,
            "prompts": " / ".join(map(words, paper["prompts"])),
            "head": ("", *heads),
            "rows": rows + (ours or [("this checkpoint", *["not run"] * len(columns))]),
            "is_measured": bool(ours),
            "differences": [text.replace("{classes}", classes) for text in paper["differences"]],
        }


def _our_row(run: ResultEntry, prompts: Sequence[str], tasks: Sequence[str]) -> Row | None:
    """Write accuracy in per cent of the prompts that the paper has; None where a run has none of the tasks."""
    most = {entry["task"]: entry["composites"] for entry in drawn_entries(run)}
    cells = []
    for task in tasks:
        entries = {
            entry["prompts"]: entry
            for entry in entries_of(run, "raw")
            if entry["task"] == task and entry["composites"] == most[task] and not entry["missing"]
        }
        metrics = [entries[name]["metrics"] if name in entries else {} for name in prompts]
        values = [100 * interval_of(each.get("accuracy"))[0] for each in metrics]
        if np.isnan(values).all():
            cells.append(NONE)
            continue
        entry = next(iter(entries.values()))
        occurring, number = len(entry["labels"]) - len(entry["absent"]), len(entry["labels"])
        cells.append(f"{_several(values)} ({occurring} of {number} classes, n = {count(entry['samples'])})")
    return (f"this checkpoint on {title_of(run)}", *cells) if set(cells) - {NONE} else None


def _several(values: Sequence[float | None]) -> str:
    return " / ".join(NONE if value is None or value != value else f"{value:.1f}" for value in values) or NONE
