"""Turn results into the metadata of a model card, which the Hub shows beside the model."""

from collections.abc import Iterator
from typing import Any

from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index

from .reading import ResultEntry, complete_runs, composites, drawn_entries, interval_of, slug, words

# Of the Hub's tasks the one that our pipeline is nearest to.
TASK = "zero-shot-classification"
DIGITS = 4


def model_index(results: ResultEntry) -> dict[str, Any]:
    """Write the `model-index` of a card: the raw metrics of one entry a task and data set.

    Transductive scores are left out: the Hub shows a figure without its conditions.

    Args:
        results: of the harness, of one run or several.

    Returns:
        `{"model-index": [...]}`, as `huggingface_hub` writes and reads it; empty where there is nothing to show.

    Raises:
        ValueError: not results of an evaluation.
    """
    runs = complete_runs(results)
    shown = [result for run in runs for entry in drawn_entries(run) for result in _results(run["dataset"], entry)]
    name = next((str(run["model"]["name"]) for run in runs if run["model"].get("name")), "TimeSenCLIP")
    return {"model-index": eval_results_to_model_index(name, shown)} if shown else {}


def _results(dataset: ResultEntry, entry: ResultEntry) -> Iterator[EvalResult]:
    for name, metric in entry["metrics"].items():
        value, low, high = interval_of(metric)
        if value != value:
            continue
        interval = f" (95 % interval {low:.3f} to {high:.3f})" if low == low and high == high else ""
        yield EvalResult(
            task_type=TASK,
            task_name=f"{words(entry['task'])}, {words(entry['prompts'])} prompts, {composites(entry)} composites",
            dataset_type=slug(dataset.get("name")),
            dataset_name=str(dataset.get("name", "unnamed data set")),
            dataset_config=slug(f"{entry['task']} {entry['prompts']}"),
            dataset_split=dataset.get("split"),
            metric_type=name,
            metric_name=f"{words(name)}{interval}",
            metric_value=round(value, DIGITS),
        )
