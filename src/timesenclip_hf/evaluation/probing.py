"""Find how few labels a frozen encoder needs: classifiers on its embeddings against those on the raw series.

Every method gets the same training samples and is judged on the same others. Shots are drawn several times. Where the
coordinates are known, training and test samples lie in different blocks of land.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ..data.splits import blocked_split, random_split, split_rows
from ..extras import needs_extra
from ..labelling.fitting import fit_label_set
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.label_set_timesenclip import LabelSet
from .entries import short_report
from .metrics import ArrayLike, as_array, as_labels, macro_f1

with needs_extra("eval"):
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

ALL = "all"
SHOTS = (1, 5, 10, 50, ALL)
# On embeddings, the second and third beside what the words say, the third with monthly values; and on the raw series.
ON_WORDS = ("fitted_words", "fitted_words_and_values")
ON_SERIES = ("boosting", "forest", "logistic")
METHODS = ("knn", "linear_probe", *ON_WORDS, *ON_SERIES)
# At most; fewer where the classes have fewer training samples.
NEIGHBOURS = 5
FOLDS = 5
# Inverse strengths of the L2 penalty, for embeddings of length 1; the middle one where there is nothing to choose by.
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1_000.0)
TREES = 300


def split_rows_by_place(
    point_ids: Sequence[str],
    longitude: np.ndarray | None = None,
    latitude: np.ndarray | None = None,
    *,
    block_km: float = 50.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into half to fit on and half to judge on, whole blocks of land to one or the other.

    The rows of a point stay together. Without coordinates, WGS84 degrees, the split is random; a ValueError says that
    there are too few blocks.
    """
    shares = {"fit": 0.5, "judge": 0.5}
    if longitude is None or latitude is None:
        splits = random_split(point_ids, shares, seed=seed)
    else:
        splits = blocked_split(point_ids, longitude, latitude, shares, block_km=block_km, seed=seed)
    rows = split_rows(splits, point_ids)
    return rows["fit"], rows["judge"]


@dataclass(frozen=True)
class Ladder:
    """Say how labelled samples are drawn, several times, and what is trained on them.

    Shots are samples a class, or "all", drawn once; a class that has fewer gives what it has, and a number that no
    class has is left out. Methods are "knn" (cosine), "linear_probe" (logistic regression whose penalty is chosen by
    cross-validation inside the shots), "fitted_words" and "fitted_words_and_values" ([`fit_label_set`], the latter for
    series of twelve months), and, on the series, "boosting" (of decision trees), "forest" (random) and "logistic"
    (regression of standardised values). The last two are as a user would take them, with scikit-learn's settings but
    for 300 trees, and all of them let classes weigh alike.
    """

    shots: Sequence[int | str] = SHOTS
    methods: Sequence[str] = METHODS
    draws: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = next((step for step in self.shots if step != ALL and (isinstance(step, str) or step < 1)), None)
        if wrong is not None or not len(self.shots):
            raise ValueError(f'`shots` must be numbers from 1 on or "{ALL}", got {wrong}.')
        if unknown := [method for method in self.methods if method not in METHODS]:
            raise ValueError(f"`methods` must be of {', '.join(METHODS)}, got {unknown[0]!r}.")
        if self.draws < 1:
            raise ValueError(f"`draws` must be at least 1, got {self.draws}.")

    def draw(self, classes: np.ndarray) -> Iterator[tuple[int | str, list[np.ndarray]]]:
        """Draw the rows of each number of shots; in one draw the larger sets hold the smaller ones."""
        ranks = [_rank_in_class(classes, np.random.default_rng([self.seed, draw])) for draw in range(self.draws)]
        most = int(np.bincount(classes).max())
        for step in self.shots:
            if step == ALL:
                yield step, [np.arange(len(classes))]
            elif int(step) <= most:
                yield step, [np.flatnonzero(rank < int(step)) for rank in ranks]


class Words(NamedTuple):
    """Hold what the rungs with words know besides the examples.

    Attributes:
        label_set: of words, its classes in the order of the labels.
        blocks: block of land of each sample (samples,), to cross-validate over; None where places are not known.
    """

    label_set: LabelSet
    blocks: np.ndarray | None = None


