"""Measure the claims of SenCLIP: `make evidence-senclip`, or `python -m training.evidence.senclip PART ...`.

The parts of the model and of the data are in `senclip_model` and `senclip_data`; here are training and evaluation.
`learning`, `eurosat_report`, `mean_average_precision` and `comparison` need the small SenCLIP, which is trained once a
call, in some four minutes; `learning` trains a second one beside it, with shuffled photos.
"""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import disable_progress_bars
from sklearn.metrics import average_precision_score
from transformers import pipeline
from transformers.utils import logging

from tests.support.training_runs import ROOT, train
from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.evaluation.baselines import ImageModel, embed_images, load_image_model, score_images
from timesenclip_hf.evaluation.harness import evaluate, evaluate_images
from timesenclip_hf.evaluation.image_measurement import VIEWS, ImageProtocol
from timesenclip_hf.evaluation.prompts import select_prompts
from timesenclip_hf.evaluation.protocol import Checkpoint, Protocol
from timesenclip_hf.evaluation.report import write_report
from timesenclip_hf.evaluation.sets import simulated_set
from timesenclip_hf.evaluation.sets.images import ImageSet, bigearthnet_set, eurosat_set
from timesenclip_hf.taxonomies import load_taxonomy
from training.evidence import senclip_data, senclip_model
from training.evidence.claims import Ledger, run_parts
from training.measure import simulated_images
from training.real_sets import real_data_folder

CONFIG = ROOT / "training" / "configs" / "senclip_small.yaml"
PERMUTATIONS, TOP_K = 50, 2
PIXELS = Protocol(composites=(12,), prompts=("generic",), centrings=("none",))


@cache
def trained(shuffled: bool) -> Path:
    """Train the small SenCLIP, with its own photos or with another point's; return the folder."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = ("--clip_name_or_path", DEFAULT_CHECKPOINT, "--workers", "1", "--shuffle_photos", str(shuffled))
    train(folder, *settings, config=CONFIG)
    return folder


def small_senclip() -> ImageModel:
    """Load the SenCLIP that was trained with its own photos, as anybody does."""
    return load_image_model(str(trained(False) / "model"))


def learning(ledger: Ledger) -> None:
    """Images with their own photos, and with photos shuffled, against the CLIP that both start from."""
    with ThreadPoolExecutor(2) as pool:
        aligned, shuffled = pool.map(trained, (False, True))
    results = [json.loads((folder / "results.json").read_text(encoding="utf-8")) for folder in (aligned, shuffled)]
    points = results[0]["arguments"]["held_out_points"]
    before = simulated_images(load_image_model(str(aligned / "clip")), points)["ten_covers"]["balanced_accuracy"]
    after, control = (result["zero_shot"]["ten_covers"]["balanced_accuracy"] for result in results)
    minutes = max(result["minutes"] for result in results)
    note = (
        f"{before:.3f} before, {after:.3f} after {results[0]['arguments']['steps']} steps in {minutes} minutes, "
        f"{control:.3f} with shuffled photos; {results[0]['zero_shot']['ten_covers']['samples']} held-out patches"
    )
    name = "a small SenCLIP on simulated patches, zero-shot balanced accuracy over ten covers"
    ledger.add(f"{name}: points gained over its starting CLIP", round(100 * (after - before), 1), ">=", 20, note)
    ledger.add(
        f"{name}: points gained with photos shuffled between points", round(100 * (control - before), 1), "<=", 10, note
    )
    classify = pipeline("zero-shot-image-classification", model=str(aligned / "model"), device="cpu")
    answers = classify(str(_first_picture(aligned)), candidate_labels=["maize", "water"])
    loads = type(classify.model).__name__ == "CLIPModel" and len(answers) == 2
    ledger.add("a trained SenCLIP loads as the stock CLIPModel of a zero-shot image pipeline", loads, "==", True)


def _first_picture(folder: Path) -> Path:
    from PIL import Image

    path = folder / "patch.png"
    images = simulated_set(2, images=True).images
    assert images is not None
    Image.fromarray(images[0]).save(path)
    return path


def eurosat_report(ledger: Ledger) -> None:
    """Take real pictures and GeoTIFFs through reader, processor, model and report."""
    folder, model = real_data_folder(), small_senclip()
    for source, name, count in (
        ("eurosat_rgb_2000", "JPEGs", 2_000),
        ("eurosat_ms_rgb_subset100/tif13", "13-band GeoTIFFs", 100),
    ):
        results = evaluate_images([model], [eurosat_set(str(folder / source))])
        [run] = results["runs"]
        with tempfile.TemporaryDirectory() as output:
            page = write_report(results, output)
            text = (Path(output) / "report.md").read_text(encoding="utf-8")
            shown = page.exists() and all(f"{_top_1(run, view):.3f}" in text for view in VIEWS)
        figures = ", ".join(f"{view} {_top_1(run, view):.3f}" for view in VIEWS)
        note = f"top-1 of a SenCLIP that saw no real image: {figures}; chance 0.1; {'; '.join(run['notes'][1:])}"
        seen = run["tasks"][0]["samples"] if shown else 0
        ledger.add(f"real EuroSAT {name} through reader, processor, model and report", seen, "==", count, note)


def _top_1(run: dict[str, Any], view: str) -> float:
    return float(_entry(run, view)["metrics"]["accuracy"]["value"])


def _entry(run: dict[str, Any], view: str) -> dict[str, Any]:
    return next(entry for entry in run["tasks"] if (entry["prompts"], entry["scores"]) == (view, "raw"))


def mean_average_precision(ledger: Ledger) -> None:
    """Mean average precision of the three real patches, and of many pictures of chance, against scikit-learn's."""
    model = small_senclip()
    patches = bigearthnet_set(str(real_data_folder() / "bigearthnet_3patches"))
    [task] = patches.tasks
    rng = np.random.default_rng(0)
    chance = ImageSet(
        "chance",
        "all",
        rng.integers(0, 256, (200, 64, 64, 3), dtype=np.uint8),
        [task],
        {task.name: rng.random((200, len(task.labels))) < 0.2},
    )
    for embedded, what in ((patches, "three real BigEarthNet patches"), (chance, "200 pictures of chance, 19 classes")):
        [run] = evaluate_images([model], [embedded], ImageProtocol(centrings=("none",)))["runs"]
        truth, embeds = embedded.truth[task.name], embed_images(model, embedded.images)
        worst, shown = 0.0, []
        for view, known in VIEWS.items():
            logits = score_images(model, embeds, task.prompts(known, model.hypothesis_template))
            present = truth.any(axis=0)
            expected = average_precision_score(truth[:, present], logits.numpy()[:, present], average="macro")
            value = _entry(run, view)["metrics"]["mean_average_precision"]["value"]
            worst = max(worst, abs(value - expected))
            shown.append(f"{view} {value:.3f}")
        floor = truth[:, present].mean()
        note = f"{', '.join(shown)}; {int(present.sum())} classes occur, a ranking by chance gives {floor:.2f}"
        ledger.add(f"mean average precision of {what}: difference from scikit-learn", worst, "<=", 1e-12, note)


