import numpy as np
import pytest
import xarray as xr
from datasets import load_dataset
from rasterio.warp import transform

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.data.photos.pairing import pair_lucas
from timesenclip_hf.data.schema import build_image_features, photo_feature
from timesenclip_hf.data.sources.patches import PatchOptions, import_patches, patches_from_cube
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.models.senclip.image_processing_senclip import to_eight_bit
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions

SIDE = 20
CLEAR, CLOUD = 4, 9


def raw_cube(side: int = SIDE, clouded=(), times=MONTHS, **options) -> xr.Dataset:
    """A cube whose acquisitions differ; those of `clouded` are under cloud."""
    cube = small_cube(side, side, times=times, **options)
    classes = np.full((len(times), side, side), CLEAR, dtype=np.uint8)
    classes[list(clouded)] = CLOUD
    cube["SCL"] = (("time", "y", "x"), classes)
    return cube


def places(cube: xr.Dataset, *pixels: tuple[int, int]) -> dict[str, list]:
    rows, columns = np.transpose(pixels)
    x, y = cube["x"].values[columns], cube["y"].values[rows]
    longitude, latitude = transform(cube.rio.crs, "EPSG:4326", x, y)
    return {"longitude": longitude, "latitude": latitude, "point_id": [f"{row}-{column}" for row, column in pixels]}


def pictures(dataset) -> np.ndarray:
    return np.stack([np.asarray(image) for image in dataset["image"]])


def test_a_point_gets_the_window_around_it_in_red_green_and_blue():
    cube = open_cube(raw_cube())
    dataset = patches_from_cube(cube, places(cube, (8, 11), (4, 4)), PatchOptions(8))
    values = cube["reflectance"].sel(band=["B04", "B03", "B02"]).values[0].transpose(1, 2, 0)
    expected = to_eight_bit(np.stack([values[4:12, 7:15], values[:8, :8]]) / 10_000)
    assert np.abs(pictures(dataset).astype(int) - expected).max() <= 1
    assert dataset.features == build_image_features()
    assert dataset["date"][:] == ["2018-01-15"] * 2
    assert dataset["year"][:] == [2018] * 2


def test_the_clearest_acquisition_of_the_months_wanted_is_taken():
    cube = open_cube(raw_cube(clouded=(0, 1, 2, 3, 5)))
    at = places(cube, (10, 10))
    assert patches_from_cube(cube, at, PatchOptions(8))["date"][:] == ["2018-05-15"]
    assert patches_from_cube(cube, at, PatchOptions(8, months=[6, 9, 8]))["date"][:] == ["2018-08-15"]


def test_a_point_with_a_date_gets_an_acquisition_of_its_season():
    years = np.concatenate([MONTHS, MONTHS + np.timedelta64(365, "D")])
    cube = open_cube(raw_cube(times=years, clouded=(16, 17)))
    at = places(cube, (10, 10), (10, 10), (10, 10))
    dataset = patches_from_cube(cube, {**at, "date": ["2019-07-03", "", "20180101"]}, PatchOptions(8))
    assert dataset["date"][:] == ["2019-07-15", "2018-01-15", "2018-01-15"]


def test_edges_clouds_missing_data_and_places_outside_are_counted():
    cube = raw_cube()
    cube["SCL"][:, 12:, 12:] = CLOUD
    for band in ("B02", "B03", "B04"):
        cube[band][:, :8, 12:] = 0
    opened = open_cube(cube)
    points = places(opened, (4, 4), (3, 9), (17, 9), (16, 16), (4, 16))
    points = {name: [*column, other] for (name, column), other in zip(points.items(), (100, 10, "far"), strict=True)}
    problems = []
    dataset = patches_from_cube(opened, points, PatchOptions(8), problems=problems)
    assert dataset["point_id"][:] == ["4-4"]
    assert [(problem.point_id, problem.reason) for problem in problems] == [
        ("3-9", "window beyond the edge"),
        ("17-9", "window beyond the edge"),
        ("16-16", "clouds in the window"),
        ("4-16", "no data in the window"),
        ("far", "outside the cube"),
    ]
    assert problems[2].detail == "the clearest of 12 acquisitions, 2018-01-15, is 0% clear"
    with pytest.raises(ValueError, match=r"None of the 1 points has a picture.*because of: window beyond the edge"):
        patches_from_cube(opened, places(opened, (0, 0)), PatchOptions(8))


