"""Give each class the colour of what its words mean, the same in every map as far as readers can tell it apart.

The table `colours.json` holds the words, their colours and where these come from. Where two classes of one map would
get colours that some readers cannot tell apart, one moves within its family of colours, and says so: the twelve core
colours of the table stay, of others the earlier.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...files import first_line, read_json
from .colour_distances import seen, smallest_distances

# CIEDE2000 below which two classes are not told apart at a glance on a map, by the worst of four kinds of vision: 10,
# and what another hand's white point and rounding may take away.
LEAST_DISTANCE = 10.5
# So many colours can be held that far apart from each other; among more, a class rather stays near its family.
FEW_CLASSES = 12
# Of many classes: what is closer than this cannot be told apart, so that another family is better.
CLOSEST = 4.0
NO_DATA_COLOUR, UNCERTAIN_COLOUR = (255, 255, 255), (160, 160, 160)
# In the table, a label's words count up to the first of these: "houses among trees" are houses.
_JOINTS = re.compile(
    r"[,;:()/&|]|\b(?:with|without|of|in|on|by|at|for|from|and|or|near|among|amongst|between|under|over|along|not|no"
    r"|including|dominated|covered|surrounded|than|after|before)\b"
)
# Steps of sRGB between the colours that a class may move to.
_STEPS = np.linspace(0, 255, 14).round()
Colour = tuple[int, int, int]


class ClassColour(NamedTuple):
    """Hold the colour of a class, and the class to whose colour its own would be too close (else "")."""

    colour: Colour
    moved_from: str = ""


class _Meaning(NamedTuple):
    """Hold what the table says of a label: its colour, its family, how special the word is, whether it keeps it."""

    colour: Colour
    family: str
    level: int
    is_core: bool = False


def class_colours(labels: Sequence[str], chosen: Mapping[str, str] | None = None) -> list[ClassColour]:
    """Return a colour for each label, all different but for those that are chosen.

    A label has the colour of what its words mean, whatever the other labels are. Where it would come closer than
    `LEAST_DISTANCE` (CIEDE2000, for the least favourable of normal vision and three deficiencies) to one that is
    chosen, one of the twelve core colours or an earlier one, it takes the nearest colour of its family that does not;
    of at most `FEW_CLASSES` classes, the nearest of all.

    Args:
        labels: names of the classes.
        chosen: colours by label, "#rrggbb", which are taken as they are and which the others keep away from.
    """
    return list(_assign(tuple(labels), tuple((chosen or {}).items())))


@lru_cache(64)
def _assign(labels: tuple[str, ...], chosen: tuple[tuple[str, str], ...]) -> tuple[ClassColour, ...]:
    fixed: dict[str, Colour] = {label: from_hex(text) for label, text in chosen}
    meanings = [_Meaning(fixed[label], "", 0) if label in fixed else meaning_of(label) for label in labels]
    bases = seen(np.asarray([meaning.colour for meaning in meanings], dtype=np.float64).reshape(-1, 3))
    order = sorted(range(len(labels)), key=lambda index: (labels[index] not in fixed, not meanings[index].is_core))
    assigned: dict[int, ClassColour] = {}
    from_bases = smallest_distances(_candidates()[1], bases)
    apart = np.full(len(_candidates()[0]), np.inf)  # of each candidate from the nearest colour assigned so far
    taken = seen(np.asarray([NO_DATA_COLOUR, UNCERTAIN_COLOUR], dtype=np.float64))
    owners = ["no data", "uncertain"]
    for number, index in enumerate(order):
        meaning, base = meanings[index], bases[:, index : index + 1]
        distances = smallest_distances(base, taken)[0]
        if labels[index] in fixed or distances.min() >= LEAST_DISTANCE:
            assigned[index] = ClassColour(meaning.colour)
        else:
            ahead = from_bases[:, order[number + 1 :]].min(axis=1, initial=np.inf)
            colour = _moved(meaning.family, from_bases[:, index], apart, ahead, len(labels) <= FEW_CLASSES)
            assigned[index] = ClassColour(colour, owners[int(distances.argmin())])
        mine = seen(np.asarray([assigned[index].colour], dtype=np.float64))
        apart = np.minimum(apart, smallest_distances(_candidates()[1], mine)[:, 0])
        taken, owners = np.concatenate([taken, mine], axis=1), [*owners, labels[index]]
    return tuple(assigned[index] for index in range(len(labels)))


def _moved(name: str, near: np.ndarray, apart: np.ndarray, ahead: np.ndarray, few: bool) -> Colour:
    """Choose among all candidates where a class moves to.

    Args:
        name: of its family.
        near: how far each candidate is from the class's own colour.
        apart: from the nearest colour already given.
        ahead: from the nearest colour of a class still to come, which had better not move too.
        few: leave the family rather than come too close.
    """
    colours, family, free = _candidates()[0], _family_mask(name), apart >= LEAST_DISTANCE
    for possible in (family & free & (ahead >= LEAST_DISTANCE), family & free, free if few else np.zeros_like(free)):
        if possible.any():
            return _as_colour(colours[np.flatnonzero(possible)[near[possible].argmin()]])
    widest = np.where(family, apart, -1.0)
    return _as_colour(colours[int((widest if widest.max() >= CLOSEST else apart).argmax())])


def meaning_of(label: str) -> _Meaning:
    """Return what the table says of a label; for words that it has not, a violet by the label's own letters."""
    parts = [_words_of(part) for part in _JOINTS.split(label.casefold().replace("-", " ").replace("_", " "))]
    matches = [best for part in parts if (best := _best_match(part)) is not None]
    strong = [match for match in matches if match.level] or matches
    if strong:
        first = strong[0]
        # "woodland of spruce" is spruce, "fields of maize" is maize; "houses among spruces" stays houses.
        special = next(
            (each for each in matches if each.family == first.family and each.level > max(first.level, 1)), None
        )
        return first if first.level > 1 or special is None else special
    others = np.flatnonzero(_family_mask("other"))
    return _Meaning(_as_colour(_candidates()[0][others[zlib.crc32(label.encode()) % len(others)]]), "other", 0)


