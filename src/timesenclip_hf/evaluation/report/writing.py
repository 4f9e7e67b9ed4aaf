"""Write results to a folder: as they are, as markdown, and as one HTML page."""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...files import whole_files, write_json
from ...files.outputs import check_file, check_run_folder
from ...words import in_markdown, on_a_page
from . import pictures, reading, tables
from .pictures import EvaluatedSamples, Picture
from .reading import ResultEntry, complete_runs, drawn_entries, slug

PICTURES = "figures"
FILES = ("results.json", "report.md", "report.html")
SUITES = {
    "retrieval": "Retrieval",
    "robustness": "Robustness",
    "few_shot": "Few-shot ladder",
    "calibration": "Calibration",
    "prompt_selection": "Prompt selection",
}
TITLES = SUITES | {"reliability": "Reliability", "map": "Map of errors", "samples": "Sample series"}


def write_report(
    results: ResultEntry,
    folder: str | os.PathLike[str],
    samples: Sequence[EvaluatedSamples] = (),
    *,
    overwrite: bool = False,
) -> Path:
    """Write `results.json`, `report.md` with its pictures in `figures/`, and `report.html` with everything inside.

    What was not run is named so; nothing is left out in silence.

    Args:
        results: of the harness: one run, or several under `runs`.
        folder: made where it is absent.
        samples: what entries answer for each sample, for maps of errors, sample series and reliability diagrams.
        overwrite: replace the files of another report; those of one with the same `asked` in its results always are.

    Returns:
        The path of `report.html`.

    Raises:
        OSError: a file cannot be written, or is there already and not to be replaced.
        ValueError: no results of an evaluation, scores of unknown kind, or samples of no run.
    """
    results = _plain(results)
    runs = complete_runs(results)
    replaced = check_report(folder, overwrite=overwrite, asked=results.get("asked"))
    names = [run["dataset"].get("name") for run in runs]
    lost = next((each.samples.name for each in samples if each.samples.name not in names), None)
    if lost is not None:
        raise ValueError(
            f"There is no run on {lost!r} for these samples: the runs are on {', '.join(map(str, names))}."
        )
    chapters = [_chapter(run, samples, number) for number, run in enumerate(runs, 1)]
    models = {str(run["model"].get("name")): run["model"] for run in runs if run["model"]}
    content = {
        "title": f"Evaluation of {', '.join(models) or 'a checkpoint'}",
        "body": "report.j2",
        "results": results,
        "models": models,
        "chapters": chapters,
        "papers": list(tables.beside_the_papers(runs)),
        "folder": PICTURES,
        "shown_samples": pictures.SHOWN_SAMPLES,
        "titles": TITLES,
    }
    markdown = page_templates().get_template("report.j2").render(content, syntax="markdown.j2")
    page = page_templates().get_template("page.html").render(content, syntax="html.j2")
    # By the results a report is known again that was ended while its files got their names.
    with whole_files(folder, overwrite=replaced, first=FILES[0]) as target:
        (target / PICTURES).mkdir()
        for chapter in chapters:
            for drawn in (*(drawn for _, drawn in chapter["tasks"]), *chapter["drawn"].values()):
                for picture in drawn:
                    (target / PICTURES / f"{picture.name}.png").write_bytes(picture.png)
        write_json(target / FILES[0], results)
        for name, text in zip(FILES[1:], (re.sub(r"\n{3,}", "\n\n", markdown).strip() + "\n", page), strict=True):
            (target / name).write_text(text, encoding="utf-8")
    (Path(folder) / PICTURES).mkdir(exist_ok=True)
    return Path(folder) / FILES[-1]


def check_report(folder: str | os.PathLike[str], *, overwrite: bool = False, asked: str | None = None) -> bool:
    """Refuse, before the work, a folder into which no report can be written; return whether one there is replaced.

    Args:
        folder: of the report.
        overwrite: replace one that is there.
        asked: what is asked of the evaluation; a report that answers the same is replaced.

    Raises:
        OSError: a file cannot be written, or is there already and not to be replaced.
    """
    folder = Path(folder)
    replaced = overwrite or answers(folder / FILES[0], asked)
    check_run_folder(folder)
    for name in FILES:
        check_file(folder / name, overwrite=replaced)
    check_run_folder(folder / PICTURES)
    picture = next((folder / PICTURES).glob("*"), None)
    if picture is not None:
        check_file(picture, overwrite=replaced)
    return replaced


def answers(file: Path, asked: str | None) -> bool:
    """Tell whether a file holds the results of an evaluation that was asked the same."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return asked is not None and isinstance(content, dict) and content.get("asked") == asked


def page_templates() -> Environment:
    """Make templates that escape everything they are handed: labels and names come from data."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=on_a_page,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    writers = (reading.words, reading.figure, reading.cell, reading.count, reading.composites, reading.title_of)
    choosers = (reading.entries_of, drawn_entries)
    tabulators = (tables.figures, tables.listed, tables.flat, tables.baselines, tables.confusions)
    templates.filters |= {function.__name__: function for function in (*writers, *choosers, *tabulators)}
    templates.filters["plain"] = _as_markdown
    return templates


def _as_markdown(text: str) -> Markup:
    """Write text that Markdown shows as it is, on one line."""
    return Markup(in_markdown(text))


def _chapter(run: ResultEntry, samples: Sequence[EvaluatedSamples], number: int) -> dict[str, Any]:
    """Gather what the chapter of a run shows: its pictures by task and by part, and what is missing."""
    name, split = (run["dataset"].get(key) for key in ("name", "split"))
    samples = [each for each in samples if each.samples.name == name and split in (None, each.samples.split)]
    prefix = f"{number}-{slug(name)}"
    drawn: dict[str, list[Picture]] = {
        "robustness": list(pictures.draw_robustness(run, prefix)),
        "few_shot": list(pictures.draw_few_shot(run, prefix)),
        "reliability": [picture for each in samples for picture in pictures.draw_reliability(each, prefix)],
        "map": [picture for each in samples for picture in pictures.draw_map(each, prefix)],
        # Sample series are those of the first task: more of them would bury the rest.
        "samples": [picture for each in samples[:1] for picture in pictures.draw_samples(each, prefix)],
    }
    parts = [part for part in TITLES if run.get(part) or drawn.get(part) or (part == "samples" and samples)]
    reasons = run["not_run"] | ({"map": "the samples have no places"} if samples else {})
    lacking = {part: title for part, title in TITLES.items() if part not in parts}
    return {
        "run": run,
        "tasks": [(entry, list(pictures.draw_task(entry, prefix))) for entry in drawn_entries(run) if entry["labels"]],
        "parts": parts,
        "drawn": drawn,
        "sampled": samples[0].task if samples else None,
        "missing": [f"{title}: {reasons[part]}" if reasons.get(part) else title for part, title in lacking.items()],
    }


def _plain(value: Any) -> Any:
    """Bring results to what JSON holds: no arrays, and null for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
