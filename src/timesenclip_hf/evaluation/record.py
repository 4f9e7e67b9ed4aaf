"""Keep the figures of an evaluation alone: to be read by a person, and to be compared with."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import whole_file
from .report.reading import drawn_entries, figure, runs_of

# What an entry is of, and what it holds; matrices, prompts and the recalls of entries not drawn are in the report only.
OF = ("task", "prompts", "composites", "missing", "scores")
_HOLDS = ("samples", "metrics", "baselines", "blocks")
_DRAWN_HOLDS = ("absent", "recall")
_PARTS = ("model", "dataset", "notes", "retrieval", "robustness", "few_shot", "calibration", "not_run")


def write_record(results: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the figures of results as JSON, rounded to six digits, a line for each dictionary without another."""
    runs = []
    for run in runs_of(results):
        drawn = drawn_entries(run)
        tasks = [
            {name: entry[name] for name in (*OF, *_HOLDS, *(_DRAWN_HOLDS if entry in drawn else ()))}
            for entry in run["tasks"]
        ]
        runs.append({part: run[part] for part in _PARTS} | {"tasks": tasks})
    rounded = json.loads(json.dumps({**results, "runs": runs}), parse_float=lambda number: round(float(number), 6))
    text = json.dumps(rounded, indent=1, ensure_ascii=False)
    text = re.sub(r"\{[^{}\[\]]*\}", lambda flat: re.sub(r"\s*\n\s*", " ", flat[0]), text)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def summarise(results: Mapping[str, Any]) -> str:
    """Write a line a data set and task: raw balanced accuracy with its interval, beside the lines to beat."""
    lines = []
    for run in runs_of(results):
        lines.append(f"{run['dataset']['name']} ({run['dataset']['samples']:,} samples), {run['model']['name']}")
        for entry in drawn_entries(run):
            lines.append(f"  {entry['task']:<26} {_figures(entry)}, {entry['prompts']} prompts")
        lines += [f"  {suite} was not run: {reason}" for suite, reason in run["not_run"].items()]
    return "\n".join(lines)


def _figures(entry: Mapping[str, Any]) -> str:
    metrics, baselines = entry["metrics"], entry["baselines"]
    if "mean_average_precision" in metrics:
        return f"mean average precision {figure(metrics['mean_average_precision'])}"
    return (
        f"balanced accuracy {figure(metrics['balanced_accuracy'])}, majority "
        f"{baselines['majority']['balanced_accuracy']:.3f}, chance {baselines['chance']:.3f}"
    )
