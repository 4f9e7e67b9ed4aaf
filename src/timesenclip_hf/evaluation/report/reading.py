"""Read results as the harness writes them: their runs, the entries to draw, and figures in words."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

ResultEntry = Mapping[str, Any]
NONE = "–"
# Of metrics; any other is shown by its own name.
NAMES = {"macro_f1": "macro F1", "expected_calibration_error": "calibration error (ECE)"}
_RUN: ResultEntry = {"model": {}, "dataset": {}, "tasks": (), "notes": (), "not_run": {}}
_ENTRY: ResultEntry = {
    **dict.fromkeys(("prompts", "composites", "missing", "samples", "blocks", "block_km")),
    **dict.fromkeys(("labels", "absent", "confusion"), ()),
    **{name: {} for name in ("metrics", "baselines", "recall", "prompts_of")},
}


def runs_of(results: ResultEntry) -> list[ResultEntry]:
    """Return the runs of the results, one a data set; results of a single run may come as they are.

    Raises:
        ValueError: not results of an evaluation, or an entry that does not tell how it was scored.
    """
    if not isinstance(results, Mapping) or not isinstance(results.get("runs", []), Sequence):
        raise ValueError(
            f"Results are a dictionary of one run, or with a list of `runs`, got {type(results).__name__}."
        )
    runs = list(results["runs"]) if "runs" in results else [results]
    for entry in (entry for run in runs for entry in run.get("tasks") or ()):
        if not entry.get("task"):
            raise ValueError(
                f"Every entry must name its `task`, got one with {', '.join(map(str, entry)) or 'nothing'}."
            )
        scores = entry.get("scores")
        if not isinstance(scores, str) or not scores.startswith(("raw", "transductive")):
            raise ValueError(
                f"An entry of the task {entry.get('task')!r} must say how it was scored, `raw` or `transductive "
                f"(...)`, got {scores!r}: scores of two kinds never stand together."
            )
    return runs


def complete_runs(results: ResultEntry) -> list[ResultEntry]:
    """Return the runs of the results with whatever a run or an entry lacks as empty, so that all is there to read.

    Raises:
        ValueError: not results of an evaluation, or an entry that does not tell how it was scored.
    """
    filled = [_fill(run, _RUN) for run in runs_of(results)]
    return [{**run, "tasks": [_fill(entry, _ENTRY) for entry in run["tasks"]]} for run in filled]


def _fill(content: ResultEntry, defaults: ResultEntry) -> dict[str, Any]:
    return {**defaults, **{name: value for name, value in content.items() if value is not None}}


def title_of(run: ResultEntry) -> str:
    """Name a complete run's data set with its split."""
    name, split = run["dataset"].get("name", "unnamed data set"), run["dataset"].get("split")
    return f"{name}, {split}" if split else str(name)


def entries_of(run: ResultEntry, scores: str) -> list[ResultEntry]:
    """List the entries of a run that are "raw" or "transductive"."""
    return [entry for entry in run.get("tasks") or () if entry["scores"].startswith(scores)]


def drawn_entries(run: ResultEntry) -> list[ResultEntry]:
    """Choose one raw entry a task: the first with the most composites and no month left out, whatever its score."""
    tasks: dict[str, list[ResultEntry]] = {}
    for entry in entries_of(run, "raw"):
        tasks.setdefault(entry["task"], []).append(entry)
    return [max(entries, key=lambda e: (not e.get("missing"), e.get("composites") or 0)) for entries in tasks.values()]


def interval_of(metric: Any) -> tuple[float, float, float]:
    """Return value, low and high of a metric; NaN for those that it lacks.

    Args:
        metric: a number, or `value` with `low` and `high`, or with a `spread` to both sides.
    """
    nan = float("nan")
    if not isinstance(metric, Mapping):
        return (nan if metric is None else float(metric)), nan, nan
    value, low, high, spread = (
        nan if metric.get(key) is None else float(metric[key]) for key in ("value", "low", "high", "spread")
    )
    return value, value - spread if low != low else low, value + spread if high != high else high


def words(name: Any) -> str:
    """Write a key as a person reads it."""
    if name is None:
        return NONE
    return NAMES.get(str(name), re.sub(r"^top (\d+) ", r"top-\1 ", str(name).replace("_", " ")))


def figure(metric: Any, digits: int = 3) -> str:
    """Write a metric with its interval and its spread over seeds or draws, as far as it has them."""
    value = interval_of(metric)[0]
    if value != value:
        return NONE
    text, parts = f"{value:.{digits}f}", metric if isinstance(metric, Mapping) else {}
    if parts.get("low") is not None and parts.get("high") is not None:
        text += f" ({parts['low']:.{digits}f}–{parts['high']:.{digits}f})"
    for key, sign in (("spread", " ± "), ("floor", ", floor ")):
        if parts.get(key) is not None:
            text += f"{sign}{parts[key]:.{digits}f}"
    return text


def cell(value: Any) -> str:
    """Write a metric, a number or a text."""
    if isinstance(value, Mapping) or value is None:
        return figure(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(number: Any) -> str:
    """Write a whole number with commas."""
    return NONE if number is None else f"{number:,}"


def composites(entry: ResultEntry) -> str:
    """Write how many composites a series had, and what was left out."""
    number = count(entry["composites"])
    return f"{number}, {entry['missing']} missing" if entry["missing"] else number


def slug(text: Any) -> str:
    """Reduce a name to what the name of a file may hold."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-") or "unnamed"


def support(entry: ResultEntry) -> dict[str, float]:
    """Count the samples of each label.

    Raises:
        ValueError: a matrix of another size than the labels.
    """
    labels, rows = entry["labels"], entry["confusion"]
    if rows and (len(rows) != len(labels) or any(len(row) != len(labels) for row in rows)):
        raise ValueError(
            f"The confusion matrix of the task {entry['task']!r} must be {len(labels)} x {len(labels)}, one row and "
            f"column a label, got {len(rows)} x {len(rows[0])}."
        )
    return {label: float(sum(row)) for label, row in zip(labels, rows, strict=False)}
