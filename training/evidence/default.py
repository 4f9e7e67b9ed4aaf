"""Measure claims about the embedded default: `make evidence-default`, or `python -m training.evidence.default PART`.

Words alone, raw scores, prompts that were fixed before anything was scored. A second seed of the training, where its
folder is there, is measured by the part `second_seed`, which keeps its figures; every claim prints them beside its own.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from datasets import disable_progress_bars
from transformers.utils import logging

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.evaluation.harness import evaluate
from timesenclip_hf.evaluation.metrics.labels import balanced_accuracy
from timesenclip_hf.evaluation.protocol import Checkpoint, EvaluationSet
from timesenclip_hf.evaluation.report import EvaluatedSamples
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.evaluation.sets import HELD_OUT_SEED, simulated_set
from timesenclip_hf.evaluation.tasks import Task, named_taxonomy
from timesenclip_hf.files import write_json
from timesenclip_hf.simulator import CLASS_NAMES, simulate
from timesenclip_hf.simulator.climates import CLIMATE_NAMES, EUROPE
from timesenclip_hf.simulator.covers import COVERS
from training.evidence import default_novelty
from training.evidence.claims import ROOT, Ledger, run_parts
from training.measure import PLAIN
from training.real_sets import real_data_folder, real_sets

SECOND_MODEL = ROOT / "runs" / "embedded_seed1" / "model"
SECOND = ROOT / "training" / "results" / "embedded_second_seed.json"
# So many that a climate has a score of each cover that lives in it.
POINTS = 20_000
# A cover with fewer points in a climate says nothing of it.
FEWEST = 10
EUROPEAN, EVERY, WEAKEST = (
    "ten European covers, held-out simulations",
    "all covers of the world, held-out simulations",
    "covers of a climate among themselves, held-out simulations of the weakest climate",
)
SIMULATED = {EUROPEAN: 0.85, EVERY: 0.55, WEAKEST: 0.45}
# What the default trained on Europe alone had, and how much less is no worse.
HOME = {
    "Flanders 2018, covers": 0.864 - 0.02,
    "France 2023, main_crops": 0.860 - 0.02,
    "France 2023, main_crops_and_grassland": 0.791 - 0.02,
}
AWAY = {
    "East Africa 2017, covers": 0.35,
    "Digital Earth Africa 2019, cropland": 0.70,
    "Rondonia 2018, covers": 0.50,
    "Rondonia 2018, forest_or_pasture": 0.85,
}
SERIES_A_SECOND = 5_000
Figures = dict[str, tuple[float, str]]


def simulated(ledger: Ledger) -> None:
    """Score held-out simulations: Europe's ten covers, all covers, and each climate's own."""
    _add(ledger, simulated_figures(DEFAULT_CHECKPOINT), SIMULATED)


def home(ledger: Ledger) -> None:
    """Score the two sets of north-west Europe."""
    _add_real(ledger, HOME)


def away(ledger: Ledger) -> None:
    """Score the sets of other climates."""
    _add_real(ledger, AWAY)


def second_seed(ledger: Ledger) -> None:
    """Measure a checkpoint of the same training with another seed, and keep its figures."""
    bars = SIMULATED | HOME | AWAY
    claim = "figures of a second seed that are printed beside the first"
    if not SECOND_MODEL.is_dir():
        reason = f"there is no {SECOND_MODEL.relative_to(ROOT)}: train with --seed 1 --output_dir runs/embedded_seed1"
        ledger.skip(claim, "==", len(bars), reason)
        return
    figures = {name: value for name, (value, _) in simulated_figures(str(SECOND_MODEL)).items() if name in bars}
    figures |= {name: value for name, (value, _) in _real_figures_or_none(str(SECOND_MODEL)).items() if name in bars}
    write_json(SECOND, figures, overwrite=True)
    missed = "; ".join(f"{name} {value} < {bars[name]:.3f}" for name, value in figures.items() if value < bars[name])
    ledger.add(claim, len(figures), "==", len(bars), f"below their bars: {missed or 'none'}")


def speed(ledger: Ledger) -> None:
    """Time the simulator."""
    spent = []
    for seed in range(3):
        # The processor's own time, so that what else the machine does is not counted.
        started = time.process_time()
        simulate(POINTS, seed=seed)
        spent.append(time.process_time() - started)
    rates = ", ".join(f"{POINTS / seconds:,.0f}" for seconds in spent)
    claim = "series that the simulator makes in a second of a processor"
    ledger.add(claim, round(POINTS / min(spent)), ">=", SERIES_A_SECOND, f"the best of {rates}")


@cache
def simulated_figures(model: str) -> Figures:
    """Score a checkpoint on held-out simulations; the weakest climate's figure has all of them in its note."""
    dataset = simulated_set(POINTS)
    rows = np.array([int(name) for name in dataset.samples.point_ids])
    climate = simulate(POINTS, seed=HELD_OUT_SEED).climate_index[rows]
    ten, every = dataset.tasks[:2]
    european = np.isin(climate, [CLIMATE_NAMES.index(name) for name in EUROPE])
    checkpoint = Checkpoint.load(model)
    in_europe = EvaluationSet(dataset.samples.select(european), [ten])
    of_europe, of_world = evaluate([checkpoint], [in_europe, EvaluationSet(dataset.samples, [every])], PLAIN).pictured
    here = {name: climate == index for index, name in enumerate(CLIMATE_NAMES)}
    local = [_covers_of(name, dataset.samples.select(chosen)) for name, chosen in here.items()]
    answers = evaluate([checkpoint], local, PLAIN).pictured
    among = {name: by_class(each, each.truth >= 0) for name, each in zip(here, answers, strict=True)}
    known = [name for name, value in among.items() if not math.isnan(value)]
    told = (f"{name} {among[name]} ({by_class(of_world, here[name])})" for name in known)
    note = f"covers with {FEWEST} points there; in brackets with all {len(every.taxonomy.labels)} as candidates: "
    return {
        EUROPEAN: _figure(of_europe),
        EVERY: _figure(of_world),
        WEAKEST: (min(among[name] for name in known), note + ", ".join(told)),
    }


