import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.maps.making.windows import GridWindow, windows_of

sides = st.integers(1, 12)


@given(sides, sides, sides, sides, st.integers(0, 4))
def test_windows_cover_a_grid_once_and_lie_in_their_halo(height, width, rows, columns, halo):
    grid = np.arange(height * width).reshape(height, width)
    covered = np.zeros_like(grid)
    for window in windows_of((height, width), (rows, columns)):
        covered[window.slices] += 1
        wide = window.widened(halo, (height, width))
        np.testing.assert_array_equal(grid[wide.slices][window.within(wide)], grid[window.slices])
        assert window.pixels == grid[window.slices].size
    assert (covered == 1).all()


def test_a_halo_ends_where_the_grid_does():
    assert GridWindow(0, 4, 3, 3).widened(2, (10, 8)) == GridWindow(0, 2, 5, 6)
