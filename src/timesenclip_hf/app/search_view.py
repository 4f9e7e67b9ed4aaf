"""Lay out the view of words and the places most like them."""

from ..extras import needs_extra
from ..search import SearchIndex
from .events import Updates, bind, bind_texts
from .fragments import hits, render
from .inputs import ready_buttons
from .limits import MOST_CHARACTERS
from .place_index import search_places

with needs_extra("demo"):
    import gradio as gr

QUERIES = ["flooded rice paddy", "yellow flowers of rapeseed", "snow and ice", "rows of vines"]


class SearchView:
    """Find places by words.

    Args:
        index: the places.
    """

    def __init__(self, index: SearchIndex) -> None:
        self.index = index

    def show(self, text: str) -> Updates:
        """Return status and places for words.

        Raises:
            ValueError: there are no words, or none that the checkpoint ever read.
        """
        nearest = search_places(self.index, text)
        count = f"The {len(nearest)} of {len(self.index.points)} places"
        status = f"{count} whose year is most like “{' '.join(text.split())}”."
        return render("status", sentence=status), hits(nearest)

    def layout(self) -> None:
        """Lay the view out, with its first answer."""
        first = self.show(QUERIES[0])
        label = "What to search for, in any words, then Enter"
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                query = gr.Textbox(QUERIES[0], label=label, max_length=MOST_CHARACTERS, elem_id="search-query")
                run = gr.Button("Search", variant="primary", elem_id="search-run")
            with gr.Column(scale=2, min_width=300):
                ready = ready_buttons({query: query for query in QUERIES}, "search-queries", min_width=140)
        outputs = [gr.HTML(elem_id="search-error")]
        outputs += [
            gr.HTML(value, elem_id=f"search-{name}") for name, value in zip(("status", "hits"), first, strict=True)
        ]
        bind([run.click, query.submit], self.show, [query], outputs, "search")
        bind_texts(ready, self.show, [query], outputs, query)
