"""Measure the claims of the foundation: `make evidence-foundation`, or `python -m training.evidence.foundation PART`.

Parts: parity, inputs, simulator, zero_shot, real, checkpoint, and fresh_clone, which clones the last commit, sets it
up twice over and may take up to half an hour.
"""

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoProcessor
from transformers.utils import logging

from tests.support.reference import KEY_FORMS, random_upstream_encoder
from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPPixelModel, encode
from timesenclip_hf.conversion import read_upstream_encoder
from timesenclip_hf.simulator import simulate
from training.evidence.claims import Ledger, run_parts
from training.measure import real, simulated

ROOT = Path(__file__).resolve().parents[2]


@torch.no_grad()
def parity(ledger: Ledger) -> None:
    """Compare converted weights with PyTorch's own transformer, at the published size, in every key form."""
    encoder = random_upstream_encoder(dim=512, depth=6, heads=8, mlp_dim=256, joint=512)
    series, observed = torch.rand(16, 12, 10), torch.rand(16, 12) > 0.3
    observed[:, 0] = True
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        forms: list[Any] = list(KEY_FORMS.values())
        for number, form in enumerate(forms):
            file = Path(folder) / f"{number}.ckpt"
            torch.save(form(encoder.state_dict()), file)
            tower = read_upstream_encoder(file).pixel_model
            for mask in (None, observed):
                difference = tower(series, mask).pooler_output - encoder(series, mask)
                worst = max(worst, difference.abs().max().item())
    name = f"largest difference from nn.TransformerEncoder over {len(KEY_FORMS)} key forms, with and without a mask"
    ledger.add(name, worst, "<=", 1e-5)
    ledger.add("parameters of the published encoder", tower.num_parameters(), "==", 8_169_472)


@torch.no_grad()
def inputs(ledger: Ledger) -> None:
    """Masks, months and band order, on simulated series and the embedded tower."""
    extract = AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT).feature_extractor
    tower = TimeSenCLIPPixelModel.from_pretrained(DEFAULT_CHECKPOINT).eval()
    series = np.nan_to_num(simulate(256, seed=11).series, nan=0.2)
    complete = extract(series, return_tensors="pt")
    changes = []
    for month in range(12):
        holed = series.copy()
        holed[:, month] = np.nan
        others = [other for other in range(12) if other != month]
        features = extract(holed, return_tensors="pt")
        changes.append((features["pixel_series"] - complete["pixel_series"])[:, others].abs().max().item())
    ledger.add("largest change of the other months' inputs when a month is removed", max(changes), "==", 0.0)
    with_months = tower(complete["pixel_series"], months=torch.arange(12)).pooler_output
    implied = tower(complete["pixel_series"]).pooler_output
    ledger.add(
        "largest change of the output when months are given as integers", _largest(with_months, implied), "==", 0.0
    )
    order = np.random.default_rng(0).permutation(10)
    named = extract(series[:, :, order], bands=[extract.band_names[band] for band in order], return_tensors="pt")
    change = _largest(encode(tower, named), encode(tower, complete))
    ledger.add("largest change of the embeddings under a permuted, named band order", change, "==", 0.0)


def simulator(ledger: Ledger) -> None:
    """Speed of the simulator, without photos."""
    simulate(200, seed=0)
    started = time.perf_counter()
    simulate(20_000, seed=1)
    ledger.add("simulated series a second", round(20_000 / (time.perf_counter() - started)), ">=", 5_000)


def zero_shot(ledger: Ledger) -> None:
    """Measure the embedded default on simulated points that nothing was trained on."""
    model = AutoModel.from_pretrained(DEFAULT_CHECKPOINT).eval()
    reports = simulated(model, AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT))
    ten, every = reports["ten_covers"], reports["all_covers"]
    note = f"chance {ten['chance']:.2f}; over all {len(every['recall'])} covers {every['balanced_accuracy']:.3f}"
    name = "zero-shot balanced accuracy, held-out simulated pixels, ten covers"
    ledger.add(name, round(ten["balanced_accuracy"], 3), ">=", 0.80, note)


def real_pixels(ledger: Ledger) -> None:
    """Measure the embedded default on real pixels."""
    bars = {"Flanders 2018": 0.75, "France 2023": 0.70}
    try:
        reports = real()
    except FileNotFoundError as error:
        for name, bar in bars.items():
            ledger.skip(f"zero-shot balanced accuracy, {name}", ">=", bar, str(error))
        return
    for name, bar in bars.items():
        report = reports[name]
        note = (
            f"{', '.join(report['recall'])}; {report['samples']} pixels; balanced accuracy of the majority class "
            f"{report['majority_balanced_accuracy']:.3f}, chance {report['chance']:.3f}"
        )
        ledger.add(f"zero-shot balanced accuracy, {name}", round(report["balanced_accuracy"], 3), ">=", bar, note)


def checkpoint(ledger: Ledger) -> None:
    """Size of the embedded default, and how long its training took."""
    size = sum(file.stat().st_size for file in Path(DEFAULT_CHECKPOINT).rglob("*") if file.is_file())
    ledger.add("megabytes of the embedded checkpoint", round(size / 1e6, 2), "<=", 12)
    trained = json.loads((ROOT / "training" / "results" / "embedded_default.json").read_text(encoding="utf-8"))
    ledger.add("minutes that its training took, as its results say", trained["minutes"], "<=", 30)


def fresh_clone(ledger: Ledger) -> None:
    """Run `make demo`, then `make test`, each in a fresh clone of the last commit with its own virtual environment."""
    for target in ("demo", "test"):
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            started = time.monotonic()
            done = subprocess.run(["make", target], cwd=clone, capture_output=True, text=True, check=False)
            minutes = round((time.monotonic() - started) / 60, 1)
            lines = (done.stdout or done.stderr).strip().splitlines()
            note = "; ".join([line for line in lines if line.startswith("FAILED")] + lines[-1:])
            ledger.add(f"minutes of `make {target}` in a fresh clone", minutes, "<=", 15, note)
            ledger.add(f"exit status of `make {target}` in a fresh clone", done.returncode, "==", 0)
            if target == "demo":
                ledger.add("`make demo` leaves a picture", (clone / "demo.png").exists(), "==", True)
            elif match := re.search(r" in ([\d.]+)s", done.stdout):
                ledger.add("minutes of the tests alone", round(float(match.group(1)) / 60, 1), "<=", 6)


def _largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return (first - second).abs().max().item()


PARTS = {
    "parity": parity,
    "inputs": inputs,
    "simulator": simulator,
    "zero_shot": zero_shot,
    "real": real_pixels,
    "checkpoint": checkpoint,
    "fresh_clone": fresh_clone,
}


if __name__ == "__main__":
    logging.disable_progress_bar()
    run_parts("foundation", PARTS)
