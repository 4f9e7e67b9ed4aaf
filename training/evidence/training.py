"""Measure the claims of the training part: `make evidence-training`, or `python -m training.evidence.training PART`.

Parts: objective, accumulation, resume, learning (some six minutes), speed (some four), and default, which trains the
embedded checkpoint again by its documented command and takes about twenty minutes on two cores.
"""

import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import nn
from transformers import AutoModel, AutoProcessor
from transformers.utils import logging

from tests.learning.test_contrastive import OVER_PROCESSES, half_of_the_batch, train_one_step
from tests.support.training_runs import ROOT, kill, newest_step, outcome, train, weights_hash
from tests.training.test_train import EVENTFUL, TOWER_ALONE
from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.evaluation.report.reading import drawn_entries
from timesenclip_hf.learning import CrossViewContrastiveLoss, MemoryBank
from training.batches import TensorRows
from training.benchmarks.test_training_step import measure
from training.checkpoints import RUN_FILE
from training.evidence.claims import Ledger, run_parts
from training.loop import Fit, FitSettings
from training.measure import real, simulated

RESULTS = ROOT / "training" / "results"
CONFIG = "training/configs/embedded_default.yaml"
# The sets that the embedded checkpoint is meant for. The others hold a few dozen pixels a class, or it is hardly better
# there than a blind guess, so that two points are well within their chance: printed, not judged.
JUDGED = (
    *("ten_covers", "all_covers", "land_cover"),
    *("Flanders 2018", "France 2023", "France 2023, main_crops_and_grassland"),
)
# Enough for a tower to learn ten covers; photos are drawn and embedded in each of the two runs.
SHORT = ("--series_points", "6000", "--steps", "300", "--batch_size", "256", "--held_out_points", "3000")


@torch.no_grad()
def closed_forms(ledger: Ledger) -> None:
    """Losses that can be written down, and the bank's exclusion against a loop over its keys."""
    loss, batch, keys, dim = CrossViewContrastiveLoss(), 64, 100, 32
    bank = MemoryBank(keys, dim)
    bank.enqueue(torch.zeros(keys, dim), torch.arange(keys) + batch)
    zero = loss(torch.zeros(batch, dim), torch.randn(batch, dim), torch.arange(batch), bank)
    ledger.add("zero embeddings cost log(B + K): difference", abs(zero.item() - math.log(batch + keys)), "<=", 1e-6)
    scale = loss.logit_scale.exp().item()
    pairs, analytic = loss(torch.eye(dim), torch.eye(dim)).item(), math.log1p((dim - 1) * math.exp(-scale))
    ledger.add(
        "identical orthogonal pairs cost log(1 + (B - 1) exp(-s)): difference", abs(pairs - analytic), "<=", 1e-6
    )
    loss.logit_scale.fill_(math.log(2))
    anchors, targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.6, 0.8], [1.0, 0.0]])
    # Cosines .6 and 1, .8 and 0, at s = 2: log(1 + e^(2 - 1.2)) and log(1 + e^1.6).
    by_hand = (1.1711006659 + 1.7839007409) / 2
    ledger.add("a 2 x 2 case by hand: difference", abs(loss(anchors, targets).item() - by_hand), "<=", 1e-6)
    worst = 0.0
    for seed in range(50):
        worst = max(worst, abs(_with_bank(seed) - _with_bank(seed, by_loop=True)))
    ledger.add("no key of a row's own point is its negative: difference from a loop, 50 banks", worst, "<=", 1e-5)


def _with_bank(seed: int, *, by_loop: bool = False) -> float:
    torch.manual_seed(seed)
    anchors, targets, keys = torch.randn(12, 8), torch.randn(12, 8), torch.randn(30, 8)
    ids, key_ids = torch.arange(12), torch.randint(0, 20, (30,))
    objective = CrossViewContrastiveLoss()
    if not by_loop:
        bank = MemoryBank(30, 8)
        bank.enqueue(keys, key_ids)
        return float(objective(anchors, targets, ids, bank))
    total, scale = 0.0, objective.logit_scale.exp().item()
    for row in range(12):
        others = [targets[column] for column in range(12)]
        others += [key for key, key_id in zip(keys, key_ids.tolist(), strict=True) if key_id != row]
        logits = scale * torch.cosine_similarity(anchors[row][None], torch.stack(others))
        total -= torch.log_softmax(logits, dim=0)[row].item()
    return total / 12


