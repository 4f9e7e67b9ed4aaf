"""Time the pixel encoder beside the published one, and beside the machine's limit: `make bench` prints it.

All ways see the same series with the same weights, turn and turn about in one process; what is given are ratios and
fractions of the limit. On two idle cores it takes some five minutes, after the fitting of `base_size`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoProcessor

from timesenclip_hf import encode
from timesenclip_hf.classification import Embedded, class_probabilities
from timesenclip_hf.models.timesenclip.label_set_timesenclip import LabelSet
from timesenclip_hf.runtimes import plan as inference_timesenclip
from timesenclip_hf.runtimes.exported import load_tower
from timesenclip_hf.runtimes.options import ComputeOptions
from timesenclip_hf.runtimes.plan import TransformerPlan, plan_of
from timesenclip_hf.runtimes.products import make_product
from timesenclip_hf.simulator import simulate
from training.benchmarks.base_size import base_size_checkpoint, int8_tower, upstream_of
from training.benchmarks.records import record

SERIES, TURNS = 2_048, 7
PRECISIONS = ("float32", "bfloat16", "pure_bfloat16")
# Batches that the published encoder was fastest with on two cores.
PUBLISHED_BATCHES = (64, 128)
# Seconds until PyTorch's threads no longer spin after a way, some 15 ms: the next way is not to pay for that.
SETTLED = 0.05
PUBLISHED, PRODUCTS = "as published", "products alone"

Way = Callable[[], Any]


@dataclass(frozen=True)
class Speed:
    """Pixels a second of a way, and how many times the published encoder's in the same turn; medians."""

    pixels_per_second: float
    ratio: float


def features_of(count: int = SERIES, seed: int = 3) -> dict[str, torch.Tensor]:
    """Simulate series, clouds and all, as the encoder takes them."""
    extractor = AutoProcessor.from_pretrained(base_size_checkpoint()).feature_extractor
    return dict(extractor(simulate(count, seed=seed).series, allow_empty=True, return_tensors="pt"))


def published_ways(tower: Any, features: dict[str, torch.Tensor]) -> dict[str, Way]:
    """Time the published architecture, float32, as PyTorch runs it in evaluation, on its best batches."""
    encoder, series = upstream_of(tower), features["pixel_series"]

    def run(size: int) -> None:
        with torch.inference_mode():
            for start in range(0, len(series), size):
                encoder(series[start : start + size])

    return {f"{PUBLISHED}, batches of {size}": partial(run, size) for size in PUBLISHED_BATCHES}


def plan_ways(model: Any, features: dict[str, torch.Tensor]) -> dict[str, Way]:
    """Encode whole years in bulk by precision, and years with their gaps."""
    years = {"pixel_series": features["pixel_series"]}
    ways: dict[str, Way] = {name: partial(encode, model, years, dtype=name) for name in PRECISIONS}
    return ways | {"float32, with gaps": partial(encode, model, features)}


def runtime_towers(model: Any) -> dict[str, Any]:
    """Load the tower in other runtimes, float32 exported in memory, int8 from its file."""
    exported = int8_tower()
    return {
        "openvino float32": load_tower(model, ComputeOptions(runtime="openvino")),
        "openvino int8": load_tower(model, ComputeOptions(runtime="openvino", exported=exported)),
        "openvino int8, bfloat16 rest": load_tower(
            model, ComputeOptions(runtime="openvino", exported=exported, dtype="bfloat16")
        ),
        "onnx float32": load_tower(model, ComputeOptions(runtime="onnx")),
        "onnx int8": load_tower(model, ComputeOptions(runtime="onnx", exported=exported)),
    }


def runtime_ways(model: Any, features: dict[str, torch.Tensor]) -> dict[str, Way]:
    """Encode whole years in bulk in other runtimes."""
    years = {"pixel_series": features["pixel_series"]}
    return {name: partial(encode, model, years, tower=tower) for name, tower in runtime_towers(model).items()}


def compare(ways: dict[str, Way], published: dict[str, Way], count: int, turns: int = TURNS) -> dict[str, Speed]:
    """Run all ways in turn; each ratio is to the best published way of its own turn."""
    seconds: dict[str, list[float]] = {name: [] for name in (*published, *ways)}
    for turn in range(turns + 1):
        for name, way in (published | ways).items():
            time.sleep(SETTLED)
            started = time.perf_counter()
            way()
            if turn:  # the first prepares
                seconds[name].append(time.perf_counter() - started)
    best = np.min([seconds[name] for name in published], axis=0)
    return {
        name: Speed(float(count / np.median(taken)), float(np.median(best / np.array(taken))))
        for name, taken in seconds.items()
    }


