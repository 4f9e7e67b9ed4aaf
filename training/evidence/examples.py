"""Measure every claim about words that are fitted to examples."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from timesenclip_hf.app.example_cubes import LANDSCAPES, YEAR, simulate_land
from timesenclip_hf.classification import PixelEncoder
from timesenclip_hf.evaluation.metrics import balanced_accuracy
from timesenclip_hf.evaluation.probing import ON_WORDS, Ladder, few_shot_ladder
from timesenclip_hf.labelling.fitting import fit_label_set
from timesenclip_hf.maps import MapOptions, MapRun, stored_embeddings
from timesenclip_hf.models.timesenclip.label_set_timesenclip import LabelSet, label_set_from_words
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import score
from training.evidence import examples_commands, examples_page, examples_suggest
from training.evidence.claims import Ledger, run_parts
from training.evidence.examples_sets import RealTask, real_tasks

SHOTS = (1, 3, 5, 10, 20, 50)
# Up to so many the mean over the sets must lie well above what the raw series give.
FEW = 10
DRAWS = 10
WORDS = "zero_shot"
RIVALS = {"forest": "a random forest", "logistic": "a logistic regression"}
FITTED = {ON_WORDS[0]: "words fitted to embeddings", ON_WORDS[1]: "words fitted to embeddings and monthly values"}
# The size that a fit must bear, and its time on two cores.
EXAMPLES, PROJECTION_DIM, CLASSES, MOST_SECONDS = 50_000, 512, 44, 60
# Simulated lands that are labelled anew, side by side, of so many pixels a side, and how often.
TILES, RELABELLED, TURNS = 16, 64, 8
# Mean balanced accuracy by set, method and number of examples a class.
Table = Mapping[tuple[str, str, int], float]


def shots(ledger: Ledger) -> None:
    """Fit words to a few examples a class, against forest and regression on the raw series of the same examples."""
    table: dict[tuple[str, str, int], float] = {}
    for task in real_tasks():
        table |= _climb(task)
        steps = [step for step in SHOTS if (task.name, "forest", step) in table]
        print(f"{task.name}: words {table[task.name, WORDS, steps[0]]:.3f}", flush=True)
        for method in (*FITTED, *RIVALS):
            print(f"  {method:<24}", *(f"{step}: {table[task.name, method, step]:.3f}" for step in steps), flush=True)
    table = _by_set(table)
    # Forest and regression read the series: the fit that reads them too is held against them.
    _claim_against_rivals(ledger, table, ON_WORDS[1], FITTED[ON_WORDS[1]])
    for fitted, what in FITTED.items():
        _claim_against_words(ledger, table, fitted, what)


def _by_set(table: Table) -> dict[tuple[str, str, int], float]:
    """Average the tasks of each set: they ask about the same places."""
    tasks: dict[tuple[str, str, int], list[float]] = {}
    for (name, method, step), value in table.items():
        tasks.setdefault((name.split(", ")[0], method, step), []).append(value)
    return {key: float(np.mean(values)) for key, values in tasks.items()}


def _climb(task: RealTask) -> dict[tuple[str, str, int], float]:
    """Return the mean over the draws, each of other halves of the land; the words' is that of the same draws."""
    values: dict[tuple[str, int], list[float]] = {}
    words = task.words.label_set.logits(task.embeds).argmax(dim=1)
    for draw in range(DRAWS):
        ladder = Ladder(SHOTS, (*FITTED, *RIVALS), draws=1, seed=draw)
        labels, halves = task.words.label_set.labels, task.halves(draw)
        entries = few_shot_ladder(
            task.embeds, task.series, task.truth, labels, halves, ladder, zero_shot=words, words=task.words
        )
        by_words = entries[0]["metrics"]["balanced_accuracy"]["value"]
        for entry in entries[1:]:
            figure = entry["metrics"]["balanced_accuracy"]["value"]
            values.setdefault((entry["method"], entry["shots"]), []).append(figure)
            if entry["method"] == "forest":
                values.setdefault((WORDS, entry["shots"]), []).append(by_words)
    return {(task.name, method, step): float(np.mean(scored)) for (method, step), scored in values.items()}


