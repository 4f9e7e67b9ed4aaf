"""The papers' figures beside ours, with what keeps the two from being compared."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .document import Block, Heading, Points, Table, Text
from .figures import interval_of
from .reading import NONE, ResultEntry, count, drawn_entries, entries_of, title_of, words

PAPERS = Path(__file__).with_name("paper_results.json")


def beside_the_papers(runs: Sequence[ResultEntry]) -> list[Block]:
    """A table a paper, ours in the last rows, and the differences in protocol."""
    blocks: list[Block] = [
        Heading(2, "Beside the papers"),
        Text(
            "The papers' figures are copied from them and were not measured here. The protocols differ in what is "
            "listed below each table, so that figures differ for other reasons than the models, too."
        ),
    ]
    for paper in json.loads(PAPERS.read_text(encoding="utf-8")).values():
        blocks += _beside(paper, runs)
    return blocks


def _beside(paper: ResultEntry, runs: Sequence[ResultEntry]) -> list[Block]:
    columns = dict(paper["tasks"])
    if any("overall" in row for row in paper["rows"].values()):
        columns["overall"] = "overall"
    head = ("", *(_column(task, name, paper["classes"]) for task, name in columns.items()))
    rows = [(name, *(_several(row.get(task, ())) for task in columns)) for name, row in paper["rows"].items()]
    ours = [row for run in runs if (row := _our_row(run, paper, columns)) is not None]
    rows += ours or [("this checkpoint", *("not run" for _ in columns))]
    classes = ", ".join(f"{name} {paper['classes'][task]}" for task, name in paper["tasks"].items())
    blocks: list[Block] = [
        Heading(3, paper["title"]),
        Text(f"In each cell: {' / '.join(map(words, paper['prompts']))} prompts. Source: {paper['source']}."),
        Table(head, rows),
    ]
    if ours:
        blocks.append(
            Text("Ours: raw scores with all months; in brackets how many of the candidates occur, and the samples.")
        )
    return [
        *blocks,
        Text("How the protocols differ:"),
        Points([text.replace("{classes}", classes) for text in paper["differences"]]),
        Points(paper["beside"], "Further figures of the paper"),
    ]


def _column(task: str, name: str, classes: ResultEntry) -> str:
    return f"{name}, {classes[task]} classes" if task in classes else name


def _our_row(run: ResultEntry, paper: ResultEntry, columns: ResultEntry) -> tuple[str, ...] | None:
    """Accuracy in per cent of the prompts that the paper has; None where a run has none of the tasks."""
    full = {entry["task"]: entry.get("num_looks") for entry in drawn_entries(run)}
    cells = []
    for task in columns:
        own = {
            entry.get("prompts"): entry
            for entry in entries_of(run, "raw")
            if entry["task"] == task and entry.get("num_looks") == full[task] and not entry.get("missing")
        }
        values = [_per_cent((own.get(prompts) or {}).get("metrics")) for prompts in paper["prompts"]]
        if not own or all(value is None for value in values):
            cells.append(NONE)
            continue
        entry = next(iter(own.values()))
        labels = entry.get("labels") or ()
        occurring = len(labels) - len(entry.get("absent") or ())
        cells.append(f"{_several(values)} ({occurring} of {len(labels)} classes, n = {count(entry.get('samples'))})")
    return (f"this checkpoint on {title_of(run)}", *cells) if set(cells) - {NONE} else None


def _per_cent(metrics: Any) -> float | None:
    value = interval_of((metrics or {}).get("accuracy"))[0]
    return None if value != value else 100 * value


def _several(values: Sequence[float | None]) -> str:
    return " / ".join(NONE if value is None else f"{value:.1f}" for value in values) or NONE
