import warnings

import numpy as np
import pyogrio
import pytest
import shapely
import xarray as xr
from datasets import load_dataset
from rasterio.warp import transform

from tests.support.small_cubes import CRS, small_cube, write_raster
from timesenclip_hf.data.schema import as_series
from timesenclip_hf.data.sources.cubes import (
    LabelRaster,
    dataset_from_labels,
    dataset_from_points,
    import_cube,
    pixels_at,
)
from timesenclip_hf.data.sources.point_tables import PointTable, read_points
from timesenclip_hf.maps.cubes import open_cube, parse_codes
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions

HEIGHT, WIDTH = 6, 5


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return open_cube(small_cube(HEIGHT, WIDTH))


@pytest.fixture
def files(tmp_path):
    """The cube as NetCDF, and a raster of codes: rows of 1, 2 and 3."""
    small_cube(HEIGHT, WIDTH).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    codes = np.repeat([1, 1, 1, 2, 2, 3], WIDTH).reshape(1, HEIGHT, WIDTH).astype(np.uint8)
    return tmp_path / "cube.nc", write_raster(tmp_path / "codes.tif", codes)


def places(cube: xr.Dataset, rows, columns) -> dict[str, list[float]]:
    longitude, latitude = transform(CRS, "EPSG:4326", cube["x"].values[columns], cube["y"].values[rows])
    return {"longitude": longitude, "latitude": latitude}


def test_points_take_the_series_of_the_pixels_they_lie_in(cube):
    rows, columns = [5, 0, 3], [4, 0, 2]
    dataset = dataset_from_points(cube, {**places(cube, rows, columns), "label": ["a", "b", "c"]})
    expected = cube["reflectance"].values[:, :, rows, columns].transpose(2, 0, 1)
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[:]), expected)
    assert dataset["label"][:] == ["a", "b", "c"]
    assert dataset["year"][:] == [2018] * 3


def test_points_outside_are_left_out_and_listed(cube):
    inside = places(cube, [1], [1])
    points = {"longitude": [*inside["longitude"], 10.0, np.nan], "latitude": [*inside["latitude"], 3.0, 50.0]}
    problems = []
    dataset = dataset_from_points(cube, {**points, "point_id": ["in", "out", "nowhere"]}, problems=problems)
    assert dataset["point_id"][:] == ["in"]
    assert [(problem.reason, problem.point_id) for problem in problems] == [
        ("outside the cube", "out"),
        ("no coordinates", "nowhere"),
    ]


def test_a_csv_of_points_and_a_raster_of_labels_are_imported(files, cube, tmp_path):
    points = places(cube, [0, 5], [0, 4])
    lines = [f"{x},{y},{name}" for x, y, name in zip(points["longitude"], points["latitude"], "ab", strict=True)]
    (tmp_path / "points.csv").write_text("\n".join(["lon,lat,label", *lines]) + "\n")
    assert import_cube(files[0], tmp_path / "points", points=tmp_path / "points.csv").rows == 2
    codes = parse_codes("maize=1;grassland=2")
    report = import_cube(files[0], tmp_path / "labels", labels=LabelRaster(files[1], codes))
    dataset = load_dataset(str(tmp_path / "labels"), split="train", cache_dir=str(tmp_path / "cache"))
    assert report.rows == len(dataset) == 5 * WIDTH
    assert dataset.features["label"].names == ["maize", "grassland"]
    assert dataset["label"][:] == [0] * 3 * WIDTH + [1] * 2 * WIDTH
    expected = cube["reflectance"].values[:, :, :5].reshape(12, 10, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[:]), expected)


def test_what_the_cube_knows_of_its_numbers_is_used_unless_the_options_say_otherwise(cube):
    raised = cube.assign(reflectance=cube["reflectance"] + 1_000)
    raised = raised.assign_coords(offset=("time", np.full(raised.sizes["time"], 1_000.0)))
    at = places(cube, [2], [2])
    plain = dataset_from_points(cube, at)["series"][:]
    assert dataset_from_points(raised, at)["series"][:] == plain
    assert dataset_from_points(raised, at, offset=None)["series"][:] == plain
    assert dataset_from_points(raised, at, SeriesOptions(offset=0))["series"][:] != plain
    with pytest.raises(TypeError, match="Unknown option 'ofset'"):
        dataset_from_points(cube, at, ofset=0)