def _gains(table: Table, fitted: str, other: str, step: int) -> dict[str, float]:
    """Return the points by which fitted words score above another method, by set."""
    return {
        name: 100 * (value - table[name, other, step])
        for (name, method, shots_of), value in table.items()
        if method == fitted and shots_of == step
    }


def _claim_against_rivals(ledger: Ledger, table: Table, fitted: str, what: str) -> None:
    for rival, called in RIVALS.items():
        for step in SHOTS:
            gains = _gains(table, fitted, rival, step)
            below = [name for name, gain in gains.items() if gain < 0]
            note = ", ".join(f"{name} {gain:+.1f}" for name, gain in gains.items())
            against = f"{called} on the raw series, {step} examples a class"
            ledger.add(f"{what}: sets of {len(gains)} where they score below {against}", len(below), "<=", 1, note)
            if step <= FEW:
                mean = round(float(np.mean(list(gains.values()))), 1)
                ledger.add(f"{what}: points of balanced accuracy above {against}, mean of the sets", mean, ">=", 3)


def _claim_against_words(ledger: Ledger, table: Table, fitted: str, what: str) -> None:
    losses = {(name, step): -gain for step in SHOTS for name, gain in _gains(table, fitted, WORDS, step).items()}
    worst = max(losses, key=lambda key: losses[key])
    note = f"{worst[0]}, {worst[1]} a class, of {len(losses)} sets and numbers of examples"
    claim = f"{what}: most points of balanced accuracy below the words alone"
    ledger.add(claim, round(losses[worst], 1), "<=", 1, note)


def mixed(ledger: Ledger) -> None:
    """Describe half of the classes by ten examples each and the others by words only; and all by words only."""
    gains, apart = {}, 0.0
    for task in real_tasks():
        words, classes = task.words.label_set, len(task.words.label_set.labels)
        untouched = fit_label_set(task.embeds[:0], task.truth[:0], words).label_set.logits(task.embeds)
        expected = score(task.embeds, words.class_embeds, logit_scale=words.score_scale)
        apart = max(apart, float((untouched - expected).abs().max()))
        of_draws = []
        for draw in range(DRAWS):
            fit, judge = task.halves(draw)
            order = np.random.default_rng(draw).permutation(fit)
            examples = np.concatenate([order[task.truth[order] == label][:10] for label in range(classes)])
            shown = np.random.default_rng(draw).permutation(classes) < (classes + 1) // 2
            some = examples[shown[task.truth[examples]]]
            both, each, none = (_recalls(task, rows, judge) for rows in (some, examples, examples[:0]))
            of_draws.append(both.mean() - np.where(shown, each, none).mean())
        gains[task.name] = 100 * float(np.mean(of_draws))
    note = ", ".join(f"{name} {gain:+.1f}" for name, gain in gains.items())
    claim = (
        "half of the classes by ten examples, half by words, in one list: points of balanced accuracy above what each "
        "half has where all classes are described as it is, mean of the sets"
    )
    ledger.add("no examples: largest difference of a logit from that of the words", apart, "==", 0.0)
    ledger.add(claim, round(float(np.mean(list(gains.values()))), 1), ">=", 0, note)


def _recalls(task: RealTask, rows: np.ndarray, judge: np.ndarray) -> np.ndarray:
    groups = None if task.words.blocks is None else task.words.blocks[rows]
    fitted = fit_label_set(task.embeds[rows], task.truth[rows], task.words.label_set, groups).label_set
    right = (fitted.logits(task.embeds[judge]).argmax(dim=1).numpy() == task.truth[judge]).astype(float)
    return np.bincount(task.truth[judge], weights=right) / np.bincount(task.truth[judge])


