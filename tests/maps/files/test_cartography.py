import numpy as np
import pytest

from tests.support.small_maps import make_map
from timesenclip_hf.maps.files.cartography import (
    NODES,
    crs_of,
    ground_of,
    length_text,
    node_degrees,
    pixel_text,
    round_length,
)


def placed(x, y, size, crs, side=40):
    steps = np.arange(side) * size
    return make_map(side, side).assign_coords(x=x + steps, y=y - steps).rio.write_crs(crs)


def test_a_map_knows_its_centre_its_scale_and_north():
    mapped = placed(500_005, 5_600_000, 10, "EPSG:32631")
    ground = ground_of(mapped)
    # On the central meridian of UTM lengths are 0.9996 of those on the ground, and the grid runs north.
    assert (ground.across, ground.down) == pytest.approx((1 / 0.9996, 1 / 0.9996), rel=1e-5)
    assert (ground.longitude, ground.north) == pytest.approx((3.003, 0), abs=0.005)
    assert ground.place == f"{ground.latitude:.4f}° N, {ground.longitude:.4f}° E"
    assert (pixel_text(mapped, ground), crs_of(mapped)) == ("10 m", "EPSG:32631 (WGS 84 / UTM zone 31N)")


def test_degrees_are_shorter_across_and_mercator_is_larger_than_the_ground():
    ground = ground_of(placed(-70, -60, 0.001, "EPSG:4326"))
    assert ground.across / ground.down == pytest.approx(0.5, rel=0.01)
    assert ground.place.split(", ")[0].endswith("° S")
    assert ground.place.endswith("° W")
    web = ground_of(placed(0, 8_399_738, 10, "EPSG:3857"))  # at 60 degrees
    assert web.across == pytest.approx(0.5, rel=0.01)


def test_north_turns_where_the_grid_does():
    # Its meridian of 45 degrees west runs down from the pole; 45 degrees further east north is up and to the left.
    ground = ground_of(placed(1_000_000, -1_000_000, 10, "EPSG:3413"))
    assert ground.longitude == pytest.approx(0, abs=0.05)
    assert ground.north == pytest.approx(-45, abs=0.1)


@pytest.mark.parametrize("crs", ["EPSG:4326", None])
def test_coordinates_that_are_no_places_have_no_ground(crs):
    mapped = make_map().drop_vars("spatial_ref") if crs is None else make_map().rio.write_crs(crs)
    assert ground_of(mapped) is None
    assert node_degrees(mapped) is None
    assert pixel_text(mapped, None) == ""


def test_nodes_span_the_map_without_a_leap_at_the_date_line():
    mapped = placed(179.99, -17, 0.001, "EPSG:4326")
    longitudes, latitudes = node_degrees(mapped)
    assert len(longitudes) == len(latitudes) == NODES**2
    assert (longitudes[0], longitudes[-1]) == pytest.approx((179.9895, 180.0295), abs=1e-6)
    assert (latitudes[0], latitudes[-1]) == pytest.approx((-16.9995, -17.0395), abs=1e-6)


@pytest.mark.parametrize(("metres", "length", "text"), [(999, 500, "500 m"), (4100, 2000, "2 km"), (1, 1, "1 m")])
def test_a_scale_bar_has_a_round_length(metres, length, text):
    assert round_length(metres) == length
    assert length_text(length) == text
