"""Small files that the commands read."""

import numpy as np
import pytest

from tests.support.small_cubes import small_cube


@pytest.fixture
def table(tmp_path):
    values = np.random.default_rng(0).integers(100, 4000, (8, 12, 10), dtype=np.uint16)
    values[3] = 65535
    np.savez(tmp_path / "table.npz", X=values, ids=np.array([f"p{index}" for index in range(8)]))
    return tmp_path / "table.npz"


@pytest.fixture
def cube(tmp_path):
    small_cube().to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    return tmp_path / "cube.nc"
