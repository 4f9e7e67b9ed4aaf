"""Make or open the index that the page searches: simulated places with their drawn photos, unless one is named."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..data.sources.arrays import dataset_from_series
from ..extras import needs_extra
from ..search import Hit, SearchIndex, build_index
from ..simulator import CLASS_NAMES, simulate
from ..simulator.photos.drawing import draw_photos, visit_states
from .limits import MOST_CHARACTERS
from .page_model import PageModel

with needs_extra("demo"):
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    from ..data.schema import photo_feature

SEED = 2019
NUM_POINTS = 600
NUM_HITS = 12
# Visits whose photos are kept: spring, when rice stands in water, and summer.
VISITS = {"spring": 0, "summer": 2}
LICENCE = "MIT, drawn by the simulator"


def simulated_index(model: PageModel, folder: str | PathLike[str], *, num_points: int = NUM_POINTS) -> SearchIndex:
    """Simulate places, draw their photos, and index them; some seconds.

    Args:
        model: the checkpoint that embeds them.
        folder: where photos and index go, which must stay as long as the page runs.
        num_points: to simulate; those without a clear observation are left out.
    """
    folder = Path(folder)
    points = simulate(num_points, seed=SEED)
    photos = draw_photos(points.class_index, visit_states(points.ground)[:, list(VISITS.values())], seed=SEED)
    columns: dict[str, Sequence[Any]] = {
        "point_id": [f"simulated {CLASS_NAMES[cover]}, place {row}" for row, cover in enumerate(points.class_index)],
        "longitude": points.longitude.tolist(),
        "latitude": points.latitude.tolist(),
        "year": points.year.tolist(),
        "row": list(range(num_points)),
    }
    dataset = dataset_from_series(points.series, columns, problems=[])
    (folder / "photos").mkdir(parents=True)
    entries = [_write_photos(photos[row], folder / "photos", row) for row in dataset["row"]]
    dataset = dataset.add_column("photos", entries, feature=photo_feature())
    bars_were_hidden = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        build_index(dataset, folder / "index", model.model, model.processor, progress=False)
    finally:
        (disable_progress_bars if bars_were_hidden else enable_progress_bars)()
    return open_index(folder / "index", model)


def open_index(folder: str | PathLike[str], model: PageModel) -> SearchIndex:
    """Open an index that `timesenclip index` wrote.

    Raises:
        FileNotFoundError: there is none.
        ValueError: another checkpoint made it, or it is damaged.
    """
    return SearchIndex.load(folder, model.model, model.processor)


def search_places(index: SearchIndex, text: str, *, top_k: int = NUM_HITS) -> list[Hit]:
    """Find the places nearest to words.

    Raises:
        ValueError: there are no words, or none that the checkpoint ever read.
    """
    query = " ".join(text.split())
    if not query:
        raise ValueError("There is nothing to search for: type some words, such as flooded rice paddies.")
    if len(query) > MOST_CHARACTERS:
        raise ValueError(f"The query has {len(query)} characters, at most {MOST_CHARACTERS} are read: be brief.")
    return index.search(query, top_k=top_k)


def _write_photos(photos: np.ndarray, folder: Path, row: int) -> list[dict[str, Any]]:
    entries = []
    for visit, photo in zip(VISITS, photos, strict=True):
        file = folder / f"{row}_{visit}.png"
        Image.fromarray(photo).save(file)
        image = {"bytes": None, "path": str(file)}
        entries.append({"direction": visit, "url": None, "image": image, "licence": LICENCE})
    return entries