def few_shot_ladder(
    embeds: ArrayLike,
    series: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str],
    halves: tuple[np.ndarray, np.ndarray],
    ladder: Ladder = Ladder(),
    *,
    zero_shot: ArrayLike | None = None,
    words: Words | None = None,
) -> list[dict[str, Any]]:
    """Train each method on a growing number of labelled samples.

    Unit embeddings of the frozen encoder (samples, projection_dim) are probed; the methods of `ON_SERIES` read the
    series (samples, ...), NaN where missing. Labels are class indices, -1 where not known. Shots are drawn from the
    rows of the first half; the second half judges them, and what the model answers without any label, class indices.
    Without words the methods of `ON_WORDS` are left out, as is the second where the series are not of twelve months.

    Returns:
        An entry a method and number of shots: `method`, `shots` (0 for "zero_shot"), `draws`, `train_samples`,
        `fewest_shots` of a class, `samples` judged, `left_out` classes of the test rows that have no training sample,
        and `metrics`: `accuracy`, `balanced_accuracy` and `macro_f1`, each the mean over the draws as `value` and their
        standard deviation as `spread` (None for one draw).

    Raises:
        ValueError: rows are in both halves, fewer than two classes can be trained, or nothing is left to judge.
    """
    vectors, raw, classes = as_array(embeds), as_array(series), as_array(labels)
    if vectors.ndim != 2 or len(vectors) != len(raw):
        raise ValueError(
            f"Give an embedding (samples, projection_dim) and a series of each sample, got {vectors.shape} and "
            f"{raw.shape}."
        )
    as_labels(classes + 1, len(class_names) + 1, name="labels", num_samples=len(vectors))
    train, test, left_out = _usable(classes, *halves)
    common = {"samples": len(test), "left_out": [class_names[index] for index in left_out]}
    entries: list[dict[str, Any]] = []

    def add(method: str, step: int | str, trained: list[np.ndarray], answers: list[np.ndarray]) -> None:
        counts = np.bincount(classes[trained[-1]])
        entry = {"method": method, "shots": step, "draws": len(answers), "train_samples": len(trained[-1])}
        fewest = {"fewest_shots": int(counts[counts > 0].min()) if len(counts) else 0}
        entries.append(entry | fewest | common | {"metrics": _judge(answers, classes[test], len(class_names))})

    if zero_shot is not None:
        answers = as_labels(zero_shot, len(class_names), name="zero_shot", num_samples=len(classes))
        add("zero_shot", 0, [train[:0]], [answers[test]])
    for method in ladder.methods:
        values = _values_for(method, vectors, raw, words)
        if values is None:
            continue
        for step, draws in ladder.draw(classes[train]):
            rows = [train[drawn] for drawn in draws]
            fitted = [
                _train(method, values, classes, drawn, ladder.seed + draw, words) for draw, drawn in enumerate(rows)
            ]
            add(method, step, rows, [model.predict(values[test]) for model in fitted])
    return entries


