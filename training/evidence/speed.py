"""Measure the claims about speed: `make evidence-speed`, or `python -m training.evidence.speed PART ...`.

All ratios are of ways that ran turn and turn about in one process, on two threads, so a machine that does nothing else
is what they want. The checkpoint of the published size is a throwaway one (`training/benchmarks/base_size.py`), fitted
first where it is not there, some four minutes. The part `scale` encodes ten million pixels, some six minutes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoProcessor
from transformers.utils import logging

from tests.support.small_cubes import small_cube
from timesenclip_hf import DEFAULT_CHECKPOINT, encode
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_classes
from training.benchmarks import test_encoder as benchmark
from training.benchmarks.base_size import base_size_checkpoint, int8_tower
from training.evidence import speed_student
from training.evidence.claims import Ledger, run_parts
from training.real_sets import real_data_folder, real_sets

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2
# Of what OpenVINO does with the int8 file, the faster on two cores with bfloat16.
INT8 = "openvino int8, bfloat16 rest"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


@cache
def base_size() -> tuple[Any, Any]:
    """Model and processor of the published size."""
    folder = base_size_checkpoint()
    return AutoModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)


def plan(ledger: Ledger) -> None:
    """Compare the folded plan with the plain model."""
    model, _ = base_size()
    features = benchmark.features_of(512)
    features["months"] = features["months"] + torch.rand(features["months"].shape) - 0.5
    embeds = torch.nn.functional.normalize(benchmark._plain(model, features), dim=-1)
    ledger.add(
        "largest difference of an embedding by the plan from the model's, float32",
        float((encode(model, features) - embeds).abs().max()),
        "<=",
        1e-5,
        "512 series with gaps and dates between months, published size, by "
        f"{benchmark._plan_of(model.pixel_model).engine}",
    )


def encoder(ledger: Ledger) -> None:
    """Time every way to compute the encoder against the published one, and its products alone."""
    model, _ = base_size()
    features = benchmark.features_of()
    ways = benchmark.plan_ways(model, features) | benchmark.product_ways(model.pixel_model, benchmark.SERIES)
    published = benchmark.published_ways(model.pixel_model, features)
    speeds = benchmark.compare(ways, published, benchmark.SERIES)
    engine = benchmark._plan_of(model.pixel_model).engine
    best = max(speeds[name].pixels_per_second for name in published)
    for name, bar in (
        ("float32", 2.0 if engine == "oneDNN" else 1.25),
        ("bfloat16", 3.5),
        ("pure_bfloat16", 4.5),
    ):
        note = (
            f"{speeds[name].pixels_per_second:,.0f} against {best:,.0f} pixels/s of nn.TransformerEncoder, whole years,"
            f" {THREADS} threads, products by {engine}"
        )
        ledger.add(f"{name}, times as fast as published", round(speeds[name].ratio, 3), ">=", bar, note)
    flops = benchmark.flops_of(model.pixel_model)
    for name in benchmark.PRECISIONS:
        alone = speeds[f"{name}, {benchmark.PRODUCTS}"].pixels_per_second
        ledger.add(
            f"{name}, share of the speed of its matrix products alone",
            round(benchmark.share_of_products(speeds, name), 3),
            ">=",
            0.7,
            f"its own shapes in its own order, {alone * flops / 1e9:,.0f} GFLOP/s; {flops / 1e6:,.0f} MFLOP a pixel",
        )


def runtimes(ledger: Ledger) -> None:
    """Compare exported towers with the published encoder, and measure what they lose on real pixels."""
    model, _ = base_size()
    features = benchmark.features_of()
    published = benchmark.published_ways(model.pixel_model, features)
    speeds = benchmark.compare(benchmark.runtime_ways(model, features), published, benchmark.SERIES)
    others = ", ".join(f"{name} {speed.ratio:.2f}" for name, speed in speeds.items() if name not in published)
    for name, bar in (("openvino float32", 2.8), (INT8, 7.5)):
        note = f"whole years, {THREADS} threads; all: {others}"
        ledger.add(f"{name}, times as fast as published", round(speeds[name].ratio, 3), ">=", bar, note)
    towers = benchmark.runtime_towers(model)
    inputs = {"pixel_series": features["pixel_series"]}
    apart = encode(model, inputs, tower=towers["openvino float32"]) - encode(model, inputs)
    ledger.add(
        "openvino float32, largest difference of an embedding from PyTorch's",
        float(apart.abs().max()),
        "<=",
        1e-5,
        f"{benchmark.SERIES:,} simulated series",
    )
    try:
        pixels = real_pixels()
    except FileNotFoundError as error:
        ledger.skip(f"{INT8}, answers on real pixels", ">=", 0.99, str(error))
        return
    embeds = [encode(model, features, tower=towers[INT8]) for features, _ in pixels]
    add_fidelity(ledger, INT8, embeds, pixels, "mean", 0.999)


def fidelity(ledger: Ledger) -> None:
    """Measure what rounding does to embeddings and answers on real pixels."""
    try:
        pixels = real_pixels()
    except FileNotFoundError as error:
        ledger.skip("answers on real pixels in other precisions", ">=", 0.99, str(error))
        return
    model, _ = base_size()
    bars = {"bfloat16": ("smallest", 0.9998), "pure_bfloat16": ("mean", 0.9995)}
    for name, (kind, bar) in bars.items():
        embeds = [encode(model, features, dtype=name) for features, _ in pixels]
        add_fidelity(ledger, name, embeds, pixels, kind, bar)


def add_fidelity(ledger: Ledger, name: str, embeds: list[torch.Tensor], pixels: Any, kind: str, bar: float) -> None:
    """Cosines with float32's embeddings, and how often the likeliest class is the same."""
    model, _ = base_size()
    exact = [encode(model, features) for features, _ in pixels]
    cosines = torch.cat([(rounded * other).sum(dim=1) for rounded, other in zip(embeds, exact, strict=True)])
    figures = {"smallest": float(cosines.min()), "mean": float(cosines.mean())}
    note = f"{len(cosines):,} real pixels; {', '.join(f'{key} {value:.5f}' for key, value in figures.items())}"
    ledger.add(f"{name}, {kind} cosine with float32 on real pixels", round(figures[kind], 5), ">=", bar, note)
    same = [
        ((rounded @ classes.T).argmax(dim=1) == (other @ classes.T).argmax(dim=1))
        for rounded, other, (_, tasks) in zip(embeds, exact, pixels, strict=True)
        for classes in tasks
    ]
    answers = torch.cat(same).float()
    ledger.add(
        f"{name}, share of answers that are float32's on real pixels",
        round(float(answers.mean()), 4),
        ">=",
        0.99,
        f"{len(answers):,} answers, {len(same)} tasks of the labelled real sets, generic prompts",
    )