def test_so_many_pixels_of_each_label_are_drawn_and_the_same_for_the_same_seed(cube):
    reference = xr.DataArray(np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 3 - 1, dims=("y", "x"))
    reference.attrs["labels"] = ["first", "second"]
    drawn = [dataset_from_labels(cube, reference, per_label=4, seed=seed)["point_id"][:] for seed in (0, 0, 1)]
    assert len(drawn[0]) == 8
    assert drawn[0] == drawn[1] != drawn[2]


def test_labelled_pixels_know_their_place(cube):
    reference = xr.DataArray(np.zeros((HEIGHT, WIDTH), dtype=int), dims=("y", "x"), attrs={"labels": ["all"]})
    dataset = dataset_from_labels(cube, reference)
    again = dataset_from_points(cube, {name: dataset[name][:] for name in ("longitude", "latitude")})
    assert again["series"][:] == dataset["series"][:]


def test_cubes_larger_than_what_is_read_at_once_give_the_same(cube, monkeypatch):
    reference = xr.DataArray(np.zeros((HEIGHT, WIDTH), dtype=int), dims=("y", "x"), attrs={"labels": ["all"]})
    whole = dataset_from_labels(cube, reference)
    monkeypatch.setattr("timesenclip_hf.data.sources.cubes.PIXELS_AT_ONCE", 7)
    assert list(dataset_from_labels(cube, reference)["series"]) == list(whole["series"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give `points` or `labels`"),
        ({"points": "a.csv", "labels": LabelRaster("b.tif", {})}, "Give `points` or `labels`"),
    ],
)
def test_what_is_not_said_is_asked_for(cube, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        import_cube(cube, tmp_path / "out", **options)


def test_points_without_coordinates_or_without_the_cube_are_refused(cube):
    with pytest.raises(ValueError, match="no column 'latitude'"):
        dataset_from_points(cube, {"longitude": [1.0]})
    with pytest.raises(ValueError, match="None of the 1 points lies in the cube"):
        dataset_from_points(cube, {"longitude": [1.0], "latitude": [1.0]})


def test_labels_of_another_grid_are_refused(cube):
    reference = xr.DataArray(np.zeros((2, 2), dtype=int), dims=("y", "x"), attrs={"labels": ["all"]})
    with pytest.raises(ValueError, match=r"The labels have \(2, 2\) pixels, the cube \(6, 5\)"):
        dataset_from_labels(cube, reference)


@pytest.mark.real_data
def test_the_flanders_patch_becomes_a_dataset(real_data, tmp_path):
    folder = real_data / "worldcereal_flanders_2018" / "raw_nc"
    codes = parse_codes("maize=CT:1200;grassland=LC:13;built-up=LC:60")
    labels = next(folder.glob("OUTPUT_*.nc"))
    sources = sorted(folder.glob("S2_*.nc"))
    report = import_cube(sources, tmp_path / "out", labels=LabelRaster(labels, codes, per_label=50), year=2018)
    dataset = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert report.rows == 150
    assert 2.9 < dataset[0]["longitude"] < 3.2
    assert 50.7 < dataset[0]["latitude"] < 50.9


def test_exchanged_coordinates_and_places_far_away_are_told_apart(cube):
    inside = places(cube, [1], [1])
    with pytest.raises(ValueError, match="their longitude and latitude are exchanged"):
        dataset_from_points(cube, {"longitude": inside["latitude"], "latitude": inside["longitude"]})
    with pytest.raises(ValueError, match=r"they lie in 10\.0000, 3\.0000, 10\.0000, 3\.0000"):
        dataset_from_points(cube, {"longitude": [10.0], "latitude": [3.0]})


@pytest.mark.parametrize(
    ("crs", "x", "y", "size"), [("EPSG:32760", 819_680, 8_134_600, 10), ("EPSG:4326", 179.9997, -16.85, 0.0001)]
)
def test_points_are_found_on_both_sides_of_180_degrees(crs, x, y, size):
    cube = small_cube(6, 6).drop_vars("spatial_ref")
    steps = (np.arange(6) + 0.5) * size
    cube = open_cube(cube.assign_coords(x=x + steps, y=y - steps).rio.write_crs(crs))
    longitude, latitude = transform(crs, "EPSG:4326", cube["x"].values, cube["y"].values)
    longitude = (np.asarray(longitude) + 180) % 360 - 180
    assert (longitude < 0).any()
    assert (longitude > 0).any()
    rows, across = pixels_at(cube, longitude, np.asarray(latitude))
    assert rows.tolist() == across.tolist() == list(range(6))
    assert pixels_at(cube, np.array([0.0]), np.asarray(latitude[:1]))[0].tolist() == [-1]


def polygon(cube: xr.Dataset, rows: slice, columns: slice) -> shapely.Polygon:
    """Cover the pixels of these rows and columns, in degrees."""
    box = shapely.box(
        cube["x"].values[columns][0] - 4,
        cube["y"].values[rows][-1] - 4,
        cube["x"].values[columns][-1] + 4,
        cube["y"].values[rows][0] + 4,
    )
    return shapely.transform(box, lambda x, y: transform(CRS, "EPSG:4326", x, y), interleaved=False)


def test_polygons_are_imported_as_the_pixels_in_them_each_by_the_id_of_its_polygon(cube):
    shapes = np.asarray([polygon(cube, slice(0, 2), slice(1, 3)), polygon(cube, slice(5, 6), slice(0, 1)), None])
    table = PointTable({"point_id": ["a", "b", "c"], "geometry": shapes, "label": ["x", "y", "z"]}, [])
    problems = []
    dataset = dataset_from_points(cube, table, problems=problems)
    assert dataset["point_id"][:] == ["a", "a", "a", "a", "b"]
    assert dataset["label"][:] == ["x", "x", "x", "x", "y"]
    expected = cube["reflectance"].values[:, :, [0, 0, 1, 1, 5], [1, 2, 1, 2, 0]].transpose(2, 0, 1)
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[:]), expected)
    assert [(problem.reason, problem.point_id) for problem in problems] == [("no coordinates", "c")]


