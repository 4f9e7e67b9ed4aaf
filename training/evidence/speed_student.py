"""Measure the claims about the student of the embedded checkpoint: work, speed, and what it lost; part of speed.

It is trained by its documented command, some ten minutes on two cores, unless a run with the same settings is there.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from transformers import AutoModel, AutoProcessor

from tests.support.training_runs import ROOT
from timesenclip_hf import DEFAULT_CHECKPOINT, encode
from timesenclip_hf.simulator import simulate
from training.arguments import parse_arguments
from training.checkpoints import FREE
from training.evidence.claims import Ledger
from training.flops import count_flops
from training.measure import real, simulated

CONFIG = "training/configs/distil_embedded.yaml"
NUM_SERIES = 32_768
REPEATS = 5
THREADS = 2
# Samples of a set that is judged: of fewer, one pixel is worth more than the two points in question.
FEWEST = 50


def student(ledger: Ledger) -> None:
    """Trains the student if need be, and holds it against its teacher."""
    folder, note = _trained()
    towers = {
        "student": AutoModel.from_pretrained(folder).eval(),
        "teacher": AutoModel.from_pretrained(DEFAULT_CHECKPOINT),
    }
    flops = {name: count_flops(model.config.pixel_config) for name, model in towers.items()}
    ledger.add(
        "student: operations a pixel, share of the teacher's",
        round(flops["student"] / flops["teacher"], 4),
        "<=",
        0.1,
        f"{flops['student']:,} of {flops['teacher']:,}; {note}",
    )
    _speed(ledger, towers)
    _accuracy(ledger, folder)


def _trained() -> tuple[str, str]:
    """Return the folder of a trained student, and how it came about."""
    run = ROOT / "runs" / "distil_embedded"
    wanted = {name: value for part in parse_arguments([str(ROOT / CONFIG)]) for name, value in asdict(part).items()}
    file = run / "model" / "training_arguments.json"
    kept = json.loads(file.read_text(encoding="utf-8"))["arguments"] if file.exists() else {}
    same = all(kept.get(name) == value for name, value in wanted.items() if name not in FREE)
    if not same:
        launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "training/accelerate/cpu.yaml"]
        # Where a measurement that was stopped goes on, and an older run is not in the way.
        run = ROOT / "runs" / "distil_embedded_again"
        command = [*launch, "training/train.py", CONFIG, "--output_dir", str(run)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    minutes = json.loads((run / "results.json").read_text(encoding="utf-8"))["minutes"]
    how = "a run of the same settings that was there" if same else "trained by its command in this measurement"
    return str(run / "model"), f"{how}, {minutes} minutes of steps"


def _speed(ledger: Ledger, towers: dict[str, Any]) -> None:
    """Student and teacher in turns, through the one road that maps and evaluation take."""
    points = simulate(NUM_SERIES, seed=5)
    extractor = AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT).feature_extractor
    features = extractor(points.series, allow_empty=True, return_tensors="pt")
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    for name, dtype in (("float32", None), ("bfloat16", torch.bfloat16)):
        seconds: dict[str, list[float]] = {"student": [], "teacher": []}
        for repeat in range(REPEATS + 1):
            for who, model in towers.items():
                started = time.perf_counter()
                encode(model, features, dtype=dtype)
                if repeat:  # the first warms up
                    seconds[who].append(time.perf_counter() - started)
        ratio = statistics.median(
            slow / fast for slow, fast in zip(seconds["teacher"], seconds["student"], strict=True)
        )
        rates = {who: f"{NUM_SERIES / statistics.median(times):,.0f}" for who, times in seconds.items()}
        ledger.add(
            f"student: pixels a second, times the teacher's, {name}",
            round(ratio, 1),
            ">=",
            8,
            f"{rates['student']} against {rates['teacher']}, {THREADS} threads, {NUM_SERIES:,} series, {REPEATS} turns",
        )
    torch.set_num_threads(threads)


def _accuracy(ledger: Ledger, folder: str) -> None:
    """Zero-shot balanced accuracy of both on held-out simulated points and on the labelled real sets."""
    reports = {
        name: simulated(AutoModel.from_pretrained(name).eval(), AutoProcessor.from_pretrained(name))
        for name in (folder, DEFAULT_CHECKPOINT)
    }
    try:
        reports = {name: report | real(name) for name, report in reports.items()}
    except FileNotFoundError as error:
        ledger.skip("student on real pixels, points from the teacher", ">=", -2, str(error))
    measured, theirs = reports.values()
    points = {
        name: 100 * (measured[name]["balanced_accuracy"] - theirs[name]["balanced_accuracy"]) for name in measured
    }
    for name in [name for name in points if measured[name]["samples"] >= FEWEST]:
        mine, of_teacher = measured[name], theirs[name]
        ledger.add(
            f"student, {name}: points of balanced accuracy from its teacher",
            round(points[name], 2),
            ">=",
            -2,
            f"{mine['balanced_accuracy']:.3f} against {of_teacher['balanced_accuracy']:.3f}, a blind guess "
            f"{of_teacher['chance']:.3f}, {mine['samples']} pixels",
        )
    others = {name: round(value, 1) for name, value in points.items() if measured[name]["samples"] < FEWEST}
    print(f"fewer than {FEWEST} pixels, not judged, points from the teacher: {others}")


PARTS: dict[str, Callable[[Ledger], None]] = {"student": student}