def test_some_cloud_may_be_allowed():
    cube = raw_cube()
    cube["SCL"][:, :, 10:] = CLOUD
    opened = open_cube(cube)
    at = places(opened, (10, 11))  # columns 7 to 14: three of eight are clear
    assert len(patches_from_cube(opened, at, PatchOptions(8, min_clear=0.375))) == 1
    with pytest.raises(ValueError, match="38% clear"):
        patches_from_cube(opened, at, PatchOptions(8))


def test_an_offset_is_subtracted():
    cube = open_cube(small_cube(SIDE, SIDE))
    raised = cube.assign(reflectance=cube["reflectance"] + 1_000)
    at = places(cube, (10, 10))
    expected = pictures(patches_from_cube(cube, at, PatchOptions(8)))
    assert np.array_equal(
        pictures(patches_from_cube(raised, at, PatchOptions(8), SeriesOptions(offset=1_000))), expected
    )
    raised = raised.assign_coords(offset=("time", np.full(raised.sizes["time"], 1_000.0)))
    assert np.array_equal(pictures(patches_from_cube(raised, at, PatchOptions(8))), expected)


def test_an_import_is_paired_with_ground_photos_like_any_series(tmp_path):
    source = raw_cube()
    opened = open_cube(source)
    source.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    at = places(opened, (10, 10), (0, 0))
    lines = [
        f"{x},{y},4785000{place},B16,BE"
        for place, (x, y) in enumerate(zip(at["longitude"], at["latitude"], strict=True))
    ]
    (tmp_path / "points.csv").write_text("\n".join(["lon,lat,point_id,lc1,country", *lines]) + "\n")
    report = import_patches(tmp_path / "cube.nc", tmp_path / "out", tmp_path / "points.csv", PatchOptions(8))
    assert (report.points, report.rows, report.counts) == (2, 1, {"window beyond the edge": 1})
    dataset = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert dataset.features["land_cover"].int2str(dataset["land_cover"][0]) == "Cropland"
    pair_lucas(tmp_path / "paired", series=dataset, workers=1, progress=False)
    paired = load_dataset(str(tmp_path / "paired"), split="train", cache_dir=str(tmp_path / "cache"))
    assert paired.features == {**build_image_features(), "photos": photo_feature()}
    assert paired[0]["image"] == dataset[0]["image"]
    assert [photo["direction"] for photo in paired[0]["photos"]] == ["N", "E", "S", "W"]


def test_a_cube_without_georeference_is_refused(tmp_path):
    small_cube(SIDE, SIDE).drop_vars("spatial_ref").to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="names no coordinate reference system: say which"):
        import_patches(tmp_path / "cube.nc", tmp_path / "out", tmp_path / "points.csv")


def test_what_cannot_be_is_refused():
    cube = open_cube(small_cube(SIDE, SIDE))
    at = places(cube, (10, 10))
    with pytest.raises(ValueError, match="The cube has no B04: a picture needs B04, B03, B02"):
        patches_from_cube(open_cube(small_cube(SIDE, SIDE, bands=["B02", "B03"])), at)
    with pytest.raises(ValueError, match="have months but no dates"):
        patches_from_cube(cube.assign_coords(time=np.arange(12)), at)
    for wrong in ({"size": 0}, {"min_clear": 1.5}, {"months": [0]}):
        with pytest.raises(ValueError, match="must be positive"):
            PatchOptions(**wrong)
    with pytest.raises(ValueError, match="no acquisition in the months wanted"):
        patches_from_cube(cube, {**at, "date": ["2025-01-01"]}, PatchOptions(8))
    with pytest.raises(ValueError, match="no column 'latitude'"):
        patches_from_cube(cube, {"longitude": [3.0]})


@pytest.mark.real_data
def test_patches_of_flanders_are_cut_from_clear_acquisitions(real_data):
    cube = open_cube(sorted((real_data / "worldcereal_flanders_2018" / "raw_nc").glob("S2_*.nc")))
    height, width = cube["reflectance"].shape[2:]
    problems = []
    at = places(cube, (height // 2, width // 2), (1, 1))
    dataset = patches_from_cube(cube, at, PatchOptions(32, months=[5, 6, 7, 8]), problems=problems)
    assert [problem.reason for problem in problems] == ["window beyond the edge"]
    red, green, blue = pictures(dataset).reshape(-1, 3).mean(axis=0)
    assert 20 < blue < green < 150
    assert red < 150
