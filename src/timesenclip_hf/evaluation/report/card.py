"""Results as the metadata of a model card, which the Hub shows beside the model."""

from typing import Any

from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index

from .figures import interval_of
from .pictures import slug
from .reading import ResultEntry, dataset_of, drawn_entries, looks, runs_of, words

# Of the Hub's tasks the one that our pipeline is nearest to.
TASK = "zero-shot-classification"
DIGITS = 4


def model_index(results: ResultEntry) -> dict[str, Any]:
    """The `model-index` of a card: the raw metrics of one entry a task and data set.

    Transductive scores are left out: the Hub shows a figure without its conditions.

    Args:
        results: of the harness, of one run or several.

    Returns:
        `{"model-index": [...]}`, as `huggingface_hub` writes and reads it; an empty dictionary where there is
        nothing to show.

    Raises:
        ValueError: not results of an evaluation.
    """
    found = [result for run in runs_of(results) for entry in drawn_entries(run) for result in _results(run, entry)]
    if not found:
        return {}
    names = [(run.get("model") or {}).get("name") for run in runs_of(results)]
    name = str(next(filter(None, names), "TimeSenCLIP"))
    return {"model-index": eval_results_to_model_index(name, found)}


def _results(run: ResultEntry, entry: ResultEntry) -> list[EvalResult]:
    dataset, results = dataset_of(run), []
    for name, metric in (entry.get("metrics") or {}).items():
        value, low, high = interval_of(metric)
        if value != value:
            continue
        interval = f" (95 % interval {low:.3f} to {high:.3f})" if low == low and high == high else ""
        results.append(
            EvalResult(
                task_type=TASK,
                task_name=f"{words(entry['task'])}, {words(entry.get('prompts'))} prompts, {looks(entry)} looks",
                dataset_type=slug(dataset.get("name")),
                dataset_name=str(dataset.get("name", "unnamed data set")),
                dataset_config=slug(f"{entry['task']} {entry.get('prompts')}"),
                dataset_split=dataset.get("split"),
                metric_type=name,
                metric_name=f"{words(name)}{interval}",
                metric_value=round(value, DIGITS),
            )
        )
    return results
