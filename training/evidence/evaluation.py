"""Measure the claims about evaluation: `make evidence-evaluation`, or `python -m training.evidence.evaluation PART`.

Here are the parts recorded, processes, wrong_labels and encoder_share, some minutes each but for the third; those of
metrics, search and prompts, and robustness lie beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import disable_progress_bars
from transformers import AutoModel, AutoProcessor
from transformers.utils import logging

from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPConfig, TimeSenCLIPModel, TimeSenCLIPPixelConfig, encode
from timesenclip_hf.data.schema import CLASS_TAXONOMIES
from timesenclip_hf.evaluation.harness import evaluate
from timesenclip_hf.evaluation.protocol import Checkpoint, EvaluationSet, Protocol
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.evaluation.sets import simulated_set
from timesenclip_hf.evaluation.tasks import Task
from timesenclip_hf.taxonomies import Label, Taxonomy, load_taxonomy
from training.evidence import evaluation_metrics, evaluation_retrieval, evaluation_robustness
from training.evidence.claims import Ledger, run_parts
from training.measure import largest_difference
from training.real_sets import real_data_folder

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "training" / "results" / "evaluation.json"
# Folders of the real data that hold no samples.
NO_SAMPLES = {"clip_tokenizer", "nomenclatures", "worldcereal_legends"}
# As many as a test split of Sen4Map has; some minutes of work for a base-size encoder.
ENCODED = 50_000


def recorded(ledger: Ledger) -> None:
    """Run one command on held-out simulations and every labelled real set; its figures are those that were recorded."""
    name = "largest difference of a figure of the embedded default from the recorded one"
    try:
        folders = {path.name for path in real_data_folder().iterdir() if path.is_dir()} - NO_SAMPLES
    except FileNotFoundError as error:
        ledger.skip(name, "<=", 0.002, str(error))
        return
    with tempfile.TemporaryDirectory() as folder:
        done = _evaluate("--dataset", "simulated", "--dataset", "real", "--output", folder)
        ledger.add("exit status of one command on simulations and every labelled real set", done.returncode, "==", 0)
        results = json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))
        pages = [(Path(folder) / page).stat().st_size > 0 for page in ("report.html", "report.md")]
    ledger.add("pages of the report that it wrote, of 2", sum(pages), "==", 2)
    left_out = set(results["left_out"])
    evaluated = len(results["runs"]) - 1
    note = "; ".join(f"{dataset} left out: {reason}" for dataset, reason in results["left_out"].items())
    ledger.add(
        "folders of real samples evaluated, of those not left out", evaluated, "==", len(folders - left_out), note
    )
    count, difference = largest_difference(results, json.loads(RECORD.read_text(encoding="utf-8")))
    # Other numbers of threads add in another order, which can turn a sample whose best two classes are all but equal.
    ledger.add(name, float(f"{difference:.1g}"), "<=", 0.002, f"{count} figures of {evaluated + 1} data sets")


def processes(ledger: Ledger) -> None:
    """Deal the encoding out to two processes of gloo."""
    contents = []
    with tempfile.TemporaryDirectory() as folder:
        for launch_file in ("cpu", "cpu_two_processes"):  # `--cpu --num_processes 2` would silently start one
            launch = ["-m", "accelerate.commands.launch", "--config_file", f"training/accelerate/{launch_file}.yaml"]
            output = Path(folder) / launch_file
            done = _evaluate("--dataset", "simulated", "--points", "1000", "--output", str(output), launch=launch)
            contents.append((output / "results.json").read_bytes() if done.returncode == 0 else done.stderr)
    ledger.add("results of one process and of two are the same bytes", contents[0] == contents[1], "==", True)


def wrong_labels(ledger: Ledger) -> None:
    """Try every class column of the schema with the label set of every other, and what else must be no number."""
    refused, pairs = 0, list(permutations(CLASS_TAXONOMIES, 2))
    for column, other in pairs:
        names = load_taxonomy(CLASS_TAXONOMIES[column]).class_names
        refused += _is_refused(_labelled(column, names), Task(column, column, load_taxonomy(CLASS_TAXONOMIES[other])))
    note = "upstream scores crops and bioregions with the land covers"
    ledger.add(
        f"label columns with another one's classes that are an error, of {len(pairs)}", refused, "==", len(pairs), note
    )
    fruit = Taxonomy("fruit", "", "", (Label("banana", "banana"), Label("mango", "mango")))
    alone = _is_refused(_labelled("crop", ["maize", "wheat"]), Task("crop", "crop", fruit))
    ledger.add("class names that fit no label are an error", alone, "==", True)


def encoder_share(ledger: Ledger) -> None:
    """Find where the time of an evaluation goes, with an encoder of the published size and random weights."""
    small = AutoModel.from_pretrained(DEFAULT_CHECKPOINT)
    torch.manual_seed(0)
    pixel = TimeSenCLIPPixelConfig()
    config = TimeSenCLIPConfig(
        pixel_config=pixel,
        text_config=small.config.text_config,
        vision_config=None,
        projection_dim=pixel.projection_dim,
    )
    model = TimeSenCLIPModel(config).eval()
    checkpoint = Checkpoint("random weights", model, AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT))
    labels = load_taxonomy("eunis_level2")
    habitats = np.random.default_rng(0).integers(0, len(labels.labels), ENCODED)
    samples = replace(
        simulated_set(ENCODED).samples, labels={"habitat": habitats}, class_names={"habitat": labels.class_names}
    )
    evaluated, spent = EvaluationSet(samples, [Task("habitat", "habitat", labels)]), []

    def timed(*arguments: Any, **options: Any) -> torch.Tensor:
        started = time.perf_counter()
        embeds = encode(*arguments, **options)
        spent.append(time.perf_counter() - started)
        return embeds

    started = time.perf_counter()
    results = evaluate([checkpoint], [evaluated], Protocol(), encode=timed).results
    elapsed = time.perf_counter() - started
    entries = results["runs"][0]["tasks"]
    note = (
        f"{ENCODED:,} series, {len(labels.labels)} classes, {model.pixel_model.num_parameters():,} "
        f"parameters; {len(entries)} entries of 12, 4 and 1 composites, five kinds of prompts, raw and transductive, "
        f"with their intervals; {elapsed:.0f} s in all, {sum(spent):.0f} s in the encoder"
    )
    ledger.add(
        "share of an evaluation's time that the base-size encoder takes",
        round(sum(spent) / elapsed, 3),
        ">=",
        0.9,
        note,
    )


def _evaluate(*arguments: str, launch: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, *(launch or []), "-m", "training.measure", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    if launch is not None:  # sums split over other numbers of threads round otherwise
        environment["OMP_NUM_THREADS"] = "1"
    return subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _labelled(column: str, names: list[str]) -> Samples:
    """Return a sample of each class, without series."""
    count = len(names)
    empty = np.zeros((count, 12, 10), dtype=np.float32)
    ids = [str(index) for index in range(count)]
    return Samples("labels", "test", empty, empty[:, :, 0], ids, {column: np.arange(count)}, {column: names})


def _is_refused(samples: Samples, task: Task) -> bool:
    try:
        task.truth(samples)
    except ValueError as error:
        return "is no class of" in str(error)
    return False


PARTS: dict[str, Callable[[Ledger], None]] = {
    "recorded": recorded,
    "processes": processes,
    "wrong_labels": wrong_labels,
    "encoder_share": encoder_share,
    **evaluation_metrics.PARTS,
    **evaluation_retrieval.PARTS,
    **evaluation_robustness.PARTS,
}


if __name__ == "__main__":
    disable_progress_bars()
    logging.disable_progress_bar()
    run_parts("evaluation", PARTS)
