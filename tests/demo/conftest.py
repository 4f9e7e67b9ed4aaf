import pytest

from timesenclip_hf.demo.cube import keep_cube
from timesenclip_hf.demo.landscape import make_cube
from timesenclip_hf.demo.reader import Reader
from timesenclip_hf.demo.search import simulated_index

SIDE = 20


@pytest.fixture(scope="session")
def reader():
    return Reader()


@pytest.fixture(scope="session")
def index(reader, tmp_path_factory):
    return simulated_index(reader, tmp_path_factory.mktemp("places"), num_points=60)


@pytest.fixture(scope="session")
def small_cube():
    return make_cube({"wheat": 1, "maize": 1}, seed=1, side=SIDE)


@pytest.fixture(scope="session")
def kept(reader, small_cube):
    return keep_cube(reader, small_cube)
