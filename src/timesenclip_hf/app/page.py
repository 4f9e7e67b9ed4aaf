"""The page of the Space and of `timesenclip demo-app`."""

from html import escape
from importlib.metadata import metadata
from pathlib import Path

from ..extras import needs_extra
from ..search import SearchIndex
from .reader import PageModel
from .views import MapView, SearchView, SeriesView

with needs_extra("demo"):
    import gradio as gr

TITLE = "TimeSenCLIP"
STYLE_FILE = Path(__file__).with_name("page.css")
# Seconds between two clearings of uploaded files, and their age then.
CLEARED = (300, 1800)


def build_page(reader: PageModel, index: SearchIndex) -> gr.Blocks:
    """The page over a checkpoint and an index of the same checkpoint."""
    views: dict[str, SeriesView | MapView | SearchView] = {
        "Series": SeriesView(reader, index),
        "Map": MapView(reader),
        "Search": SearchView(index),
    }
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CLEARED) as page:
        gr.HTML(_heading(reader), elem_id="heading")
        with gr.Tabs(elem_id="views"):
            for name, view in views.items():
                with gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}"):
                    view.layout()
    return page


def _heading(reader: PageModel) -> str:
    name = Path(str(reader.model.name_or_path)).name
    return (
        f"<h1>{TITLE}</h1><p>{escape(metadata('timesenclip_hf')['Summary'])}. The checkpoint is "
        f"<b>{escape(name)}</b>; all examples are simulated.</p>"
    )