def prompts(ledger: Ledger) -> None:
    """Choose among unequal numbers of prompts, with classes and prompts in other orders."""
    model = _starting_clip()
    rng = np.random.default_rng(0)
    every = load_taxonomy("eurosat").prompts_of("ground", "aerial")
    uneven = {label: texts[: 2 + index % (len(texts) - 1)] for index, (label, texts) in enumerate(every.items())}
    images = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(300, 128))).float(), dim=-1)
    for kind, embeds in (("text", None), ("images", images)):
        first, same = _choose(model, uneven, embeds), 0
        for _ in range(PERMUTATIONS):
            labels = rng.permutation(list(uneven)).tolist()
            shuffled = {label: rng.permutation(uneven[label]).tolist() for label in labels}
            same += _choose(model, shuffled, embeds) == first
        note = f"{min(map(len, uneven.values()))} to {max(map(len, uneven.values()))} prompts a class, {TOP_K} chosen"
        ledger.add(
            f"the same prompts are selected by {kind} whatever the order of classes and prompts, of {PERMUTATIONS}",
            same, "==", PERMUTATIONS, note,
        )  # fmt: skip


def _choose(model: ImageModel, texts: dict[str, list[str]], embeds: torch.Tensor | None) -> dict[str, list[str]]:
    chosen = select_prompts(
        model.model, model, texts, top_k=TOP_K, image_embeds=embeds, hypothesis_template=model.hypothesis_template
    )
    return dict(sorted(chosen.items()))


@cache
def _starting_clip() -> ImageModel:
    from training.clips import extract_clip

    folder = Path(tempfile.mkdtemp()) / "clip"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    extract_clip(DEFAULT_CHECKPOINT, folder)
    return load_image_model(str(folder))


def comparison(ledger: Ledger) -> None:
    """Compare a year of one pixel with one image of its surroundings: both systems on the same points."""
    senclip = small_senclip()
    protocol = Protocol(
        composites=PIXELS.composites, prompts=PIXELS.prompts, centrings=PIXELS.centrings, image_models=[senclip]
    )
    points = simulated_set(2_000, images=True)
    [run] = evaluate([Checkpoint.load(DEFAULT_CHECKPOINT)], [points], protocol).results["runs"]
    entry = run["tasks"][0]
    both = (entry["metrics"]["balanced_accuracy"]["value"], entry["baselines"][senclip.name]["balanced_accuracy"])
    shown = ", ".join(f"{name} {value:.3f}" for name, value in zip(("timesenclip", "senclip"), both, strict=True))
    note = f"balanced accuracy over ten covers, {entry['samples']} points: {shown}"
    ledger.add("timesenclip and senclip are scored on the same simulated points", len(run["tasks"]), "==", 3, note)


PARTS: dict[str, Callable[[Ledger], None]] = {
    **senclip_model.PARTS,
    **senclip_data.PARTS,
    "learning": learning,
    "eurosat_report": eurosat_report,
    "mean_average_precision": mean_average_precision,
    "prompts": prompts,
    "comparison": comparison,
}


if __name__ == "__main__":
    disable_progress_bars()
    logging.disable_progress_bar()
    run_parts("senclip", PARTS)
