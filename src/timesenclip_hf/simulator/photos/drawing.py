"""Draw ground photos of simulated places with PIL: what a surveyor would see, small, and never a text label.

A photo shows the land cover in its state on the day (`VisitState`), under a random sky, from a random view
point. Fields that are alike in reality (bare soil, stubble, young cereals) are alike here too.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import fields
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from ..classes import CLASS_NAMES
from ..points import GroundState
from . import (
    bare_scenes,
    built_scenes,
    crop_scenes,
    grass_scenes,
    plantation_scenes,
    tree_scenes,
    treeless_scenes,
    tropical_scenes,
    water_scenes,
)
from .canvas import Canvas, VisitState
from .crop_plants import CROP_APPEARANCES

# Side of a photo in pixels, as the small CLIP reads it.
PHOTO_SIZE = 64
# Points drawn between two steps of the progress bar, and sent to a worker process at a time.
CHUNK = 256
STATE_NAMES: tuple[str, ...] = tuple(field.name for field in fields(VisitState))

# Of covers that are no arable crop: a module's function `draw_olive_grove` draws an olive grove.
_SCENES: dict[str, Callable[[Canvas], None]] = {
    name.removeprefix("draw_").replace("_", " "): draw
    for module in (
        *(bare_scenes, built_scenes, crop_scenes, grass_scenes, plantation_scenes),
        *(treeless_scenes, tree_scenes, tropical_scenes, water_scenes),
    )
    for name, draw in vars(module).items()
    if name.startswith("draw_")
}

Photos = npt.NDArray[np.uint8]


def draw_photo(cover: str, state: VisitState, rng: np.random.Generator, size: int = PHOTO_SIZE) -> Image.Image:
    """Draw one ground photo.

    Args:
        cover: a name from `classes.CLASS_NAMES`.
        state: of the cover on the day.
        rng: source of every random choice.
        size: side of the square photo in pixels.

    Raises:
        ValueError: for a cover that the simulator does not know.
    """
    if cover not in CLASS_NAMES:
        raise ValueError(f"cover must be one of classes.CLASS_NAMES, got {cover!r}")
    canvas = Canvas(state, rng, 2 * size)
    if cover in CROP_APPEARANCES:
        crop_scenes.draw_crop(canvas, cover)
    else:
        _SCENES[cover](canvas)
    return Image.fromarray(_develop(canvas, cover))


def _develop(canvas: Canvas, cover: str) -> Photos:
    """Shrink the drawing, lay snow on it, and add the day's light and the camera's noise."""
    rng, state = canvas.rng, canvas.state
    photo = np.asarray(canvas.image.reduce(2), dtype=np.float32)
    side = photo.shape[0]
    if state.snow > 0.05 and cover not in ("lake", "river", "glacier"):
        depth = np.clip((np.arange(side) - canvas.horizon / 2) / (side * 0.08), 0.12, 1.0)[:, None]
        coarse = rng.random((side // 4 + 1, side // 4 + 1)).repeat(4, 0).repeat(4, 1)[:side, :side]
        patches = 0.7 * coarse + 0.3 * rng.random((side, side)) < 0.35 + 0.65 * state.snow
        share = (0.85 * min(state.snow * 1.5, 1.0) * depth * patches)[..., None]
        photo = photo * (1 - share) + 240.0 * share
    light = rng.normal(1.0, 0.08) * rng.normal(1.0, 0.025, 3)
    noise = rng.standard_normal((side, side, 1), dtype=np.float32) * 5.0
    photo = photo * light.astype(np.float32) + noise
    if rng.random() < 0.5:
        photo = photo[:, ::-1]
    return np.clip(photo, 0.0, 255.0).astype(np.uint8)


def _draw_points(
    covers: npt.NDArray[np.int64], states: npt.NDArray[np.float32], first: int, seed: int, size: int
) -> Photos:
    """Draw the photos of neighbouring points; each point has a random stream of its own."""
    photos = np.empty((*states.shape[:2], size, size, 3), dtype=np.uint8)
    for row, visits in enumerate(states.tolist()):
        rng = np.random.default_rng((seed, first + row))
        for visit, state in enumerate(visits):
            photos[row, visit] = draw_photo(CLASS_NAMES[covers[row]], VisitState(*state), rng, size)
    return photos


def visit_states(ground: GroundState) -> npt.NDArray[np.float32]:
    """Stack a `GroundState`'s (N, visits) arrays to (N, visits, state), in the order of `STATE_NAMES`."""
    return np.stack([np.asarray(getattr(ground, name), dtype=np.float32) for name in STATE_NAMES], axis=-1)


def draw_photos(
    class_index: npt.ArrayLike,
    states: npt.NDArray[np.float32],
    *,
    seed: int,
    first: int = 0,
    size: int = PHOTO_SIZE,
    workers: int = 1,
    progress: bool = False,
) -> Photos:
    """Draw every visit of many simulated points.

    Args:
        class_index: (N,) indices into `classes.CLASS_NAMES`.
        states: (N, visits, 9), from `visit_states`.
        seed: of the photos; a point's photos depend on it and on the point's number only.
        first: number of the first point, so that a long run can be split and give the same photos.
        size: side of a photo in pixels.
        workers: processes that draw; 1 draws in this one.
        progress: whether to show a progress bar.

    Returns:
        uint8 array (N, visits, size, size, 3).

    Raises:
        ValueError: where the arrays do not fit each other.
    """
    covers = np.asarray(class_index, dtype=np.int64)
    if states.ndim != 3 or states.shape[0] != len(covers) or states.shape[2] != len(STATE_NAMES):
        raise ValueError(
            f"states must have the shape ({len(covers)}, visits, {len(STATE_NAMES)}) for {len(covers)} points, "
            f"got {states.shape}; make it with visit_states"
        )
    photos = np.empty((*states.shape[:2], size, size, 3), dtype=np.uint8)
    chunks = [slice(start, start + CHUNK) for start in range(0, len(covers), CHUNK)]
    draw = partial(_draw_points, seed=seed, size=size)
    jobs = [covers[chunk] for chunk in chunks], [states[chunk] for chunk in chunks], [first + c.start for c in chunks]
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=len(covers), desc="drawing photos", unit="point", disable=not progress))
        each = map if workers <= 1 else stack.enter_context(ProcessPoolExecutor(workers)).map
        for chunk, drawn in zip(chunks, each(draw, *jobs), strict=True):
            photos[chunk] = drawn
            bar.update(len(drawn))
    return photos
