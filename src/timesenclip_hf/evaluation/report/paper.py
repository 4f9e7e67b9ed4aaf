"""Set the papers' figures beside ours, with what keeps the two from being compared."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .reading import NONE, ResultEntry, count, drawn_entries, entries_of, interval_of, title_of, words

PAPERS = Path(__file__).with_name("paper_results.json")


def beside_the_papers(runs: Sequence[ResultEntry]) -> Iterator[dict[str, Any]]:
    """Write a table a paper, ours in the last rows, and the differences in protocol."""
    for paper in json.loads(PAPERS.read_text(encoding="utf-8")).values():
        columns = dict(paper["tasks"])
        if any("overall" in row for row in paper["rows"].values()):
            columns["overall"] = "overall"
        counts = paper["classes"]
        rows = [(name, *(_several(row.get(task, ())) for task in columns)) for name, row in paper["rows"].items()]
        ours = [row for run in runs if (row := _our_row(run, paper, columns)) is not None]
        classes = ", ".join(f"{name} {counts[task]}" for task, name in paper["tasks"].items())
        yield {
            **paper,
            "prompts": " / ".join(map(words, paper["prompts"])),
            "head": (
                "",
                *(f"{name}, {counts[task]} classes" if task in counts else name for task, name in columns.items()),
            ),
            "rows": rows + (ours or [("this checkpoint", *("not run" for _ in columns))]),
            "is_measured": bool(ours),
            "differences": [text.replace("{classes}", classes) for text in paper["differences"]],
        }


def _our_row(run: ResultEntry, paper: ResultEntry, columns: ResultEntry) -> tuple[str, ...] | None:
    """Write accuracy in per cent of the prompts that the paper has; None where a run has none of the tasks."""
    most = {entry["task"]: entry.get("composites") for entry in drawn_entries(run)}
    cells = []
    for task in columns:
        entries = {
            entry.get("prompts"): entry
            for entry in entries_of(run, "raw")
            if entry["task"] == task and entry.get("composites") == most[task] and not entry.get("missing")
        }
        values = [_per_cent((entries.get(prompts) or {}).get("metrics")) for prompts in paper["prompts"]]
        if all(value is None for value in values):
            cells.append(NONE)
            continue
        entry = next(iter(entries.values()))
        labels = entry.get("labels") or ()
        occurring = len(labels) - len(entry.get("absent") or ())
        cells.append(f"{_several(values)} ({occurring} of {len(labels)} classes, n = {count(entry.get('samples'))})")
    return (f"this checkpoint on {title_of(run)}", *cells) if set(cells) - {NONE} else None


def _per_cent(metrics: Any) -> float | None:
    value = interval_of((metrics or {}).get("accuracy"))[0]
    return None if value != value else 100 * value


def _several(values: Sequence[float | None]) -> str:
    return " / ".join(NONE if value is None else f"{value:.1f}" for value in values) or NONE
