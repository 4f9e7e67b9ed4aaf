"""Serve the page, for the Space and for `timesenclip demo-app`."""

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers.utils import logging

from ..extras import needs_extra
from .limits import LARGEST_FILE_MB, MOST_SESSIONS, MOST_WAITING
from .page import build_page
from .page_model import PageModel
from .place_index import open_index, simulated_index

with needs_extra("demo"):
    import gradio as gr

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
    with TemporaryDirectory(prefix="timesenclip-") as folder:
        page_model = PageModel(model)
        places = simulated_index(page_model, folder) if index is None else open_index(index, page_model)
        page = build_page(page_model, places)
        serve(page, host=host, port=port, open_browser=open_browser)
        print(f"The page is at {page.local_url} and stops with Ctrl+C.", flush=True)
        page.block_thread()


def serve(page: gr.Blocks, *, host: str | None = None, port: int | None = None, open_browser: bool = False) -> None:
    """Begin to serve a page within the limits, and return; `page.close()` ends it.

    Args:
        page: of [`build_page`].
        host: address to listen on; `GRADIO_SERVER_NAME`, or this machine alone, when left out.
        port: `GRADIO_SERVER_PORT`, or the first free one from 7860, when left out.
        open_browser: show the page in the browser of this machine.

    Raises:
        OSError: the port is taken.
    """
    # Calls are computed side by side, so that threads within one would only wait for each other.
    torch.set_num_threads(1)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    page.queue(max_size=MOST_WAITING)
    with _port_in_one_sentence():
        page.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
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


@contextmanager
def _port_in_one_sentence() -> Iterator[None]:
    """Name our own option where a port is taken: Gradio advises an argument that our command does not have."""
    try:
        yield
    except OSError as error:
        if match := re.search(r"empty port in range: (\d+)-(\d+)", str(error)):
            first, last = match.groups()
            ports = f"port {first} is" if first == last else f"ports {first} to {last} are"
            raise OSError(f"The {ports} taken or not allowed: choose another with --port.") from None
        raise


def _give_memory_back() -> None:
    """Let what visitors leave behind go back to the system, where the C library is glibc.

    By itself it keeps freed arrays in a pool for each of the server's many threads, and more the longer it runs.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(ARENA_MAX, 2)
        library.mallopt(MMAP_THRESHOLD, 256 * 1024)


def _theme() -> gr.themes.Base:
    """Colour Gradio's own theme green, its main buttons dark enough for white text."""
    theme = gr.themes.Default(primary_hue="emerald", font=FONTS, font_mono=FIXED_FONTS)
    fill, hover = "*primary_700", "*primary_800"
    return theme.set(
        button_primary_background_fill=fill,
        button_primary_background_fill_dark=fill,
        button_primary_background_fill_hover=hover,
        button_primary_background_fill_hover_dark=hover,
    )
