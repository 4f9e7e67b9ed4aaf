"""Results to a folder: as they are, as markdown, and as one HTML page."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .document import Block, Heading, Picture, Points, to_html, to_markdown
from .paper import beside_the_papers
from .pictures import (
    EvaluatedSamples,
    draw_few_shot,
    draw_map,
    draw_reliability,
    draw_robustness,
    draw_samples,
    draw_tasks,
    slug,
)
from .reading import ResultEntry, dataset_of, runs_of, title_of
from .tables import calibration, evaluated, retrieval, scores, selected_prompts, summary

PICTURES = "figures"


def write_report(
    results: ResultEntry, folder: str | os.PathLike[str], samples: Sequence[EvaluatedSamples] = ()
) -> Path:
    """Writes `results.json`, `report.md` with its pictures in `figures/`, and `report.html` with everything inside.

    What was not run is named so; nothing is left out in silence.

    Args:
        results: of the harness: one run, or several under `runs`.
        folder: made where it is absent; files of an earlier report are replaced.
        samples: what entries say of each sample, for maps of errors, sample series and reliability diagrams.

    Returns:
        The path of `report.html`.

    Raises:
        ValueError: no results of an evaluation, scores of unknown kind, or samples of no run.
    """
    results = _plain(results)
    runs = runs_of(results)
    names = [dataset_of(run).get("name") for run in runs]
    lost = next((one.samples.name for one in samples if one.samples.name not in names), None)
    if lost is not None:
        raise ValueError(
            f"There is no run on {lost!r} for the samples given: the runs are on {', '.join(map(str, names))}."
        )
    blocks = [*_head(runs), *evaluated(results), *summary(runs)]
    for number, run in enumerate(runs, start=1):
        own = [one for one in samples if _is_of(one, run)]
        blocks += _run(run, own, f"{number}-{slug(dataset_of(run).get('name'))}")
    blocks += beside_the_papers(runs)
    target = Path(folder)
    (target / PICTURES).mkdir(parents=True, exist_ok=True)
    for picture in (block for block in blocks if isinstance(block, Picture)):
        (target / PICTURES / f"{picture.name}.png").write_bytes(picture.png)
    stored = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    (target / "results.json").write_text(stored + "\n", encoding="utf-8")
    (target / "report.md").write_text(to_markdown(blocks, PICTURES), encoding="utf-8")
    page = target / "report.html"
    page.write_text(to_html(blocks), encoding="utf-8")
    return page


def _head(runs: Sequence[ResultEntry]) -> list[Block]:
    models = list(dict.fromkeys(str(run["model"].get("name")) for run in runs if run.get("model")))
    return [Heading(1, f"Evaluation of {', '.join(models) or 'a checkpoint'}")]


def _is_of(one: EvaluatedSamples, run: ResultEntry) -> bool:
    dataset = dataset_of(run)
    return (one.samples.name, one.samples.split) == (
        dataset.get("name"),
        dataset.get("split", one.samples.split),
    )


def _run(run: ResultEntry, samples: Sequence[EvaluatedSamples], prefix: str) -> list[Block]:
    notes, reasons = run.get("notes") or (), run.get("not_run") or {}
    blocks: list[Block] = [Heading(2, title_of(run)), *([Points(notes)] if notes else [])]
    blocks += [*scores(run), *draw_tasks(run, prefix)]
    parts = {title: draw(run, prefix) if run.get(key) else [] for key, (title, draw) in _SUITES.items()}
    parts |= {title: draw(samples, prefix) for title, draw in _PICTURES.items()}
    for title, drawn in parts.items():
        blocks += [Heading(3, title), *drawn] if drawn else []
    why = {title: reasons[key] for key, (title, _) in _SUITES.items() if reasons.get(key)}
    why |= {"Map of errors": "the samples have no places"} if samples else {}
    missing = [f"{title}: {why[title]}" if title in why else title for title, drawn in parts.items() if not drawn]
    return [*blocks, Heading(3, "Not run on this data set"), Points(missing)] if missing else blocks


_SUITES: dict[str, tuple[str, Callable[[ResultEntry, str], list[Block]]]] = {
    "retrieval": ("Retrieval", lambda run, prefix: retrieval(run["retrieval"])),
    "robustness": ("Robustness", draw_robustness),
    "few_shot": ("Few-shot ladder", draw_few_shot),
    "calibration": ("Calibration", lambda run, prefix: calibration(run["calibration"])),
    "prompt_selection": ("Prompt selection", lambda run, prefix: selected_prompts(run)),
}
# Sample series are those of the first task: more of them would bury the rest.
_PICTURES: dict[str, Callable[[Sequence[EvaluatedSamples], str], list[Block]]] = {
    "Reliability": lambda samples, prefix: [block for one in samples for block in draw_reliability(one, prefix)],
    "Map of errors": lambda samples, prefix: [block for one in samples for block in draw_map(one, prefix)],
    "Sample series": lambda samples, prefix: draw_samples(samples[0], prefix) if samples else [],
}


def _plain(value: Any) -> Any:
    """As JSON has it: no arrays, and null for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