def read_colours(path: str | PathLike[str]) -> dict[str, str]:
    """Read colours of classes from JSON, `{"label": "#rrggbb"}`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds something else; the sentence says what.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No such file of colours: {path}.")
    wanted = 'write {"maize": "#eab500", ...}'
    try:
        read: Any = read_json(path)
    except ValueError as error:  # also what is no text
        raise ValueError(f"{path.name} is no JSON of colours ({first_line(error)}): {wanted}.") from None
    if not isinstance(read, dict) or not read:
        raise ValueError(f"{path.name} holds no colours by label: {wanted}.")
    return check_colours(read, path.name)


def check_colours(colours: Mapping[str, Any], name: str = "`colours`") -> dict[str, str]:
    """Return colours by label, lower case; raise a ValueError for what is none, which names where it stands."""
    for label, text in colours.items():
        if not isinstance(text, str) or not re.fullmatch("#[0-9A-Fa-f]{6}", text):
            raise ValueError(
                f'{name}: the colour of {label!r} must be written as "#rrggbb", such as "#2f6fb5", got {text!r}.'
            )
    return {label: text.lower() for label, text in colours.items()}


def from_hex(text: str) -> Colour:
    """Return red, green and blue of "#rrggbb"."""
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


@cache
def core_colours() -> dict[str, Colour]:
    """Return the twelve colours of the table that all readers tell apart, by the first word of each."""
    return {entry["words"][0]: from_hex(entry["colour"]) for entry in _table()["colours"] if entry.get("core")}


@cache
def _table() -> Any:
    return read_json(Path(__file__).with_name("colours.json"))


@cache
def _phrases() -> dict[tuple[str, ...], _Meaning]:
    meanings = {}
    for entry in _table()["colours"]:
        meaning = _Meaning(from_hex(entry["colour"]), entry["family"], entry["level"], entry.get("core", False))
        meanings.update({tuple(words.split()): meaning for words in entry["words"]})
    return meanings


def _words_of(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _best_match(words: list[str]) -> _Meaning | None:
    """Find the match of the highest level, then of most words, then the last: English puts the thing itself there."""
    best, phrases = None, _phrases()
    for length in (4, 3, 2, 1):
        for start in range(len(words) - length + 1):
            meaning = next((phrases[key] for key in _spellings(words[start : start + length]) if key in phrases), None)
            if meaning is not None and (best is None or (meaning.level, length, start) > best[0]):
                best = (meaning.level, length, start), meaning
    return None if best is None else best[1]


def _spellings(words: list[str]) -> list[tuple[str, ...]]:
    """List words as they stand, then with the last in the singular."""
    *before, last = words
    ends = (("ies", "y"), ("es", ""), ("s", ""), ("ves", "f"))
    singulars = [last.removesuffix(end) + instead for end, instead in ends if last.endswith(end)]
    return [(*before, word) for word in (last, *singulars)]


@cache
def _candidates() -> tuple[np.ndarray, np.ndarray]:
    """Return colours (n, 3) that a class may move to, none like no data or uncertain, and how they are seen."""
    colours = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS, indexing="ij"), axis=-1).reshape(-1, 3)
    views = seen(colours)
    kept = smallest_distances(views, seen(np.asarray([NO_DATA_COLOUR, UNCERTAIN_COLOUR]))).min(axis=1)
    return colours[kept >= LEAST_DISTANCE], views[:, kept >= LEAST_DISTANCE]


@cache
def _family_mask(name: str) -> np.ndarray:
    """Tell which candidates are of a family."""
    family = _table()["families"][name]
    light, a, b = np.moveaxis(_candidates()[1][0], -1, 0)
    hue, chroma = np.degrees(np.arctan2(b, a)), np.hypot(a, b)
    inside = (hue - family["hue"][0]) % 360 <= family["hue"][1] - family["hue"][0]
    for values, name in ((chroma, "chroma"), (light, "lightness")):
        inside &= (family[name][0] <= values) & (values <= family[name][1])
    return np.asarray(inside)


def _as_colour(numbers: np.ndarray) -> Colour:
    red, green, blue = (int(number) for number in numbers)
    return red, green, blue