def _judge(answers: Sequence[np.ndarray], truth: np.ndarray, num_classes: int) -> dict[str, dict[str, float | None]]:
    """Average the figures of several draws."""
    draws = [
        short_report(answer, truth, num_classes) | {"macro_f1": macro_f1(answer, truth, num_classes)}
        for answer in answers
    ]
    columns = {name: [figures[name] for figures in draws] for name in draws[0]}
    return {
        name: {"value": float(np.mean(values)), "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None}
        for name, values in columns.items()
    }


def _values_for(method: str, vectors: np.ndarray, raw: np.ndarray, words: Words | None) -> np.ndarray | None:
    """Return what a method reads, (samples, values); None where it cannot be asked."""
    flat = raw.reshape(len(raw), -1)
    if method in ON_SERIES:
        return flat
    if method not in ON_WORDS:
        return vectors
    monthly = raw.ndim == 3 and raw.shape[1] == MONTHS_PER_YEAR
    if words is None or (method == ON_WORDS[1] and not monthly):
        return None
    return vectors if method == ON_WORDS[0] else np.hstack([vectors, flat])


@dataclass(frozen=True)
class _FittedWords:
    """Predict by a fitted label set from embeddings, with monthly values behind them where it reads these."""

    label_set: LabelSet

    def predict(self, values: np.ndarray) -> np.ndarray:
        width = self.label_set.class_embeds.shape[1]
        table = torch.from_numpy(values).float()
        logits = self.label_set.logits(table[:, :width], table[:, width:] if self.label_set.reads_values else None)
        return logits.argmax(dim=1).numpy()


def _train(
    method: str, values: np.ndarray, classes: np.ndarray, rows: np.ndarray, seed: int, words: Words | None
) -> Any:
    """Train a method on the values and classes of some rows."""
    if method not in ON_WORDS or words is None:
        return _fit(method, values[rows], classes[rows], seed)
    width = words.label_set.class_embeds.shape[1]
    vectors, monthly = np.split(values[rows], [width], axis=1)
    groups = None if words.blocks is None else words.blocks[rows]
    read = monthly if monthly.size else None
    return _FittedWords(fit_label_set(vectors, classes[rows], words.label_set, groups, values=read).label_set)


def _fit(method: str, values: np.ndarray, classes: np.ndarray, seed: int) -> Any:
    counts = np.bincount(classes)
    fewest = int(counts[counts > 0].min())
    if method == "knn":
        neighbours = KNeighborsClassifier(min(NEIGHBOURS, fewest), metric="cosine", algorithm="brute")
        return neighbours.fit(values, classes)
    if method == "linear_probe":
        return _fit_probe(values, classes, counts, seed)
    # scikit-learn fails on a column without a single value; a constant one is never cut.
    values = np.where(np.isnan(values).all(axis=0), 0, values)
    if method == "forest":
        return RandomForestClassifier(TREES, class_weight="balanced", random_state=seed).fit(values, classes)
    if method == "logistic":
        regression = LogisticRegression(class_weight="balanced", max_iter=1_000)
        return make_pipeline(SimpleImputer(), StandardScaler(), regression).fit(values, classes)
    # With leaves of scikit-learn's 20 samples a few shots leave no single cut. Of smaller ones the largest did best on
    # simulated points, as long as several fit into a tree.
    leaf = max(1, min(20, 2 * fewest, len(classes) // 4))
    boosting = HistGradientBoostingClassifier(
        min_samples_leaf=leaf, class_weight="balanced", early_stopping=False, random_state=seed
    )
    return boosting.fit(values, classes)


def _fit_probe(values: np.ndarray, classes: np.ndarray, counts: np.ndarray, seed: int) -> LogisticRegression:
    """Fit a probe for which classes weigh alike, as balanced accuracy has it and as zero-shot answers take them."""
    probe = LogisticRegression(C=STRENGTHS[len(STRENGTHS) // 2], class_weight="balanced", max_iter=1_000)
    several = np.flatnonzero(counts > 1)
    if len(several) > 1:
        folds = StratifiedKFold(min(FOLDS, int(counts[several].min())), shuffle=True, random_state=seed)
        rows = np.isin(classes, several)
        search = GridSearchCV(probe, {"C": STRENGTHS}, scoring="balanced_accuracy", cv=folds, refit=False)
        probe.set_params(**search.fit(values[rows], classes[rows]).best_params_)
    return probe.fit(values, classes)


def _usable(classes: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training rows and test rows of known class, and the classes that have test rows only."""
    both = np.intersect1d(train, test)
    if len(both):
        raise ValueError(f"Row {both[0]} is in `train` and in `test`: what was trained on cannot judge.")
    train, test = (rows[classes[rows] >= 0] for rows in (np.asarray(train), np.asarray(test)))
    trained = np.unique(classes[train])
    if len(trained) < 2:
        raise ValueError(f"The training rows have {len(trained)} known classes: at least two are needed.")
    left_out = np.setdiff1d(classes[test], trained)
    test = test[np.isin(classes[test], trained)]
    if not len(test):
        raise ValueError("No test row has a class that the training rows have: split again, or use smaller blocks.")
    return train, test, left_out


def _rank_in_class(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rank each row in a random order of its class; the first k of each class are its k shots."""
    order = rng.permutation(len(classes))
    ranks = np.empty(len(classes), dtype=np.int64)
    for label in np.unique(classes):
        rows = order[classes[order] == label]
        ranks[rows] = np.arange(len(rows))
    return ranks
