"""Measure the claims about finding places by words and choosing prompts; parts of `make evidence-evaluation`.

Both are measured on simulated points that the embedded checkpoint never saw.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import disable_progress_bars
from transformers import AutoModel, AutoProcessor
from transformers.utils import logging

from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPModel, encode
from timesenclip_hf.data.schema import as_series
from timesenclip_hf.data.sources.arrays import dataset_from_series
from timesenclip_hf.evaluation.prompts import EmbeddedSplit, SelectionOptions, prompt_selection_report, select_prompts
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_labels, score
from timesenclip_hf.search import SearchIndex, build_index
from timesenclip_hf.simulator import CLASS_NAMES, simulate
from timesenclip_hf.simulator.classes import SIMULATED_CLASSES
from training.evidence.claims import Ledger, run_parts

# Training uses the seeds 1 and 2, the zero-shot evaluation 3; 101 and 102 are those on which the kind of similarity
# was chosen, and so not for its figures.
SEARCHED_SEED, SELECTION_SEED, HELD_OUT_SEED = 9, 201, 202
POINTS, TOP_K = 6_000, 10
SELECTION_POINTS, HELD_OUT_POINTS = 3_000, 4_000


def search(ledger: Ledger) -> None:
    """Search every cover of the simulator by its name: FAISS against scores that are sorted."""
    model, processor = _checkpoint()
    points = simulate(POINTS, seed=SEARCHED_SEED)
    columns = {"longitude": points.longitude.tolist(), "latitude": points.latitude.tolist()}
    dataset = dataset_from_series(points.series, columns)
    names = np.asarray(CLASS_NAMES)[points.class_index[[int(point) for point in dataset["point_id"]]]]
    series = as_series(dataset.with_format("arrow")[:]).astype(np.float32)
    series_embeds = encode(model, processor.feature_extractor(series, units="dn", offset=0))
    with tempfile.TemporaryDirectory() as folder:
        build_index(dataset, Path(folder) / "index", model, processor, progress=False)
        index = SearchIndex.load(Path(folder) / "index", model, processor)
        same, gap, right = 0, 0.0, []
        for name in CLASS_NAMES:
            hits = index.search(name, top_k=TOP_K)
            cosines = score(series_embeds, embed_labels(model, processor, [name])[1])[:, 0].numpy()
            order = np.argsort(-cosines, kind="stable")[:TOP_K]
            same += [hit["point_id"] for hit in hits] == [dataset["point_id"][row] for row in order]
            gap = max(gap, float(np.abs(cosines[order] - [hit["score"] for hit in hits]).max()))
            right.append(np.mean(names[order] == name))
        refused = _refuses(Path(folder) / "index", TimeSenCLIPModel(model.config), processor)
    note = f"{len(names)} points, {TOP_K} of each query"
    ledger.add("searches through FAISS that give what sorting all scores gives", same, "==", len(CLASS_NAMES), note)
    ledger.add("searches through FAISS, greatest difference of a score", gap, "<=", 1e-6, note)
    note = f"mean over {len(CLASS_NAMES)} covers asked for by name; {1 / len(CLASS_NAMES):.3f} by chance"
    ledger.add(f"simulated points found by words, precision@{TOP_K}", round(float(np.mean(right)), 3), ">=", 0.5, note)
    ledger.add("an index of another checkpoint is refused by name", refused, "==", True)


def prompts(ledger: Ledger) -> None:
    """Choose among all names of the simulator's covers, 11 to 30 of each, the best five of each."""
    model, processor = _checkpoint()
    pools = {cover.name: [*cover.plain, *cover.other, *cover.group] for cover in SIMULATED_CLASSES}
    selection, held_out = (
        _split(model, processor, seed, number)
        for seed, number in ((SELECTION_SEED, SELECTION_POINTS), (HELD_OUT_SEED, HELD_OUT_POINTS))
    )
    options = SelectionOptions(top_k=5, random_draws=10)
    report = prompt_selection_report(model, processor, pools, selection, held_out, options=options)
    scores = {name: metrics["balanced_accuracy"]["value"] for name, metrics in report["scores"].items()}
    chance = report["random"]["balanced_accuracy"]
    figures = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
    note = f"balanced accuracy, raw: {figures}, by chance {chance['mean']:.4f} (spread {chance['spread']:.4f})"
    for name, what in (("text", "texts"), ("image", "unlabelled series")):
        gain = round(scores[name] - chance["mean"], 4)
        claim = f"five prompts a class selected by {what}, balanced accuracy above five by chance"
        ledger.add(claim, gain, ">=", 0.01, note)
        interval = report["gain"][name]
        figures = f"{interval['value']:+.4f}, 95 % interval {interval['low']:+.4f} to {interval['high']:+.4f}"
        claim = f"five prompts a class selected by {what}, gain over all prompts, lower end of its interval"
        ledger.add(claim, round(interval["low"], 4), ">=", -0.02, figures)
    rng = np.random.default_rng(0)
    shuffled = {cover: rng.permutation(pools[cover]).tolist() for cover in rng.permutation(list(pools)).tolist()}
    again = select_prompts(model, processor, shuffled, image_embeds=selection.embeds)
    ledger.add("prompts in another order, the same are selected", again == report["prompts"]["image"], "==", True)


def _checkpoint() -> tuple[Any, Any]:
    model = AutoModel.from_pretrained(DEFAULT_CHECKPOINT).eval()
    return model, AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT)


def _split(model: Any, processor: Any, seed: int, number: int) -> EmbeddedSplit:
    points = simulate(number, seed=seed)
    features = processor.feature_extractor(points.series, allow_empty=True)
    seen = np.flatnonzero(features["series_mask"].any(axis=1))
    embeds = encode(model, features)[torch.from_numpy(seen)]
    covers = [CLASS_NAMES[points.class_index[row]] for row in seen]
    return EmbeddedSplit([f"{seed}-{row}" for row in seen], embeds, covers)


def _refuses(folder: Path, model: Any, processor: Any) -> bool:
    try:
        SearchIndex.load(folder, model, processor)
    except ValueError as error:
        return "built by another checkpoint, timesenclip-simulated" in str(error)
    return False


PARTS: dict[str, Callable[[Ledger], None]] = {"search": search, "prompts": prompts}


if __name__ == "__main__":
    disable_progress_bars()
    logging.disable_progress_bar()
    run_parts("evaluation", PARTS)
