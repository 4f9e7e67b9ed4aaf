"""Match examples with classes: which of them count, as which class, and what is said of the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from ..data.sources.spellings import list_names
from .examples import Examples

UNLABELLED = "without a label"
OF_NO_CLASS = "of no class"
EMPTY = "without a clear observation"
REPEATED = "the same series again"
AMBIGUOUS = "a series with several labels"


class Matched(NamedTuple):
    """Hold the examples that count.

    Attributes:
        rows: numbers of the examples (matched,).
        truth: index of the class of each (matched,).
        left_out: how many others there are, by reason.
        notes: sentences about them.
    """

    rows: np.ndarray
    truth: np.ndarray
    left_out: dict[str, int]
    notes: list[str]


def match_examples(examples: Examples, labels: Sequence[str]) -> Matched:
    """Find the class of each example, and leave out those of none.

    Capitals, spaces and underscores do not tell names apart, unless two classes differ by them alone.

    Args:
        examples: to match.
        labels: names of the classes.

    Raises:
        ValueError: no example is of any class.
    """
    names, left_out = Counter(examples.labels), dict(examples.left_out)
    class_of = _classes_of(names, labels)
    strange = {name: count for name, count in names.items() if name and name not in class_of}
    if not class_of:
        told = f"their labels are {list_names(strange)}" if strange else "their labels are empty"
        raise ValueError(
            f"None of the {len(examples)} examples is of one of the classes {list_names(labels)}: {told}. Name classes "
            "as the examples do; phrases of their own describe a class in other words (JSON of "
            '{"label": ["phrase", ...]}).'
        )
    _count(left_out, UNLABELLED, names[""])
    _count(left_out, OF_NO_CLASS, sum(strange.values()))
    truth = np.asarray([class_of.get(name, -1) for name in examples.labels])
    rows = np.flatnonzero(truth >= 0)
    return Matched(rows, truth[rows], left_out, [_strange_note(strange, labels)] if strange else [])


def keep_distinct(examples: Examples, matched: Matched, observed: np.ndarray, labels: Sequence[str]) -> Matched:
    """Leave out series without an observation, and all but one of those that are the same.

    Args:
        examples: that were matched.
        matched: from [`match_examples`].
        observed: bool (matched,), whether anything was observed.
        labels: names of the classes.

    Raises:
        ValueError: the examples that are left are of fewer than two classes.
    """
    left_out = dict(matched.left_out)
    _count(left_out, EMPTY, int(np.count_nonzero(~observed)))
    rows, truth = matched.rows[observed], matched.truth[observed]
    same: dict[Any, list[int]] = {}
    for number, row in enumerate(rows.tolist()):
        same.setdefault(_content(examples.series[row]), []).append(number)
    agreeing = [numbers for numbers in same.values() if len(set(truth[numbers].tolist())) == 1]
    kept = np.asarray(sorted(numbers[0] for numbers in agreeing), dtype=np.int64)
    _count(left_out, REPEATED, sum(map(len, agreeing)) - len(agreeing))
    _count(left_out, AMBIGUOUS, len(rows) - sum(map(len, agreeing)))
    counts = np.bincount(truth[kept], minlength=len(labels))
    if np.count_nonzero(counts) < 2:
        of = f"all {len(kept)} of the class {labels[int(counts.argmax())]!r}" if len(kept) else "none"
        others = f" ({describe_left_out(left_out)} were left out)" if left_out else ""
        raise ValueError(f"The examples that can be used are {of}{others}: give examples of two classes at least.")
    notes = list(matched.notes)
    if lacking := [label for label, count in zip(labels, counts, strict=True) if not count]:
        stay = f"{list_names(lacking)} {'has' if len(lacking) == 1 else 'have'} no example, and"
        notes.append(f"{stay} {'stays' if len(lacking) == 1 else 'stay'} as the words describe.")
    return Matched(rows[kept], truth[kept], left_out, notes)


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """List how many examples were left out for which reason."""
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())


def _classes_of(names: Mapping[str, int], labels: Sequence[str]) -> dict[str, int]:
    """Return the class of each name that is of one."""
    exact = {label: index for index, label in enumerate(labels)}
    compact = Counter(map(_compact, labels))
    loose = {_compact(label): index for label, index in exact.items() if compact[_compact(label)] == 1}
    classes = {name: exact.get(name, loose.get(_compact(name), -1)) for name in names if name}
    return {name: index for name, index in classes.items() if index >= 0}


def _compact(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _strange_note(strange: Mapping[str, int], labels: Sequence[str]) -> str:
    """Say which labels are no class, and what to do."""
    common = sorted(strange, key=lambda name: -strange[name])
    near = next(((name, match[0]) for name in common if (match := get_close_matches(name, labels, n=1))), None)
    hint = f" ({near[0]!r} is nearest to {near[1]!r})" if near else ""
    count = sum(strange.values())
    listed = list_names([f"{name} ({strange[name]:,})" for name in common])
    return (
        f"{count:,} example{' is' if count == 1 else 's are'} left out, whose labels are none of the classes: "
        f"{listed}{hint}; to keep them add these names to the labels, in JSON with phrases that describe them "
        '({"name": ["phrase", ...]}).'
    )


def _content(item: Any) -> Any:
    """Return what two series have alike that are the same."""
    if isinstance(item, Mapping):
        return tuple((name, _content(item[name])) for name in sorted(item))
    values = np.asarray(item)
    return str(values.tolist()) if values.dtype.hasobject else values.tobytes()


def _count(counts: dict[str, int], reason: str, number: int) -> None:
    if number:
        counts[reason] = counts.get(reason, 0) + number