def processes(ledger: Ledger) -> None:
    """Train two gloo processes with half the batch each, against one with all of it."""
    with tempfile.TemporaryDirectory() as folder:
        # torch leaves its multiprocessing without types
        cast(Any, torch.multiprocessing).start_processes(
            half_of_the_batch, (Path(folder),), nprocs=2, start_method="fork"
        )
        halves = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]
    losses, gradients = [0.0], [0.0]
    for case in OVER_PROCESSES:
        task, loss = train_one_step(case, slice(None))
        (first, first_gradients), (second, _) = (half[case] for half in halves)
        losses.append(abs((first + second).item() / 2 - loss.item()))
        gradients += [
            (first_gradients[name] - parameter.grad).abs().max().item() for name, parameter in task.named_parameters()
        ]
    note = "; ".join(OVER_PROCESSES)
    ledger.add("two processes with half the batch each: largest difference of the loss", max(losses), "<=", 1e-6, note)
    ledger.add("two processes with half the batch each: largest difference of a gradient", max(gradients), "<=", 1e-6)


class _Views(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, series: torch.Tensor, photos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.first(series), self.second(photos)


def accumulation(ledger: Ledger) -> None:
    """Compute a batch in eight parts, against the batch in one."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / RUN_FILE).write_text("{}", encoding="utf-8")
        at_once, parts = (_gradients(Path(folder) / str(count), count) for count in (1, 8))
    worst = max((at_once[name] - parts[name]).abs().max().item() for name in at_once)
    ledger.add("a batch of 64 in 8 parts, with a bank: largest difference of loss and gradients", worst, "<=", 1e-6)


def _gradients(folder: Path, parts: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    rows = TensorRows(series=torch.randn(64, 16), photos=torch.randn(64, 16), ids=torch.arange(64))
    bank = MemoryBank(32, 16)
    bank.enqueue(torch.randn(32, 16), torch.arange(50, 82))
    settings = FitSettings(1, 64, 1e-3, 0.0, gradient_accumulation_steps=parts)
    objective = CrossViewContrastiveLoss(bidirectional=True)
    fit = Fit(Accelerator(cpu=True), _Views(), objective, rows, settings, folder=folder, description="", bank=bank)
    batch = rows.__getitems__(list(range(64)))
    loss, _ = fit._backward({name: batch[name] for name in ("series", "photos")}, batch["ids"])
    named = [*fit.views.named_parameters(), *fit.objective.named_parameters()]
    return {"loss": loss.detach()} | {name: parameter.grad for name, parameter in named}


def resume(ledger: Ledger) -> None:
    """SIGKILL in both stages, at steps drawn by chance, and the same command again."""
    for count, name in ((1, "one process"), (2, "two processes (gloo)")):
        with tempfile.TemporaryDirectory() as folder:
            uninterrupted, cut = Path(folder) / "uninterrupted", Path(folder) / "cut"
            train(uninterrupted, *EVENTFUL, processes=count)
            killed = []
            for stage, step in (("photos_and_captions", 3), ("series_and_photos", random.choice((3, 6, 9)))):
                checkpoint = cut / stage / f"checkpoint-{step:08d}"
                kill(cut, *EVENTFUL, checkpoint=checkpoint, after=random.uniform(0, 0.03), processes=count)
                killed.append(f"{stage} after checkpoint {newest_step(cut / stage)}")
            train(cut, *EVENTFUL, processes=count)
            first, second = outcome(uninterrupted), outcome(cut)
        note = f"killed in {' and '.join(killed)}; dropout, bank, augmentation and validation on"
        for what in ("curves", "evaluations", "weights"):
            claim = f"SIGKILL and the same command again, {name}: the same {what}, bit by bit"
            ledger.add(claim, first[what] == second[what], "==", True, note)


def learning(ledger: Ledger) -> None:
    """Series with their own photos, and the same run with photos shuffled between the points."""
    figures = []
    for shuffle in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            train(Path(folder), *TOWER_ALONE, *SHORT, "--shuffle_photos", str(shuffle))
            results = json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))
        report = results["zero_shot"]["ten_covers"]
        figures.append(report["balanced_accuracy"])
    aligned, shuffled = figures
    note = f"{aligned:.3f} with their own photos, {shuffled:.3f} with another point's; chance {report['chance']:.2f}"
    name = "zero-shot balanced accuracy over ten covers"
    ledger.add(f"{name}: points gained over shuffled photos", round(100 * (aligned - shuffled), 1), ">=", 20, note)
    ledger.add(f"{name}, photos shuffled between points", round(shuffled, 3), "<=", 2 * report["chance"], note)


def speed(ledger: Ledger) -> None:
    """Time steps against a loop as upstream's, base size, batch 1,024, in the same run."""
    timing = measure()
    what = (
        f"training steps a second, base size, batch {timing.batch:,}, {timing.threads} threads: times upstream's loop"
    )
    for name, bar in (("float32", 1.15), ("bfloat16", 2)):
        engine = "oneDNN" if timing.onednn else "MKL alone could be used"
        note = (
            f"{timing.seconds[name]:.2f} s a step, upstream's {timing.seconds['upstream']:.2f} s; float32 by {engine}"
        )
        ledger.add(f"{what}, {name}", round(timing.ratio(name), 2), ">=", bar, note)
        ledger.add(f"data loading, share of a step, {name}", round(timing.loading_share(name), 4), "<=", 0.05)


def default(ledger: Ledger) -> None:
    """Train the embedded checkpoint again by its documented command, against what is recorded of it."""
    output = ROOT / "runs" / "embedded_again"  # where a measurement that was stopped goes on
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "training/accelerate/cpu.yaml"]
    places = ["--output_dir", str(output), "--results_file", str(output / "results.json")]
    subprocess.run([*launch, "training/train.py", CONFIG, *places], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    minutes = json.loads((output / "results.json").read_text(encoding="utf-8"))["minutes"]
    model, recorded = str(output / "model"), _recorded()
    same = weights_hash(output / "model" / "model.safetensors") == weights_hash(
        Path(DEFAULT_CHECKPOINT) / "model.safetensors"
    )
    note = f"its weights are {'bit for bit' if same else 'not'} the embedded ones; trained in {minutes} minutes"
    reports = simulated(AutoModel.from_pretrained(model).eval(), AutoProcessor.from_pretrained(model))
    try:
        reports |= real(model)
    except FileNotFoundError as error:
        ledger.skip("the retrained default on real pixels, points from its record", ">=", -2, str(error))
    points = {name: 100 * (report["balanced_accuracy"] - recorded[name]) for name, report in reports.items()}
    for name in [name for name in JUDGED if name in points]:
        claim = f"the retrained default, {name}: points of balanced accuracy from its record"
        ledger.add(claim, round(points[name], 2), ">=", -2, f"recorded {recorded[name]:.3f}; {note}")
    others = {name: round(value, 1) for name, value in points.items() if name not in JUDGED}
    print(f"not judged, points from the record: {others}")
    shutil.rmtree(output)


def _recorded() -> dict[str, float]:
    """Balanced accuracies of the embedded checkpoint, by the names of `training.measure`."""
    record = json.loads((RESULTS / "evaluation.json").read_text(encoding="utf-8"))
    figures: dict[str, float] = {}
    for run in record["runs"]:
        name = run["dataset"]["name"]
        for entry in drawn_entries(run):
            key = entry["task"] if name == "simulated" else name
            figures[f"{name}, {entry['task']}" if key in figures else key] = entry["metrics"]["balanced_accuracy"][
                "value"
            ]
    return figures


PARTS = {
    "objective": closed_forms,
    "processes": processes,
    "accumulation": accumulation,
    "resume": resume,
    "learning": learning,
    "speed": speed,
    "default": default,
}


if __name__ == "__main__":
    logging.disable_progress_bar()
    run_parts("training", PARTS)