@cache
def real_pixels() -> list[tuple[dict[str, torch.Tensor], list[torch.Tensor]]]:
    """Features of each labelled real set, and the class embeddings of each of its tasks."""
    model, processor = base_size()
    agreements = []
    for dataset in real_sets(real_data_folder()):
        features = dataset.samples.features(processor.feature_extractor)
        seen = features["series_mask"].any(dim=1)
        texts = [task.prompts("generic", processor.hypothesis_template) for task in dataset.tasks]
        classes = [embed_classes(model, processor.tokenizer, prompts) for prompts in texts]
        agreements.append(({name: values[seen] for name, values in features.items()}, classes))
    return agreements


def around(ledger: Ledger) -> None:
    """Time what a map needs beside the encoder."""
    model, _ = base_size()
    shares = benchmark.shares_of_features_and_scores(model)
    ledger.add(
        "feature extraction and scoring at 44 classes, share of the encoder's time",
        round(sum(shares.values()), 4),
        "<=",
        0.05,
        ", ".join(f"{name} {share:.4f}" for name, share in shares.items()) + ", float32, published size",
    )


def memory(ledger: Ledger) -> None:
    """Measure the memory of a new process that encodes in chunks of 1,024."""
    code = (
        "import torch; from pathlib import Path; from transformers import AutoModel\n"
        "from timesenclip_hf import encode\n"
        f"torch.set_num_threads({THREADS}); model = AutoModel.from_pretrained({base_size_checkpoint()!r})\n"
        "features = {'pixel_series': torch.rand(8192, 12, 10)}\n"
        "for dtype in (%r,): encode(model, features, batch_size=1024, dtype=dtype)\n"
        # Unlike the peak of getrusage, which a process inherits from the one that started it.
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    for name in benchmark.PRECISIONS:
        done = subprocess.run(
            [sys.executable, "-c", code % name], env=_environment(), capture_output=True, text=True, check=True
        )
        peak = int(done.stdout.split()[-1]) * 1024 / 1e9
        ledger.add(f"{name}, GB resident at most in chunks of 1,024", round(peak, 2), "<=", 1.2, "published size")


def scale(ledger: Ledger) -> None:
    """Seconds a pixel from ten thousand pixels to ten million, by the embedded default."""
    model = AutoModel.from_pretrained(DEFAULT_CHECKPOINT).eval()
    features = {"pixel_series": benchmark.features_of(SIZES[0])["pixel_series"]}
    encode(model, features)
    costs = {}
    for size in SIZES:
        series = features["pixel_series"].repeat(size // SIZES[0], 1, 1)
        started = time.perf_counter()
        encode(model, {"pixel_series": series})
        costs[size] = (time.perf_counter() - started) / size
    rates = ", ".join(f"{size:,}: {1 / cost:,.0f}" for size, cost in costs.items())
    ledger.add(
        "time a pixel of ten million pixels, times that of the cheapest of fewer",
        round(costs[SIZES[-1]] / min(costs.values()), 3),
        "<=",
        1.15,
        f"pixels/s by pixels, embedded default, one call each: {rates}",
    )


def gpu(ledger: Ledger) -> None:
    """Only where there is a graphics card."""
    claim = "bulk encoding on a graphics card, share of its measured bfloat16 speed"
    if not torch.cuda.is_available():
        ledger.skip(claim, ">=", 0.5, "no graphics card here")
        return
    benchmark.test_the_encoder_on_a_graphics_card()
    rows = json.loads((ROOT / "runs" / "bench" / "encoder_gpu.json").read_text())["rows"]
    (row_of_bfloat16,) = [row for row in rows if row["precision"] == "bfloat16"]
    ledger.add(claim, row_of_bfloat16["of the card's product speed"], ">=", 0.5, json.dumps(row_of_bfloat16))
    ledger.add("its time with copying over without", row_of_bfloat16["time with copying over without"], "<=", 1.05)


def refusals(ledger: Ledger) -> None:
    """Bad input ends in one line."""
    with tempfile.TemporaryDirectory() as folder:
        small_cube().to_netcdf(f"{folder}/cube.nc", engine="h5netcdf")
        mapped = ("map", f"{folder}/cube.nc", "--labels", "maize,wheat", "--output", f"{folder}/map.tif")
        exported = ("--runtime", "onnx", "--exported")
        cases = {
            "a type that there is not": (*mapped, "--dtype", "int4"),
            "a type that this machine does not compute in": (*mapped, "--dtype", "float16"),
            "an export without its extra": ("export", "--output", f"{folder}/tower.onnx"),
            "an exported file of another checkpoint": (*mapped, *exported, int8_tower()),
            "an exported file that is not there": (*mapped, *exported, f"{folder}/none.onnx"),
        }
        for name, arguments in cases.items():
            hidden = "sys.modules['onnx'] = None; " if name.endswith("extra") else ""
            code = f"import sys; {hidden}from timesenclip_hf.cli import app; app({list(arguments)!r})"
            call = [sys.executable, "-c", code]
            done = subprocess.run(call, env=_environment(), capture_output=True, text=True, check=False)
            lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
            in_a_line = done.returncode == 1 and len(lines) == 1 and "Traceback" not in done.stderr
            message = lines[0] if lines else done.stderr[-200:]
            ledger.add(f"{name}: one line", in_a_line, "==", True, message)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


PARTS: dict[str, Callable[[Ledger], None]] = {
    "plan": plan,
    "encoder": encoder,
    "fidelity": fidelity,
    "runtimes": runtimes,
    "around": around,
    "memory": memory,
    "scale": scale,
    "gpu": gpu,
    "refusals": refusals,
    **speed_student.PARTS,
}


if __name__ == "__main__":
    logging.disable_progress_bar()
    torch.set_num_threads(THREADS)
    run_parts("speed", PARTS)
