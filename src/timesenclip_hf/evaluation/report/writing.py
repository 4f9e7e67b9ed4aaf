"""Write results to a folder: as they are, as markdown, and as one HTML page."""

import html
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...files import whole_file, write_json
from . import pictures, tables
from .paper import beside_the_papers
from .pictures import EvaluatedSamples, Picture
from .reading import ResultEntry, dataset_of, drawn_entries, runs_of, slug, title_of, words

PICTURES = "figures"
SUITES = {
    "retrieval": "Retrieval",
    "robustness": "Robustness",
    "few_shot": "Few-shot ladder",
    "calibration": "Calibration",
    "prompt_selection": "Prompt selection",
}
OF_SAMPLES = {"reliability": "Reliability", "map": "Map of errors", "samples": "Sample series"}


def write_report(
    results: ResultEntry, folder: str | os.PathLike[str], samples: Sequence[EvaluatedSamples] = ()
) -> Path:
    """Write `results.json`, `report.md` with its pictures in `figures/`, and `report.html` with everything inside.

    What was not run is named so; nothing is left out in silence.

    Args:
        results: of the harness: one run, or several under `runs`.
        folder: made where it is absent; files of an earlier report are replaced.
        samples: what entries answer for each sample, for maps of errors, sample series and reliability diagrams.

    Returns:
        The path of `report.html`.

    Raises:
        ValueError: no results of an evaluation, scores of unknown kind, or samples of no run.
    """
    results = _plain(results)
    runs = runs_of(results)
    names = [dataset_of(run).get("name") for run in runs]
    lost = next((each.samples.name for each in samples if each.samples.name not in names), None)
    if lost is not None:
        raise ValueError(
            f"There is no run on {lost!r} for these samples: the runs are on {', '.join(map(str, names))}."
        )
    content = {
        **tables.evaluated(results, runs),
        "summary": tables.summary(runs),
        "several": words(tables.SEVERAL),
        "runs": [
            _run(run, [each for each in samples if _is_of(each, run)], number) for number, run in enumerate(runs, 1)
        ],
        "papers": list(beside_the_papers(runs)),
        "folder": PICTURES,
        "shown_samples": pictures.SHOWN_SAMPLES,
    }
    target = Path(folder)
    (target / PICTURES).mkdir(parents=True, exist_ok=True)
    for picture in _pictures_of(content):
        (target / PICTURES / f"{picture.name}.png").write_bytes(picture.png)
    write_json(target / "results.json", results)
    markdown = _environment().get_template("report.j2").render(content, syntax="markdown.j2")
    page = _environment().get_template("page.html").render(content, syntax="html.j2")
    for name, text in (("report.md", re.sub(r"\n{3,}", "\n\n", markdown).strip() + "\n"), ("report.html", page)):
        with whole_file(target / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return target / "report.html"


def _environment() -> Environment:
    """Make templates that escape everything they are handed: labels and names come from data."""
    folder = FileSystemLoader(Path(__file__).parent)
    templates = Environment(
        loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    templates.filters["plain"] = _escape_markdown
    return templates


def _escape_markdown(text: str) -> Markup:
    """Write text that markdown shows as it is, on one line."""
    return Markup(re.sub(r"([\\`*|\[\]$~#])", r"\\\1", html.escape(" ".join(text.split()), quote=False)))


def _is_of(samples: EvaluatedSamples, run: ResultEntry) -> bool:
    dataset = dataset_of(run)
    return (samples.samples.name, samples.samples.split) == (
        dataset.get("name"),
        dataset.get("split", samples.samples.split),
    )


def _run(run: ResultEntry, samples: Sequence[EvaluatedSamples], number: int) -> dict[str, Any]:
    """Gather what the chapter of a run shows."""
    prefix = f"{number}-{slug(dataset_of(run).get('name'))}"
    parts: dict[str, Any] = {
        "retrieval": run.get("retrieval") and tables.retrieval(run["retrieval"]),
        "robustness": run.get("robustness") and pictures.draw_robustness(run, prefix),
        "few_shot": run.get("few_shot") and {"picture": pictures.draw_few_shot(run["few_shot"], prefix)},
        "calibration": run.get("calibration") and list(tables.flat(run["calibration"])),
        "prompt_selection": run.get("prompt_selection") and tables.selected_prompts(run["prompt_selection"]),
        "reliability": [picture for each in samples for picture in pictures.draw_reliability(each, prefix)],
        "map": [picture for each in samples for picture in pictures.draw_map(each, prefix)],
        # Sample series are those of the first task: more of them would bury the rest.
        "samples": [
            {"task": words(each.task), "pictures": list(pictures.draw_samples(each, prefix))} for each in samples[:1]
        ],
    }
    reasons = {suite: (run.get("not_run") or {}).get(suite) for suite in SUITES}
    reasons |= {"map": "the samples have no places"} if samples else {}
    titles = SUITES | OF_SAMPLES
    return {
        "title": title_of(run),
        "notes": run.get("notes") or (),
        "scores": {kind: tables.scores(run, kind) for kind in tables.KINDS},
        "is_scored": bool(run.get("tasks")),
        "absent": tables.absent(run),
        "baselines": tables.baselines(run),
        "tasks": [_task(entry, prefix) for entry in drawn_entries(run) if entry.get("labels")],
        "titles": titles,
        "parts": parts,
        "missing": [
            f"{title}: {reasons[part]}" if reasons.get(part) else title
            for part, title in titles.items()
            if not parts[part]
        ],
    }


def _task(entry: ResultEntry, prefix: str) -> dict[str, Any]:
    """Gather what is shown of a task class by class."""
    return {
        "title": words(entry["task"]),
        "pictures": list(pictures.draw_task(entry, prefix)),
        "confusions": tables.confusions(entry),
        "prompts": tables.prompts(entry),
        "view": words(entry.get("prompts")),
    }


def _pictures_of(content: Any) -> Iterator[Picture]:
    """Find the pictures in nested content."""
    if isinstance(content, Picture):
        yield content
    elif isinstance(content, Mapping | list):
        for inner in content.values() if isinstance(content, Mapping) else content:
            yield from _pictures_of(inner)


def _plain(value: Any) -> Any:
    """Bring results to what JSON holds: no arrays, and null for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
