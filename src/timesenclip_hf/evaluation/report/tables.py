"""What was evaluated and how well it did, in tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .document import Block, Heading, Points, Table, Text
from .figures import MOST_NUMBERED_CELLS
from .reading import (
    NONE,
    ResultEntry,
    count,
    dataset_of,
    drawn_entries,
    entries_of,
    figure,
    looks,
    runs_of,
    support,
    title_of,
    words,
)

INTERVALS = (
    "In brackets: 95 % bootstrap interval, drawn by whole blocks of land where there are blocks, so that neighbours do "
    "not count as independent; ± is the standard deviation over seeds or draws. Balanced accuracy is the mean recall "
    "of the classes that occur; classes that do not occur are left out of it and of macro F1, and listed. The floor "
    "of a calibration error is what chance alone would give a perfectly calibrated model on as many samples, that of "
    "a mean average precision what a ranking by chance would give."
)
RAW = "What the model says of each sample by itself."
TRANSDUCTIVE = (
    "These scores are centred over all samples of the test set at once, which a model that sees one cannot do: "
    "they answer another question than the raw scores, and are not to be compared with them."
)
MOST_CONFUSIONS = 10
# The metric of tasks whose samples have several classes.
SEVERAL = "mean_average_precision"


def evaluated(results: ResultEntry) -> list[Block]:
    """The checkpoint, the data sets, the versions, and what was left out."""
    runs = runs_of(results)
    models = {str(run["model"].get("name")): run["model"] for run in runs if run.get("model")}
    blocks: list[Block] = [Heading(2, "What was evaluated")]
    for model in models.values():
        described = [(words(name), _cell(value)) for name, value in model.items() if value is not None]
        blocks.append(Table(("checkpoint", ""), described))
    if not models:
        blocks.append(Text("The results do not name their checkpoint."))
    rows = [(title_of(run), count(dataset_of(run).get("samples")), _tasks(run)) for run in runs]
    blocks.append(Table(("data set", "samples", "tasks"), rows))
    left_out = results.get("left_out") or {}
    if left_out:
        blocks += [Text("Left out:"), Points([f"{name}: {reason}" for name, reason in left_out.items()])]
    versions = results.get("versions") or {}
    if versions:
        blocks.append(Points([f"{name} {version}" for name, version in versions.items()], "Versions"))
    return blocks


def summary(runs: Sequence[ResultEntry]) -> list[Block]:
    """One line a task: the entries that are drawn below."""
    rows, several = [], []
    for run in runs:
        for entry in drawn_entries(run):
            metrics = entry.get("metrics") or {}
            if SEVERAL in metrics:
                several.append((title_of(run), words(entry["task"]), figure(metrics[SEVERAL]), count(entry["samples"])))
                continue
            shown = [figure(metrics.get(name)) for name in ("balanced_accuracy", "accuracy")]
            occurring = len(entry.get("labels") or ()) - len(entry.get("absent") or ())
            counts = (str(occurring), count(entry.get("samples")))
            rows.append((title_of(run), words(entry["task"]), *shown, *_lines(entry), *counts))
    if not rows and not several:
        return [Heading(2, "Summary"), Text("Zero-shot classification: not run.")]
    head = ("data set", "task", "balanced accuracy", "accuracy", "commonest class", "blind guess", "classes", "samples")
    return [
        Heading(2, "Summary"),
        *([Table(head, rows)] if rows else []),
        *([Table(("data set", "task", words(SEVERAL), "samples"), several)] if several else []),
        Text(
            "Raw scores with all months, in the prompts that come first in the results, not the best ones. "
            "Commonest class: balanced accuracy of always naming it. " + INTERVALS
        ),
    ]


def scores(run: ResultEntry) -> list[Block]:
    """Raw and transductive scores apart, the classes that are absent, and the lines to beat."""
    blocks: list[Block] = []
    for kind, said in (("raw", RAW), ("transductive", TRANSDUCTIVE)):
        entries = entries_of(run, kind)
        blocks.append(Heading(3, f"{kind.capitalize()} scores"))
        blocks += [Text(said), _score_table(entries, kind)] if entries else [Text("Not run.")]
    if run.get("tasks"):
        blocks += [*_absent(run), *_baselines(run)]
    return blocks


def confusions(entry: ResultEntry) -> list[Block]:
    """The largest confusions, where a matrix is too large to read them from."""
    labels, rows = entry.get("labels") or [], entry.get("confusion") or []
    if len(labels) <= MOST_NUMBERED_CELLS or not rows:
        return []
    totals = support(entry)
    pairs = sorted(
        ((number / totals[truth], number, truth, named)
         for truth, row in zip(labels, rows, strict=True)
         for named, number in zip(labels, row, strict=True)
         if named != truth and number),
        key=lambda pair: pair[:2], reverse=True,
    )[:MOST_CONFUSIONS]  # fmt: skip
    shown = [(truth, named, f"{share:.0%}", f"{number:,.0f}") for share, number, truth, named in pairs]
    head = ("truth", "named as", "share of the class", "samples")
    return [Text("Largest confusions, by share of the class:"), Table(head, shown)] if shown else []


def prompts(entry: ResultEntry) -> list[Block]:
    """What the text tower read."""
    texts = entry.get("prompts_of") or {}
    if not texts:
        return []
    items = [f"{label}: {'; '.join([read] if isinstance(read, str) else read)}" for label, read in texts.items()]
    return [Points(items, f"Prompts ({words(entry.get('prompts'))})")]


def retrieval(found: ResultEntry) -> list[Block]:
    """Recall@k of each direction beside chance, and what is said of single classes."""
    rows: list[tuple[str, ...]] = []
    lists: list[Block] = []
    for direction, metrics in found.items():
        for name, metric in metrics.items():
            title = f"{words(direction)}: {words(name)}"
            if isinstance(metric, Mapping) and "value" not in metric:
                lists.append(Points([f"{label}: {_cell(value)}" for label, value in metric.items()], title))
            elif isinstance(metric, Sequence) and not isinstance(metric, str):
                lists += [Text(f"{title}: {', '.join(map(str, metric))}.")] if metric else []
            else:
                chance = figure(metric.get("chance")) if isinstance(metric, Mapping) else NONE
                rows.append((words(direction), words(name), _cell(metric), chance))
    return [Table(("direction", "metric", "value", "chance"), rows), *lists]


def selected_prompts(run: ResultEntry) -> list[Block]:
    """What fewer prompts a class are worth, on places that did not choose them."""
    blocks: list[Block] = []
    for name, found in run["prompt_selection"].items():
        metric = "balanced_accuracy"
        rows = [(f"{words(choice)} prompts", figure(scores[metric])) for choice, scores in found["scores"].items()]
        rows.append(("by chance", figure(found["random"][metric]["mean"])))
        rows += [(f"gain of {choice} over all", figure(gain)) for choice, gain in found["gain"].items()]
        counts = found["samples"]
        said = f"{words(name)}: {found['top_k']} prompts a class, chosen on {counts['selection']:,} samples without "
        blocks += [Text(f"{said}labels, judged on {counts['held_out']:,} others."), Table(("", words(metric)), rows)]
    return blocks


def calibration(fitted: ResultEntry) -> list[Block]:
    """What the temperature and the threshold do on samples that they were not fitted on."""
    return [Table(("", "value"), list(_flat(fitted)))]


def _score_table(entries: Sequence[ResultEntry], kind: str) -> Table:
    metrics = list(dict.fromkeys(name for entry in entries for name in entry.get("metrics") or ()))
    centring = ("centring",) if kind == "transductive" else ()
    rows = []
    for entry in entries:
        shown = [figure((entry.get("metrics") or {}).get(name)) for name in metrics]
        how = [entry["scores"].removeprefix("transductive").strip(" ()") for _ in centring]
        drawn = [count(entry.get("samples")), _block_count(entry)]
        rows.append((words(entry["task"]), words(entry.get("prompts")), looks(entry), *how, *shown, *drawn))
    return Table(("task", "prompts", "looks", *centring, *map(words, metrics), "samples", "blocks"), rows)


def _block_count(entry: ResultEntry) -> str:
    side = entry.get("block_km")
    return f"{count(entry.get('blocks'))}{f' of {side:g} km' if side and entry.get('blocks') else ''}"


def _absent(run: ResultEntry) -> list[Block]:
    listed = {}
    for entry in run["tasks"]:
        absent, labels = entry.get("absent") or (), entry.get("labels") or ()
        text = f"{len(absent)} of {len(labels)}: {', '.join(absent)}" if absent else "none"
        listed[entry["task"], text] = f"{words(entry['task'])}: {text}"
    return [Heading(3, "Classes that no sample has"), Points(list(listed.values()))]


def _baselines(run: ResultEntry) -> list[Block]:
    rows = [row for entry in drawn_entries(run) for row in _baseline_rows(run, entry)]
    blocks: list[Block] = [Heading(3, "Beside it")]
    if not rows:
        return [*blocks, Text("Baselines: not run.")]
    own = [
        (words(entry["task"]), f"this checkpoint, {words(entry.get('prompts'))}", *_pair(entry.get("metrics") or {}))
        for entry in drawn_entries(run)
    ]
    tasks = list(dict.fromkeys(row[0] for row in own))
    rows = sorted([*own, *rows], key=lambda row: tasks.index(row[0]) if row[0] in tasks else len(tasks))
    return [*blocks, Table(("task", "", "balanced accuracy", "accuracy"), rows)]


def _baseline_rows(run: ResultEntry, drawn: ResultEntry) -> Iterable[tuple[str, ...]]:
    """The baselines of a task, once for all prompts, or once for each where they read them too."""
    found: dict[str, dict[tuple[str, str], Any]] = {}
    for entry in entries_of(run, "raw"):
        if all(entry.get(key) == drawn.get(key) for key in ("task", "num_looks", "missing")):
            for name, metrics in (entry.get("baselines") or {}).items():
                found.setdefault(name, {}).setdefault(_baseline(name, metrics), entry.get("prompts"))
    for name, figures in found.items():
        title = "blind guess" if name == "chance" else words(name)
        for shown, prompts in figures.items():
            yield words(drawn["task"]), f"{title}, {words(prompts)}" if len(figures) > 1 else title, *shown


def _baseline(name: str, metrics: Any) -> tuple[str, str]:
    if isinstance(metrics, Mapping) and "value" not in metrics:
        return _pair(metrics)
    return (figure(metrics), NONE) if name == "chance" else (NONE, figure(metrics))


def _lines(entry: ResultEntry) -> tuple[str, str]:
    baselines = entry.get("baselines") or {}
    majority = baselines.get("majority")
    commonest = majority.get("balanced_accuracy") if isinstance(majority, Mapping) else None
    return figure(commonest), figure(baselines.get("chance"))


def _pair(metrics: ResultEntry) -> tuple[str, str]:
    return figure(metrics.get("balanced_accuracy")), figure(metrics.get("accuracy"))


def _tasks(run: ResultEntry) -> str:
    return ", ".join(dict.fromkeys(words(entry["task"]) for entry in run.get("tasks") or ())) or "not run"


def _flat(values: ResultEntry, before: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        title = f"{before}{words(name)}"
        if isinstance(value, Mapping) and "value" not in value:
            yield from _flat(value, f"{title}, ")
        else:
            yield title, _cell(value)


def _cell(value: Any) -> str:
    """A metric, a number or a text."""
    if isinstance(value, Mapping) or value is None:
        return figure(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
