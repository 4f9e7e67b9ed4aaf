"""Gather what was evaluated and how well it did into rows of text, which the templates lay out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .figures import MOST_NUMBERED_CELLS
from .reading import (
    NONE,
    ResultEntry,
    cell,
    chance_of,
    composites,
    count,
    dataset_of,
    drawn_entries,
    entries_of,
    figure,
    support,
    title_of,
    words,
)

Row = tuple[str, ...]

MOST_CONFUSIONS = 10
# The metric of tasks whose samples have several classes.
SEVERAL = "mean_average_precision"
KINDS = ("raw", "transductive")


def evaluated(results: ResultEntry, runs: Sequence[ResultEntry]) -> dict[str, Any]:
    """Describe the checkpoints, the data sets, the versions, and what was left out."""
    models = {str(run["model"].get("name")): run["model"] for run in runs if run.get("model")}
    tasks = [dict.fromkeys(words(entry["task"]) for entry in run.get("tasks") or ()) for run in runs]
    return {
        "models": {
            name: [(words(key), cell(value)) for key, value in model.items() if value is not None]
            for name, model in models.items()
        },
        "datasets": [
            (title_of(run), count(dataset_of(run).get("samples")), ", ".join(names) or "not run")
            for run, names in zip(runs, tasks, strict=True)
        ],
        "left_out": [f"{name}: {reason}" for name, reason in (results.get("left_out") or {}).items()],
        "versions": [f"{name} {version}" for name, version in (results.get("versions") or {}).items()],
    }


def summary(runs: Sequence[ResultEntry]) -> dict[str, list[Row]]:
    """Write a row a task: the entries that are drawn below, those with several classes a sample apart."""
    rows: dict[str, list[Row]] = {"single": [], "several": []}
    for run, entry in ((each, entry) for each in runs for entry in drawn_entries(each)):
        metrics, samples = entry.get("metrics") or {}, count(entry.get("samples"))
        title = (title_of(run), words(entry["task"]))
        if SEVERAL in metrics:
            rows["several"].append((*title, figure(metrics[SEVERAL]), samples))
            continue
        majority = (entry.get("baselines") or {}).get("majority")
        commonest = majority.get("balanced_accuracy") if isinstance(majority, Mapping) else None
        occurring = len(entry.get("labels") or ()) - len(entry.get("absent") or ())
        lines = (figure(commonest), figure(chance_of(entry)))
        rows["single"].append((*title, *_pair(metrics), *lines, str(occurring), samples))
    return rows


def scores(run: ResultEntry, kind: str) -> dict[str, Any] | None:
    """Write the table of raw or of transductive scores; None where there are none."""
    entries, centred = entries_of(run, kind), kind == "transductive"
    if not entries:
        return None
    metrics = list(dict.fromkeys(name for entry in entries for name in entry.get("metrics") or ()))
    rows = []
    for entry in entries:
        centring = (entry["scores"].removeprefix("transductive").strip(" ()"),) if centred else ()
        shown = [figure((entry.get("metrics") or {}).get(name)) for name in metrics]
        asked = (words(entry["task"]), words(entry.get("prompts")), composites(entry))
        rows.append((*asked, *centring, *shown, count(entry.get("samples")), _block_count(entry)))
    named = ("centring",) if centred else ()
    return {"head": ("task", "prompts", "composites", *named, *map(words, metrics), "samples", "blocks"), "rows": rows}


def absent(run: ResultEntry) -> list[str]:
    """List the classes of each task that no sample has."""
    listed = {}
    for entry in run.get("tasks") or ():
        names, labels = entry.get("absent") or (), entry.get("labels") or ()
        text = f"{len(names)} of {len(labels)}: {', '.join(names)}" if names else "none"
        listed[entry["task"], text] = f"{words(entry['task'])}: {text}"
    return list(listed.values())


def baselines(run: ResultEntry) -> list[Row]:
    """Write the checkpoint's rows and the baselines below them, task by task; nothing where there are none."""
    drawn = drawn_entries(run)
    rows = [row for entry in drawn for row in _baseline_rows(run, entry)]
    if not rows:
        return []
    ours: list[Row] = [
        (words(entry["task"]), f"this checkpoint, {words(entry.get('prompts'))}", *_pair(entry.get("metrics") or {}))
        for entry in drawn
    ]
    tasks = list(dict.fromkeys(row[0] for row in ours))
    return sorted([*ours, *rows], key=lambda row: tasks.index(row[0]) if row[0] in tasks else len(tasks))


