import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import from_origin

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.grids import Grid, grid_of, locate, north_up

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


def stacked(height=3, width=4, x=500_000.0, y=5_600_000.0, size=10.0):
    """Make a cube as stackstac does: coordinates are corners of pixels, and `transform` is the affine one."""
    cube = small_cube(height, width, MONTHS[:2]).drop_vars("spatial_ref")
    corners = {"x": x + size * np.arange(width), "y": y - size * np.arange(height)}
    array = cube.to_dataarray("band").transpose("time", "band", "y", "x").assign_coords(**corners, epsg=32631)
    return array.assign_attrs(crs="epsg:32631", transform=(size, 0.0, x, 0.0, -size, y), resolution=size)


NOTE = "The coordinates of the cube are corners of pixels: half a pixel is added, by its transform."


@pytest.mark.parametrize(
    "cut",
    [
        {},
        {"y": slice(1, 3), "x": slice(2, 4)},
        {"y": slice(None, None, -1)},
        {"y": [2], "x": [3]},
    ],
)
def test_corners_of_pixels_are_moved_to_their_centres_by_the_transform(cut):
    array = stacked()
    opened = open_cube(array.isel(cut))
    np.testing.assert_array_equal(opened["x"], array.isel(cut)["x"] + 5)
    np.testing.assert_array_equal(opened["y"], array.isel(cut)["y"] - 5)
    assert NOTE in opened.attrs["notes"]


def test_a_transform_of_centres_and_one_of_pixels_of_another_size_leave_coordinates_as_they_are():
    cube = small_cube(6, 4, MONTHS[:2])
    centred = cube.rio.write_transform(from_origin(500_000, 5_600_000, 10, 10))
    assert open_cube(centred).attrs["notes"] == open_cube(cube).attrs["notes"]
    coarse = open_cube(centred.isel(y=slice(None, None, 2), x=slice(None, None, 2)))
    np.testing.assert_array_equal(coarse["y"], cube["y"][::2])
    assert "The transform of the cube is of pixels of 10, not 20: it is left aside." in coarse.attrs["notes"]


def test_coordinates_that_lie_anywhere_else_are_refused():
    array = stacked()
    with pytest.raises(ValueError, match=r"x coordinates of the cube lie 0\.2 pixels beside the centres") as caught:
        open_cube(array.assign_coords(x=array["x"] + 3))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="grid of the cube is rotated"):
        open_cube(array.assign_attrs(transform=(9.0, 1.0, 500_000.0, 1.0, -9.0, 5_600_000.0)))


def test_absent_coordinates_are_made_of_the_transform():
    array = stacked().drop_vars(["x", "y"])
    opened = open_cube(array)
    np.testing.assert_array_equal(opened["x"], 500_005 + 10 * np.arange(4))
    np.testing.assert_array_equal(opened["y"], 5_599_995 - 10 * np.arange(3))


def test_coordinates_of_32_bits_are_a_regular_grid():
    degrees = small_cube(40, 40, MONTHS[:1]).drop_vars("spatial_ref")
    y, x = 50.8 - 9e-5 * np.arange(40), 3.2 + 9e-5 * np.arange(40)
    opened = open_cube(degrees.assign_coords(y=y.astype(np.float32), x=x.astype(np.float32)), crs="EPSG:4326")
    assert opened.sizes["y"] == 40


@pytest.mark.parametrize("turned", [{"y": slice(None, None, -1)}, {"x": slice(None, None, -1)}])
def test_a_dataset_is_turned_north_up(turned):
    cube = open_cube(small_cube(3, 4, MONTHS[:1]))
    xr.testing.assert_identical(north_up(cube.isel(turned)), cube)
    xr.testing.assert_identical(north_up(cube), cube)


@pytest.mark.parametrize(
    ("x", "box", "expected"),
    [
        (np.array([179.9, 180.0, 180.1]), (179.85, -1, -179.85, 1), (179.85, 180.15)),
        (np.array([200.0, 201.0]), (-161, -1, -158, 1), (199, 202)),
        (np.array([3.0, 4.0]), (2, -1, 5, 1), (2, 5)),
    ],
)
def test_a_box_in_degrees_is_found_on_a_grid_that_counts_to_360(x, box, expected):
    left, _, right, _ = Grid(np.array([0.5, -0.5]), x).bounds_of(CRS.from_epsg(4326), *box)
    np.testing.assert_allclose((left, right), expected)
