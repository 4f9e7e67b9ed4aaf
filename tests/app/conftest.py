from logging import NOTSET, getLogger

import pytest
import torch
from transformers.utils import logging

from timesenclip_hf.app.cube_map import keep_cube
from timesenclip_hf.app.example_cubes import simulate_cube
from timesenclip_hf.app.page_model import PageModel
from timesenclip_hf.app.search_view import simulated_index
from timesenclip_hf.app.uploads import Uploads

SIDE = 20


@pytest.fixture(scope="module", autouse=True)
def settings_of_the_process():
    """Put what a program that serves the page sets for itself is put back for the tests of others."""
    threads, verbosity, bars = torch.get_num_threads(), logging.get_verbosity(), logging.is_progress_bar_enabled()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        yield
    torch.set_num_threads(threads)
    logging.set_verbosity(verbosity)
    getLogger("timesenclip_hf").setLevel(NOTSET)
    (logging.enable_progress_bar if bars else logging.disable_progress_bar)()


@pytest.fixture(scope="session")
def page_model():
    return PageModel()


@pytest.fixture(scope="session")
def index(page_model, tmp_path_factory):
    return simulated_index(page_model, tmp_path_factory.mktemp("places"), num_points=150)


@pytest.fixture(scope="session")
def small_cube():
    return simulate_cube({"wheat": 1, "maize": 1}, seed=1, side=SIDE)


@pytest.fixture(scope="session")
def kept(page_model, small_cube):
    return keep_cube(page_model, page_model.reader.read_cube(small_cube))


@pytest.fixture(scope="session")
def uploads(page_model):
    """What reads files, and does what a file wishes that is made for it."""
    uploads = Uploads(page_model.reader, "tests.support.bad_reader")
    uploads.start()
    yield uploads
    uploads.close()