def product_ways(tower: Any, count: int) -> dict[str, Way]:
    """Time the matrix products of each precision's plan by themselves, for as many series, nothing between them."""

    def run(calls: list[tuple[Any, torch.Tensor]], chunks: float) -> None:
        for _ in range(round(chunks)):
            for product, x in calls:
                product(x)

    ways: dict[str, Way] = {}
    for name in PRECISIONS:
        plan = _plan_of(tower, name)
        calls = []
        for rows, outputs, inputs in shapes_of(tower, name):
            weight = torch.rand(outputs, inputs).to(plan.product_type)
            calls.append((make_product(weight, weight[:, 0], rows), torch.rand(rows, inputs).to(plan.product_type)))
        ways[f"{name}, {PRODUCTS}"] = partial(run, calls, count / plan.chunk_size)
    return ways


def shapes_of(tower: Any, precision: str) -> list[tuple[int, int, int]]:
    """Record rows, outputs and inputs of the linear layers that a chunk goes through, from the plan itself."""
    shapes: list[tuple[int, int, int]] = []

    def recording(weight: torch.Tensor, bias: torch.Tensor, *options: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        product = make_product(weight, bias, *options)

        def recorded(x: torch.Tensor) -> torch.Tensor:
            shapes.append((len(x), *weight.shape))
            return product(x)

        return recorded

    with patch.object(inference_timesenclip, "make_product", recording):
        plan = TransformerPlan(tower, precision, torch.device("cpu"))
    plan(torch.rand(plan.chunk_size, tower.config.num_months, tower.config.num_bands))
    return shapes


def flops_of(tower: Any, precision: str = "float32") -> float:
    """Count the FLOP of a series in the plan's linear layers, twice its multiply-adds, without attention's own."""
    plan = plan_of(tower, precision)
    return 2.0 * sum(rows * outputs * inputs for rows, outputs, inputs in shapes_of(tower, precision)) / plan.chunk_size


def share_of_products(speeds: dict[str, Speed], precision: str) -> float:
    """Compare the speed of a precision with that of its own products."""
    return speeds[precision].ratio / speeds[f"{precision}, {PRODUCTS}"].ratio


def shares_of_features_and_scores(model: Any, classes: int = 44, turns: int = TURNS) -> dict[str, float]:
    """Time feature extraction and scoring, over encoding the same series in float32."""
    extractor = AutoProcessor.from_pretrained(base_size_checkpoint()).feature_extractor
    series = simulate(SERIES, seed=4).series
    embeds = torch.nn.functional.normalize(torch.randn(classes, model.config.projection_dim), dim=-1)
    label_set = LabelSet({f"class {index}": ["words"] for index in range(classes)}, ["{}"], embeds, 10.0, "0" * 16)
    taken: dict[str, list[float]] = {"features": [], "scores": [], "encoder": []}
    for turn in range(turns + 1):
        marks = [time.perf_counter()]
        features = extractor(series, allow_empty=True)
        marks.append(time.perf_counter())
        embeds = encode(model, features)
        marks.append(time.perf_counter())
        class_probabilities(Embedded(embeds, np.ones(len(embeds), bool), np.full(len(embeds), 12)), label_set)
        marks.append(time.perf_counter())
        if turn:
            for name, seconds in zip(("features", "encoder", "scores"), np.diff(marks), strict=True):
                taken[name].append(float(seconds))
    shares = {name: np.array(seconds) / np.array(taken["encoder"]) for name, seconds in taken.items()}
    return {name: float(np.median(values)) for name, values in shares.items() if name != "encoder"}


def test_the_encoder_by_precision_and_path() -> None:
    torch.set_num_threads(2)
    model = AutoModel.from_pretrained(base_size_checkpoint()).eval()
    features = features_of()
    ways = plan_ways(model, features)
    years = {"pixel_series": features["pixel_series"]}
    for size in (64, 256, 1_024):
        ways[f"float32, chunks of {size}"] = partial(encode, model, years, batch_size=size)
    compiled = TransformerPlan(model.pixel_model, "bfloat16", torch.device("cpu"))
    compiled.compile()
    ways["bfloat16, compiled"] = partial(encode, model, years, tower=compiled)
    ways |= runtime_ways(model, features) | product_ways(model.pixel_model, SERIES)
    speeds = compare(ways, published_ways(model.pixel_model, features), SERIES)
    shares = {name: share_of_products(speeds, name) for name in PRECISIONS}
    rows = [
        {
            "way": name,
            "times as published": round(speed.ratio, 2),
            "of its products' speed": round(shares[name], 3) if name in shares else "",
        }
        for name, speed in speeds.items()
    ]
    engine = _plan_of(model.pixel_model).engine
    record("encoder", f"The pixel encoder of the published size on two threads, products by {engine}", rows)
    assert torch.allclose(
        encode(model, features), torch.nn.functional.normalize(_plain(model, features), dim=-1), atol=1e-5
    )


def test_features_and_scores() -> None:
    model = AutoModel.from_pretrained(base_size_checkpoint()).eval()
    shares = shares_of_features_and_scores(model)
    record(
        "features_and_scores",
        "Time beside the encoder's, published size, float32, 44 classes",
        [{"part": name, "share of the encoder's time": round(share, 4)} for name, share in shares.items()],
    )


def test_the_text_side() -> None:
    model = AutoModel.from_pretrained(base_size_checkpoint()).eval()
    tokenizer = AutoProcessor.from_pretrained(base_size_checkpoint()).tokenizer
    texts = [f"a photo of class {number}" for number in range(44)]
    tokens, series = tokenizer(texts, padding=True, return_tensors="pt"), features_of(256)
    taken: dict[str, list[float]] = {"44 prompts": [], "256 series": []}
    ways: dict[str, Way] = {"44 prompts": partial(_texts, model, tokens), "256 series": partial(encode, model, series)}
    for _ in range(TURNS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - started)
    ratio = float(np.median(np.array(taken["44 prompts"]) / np.array(taken["256 series"])))
    record("text", "The text tower, once a map", [{"part": "44 prompts", "times 256 series' time": round(ratio, 3)}])


@pytest.mark.gpu
def test_the_encoder_on_a_graphics_card() -> None:
    """Measure pixels a second, their part of the card's own product speed, memory, and whether copying hides."""
    model = AutoModel.from_pretrained(base_size_checkpoint()).eval().to("cuda")
    count = 262_144
    features, rows = features_of(count), []
    flops = flops_of(AutoModel.from_pretrained(base_size_checkpoint()).pixel_model)
    for name in ("float32", "bfloat16", "pure_bfloat16", "float16"):
        plan = _plan_of(model.pixel_model, name, torch.device("cuda"))
        on_card = {key: values.cuda() for key, values in features.items()}
        seconds = {}
        for origin, inputs in (("from memory", features), ("on the card", on_card)):
            encode(model, inputs, dtype=name)
            torch.cuda.synchronize()
            started = time.perf_counter()
            encode(model, inputs, dtype=name)
            torch.cuda.synchronize()
            seconds[origin] = time.perf_counter() - started
        left, right = (torch.rand(8192, 8192, device="cuda").to(plan.product_type) for _ in range(2))
        for _ in range(3):
            left @ right
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(10):
            left @ right
        torch.cuda.synchronize()
        limit = 10 * 2 * 8192**3 / (time.perf_counter() - started)
        rows.append(
            {
                "precision": name,
                "pixels/s": round(count / seconds["from memory"]),
                "of the card's product speed": round(
                    len(features["pixel_series"]) / seconds["from memory"] * flops / limit, 3
                ),
                "time with copying over without": round(seconds["from memory"] / seconds["on the card"], 3),
                "GB on the card": round(torch.cuda.max_memory_allocated() / 1e9, 2),
            }
        )
    record("encoder_gpu", f"The pixel encoder of the published size on {torch.cuda.get_device_name()}", rows)


def _plan_of(tower: Any, precision: str | None = None, device: torch.device | None = None) -> TransformerPlan:
    plan = plan_of(tower, precision, device)
    assert isinstance(plan, TransformerPlan)
    return plan


@torch.no_grad()
def _texts(model: Any, tokens: Any) -> Any:
    return model.get_text_features(**tokens).pooler_output


@torch.no_grad()
def _plain(model: Any, features: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat(
        [
            model.pixel_model(
                **{name: values[start : start + 256] for name, values in features.items()}, pooled_only=True
            ).pooler_output
            for start in range(0, len(features["pixel_series"]), 256)
        ]
    )