def _covers_of(climate: str, samples: Samples) -> EvaluationSet:
    """Ask for the covers that live in a climate, as who maps there would."""
    names = [name for name in CLASS_NAMES if any(climate in cover.climates for _, cover in COVERS[name])]
    source = "timesenclip_hf.simulator.covers"
    task = Task("covers", "cover", named_taxonomy(f"Covers of the climate {climate}", source, names, "MIT"))
    return EvaluationSet(replace(samples, name=climate), [task])


@cache
def real_figures(model: str) -> Figures:
    """Score a checkpoint on every task of the real sets."""
    pictured = evaluate([Checkpoint.load(model)], real_sets(real_data_folder()), PLAIN).pictured
    return {f"{answers.samples.name}, {answers.task}": _figure(answers) for answers in pictured}


def by_class(answers: EvaluatedSamples, chosen: np.ndarray) -> float:
    """Return the balanced accuracy of some samples, over the classes that have enough of them."""
    truth = np.where(chosen, answers.truth, -1)
    counts = np.bincount(truth[truth >= 0], minlength=len(answers.labels))
    rows = np.flatnonzero((truth >= 0) & (counts[truth] >= FEWEST))
    if len(rows) == 0:
        return float("nan")
    return round(balanced_accuracy(answers.predicted[rows], truth[rows], len(answers.labels)), 3)


def _figure(answers: EvaluatedSamples) -> tuple[float, str]:
    rows, count = answers.scored, len(answers.labels)
    value = balanced_accuracy(answers.predicted[rows], answers.truth[rows], count)
    return round(value, 3), f"balanced accuracy of {len(rows):,} series, {count} candidates, chance {1 / count:.3f}"


def _add(ledger: Ledger, figures: Figures, bars: dict[str, float]) -> None:
    second = json.loads(SECOND.read_text(encoding="utf-8")) if SECOND.exists() else {}
    for name, bar in bars.items():
        value, note = figures[name]
        ledger.add(name, value, ">=", round(bar, 3), f"second seed {second.get(name, 'not measured')}; {note}")


def _add_real(ledger: Ledger, bars: dict[str, float]) -> None:
    figures = _real_figures_or_none(DEFAULT_CHECKPOINT)
    _add(ledger, figures, {name: bar for name, bar in bars.items() if name in figures})
    for name, bar in bars.items():
        if name not in figures:
            ledger.skip(name, ">=", round(bar, 3), "the set is not among the real sets that are here")


def _real_figures_or_none(model: str) -> Figures:
    try:
        return real_figures(model)
    except FileNotFoundError:
        return {}


PARTS: dict[str, Callable[[Ledger], None]] = {
    "second_seed": second_seed,
    "simulated": simulated,
    "home": home,
    "away": away,
    "speed": speed,
    **default_novelty.PARTS,
}


if __name__ == "__main__":
    disable_progress_bars()
    logging.disable_progress_bar()
    run_parts("default", PARTS)