def size(ledger: Ledger) -> None:
    """Fit as many examples of as many classes as a national survey has."""
    random = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, PROJECTION_DIM, generator=random)
    truth = torch.randint(CLASSES, (EXAMPLES,), generator=random)
    noise = 8 * torch.randn(EXAMPLES, PROJECTION_DIM, generator=random)
    embeds = torch.nn.functional.normalize(centres[truth] + noise, dim=1)
    told = torch.nn.functional.normalize(centres + torch.randn(centres.shape, generator=random), dim=1)
    words = LabelSet({f"class {label}": ["a class"] for label in range(CLASSES)}, ["{}"], told, 22.0, "weights")
    groups = np.arange(EXAMPLES) // 25
    begun = time.monotonic()
    fitted = fit_label_set(embeds, truth.numpy(), words, groups)
    seconds = time.monotonic() - begun
    values = [balanced_accuracy(named, truth, CLASSES) for named in (fitted.words_named, fitted.named)]
    claim = f"seconds that {EXAMPLES:,} examples of {CLASSES} classes in {PROJECTION_DIM} dimensions take to fit"
    note = f"{torch.get_num_threads()} threads; cross-validated {values[1]:.3f}, words {values[0]:.3f}"
    ledger.add(claim, round(seconds, 1), "<=", MOST_SECONDS, note)


def relabel(ledger: Ledger) -> None:
    """Map stored embeddings anew by words and by a set fitted to examples, turn about."""
    land, covers = simulate_land(next(iter(LANDSCAPES.values())), seed=YEAR)
    names = sorted(set(covers.ravel()) - {""})
    encoder = PixelEncoder()
    took: dict[str, list[float]] = {"words": [], "fitted": []}
    words = label_set_from_words(encoder.model, encoder.processor, names)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept"
        # Several lands side by side: one alone takes less than a run's start.
        wide = xr.concat([land.assign_coords(x=land.x + step * RELABELLED * 10) for step in range(TILES)], dim="x")
        MapRun(wide, kept, words, options=MapOptions(embeddings="float16")).execute(progress=False)
        mapped = stored_embeddings(kept).compute()
        embeds = torch.from_numpy(mapped["embeddings"].values[:, : covers.shape[1]].astype(np.float32))
        rows = np.random.default_rng(0).choice(covers.size, 50 * len(names), replace=False)
        rows = rows[embeds.flatten(0, 1)[rows].isfinite().all(dim=1).numpy() & (covers.ravel()[rows] != "")]
        truth = np.asarray([names.index(cover) for cover in covers.ravel()[rows]])
        fitted = fit_label_set(torch.nn.functional.normalize(embeds.flatten(0, 1)[rows]), truth, words).label_set
        for turn in range(TURNS + 1):
            for kind, labels in (("words", words), ("fitted", fitted))[:: 1 if turn % 2 else -1]:
                begun = time.process_time()
                MapRun(stored_embeddings(kept), Path(folder) / f"{kind} {turn}", labels).execute(progress=False)
                took[kind].append(time.process_time() - begun)
    ratios = np.divide(took["fitted"], took["words"])[1:]  # the first turn warms up
    claim = "processor time of --relabel with a fitted set over that with words, median of paired turns"
    note = f"{TURNS} turns, {ratios.min():.2f} to {ratios.max():.2f}; {wide.sizes['y'] * wide.sizes['x']:,} pixels"
    ledger.add(claim, round(float(np.median(ratios)), 2), "<=", 1.15, note)


PARTS: dict[str, Callable[[Ledger], None]] = {
    "shots": shots,
    "mixed": mixed,
    "size": size,
    "suggest": examples_suggest.suggest,
    "page": examples_page.page,
    "kills": examples_commands.kills,
    "relabel": relabel,
}

if __name__ == "__main__":
    run_parts("examples", PARTS)