def confusions(entry: ResultEntry) -> list[Row]:
    """Write the largest confusions, where a matrix is too large to read them from."""
    labels, rows = entry.get("labels") or [], entry.get("confusion") or []
    if len(labels) <= MOST_NUMBERED_CELLS or not rows:
        return []
    totals = support(entry)
    pairs = [
        (number / totals[truth], number, truth, named)
        for truth, row in zip(labels, rows, strict=True)
        for named, number in zip(labels, row, strict=True)
        if named != truth and number
    ]
    pairs.sort(key=lambda pair: pair[:2], reverse=True)
    return [(truth, named, f"{share:.0%}", f"{number:,.0f}") for share, number, truth, named in pairs[:MOST_CONFUSIONS]]


def prompts(entry: ResultEntry) -> list[str]:
    """List what the text tower read of each class."""
    texts = entry.get("prompts_of") or {}
    return [f"{label}: {'; '.join([read] if isinstance(read, str) else read)}" for label, read in texts.items()]


def retrieval(directions: ResultEntry) -> dict[str, Any]:
    """Write recall@k of each direction beside chance, and the figures and names of single classes."""
    rows: list[Row] = []
    lists: list[tuple[str, list[str]]] = []
    names: list[str] = []
    for direction, metrics in directions.items():
        for name, metric in metrics.items():
            title = f"{words(direction)}: {words(name)}"
            if isinstance(metric, Mapping) and "value" not in metric:
                lists.append((title, [f"{label}: {cell(value)}" for label, value in metric.items()]))
            elif isinstance(metric, Sequence) and not isinstance(metric, str):
                names += [f"{title}: {', '.join(map(str, metric))}."] if metric else []
            else:
                chance = figure(metric.get("chance")) if isinstance(metric, Mapping) else NONE
                rows.append((words(direction), words(name), cell(metric), chance))
    return {"rows": rows, "lists": lists, "names": names}


def selected_prompts(selections: ResultEntry) -> list[dict[str, Any]]:
    """Write what fewer prompts a class are worth, on land that did not choose them."""
    metric, shown = "balanced_accuracy", []
    for name, selection in selections.items():
        rows = [(f"{words(choice)} prompts", figure(scores[metric])) for choice, scores in selection["scores"].items()]
        rows.append(("by chance", figure(selection["random"][metric]["mean"])))
        rows += [(f"gain of {choice} over all", figure(gain)) for choice, gain in selection["gain"].items()]
        counts = {key: count(number) for key, number in selection["samples"].items()}
        shown.append(
            {"name": words(name), "top_k": selection["top_k"], **counts, "head": ("", words(metric)), "rows": rows}
        )
    return shown


def flat(values: ResultEntry, before: str = "") -> Iterator[Row]:
    """Write nested figures as rows, each with the way to it."""
    for name, value in values.items():
        title = f"{before}{words(name)}"
        if isinstance(value, Mapping) and "value" not in value:
            yield from flat(value, f"{title}, ")
        else:
            yield title, cell(value)


def _block_count(entry: ResultEntry) -> str:
    side = entry.get("block_km")
    return f"{count(entry.get('blocks'))}{f' of {side:g} km' if side and entry.get('blocks') else ''}"


def _baseline_rows(run: ResultEntry, drawn: ResultEntry) -> Iterable[Row]:
    """Write the baselines of a task, once for all prompts, or once for each where they read them too."""
    shown: dict[str, dict[Row, Any]] = {}
    for entry in entries_of(run, "raw"):
        if all(entry.get(key) == drawn.get(key) for key in ("task", "composites", "missing")):
            for name, metrics in (entry.get("baselines") or {}).items():
                shown.setdefault(name, {}).setdefault(_baseline(name, metrics), entry.get("prompts"))
    for name, figures in shown.items():
        title = "blind guess" if name == "chance" else words(name)
        for pair, view in figures.items():
            yield words(drawn["task"]), f"{title}, {words(view)}" if len(figures) > 1 else title, *pair


def _baseline(name: str, metrics: Any) -> Row:
    if isinstance(metrics, Mapping) and "value" not in metrics:
        return _pair(metrics)
    return (figure(metrics), NONE) if name == "chance" else (NONE, figure(metrics))


def _pair(metrics: ResultEntry) -> Row:
    return figure(metrics.get("balanced_accuracy")), figure(metrics.get("accuracy"))
