import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip_hf.maps.cubes.grids import Grid, grid_of, locate

NORTH_UP = Grid(np.array([95.0, 85.0, 75.0]), np.array([5.0, 15.0]))


def test_the_transform_leads_from_corners_of_pixels_to_coordinates():
    assert NORTH_UP.transform == rasterio.Affine(10, 0, 0, 0, -10, 100)
    assert Grid(NORTH_UP.y[::-1], NORTH_UP.x).transform == rasterio.Affine(10, 0, 0, 0, 10, 70)


def test_a_single_row_or_column_takes_the_size_along_the_other_axis():
    assert Grid(NORTH_UP.y[:1], NORTH_UP.x).transform == rasterio.Affine(10, 0, 0, 0, -10, 100)
    assert Grid(NORTH_UP.y, NORTH_UP.x[:1]).transform == rasterio.Affine(10, 0, 0, 0, -10, 100)


def test_what_a_file_tells_of_a_single_pixel_comes_before_the_other_axis():
    grid = Grid(NORTH_UP.y[:1], NORTH_UP.x, (-30.0, 30.0))
    assert (grid.down, grid.across) == (-30.0, 10.0)
    lone = Grid(np.array([50.0]), np.array([4.0]), (-0.0002, 0.0003))
    assert (lone.down, lone.across) == (-0.0002, 0.0003)


@pytest.mark.parametrize("centres", [(50.0, 4.0), (5_600_000.0, 500_000.0)])
def test_a_single_pixel_of_unknown_size_is_refused_in_one_sentence_whatever_its_crs(centres):
    lone = Grid(*(np.array([centre]) for centre in centres))
    with pytest.raises(ValueError, match="single pixel and nothing tells its size: write its transform") as caught:
        lone.transform  # noqa: B018
    assert "\n" not in str(caught.value)
    rows, columns = lone.pixels_at(lone.y, lone.x)  # the same pixel needs no size
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def test_a_part_keeps_the_size_of_its_pixels():
    part = NORTH_UP.cut(slice(1, 2), slice(0, 1))
    assert part.transform == rasterio.Affine(10, 0, 0, 0, -10, 90)


def test_the_size_of_a_single_pixel_is_written_and_read_again():
    lone = NORTH_UP.cut(slice(2, 3), slice(1, 2))
    dataset = xr.Dataset(coords={"y": lone.y, "x": lone.x})
    assert grid_of(locate(dataset, "EPSG:32631", lone)).transform == lone.transform
    assert grid_of(locate(dataset, "EPSG:32631")).steps is None


def test_coordinates_outside_a_grid_have_no_pixel():
    rows, columns = NORTH_UP.pixels_at(np.array([100.1, 99.9, 85.0, 70.1, 69.0]), np.array([-0.1, 0.1, 20.1]))
    assert (rows.tolist(), columns.tolist()) == ([-1, 0, 1, 2, -1], [-1, 0, -1])


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(1, 30),
    step=st.sampled_from([10.0, -10.0, 20.0]),
    low=st.floats(-100, 700),
    width=st.floats(0.5, 400),
)
def test_the_pixels_that_a_box_touches_are_those_that_its_intervals_touch(count, step, low, width):
    centres = 5.0 + step * np.arange(count)
    chosen, others = Grid(centres, centres, (step, step)).touched_by(low, low, low + width, low + width)
    assert chosen == others
    touched = [
        index
        for index, centre in enumerate(centres)
        if centre + abs(step) / 2 > low and centre - abs(step) / 2 < low + width
    ]
    assert list(range(count))[chosen] == touched
