"""Polygons of a map: they cover what it covers, once, and each pixel lies in one of its class."""

import numpy as np
import pytest
import rasterio

from tests.support.small_cubes import write_raster
from timesenclip_hf.parcels import VectoriseOptions, read_layer, vectorise_map, write_layer
from timesenclip_hf.parcels.vectorising import _find_corners, describe_polygons

shapely = pytest.importorskip("shapely", reason="needs the extra data")

NAMES = ["maize", "meadow", "Wasser"]
PIXEL = 0.01  # hectares


def write_classes(path, values, names=NAMES, **profile):
    write_raster(path, values[None].astype(np.uint8), nodata=0, **profile)
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(**{f"CLASS_{code}": name for code, name in enumerate(names, start=1)})
    return path


def random_classes(shape=(40, 33), seed=0, clumped=True):
    """Draw classes and no data, pixel by pixel or with patches of some pixels among them."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, shape)
    if clumped:
        coarse = np.kron(rng.integers(0, 4, (-(-shape[0] // 5), -(-shape[1] // 5))), np.ones((5, 5), int))
        values = np.where(rng.random(shape) < 0.15, values, coarse[: shape[0], : shape[1]])
    return values


def draw(polygons, values):
    """Burn polygons onto the grid of the classes, by their codes."""
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    shapes = zip(polygons.geometry, polygons["code"], strict=True)
    return rasterize(shapes, values.shape, transform=from_origin(500_000, 5_600_000, 10, 10))


@pytest.mark.parametrize("clumped", [True, False])
def test_without_smoothing_every_pixel_centre_lies_in_a_polygon_of_its_class(tmp_path, clumped):
    values = random_classes(clumped=clumped)
    polygons = vectorise_map(write_classes(tmp_path / "map.tif", values), options=VectoriseOptions(0, 0))
    np.testing.assert_array_equal(draw(polygons, values), values)
    assert polygons["area_ha"].to_numpy() == pytest.approx(polygons.area.to_numpy() / 10_000)
    assert polygons["pixels"].sum() == (values > 0).sum()
    assert set(zip(polygons["class"], polygons["code"], strict=True)) == set(zip(NAMES, (1, 2, 3), strict=True))


@pytest.mark.parametrize("simplify", [0, 1, 4])
@pytest.mark.parametrize("minimum", [0, 0.08])
@pytest.mark.parametrize("clumped", [True, False])
def test_polygons_are_a_coverage_of_the_footprint_whose_areas_add_up(tmp_path, simplify, minimum, clumped):
    values = random_classes(seed=1, clumped=clumped)
    path = write_classes(tmp_path / "map.tif", values)
    polygons = vectorise_map(path, options=VectoriseOptions(minimum, simplify))
    assert shapely.is_valid(polygons.geometry.to_numpy()).all()
    assert shapely.coverage_is_valid(polygons.geometry.to_numpy())
    pixels = [shapely.box(column, -row - 1, column + 1, -row) for row, column in zip(*np.nonzero(values), strict=True)]
    footprint = shapely.transform(shapely.union_all(pixels), lambda points: points * 10 + [500_000, 5_600_000])
    union = shapely.union_all(polygons.geometry.to_numpy())
    assert shapely.area(shapely.symmetric_difference(union, footprint)) < 1e-6
    assert polygons["area_ha"].sum() == pytest.approx((values > 0).sum() * PIXEL)
    assert polygons.area.sum() / 10_000 == pytest.approx((values > 0).sum() * PIXEL)


def test_smoothing_leaves_fewer_corners(tmp_path):
    path = write_classes(tmp_path / "map.tif", random_classes())
    corners = [
        shapely.get_num_coordinates(vectorise_map(path, options=VectoriseOptions(0.05, simplify)).geometry).sum()
        for simplify in (0, 1, 4)
    ]
    assert corners[0] > corners[1] > corners[2]


def test_a_small_patch_goes_to_the_largest_of_its_neighbours_and_an_island_stays(tmp_path):
    values = np.ones((12, 12), int)
    values[:, 6:] = 2
    values[4:6, 5:7] = 3  # between both
    values[:, 8] = 0
    values[:, 9:] = 0
    values[0, 11] = 3  # alone
    path = write_classes(tmp_path / "map.tif", values)
    polygons = vectorise_map(path, options=VectoriseOptions(0.05, 0)).set_index("class")
    assert polygons["pixels"].to_dict() == {"maize": 72 + 2, "meadow": 24 - 2, "Wasser": 1}


def test_after_merging_a_patch_below_the_minimum_has_no_large_neighbour(tmp_path):
    values = random_classes((60, 60), seed=3, clumped=False)
    path = write_classes(tmp_path / "map.tif", values)
    polygons = vectorise_map(path, options=VectoriseOptions(0.07, 0))
    outlines = polygons.geometry.to_numpy()
    small = np.flatnonzero(polygons["pixels"] < 7)
    assert 0 < len(small) < len(polygons)
    large = shapely.union_all(np.delete(outlines, small))
    assert shapely.length(shapely.intersection(outlines[small], large)).sum() == 0


def test_the_probability_is_the_mean_over_the_pixels_that_had_the_class(tmp_path):
    values = np.ones((6, 6), int)
    values[2, 2] = 2
    path = write_classes(tmp_path / "map.tif", values)
    stored = np.random.default_rng(0).integers(1, 252, (2, 6, 6)).astype(np.uint8)
    stored[1, 0, 0] = 0  # no data
    scores = write_raster(tmp_path / "map_scores.tif", stored, ("margin", "probability"), nodata=0)
    with rasterio.open(scores, "r+") as raster:
        raster.scales, raster.offsets = (0.004, 0.004), (-0.004, -0.004)
    probabilities = (stored[1].astype(float) - 1) * 0.004
    both = vectorise_map(path).set_index("class")["probability"]
    counted = (values == 1) & (stored[1] > 0)
    assert both["maize"] == pytest.approx(probabilities[counted].mean())
    assert both["meadow"] == pytest.approx(probabilities[2, 2])
    (merged,) = vectorise_map(path, options=VectoriseOptions(0.02))["probability"]
    assert merged == pytest.approx(probabilities[counted].mean())
    write_raster(tmp_path / "map_scores.tif", stored[:, :3], ("margin", "probability"))
    with pytest.raises(ValueError, match=r"map_scores\.tif beside map\.tif is of another grid"):
        vectorise_map(path)


def test_in_degrees_areas_go_by_latitude_and_add_up(tmp_path):
    values = random_classes((20, 10), seed=2)
    path = tmp_path / "map.tif"
    transform = rasterio.transform.from_origin(5, 60, 0.1, 0.1)
    shape = {"height": 20, "width": 10, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:4326", transform=transform, nodata=0, **shape) as raster:
        raster.write(values[None].astype(np.uint8))
        raster.update_tags(CLASS_1="a", CLASS_2="b", CLASS_3="c")
    polygons = vectorise_map(path, options=VectoriseOptions(0, 0))
    geod = polygons.crs.get_geod()
    for area, outline in zip(polygons["area_ha"], shapely.segmentize(polygons.geometry.to_numpy(), 0.002), strict=True):
        assert area * 10_000 == pytest.approx(abs(geod.geometry_area_perimeter(outline)[0]), rel=1e-6)


def test_corners_are_where_an_outline_turns_or_outlines_meet(monkeypatch):
    values = random_classes((11, 7), clumped=False).astype(np.uint8)
    expected = np.zeros((12, 8), bool)
    padded = np.pad(values, 1)
    for row, column in np.ndindex(12, 8):
        a, b, c, d = padded[row : row + 2, column : column + 2].ravel()
        expected[row, column] = not ((a == b and c == d) or (a == c and b == d))
    np.testing.assert_array_equal(_find_corners(values), expected)
    monkeypatch.setattr("timesenclip_hf.parcels.vectorising.STRIP_PIXELS", 21)
    np.testing.assert_array_equal(_find_corners(values), expected)


def test_strips_change_nothing(tmp_path, monkeypatch):
    path = write_classes(tmp_path / "map.tif", random_classes())
    whole = vectorise_map(path)
    monkeypatch.setattr("timesenclip_hf.parcels.vectorising.STRIP_PIXELS", 100)
    monkeypatch.setattr("timesenclip_hf.parcels.vectorising.POLYGONS_AT_ONCE", 7)
    assert whole.equals(vectorise_map(path))


def test_polygons_outlive_a_file_and_are_described(tmp_path):
    polygons = vectorise_map(write_classes(tmp_path / "map.tif", random_classes()))
    write_layer(polygons, tmp_path / "map.gpkg")
    back = read_layer(tmp_path / "map.gpkg")
    assert back.columns.tolist() == ["class", "code", "area_ha", "pixels", "geom"]
    assert shapely.equals(back.geometry.to_numpy(), polygons.geometry.to_numpy()).all()
    lines = describe_polygons(polygons).splitlines()
    assert len(lines) == 4
    assert lines[-1].split() == [f"{polygons['area_ha'].sum():,.2f}", "ha", "in", f"{len(polygons):,}", "polygons"]


def test_what_does_not_fit_into_memory_is_refused_before_the_work(tmp_path, monkeypatch):
    path = write_classes(tmp_path / "map.tif", random_classes())
    monkeypatch.setattr("timesenclip_hf.parcels.vectorising.BYTES_OF_CORNER", 1e12)
    with pytest.raises(OSError, match=r"The outlines of map\.tif take about .* GB of memory, .* GB are free: raise"):
        vectorise_map(path)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"minimum_area": -1}, "The minimum area is in hectares, from 0 on, got -1"),
        ({"simplify": float("inf")}, "Borders are simplified by pixels, from 0 on, got inf"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        VectoriseOptions(**wrong)
