"""Caption simulated ground photos, in varied plain words.

A caption is a name of the cover (table `classes`), alone or in a frame (table `captions`), now and then with its state
on the day. Bare names are frequent, so that a text tower trained on the captions depends little on the template.
"""

import re

import numpy as np
import numpy.typing as npt

from .classes import CLASS_NAMES, SIMULATED_CLASSES
from .photos.canvas import VisitState
from .reading import read_table

# Share of captions that are a name alone, and that name the cover's state on the day, where there is something to say.
BARE_SHARE, STATE_SHARE = 0.4, 0.25
# Shares of plain names, other names and group words.
NAME_SHARES = (0.6, 0.24, 0.16)

_TABLE = read_table("captions")
FRAMES: tuple[str, ...] = tuple(_TABLE["frames"])
FIELD_FRAMES: tuple[str, ...] = tuple(_TABLE["field_frames"])
STATE_FRAMES: dict[str, tuple[str, ...]] = {state: tuple(frames) for state, frames in _TABLE["state_frames"].items()}
_COVERS = {cover.name: cover for cover in SIMULATED_CLASSES}


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.random() * len(options))]


def _state_key(state: VisitState, is_crop: bool) -> str | None:
    """Name what is most striking about the day; none where nothing is."""
    if state.snow > 0.4:
        return "snow"
    if is_crop and state.stubble > 0.4 and state.green < 0.2:
        return "stubble"
    if state.flower > 0.3:
        return "flower" if is_crop else "bloom"
    if state.green + state.dry < (0.08 if is_crop else 0.15):
        return "bare" if is_crop else "leafless"
    if state.dry > max(state.green, 0.3):
        return "ripe" if is_crop else "autumn"
    if is_crop:
        return "young" if state.green < 0.45 else "tall"
    return "lush" if state.green > 0.65 else None


def caption(cover: str, state: VisitState, rng: np.random.Generator) -> str:
    """Caption one photo in lower-case words.

    Args:
        cover: a name from `classes.CLASS_NAMES`.
        state: of the cover on the day.
        rng: source of every random choice.

    Raises:
        ValueError: for a cover that the simulator does not know.
    """
    if cover not in _COVERS:
        raise ValueError(f"cover must be one of classes.CLASS_NAMES, got {cover!r}")
    names = _COVERS[cover]
    kind, frame = rng.random(2).tolist()
    if kind >= NAME_SHARES[0] + NAME_SHARES[1]:
        return _framed(_pick(names.group, rng), FRAMES, frame, rng)
    name = _pick(names.plain if kind < NAME_SHARES[0] else names.other, rng)
    if frame > 1 - STATE_SHARE:
        key = _state_key(state, names.is_crop)
        if key is not None and (not names.seasonless or key == "snow"):
            return _pick(STATE_FRAMES[key], rng).format(name)
    return _framed(name, FRAMES + FIELD_FRAMES if names.is_crop else FRAMES, frame, rng)


def _framed(name: str, frames: tuple[str, ...], chance: float, rng: np.random.Generator) -> str:
    return name if chance < BARE_SHARE else _pick(frames, rng).format(name)


def write_captions(
    class_index: npt.ArrayLike, states: npt.NDArray[np.float32], *, seed: int, first: int = 0
) -> list[list[str]]:
    """Caption every visit of many points.

    Args:
        class_index: (N,) indices into `classes.CLASS_NAMES`.
        states: (N, visits, 9), from `photos.drawing.visit_states`.
        seed: of the captions; a point's captions depend on it and on the point's number only.
        first: number of the first point, so that a long run can be split and give the same captions.

    Returns:
        A list of captions for each point, one for each visit.
    """
    texts = []
    for row, index in enumerate(np.asarray(class_index, dtype=np.int64).tolist()):
        rng = np.random.default_rng((seed, first + row))
        visits = [VisitState(*visit) for visit in states[row].tolist()]
        texts.append([caption(CLASS_NAMES[index], visit, rng) for visit in visits])
    return texts


def caption_vocabulary() -> list[str]:
    """List every word that a caption can hold, in lower case, sorted."""
    names = (kind for cover in SIMULATED_CLASSES for kind in (cover.plain, cover.other, cover.group))
    texts = [text for group in (FRAMES, FIELD_FRAMES, *STATE_FRAMES.values(), *names) for text in group]
    return sorted({word for text in texts for word in re.findall(r"[a-z0-9]+", text.lower())})
