"""Build the page of the Space and of `timesenclip demo-app`."""

from importlib.metadata import metadata
from pathlib import Path

from ..extras import needs_extra
from ..search import SearchIndex
from .fragments import render
from .map_view import MapView
from .page_model import PageModel
from .search_view import SearchView
from .series_view import SeriesView

with needs_extra("demo"):
    import gradio as gr

TITLE = "TimeSenCLIP"
# Seconds between two clearings of uploaded files, and their age then.
CLEARED = (300, 1800)


def build_page(model: PageModel, index: SearchIndex) -> gr.Blocks:
    """Lay out the page, each view with its first answer.

    Args:
        model: the checkpoint.
        index: places with photos, made with the same checkpoint.
    """
    views: dict[str, SeriesView | MapView | SearchView] = {
        "Series": SeriesView(model, index),
        "Map": MapView(model),
        "Search": SearchView(index),
    }
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CLEARED) as page:
        summary, checkpoint = metadata("timesenclip_hf")["Summary"], Path(model.name).name
        gr.HTML(render("heading", title=TITLE, summary=summary, checkpoint=checkpoint), elem_id="heading")
        with gr.Tabs(elem_id="views"):
            for name, view in views.items():
                with gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}"):
                    view.layout()
    return page
