"""Find places by words: those of an index, or simulated ones with their drawn photos."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..data.schema import photo_feature
from ..data.sources.arrays import dataset_from_series
from ..extras import needs_extra
from ..search import SearchIndex, build_index
from ..simulator import CLASS_NAMES, simulate
from ..simulator.photos.drawing import draw_photos, visit_states
from .events import Updates, bind, bind_texts
from .fragments import hits, render
from .inputs import ready_buttons
from .limits import MOST_CHARACTERS
from .page_model import PageModel

with needs_extra("demo"):
    import gradio as gr

SEED = 2019
NUM_POINTS = 600
NUM_HITS = 12
# Visits whose photos are kept: spring, when rice stands in water, and summer.
VISITS = {"spring": 0, "summer": 2}
LICENCE = "MIT, drawn by the simulator"
QUERIES = ["flooded rice paddy", "yellow flowers of rapeseed", "snow and ice", "rows of vines"]


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
    names = [f"simulated {CLASS_NAMES[cover]}, place {row}" for row, cover in enumerate(points.class_index)]
    columns = {name: getattr(points, name).tolist() for name in ("longitude", "latitude", "year")}
    columns |= {"point_id": names, "row": list(range(num_points))}
    dataset = dataset_from_series(points.series, columns, problems=[])
    (folder / "photos").mkdir(parents=True)
    entries = [_write_photos(photos[row], folder / "photos", row) for row in dataset["row"]]
    dataset = dataset.add_column("photos", entries, feature=photo_feature())
    build_index(dataset, folder / "index", model.model, model.processor, progress=False)
    return SearchIndex.load(folder / "index", model.model, model.processor)


class SearchView:
    """Find the places of an index by words."""

    def __init__(self, index: SearchIndex) -> None:
        self.index = index

    def show(self, text: str) -> Updates:
        """Return status and places for words.

        Raises:
            ValueError: there are no words, or none that the checkpoint ever read.
        """
        query = " ".join(text.split())
        if not query:
            raise ValueError("There is nothing to search for: type some words, such as flooded rice paddies.")
        if len(query) > MOST_CHARACTERS:
            raise ValueError(f"The query has {len(query)} characters, at most {MOST_CHARACTERS} are read: be brief.")
        nearest = self.index.search(query, top_k=NUM_HITS)
        status = f"The {len(nearest)} of {len(self.index.points)} places whose year is most like “{query}”."
        return render("status", sentence=status), hits(nearest)

    def layout(self) -> None:
        """Lay the view out, with its first answer."""
        status, places = self.show(QUERIES[0])
        label = "What to search for, in any words, then Enter"
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                query = gr.Textbox(QUERIES[0], label=label, max_length=MOST_CHARACTERS, elem_id="search-query")
                run = gr.Button("Search", variant="primary", elem_id="search-run")
            with gr.Column(scale=2, min_width=300):
                ready = ready_buttons({query: query for query in QUERIES}, "search-queries", min_width=140)
        outputs = [gr.HTML(elem_id="search-error"), gr.HTML(status, elem_id="search-status")]
        outputs.append(gr.HTML(places, elem_id="search-hits"))
        bind([run.click, query.submit], self.show, [query], outputs, "search")
        bind_texts(ready, self.show, [query], outputs, query)


def _write_photos(photos: np.ndarray, folder: Path, row: int) -> list[dict[str, Any]]:
    entries = []
    for visit, photo in zip(VISITS, photos, strict=True):
        file = folder / f"{row}_{visit}.png"
        Image.fromarray(photo).save(file)
        image = {"bytes": None, "path": str(file)}
        entries.append({"direction": visit, "url": None, "image": image, "licence": LICENCE})
    return entries
