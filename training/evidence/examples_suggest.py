"""Measure how much more pixels that `timesenclip suggest` chooses teach than as many drawn at random."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from timesenclip_hf.app.example_cubes import simulate_land
from timesenclip_hf.classification import PixelEncoder
from timesenclip_hf.evaluation.metrics import balanced_accuracy
from timesenclip_hf.evaluation.protocol import EvaluationSet
from timesenclip_hf.labelling.blocks import blocks_of
from timesenclip_hf.labelling.fitting import fit_label_set
from timesenclip_hf.labelling.suggesting import choose_places, suggest_places
from timesenclip_hf.maps import MapOptions, MapRun, open_map
from timesenclip_hf.models.timesenclip.encoding_timesenclip import encode
from timesenclip_hf.models.timesenclip.label_set_timesenclip import LabelSet, label_set_from_words
from training.evidence.claims import Ledger, run_parts
from training.real_sets import real_data_folder, real_sets

MAPS = 10
EXAMPLES = (5, 10)  # a class: so many times the number of classes are chosen on a map, whatever they turn out to be
# Draws at random for each map, or from each real set.
DRAWS = 3
REAL_DRAWS = 10
# Fewer pixels of a class than this say little about its recall, and to draw from fewer is no draw.
FEWEST = 20
COVERS = (
    *("wheat", "barley", "maize", "potatoes", "sunflower", "rapeseed", "grassland", "temporary grassland"),
    *("broadleaved woodland", "pine woodland"),
)
# What the land of a map is like: fields in 64 x 64 pixels, beside a lake and a town, and from each cover to the next
# the factor of its share.
LANDS = {"fields of some 10 pixels, equal shares": (400, 1.0), "fields of some 30 pixels, unequal shares": (120, 0.7)}


class Candidates(NamedTuple):
    """Hold pixels of which some are to be labelled: unit embeddings, class, row and column, number of a block."""

    embeds: torch.Tensor
    truth: np.ndarray
    yx: np.ndarray
    groups: np.ndarray | None
    words: LabelSet

    def score(self, chosen: np.ndarray) -> float:
        """Fit to the chosen pixels; return the balanced accuracy on all others."""
        fitted = fit_label_set(
            self.embeds[chosen], self.truth[chosen], self.words, None if self.groups is None else self.groups[chosen]
        ).label_set
        rest = np.setdiff1d(np.arange(len(self.truth)), chosen)
        named = fitted.logits(self.embeds[rest]).argmax(dim=1).numpy()
        return float(balanced_accuracy(named, self.truth[rest], len(self.words.labels)))

    def probabilities(self) -> np.ndarray:
        """Return what the words say of each."""
        return np.asarray(self.words.logits(self.embeds).softmax(dim=1), dtype=np.float64)


Rule = Callable[[Candidates, int, int], np.ndarray]


def at_random(candidates: Candidates, count: int, seed: int) -> np.ndarray:
    """Draw pixels, all alike."""
    return np.random.default_rng(seed).choice(len(candidates.truth), count, replace=False)


def least_margins(candidates: Candidates, count: int, seed: int) -> np.ndarray:
    """Take the pixels whose two likeliest classes are nearest to each other."""
    best = np.sort(candidates.probabilities(), axis=1)
    return np.argsort(best[:, -1] - best[:, -2], kind="stable")[:count]


def without_doubt(candidates: Candidates, count: int, seed: int) -> np.ndarray:
    """Take the middle pixels of clusters in which all pixels weigh alike."""
    return choose_places(candidates.embeds.numpy(), np.ones(len(candidates.truth)), candidates.yx, count, seed=seed)[0]


def as_suggested(candidates: Candidates, count: int, seed: int) -> np.ndarray:
    """Take what [`suggest_places`] takes on a map."""
    probabilities = candidates.probabilities()
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
    return choose_places(candidates.embeds.numpy(), entropy, candidates.yx, count, seed=seed)[0]


OTHERS: Mapping[str, Rule] = {"least margins": least_margins, "clusters without doubt": without_doubt}


def suggest(ledger: Ledger) -> None:
    """Fit to places that are suggested and to places at random, on simulated maps and real sets."""
    encoder = PixelEncoder()
    for land, (fields, factor) in LANDS.items():
        scores: dict[tuple[str, int], list[float]] = {}
        for number in range(MAPS):
            for name, count, score in _on_a_map(encoder, fields, factor, number):
                scores.setdefault((name, count), []).append(score)
        for count in EXAMPLES:
            gain = 100 * (np.mean(scores["suggested", count]) - np.mean(scores["at random", count]))
            note = f"mean of {MAPS} maps of {fields} fields in 64 x 64 pixels: {_means(scores, count)}"
            claim = f"points of balanced accuracy that suggested places gain over random ones, {count} a class, {land}"
            ledger.add(claim, round(float(gain), 1), ">=", 2, note)
    _on_real_sets(ledger, encoder)


def _means(scores: Mapping[tuple[str, int], list[float]], count: int) -> str:
    """Write the mean score of each rule, and of the words."""
    means = {name: np.mean(values) for (name, number), values in scores.items() if number == count}
    return ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())


def _on_a_map(encoder: PixelEncoder, fields: int, factor: float, number: int) -> Iterator[tuple[str, int, float]]:
    """Map a simulated land by the run that the command makes; score each rule."""
    shares = np.random.default_rng(number).permutation(factor ** np.arange(len(COVERS)))
    cube, covers = simulate_land(dict(zip(COVERS, shares.tolist(), strict=True)), seed=number, fields=fields)
    labels = [*COVERS, "lake", "buildings"]
    words = label_set_from_words(encoder.model, encoder.processor, labels)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "map.run"
        MapRun(cube, run, words, options=MapOptions(embeddings="float16")).execute(progress=False)
        mapped = open_map(run).compute()
        seen = mapped["class"].values > 0
        index = np.cumsum(seen).reshape(seen.shape) - 1
        embeds = torch.nn.functional.normalize(torch.from_numpy(mapped["embeddings"].values[seen].astype(np.float32)))
        truth = np.asarray([labels.index(cover) for cover in covers[seen]])
        # A degree is 111 km: blocks of land are as `timesenclip fit` cuts them, wherever the map lies.
        y, x = np.meshgrid(mapped["y"].values, mapped["x"].values, indexing="ij")
        groups = blocks_of((x[seen] - x.min()) / 111_000, (y[seen] - y.min()) / 111_000)
        candidates = Candidates(embeds, truth, np.argwhere(seen), groups, words)
        for count in EXAMPLES:
            wanted = count * len(labels)
            places = suggest_places(run, wanted, labels=words, seed=number)
            rows_and_columns = [[int(part.split()[1]) for part in each.pixel.split(", ")] for each in places]
            chosen = np.asarray([index[row, column] for row, column in rows_and_columns])
            yield "suggested", count, candidates.score(chosen)
            drawn = [candidates.score(at_random(candidates, wanted, seed)) for seed in range(DRAWS)]
            yield "at random", count, float(np.mean(drawn))
            for name, rule in OTHERS.items():
                yield name, count, candidates.score(rule(candidates, wanted, number))
            named = candidates.probabilities().argmax(axis=1)
            yield "words alone", count, float(balanced_accuracy(named, truth, len(labels)))


def _on_real_sets(ledger: Ledger, encoder: PixelEncoder) -> None:
    """Score what is suggested and what is drawn on real pixels; those without a grid lie nowhere."""
    claim = "real sets on which suggested places teach more than random ones, by the mean of 5 and 10 a class"
    try:
        folder = real_data_folder()
    except FileNotFoundError as absent:
        ledger.skip(claim, ">=", 1, str(absent))
        return
    gains, notes = [], []
    for each in real_sets(folder):
        for name, candidates in _tasks(encoder, each):
            parts = []
            for count in EXAMPLES:
                wanted = count * len(candidates.words.labels)
                if wanted > len(candidates.truth) / 2:
                    continue
                rules = (as_suggested, at_random)
                means = [
                    float(np.mean([candidates.score(rule(candidates, wanted, seed)) for seed in range(REAL_DRAWS)]))
                    for rule in rules
                ]
                parts.append((count, *means))
            if parts:
                gains.append(float(np.mean([mine - other for _, mine, other in parts])))
                texts = [f"{count} a class {mine:.3f} against {other:.3f}" for count, mine, other in parts]
                notes.append(f"{name}: {', '.join(texts)}")
    ledger.add(claim, sum(gain > 0 for gain in gains), ">=", len(gains) // 2 + 1, "; ".join(notes))


def _tasks(encoder: PixelEncoder, each: EvaluationSet) -> Iterator[tuple[str, Candidates]]:
    """Embed a set; give each of its tasks with at least two classes of pixels enough, by these classes alone."""
    samples = each.samples
    features = samples.features(encoder.processor.feature_extractor)
    seen = np.asarray(features["series_mask"].any(dim=1))
    embeds = torch.zeros(len(samples), encoder.model.config.projection_dim)
    observed = {name: values[torch.from_numpy(seen)] for name, values in features.items()}
    embeds[torch.from_numpy(seen)] = encode(encoder.model, observed)
    groups = None
    yx = np.zeros((len(samples), 2))
    if samples.longitude is not None and samples.latitude is not None and not np.isnan(samples.longitude).any():
        groups = blocks_of(samples.longitude, samples.latitude)
        yx = np.stack([samples.latitude, samples.longitude], axis=1)
    for task in each.tasks:
        truth = task.truth(samples)
        counts = np.bincount(truth[seen & (truth >= 0)], minlength=len(task.labels))
        kept = np.flatnonzero(counts >= FEWEST)
        if len(kept) < 2:
            continue
        rows = np.flatnonzero(seen & np.isin(truth, kept))
        phrases = {task.labels[index]: list(task.taxonomy.prompts[task.labels[index]]) for index in kept}
        words = label_set_from_words(encoder.model, encoder.processor, phrases)
        part = None if groups is None else groups[rows]
        yield (
            f"{samples.name}, {task.name}",
            Candidates(embeds[rows], np.searchsorted(kept, truth[rows]), yx[rows], part, words),
        )


PARTS = {"suggest": suggest}

if __name__ == "__main__":
    run_parts("examples_suggest", PARTS)