def test_a_large_polygon_gives_a_hundred_pixels_that_spread_over_it():
    cube = open_cube(small_cube(30, 40))
    table = PointTable({"point_id": ["lake"], "geometry": np.asarray([polygon(cube, slice(None), slice(None))])}, [])
    dataset = dataset_from_points(cube, table)
    assert len(dataset) == 100
    rows, _ = pixels_at(cube, np.asarray(dataset["longitude"][:]), np.asarray(dataset["latitude"][:]))
    assert (rows.min(), rows.max()) == (0, 29)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_geometry_whose_coordinates_are_no_numbers_is_named(cube, number):
    strange = shapely.Polygon([(3.0, 50.0), (number, 51.0), (4.0, 51.0)])
    table = PointTable({"point_id": ["a", "b"], "geometry": np.asarray([None, strange])}, [])
    with pytest.raises(ValueError, match="The geometry of 'b' is damaged"):
        dataset_from_points(cube, table, problems=[])


def test_geometries_without_a_reference_system_are_refused(tmp_path):
    shapes = np.asarray([shapely.to_wkb(shapely.box(0, 0, 1, 1))], dtype=object)
    fields = np.asarray(["f"], dtype=object)
    write = {"geometry_type": "Polygon", "driver": "ESRI Shapefile", "crs": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pyogrio, that there is no reference system
        pyogrio.raw.write(tmp_path / "fields.shp", shapes, [fields], ["id"], **write)
    with pytest.raises(ValueError, match=r"The geometries of fields.shp have no coordinate reference system"):
        read_points(tmp_path / "fields.shp", geometries=True)
