"""Build the page and serve it, for the Space and for `timesenclip demo-app`."""

import ctypes
import os
import re
import sys
from contextlib import closing
from importlib.metadata import metadata
from logging import ERROR, getLogger
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers.utils import logging

from ..extras import needs_extra
from ..search import SearchIndex
from .fragments import render
from .limits import LARGEST_FILE_MB, MOST_SESSIONS, MOST_WAITING
from .map_view import MapView
from .page_model import PageModel
from .search_view import SearchView, simulated_index
from .series_view import SeriesView
from .uploads import Uploads

with needs_extra("data"):
    from datasets.utils import disable_progress_bars
with needs_extra("demo"):
    import gradio as gr

TITLE = "TimeSenCLIP"
# Seconds between two clearings of uploaded files, and their age then.
CLEARED = (300, 1800)
# Names that every machine has a font for: nothing is fetched from anywhere.
FONTS = ["system-ui", "sans-serif"]
FIXED_FONTS = ["ui-monospace", "monospace"]
STYLE_FILE = Path(__file__).with_name("page.css")
# glibc's mallopt (malloc.h): M_ARENA_MAX and M_MMAP_THRESHOLD.
ARENA_MAX, MMAP_THRESHOLD = -8, -3


def launch(
    model: str | PathLike[str] | None = None,
    index: str | PathLike[str] | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    open_browser: bool = False,
) -> None:
    """Serve the page until it is interrupted.

    Args:
        model: folder or Hub id of a checkpoint; the embedded one when left out.
        index: folder that `timesenclip index` wrote with that checkpoint; simulated places when left out.
        host: address to listen on; `GRADIO_SERVER_NAME`, or this machine alone, when left out.
        port: `GRADIO_SERVER_PORT`, or the first free one from 7860, when left out.
        open_browser: show the page in the browser of this machine.

    Raises:
        OSError: no such checkpoint or index, or the port is taken.
        ValueError: another checkpoint made the index.
    """
    _give_memory_back()
    # What is to be known about words and series is said on the page.
    logging.set_verbosity_error()
    getLogger("timesenclip_hf").setLevel(ERROR)
    logging.disable_progress_bar()
    disable_progress_bars()
    loaded = PageModel(model)
    with TemporaryDirectory(prefix="timesenclip-") as folder, closing(Uploads(loaded.reader)) as uploads:
        uploads.start()
        if index is None:
            places = simulated_index(loaded, folder)
        else:
            places = SearchIndex.load(index, loaded.model, loaded.processor)
        page = build_page(loaded, places, uploads)
        serve(page, server_name=host, server_port=port, inbrowser=open_browser)
        print(f"The page is at {page.local_url} and stops with Ctrl+C.", flush=True)
        page.block_thread()


def build_page(model: PageModel, index: SearchIndex, uploads: Uploads) -> gr.Blocks:
    """Lay out the page of a checkpoint, of places that it indexed and of its readers, each view with its first answer.

    Args:
        model: the checkpoint.
        index: places that it indexed.
        uploads: what reads files as it does.
    """
    views: dict[str, SeriesView | MapView | SearchView] = {
        "Series": SeriesView(model, index, uploads),
        "Map": MapView(model, uploads),
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


def serve(page: gr.Blocks, **server: Any) -> None:
    """Begin to serve a page within the limits, and return; `page.close()` ends it.

    Args:
        page: of [`build_page`].
        **server: Gradio's `server_name`, `server_port` and `inbrowser`.

    Raises:
        OSError: the port is taken.
    """
    # Calls are computed side by side, so that threads within one would only wait for each other.
    torch.set_num_threads(1)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    page.queue(max_size=MOST_WAITING)
    try:
        page.launch(
            **server,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            state_session_capacity=MOST_SESSIONS,
            max_file_size=f"{LARGEST_FILE_MB}mb",
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            theme=_theme(),
            css_paths=STYLE_FILE,
        )
    except OSError as error:  # Gradio advises an argument that our command does not have
        match = re.search(r"empty port in range: (\d+)-(\d+)", str(error))
        if match is None:
            raise
        first, last = match.groups()
        ports = f"port {first} is" if first == last else f"ports {first} to {last} are"
        raise OSError(f"The {ports} taken or not allowed: choose another with --port.") from None


def _give_memory_back() -> None:
    """Let what visitors leave behind go back to the system, where the C library is glibc.

    By itself it keeps freed arrays in a pool for each of the server's many threads, and more the longer it runs.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(ARENA_MAX, 2)
        library.mallopt(MMAP_THRESHOLD, 256 * 1024)


def _theme() -> gr.themes.Base:
    """Colour Gradio's own theme green, its main buttons dark enough for white text."""
    theme = gr.themes.Default(primary_hue="emerald", font=FONTS, font_mono=FIXED_FONTS)
    shades = {"fill": "*primary_700", "fill_dark": "*primary_700"}
    shades |= {"fill_hover": "*primary_800", "fill_hover_dark": "*primary_800"}
    return theme.set(**{f"button_primary_background_{part}": shade for part, shade in shades.items()})
