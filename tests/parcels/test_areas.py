"""Areas come from points of known class; what says nothing of them is refused in a sentence."""

import csv
import itertools
import json

import numpy as np
import pytest

pytest.importorskip("geopandas", reason="needs the extra data")
pytest.importorskip("rasterio", reason="needs the extra map")
import pyproj
import shapely
from rasterio.transform import from_origin

from tests.support.class_rasters import NAMES, random_codes, visited, write_classes, write_points
from timesenclip_hf.parcels import (
    ReferenceOptions,
    SampleOptions,
    area_text,
    draw_sample,
    estimate_areas,
    estimate_stratified,
    plan_sample,
    read_class_map,
    write_area_csv,
    write_area_json,
    write_area_png,
    write_layer,
)


@pytest.fixture
def truth():
    return random_codes(seed=1)


@pytest.fixture
def codes(truth):
    """A map that takes some of each class for another."""
    random = np.random.default_rng(2)
    return np.where(random.random(truth.shape) < 0.8, truth, random.integers(1, 4, truth.shape)).astype(np.uint8)


@pytest.fixture
def class_map(tmp_path, codes):
    return read_class_map(write_classes(tmp_path / "map.tif", codes))


@pytest.fixture
def sample(class_map, truth):
    return visited(draw_sample(plan_sample(class_map, SampleOptions(per_class=40))), truth)


def estimated(class_map, frame, tmp_path, **settings):
    path = tmp_path / "visited.gpkg"
    write_layer(frame, path, overwrite=True)
    strata = settings.pop("strata", None)
    return estimate_areas(class_map, ReferenceOptions(path, **settings), strata=strata)


def test_a_sample_that_was_visited_gives_the_stratified_estimate(class_map, codes, truth, sample, tmp_path):
    report = estimated(class_map, sample, tmp_path)
    rows, columns = sample["pixel"].str.extract(r"row (\d+), column (\d+)").to_numpy(dtype=int).T
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (codes[rows, columns] - 1, truth[rows, columns] - 1), 1)
    expected = estimate_stratified(counts, [(codes == code).sum() for code in (1, 2, 3)], NAMES)
    np.testing.assert_array_equal(report.estimate.counts, counts)
    for name in ("areas", "users", "producers", "overall"):
        np.testing.assert_allclose(getattr(report.estimate, name), getattr(expected, name))
    assert report.total == pytest.approx(codes.size / 100)
    assert "drawn by lot from map.tif: seed 0, equal allocation" in " ".join(report.notes)
    assert "Olofsson" in report.method


@pytest.mark.parametrize("ending", ["gpkg", "parquet", "geojson", "fgb"])
def test_a_sample_survives_every_format_that_is_written(class_map, sample, tmp_path, ending):
    write_layer(sample, tmp_path / f"visited.{ending}")
    report = estimate_areas(class_map, ReferenceOptions(tmp_path / f"visited.{ending}"))
    assert report.estimate.counts.sum() == 120


def test_points_without_weights_are_taken_for_random_ones_and_the_report_says_so(class_map, codes, truth, tmp_path):
    pixels = np.argwhere(np.random.default_rng(0).random(codes.shape) < 0.1)
    classes = [NAMES[truth[row, column] - 1] for row, column in pixels]
    points = write_points(tmp_path / "points.gpkg", pixels, classes, column="crop")
    report = estimate_areas(class_map, ReferenceOptions(points, "crop"))
    assert "does not say how its points were drawn" in " ".join(report.notes)
    assert report.estimate.counts.sum() == len(pixels)


def test_points_of_another_system_are_transformed(class_map, codes, truth, tmp_path):
    sample = draw_sample(plan_sample(class_map, SampleOptions(per_class=40)))
    frame = visited(sample, truth)[["class", "geometry"]]
    one, other = (estimated(class_map, frame.to_crs(crs), tmp_path) for crs in (4326, 3035))
    np.testing.assert_array_equal(one.estimate.counts, other.estimate.counts)


def test_classes_may_be_written_as_codes(class_map, sample, tmp_path):
    written = sample.assign(code=[NAMES.index(name) + 1 for name in sample["class"]])
    named, coded = (estimated(class_map, written, tmp_path, column=column) for column in ("class", "code"))
    np.testing.assert_array_equal(named.estimate.counts, coded.estimate.counts)


def test_points_that_were_not_visited_are_left_out_and_counted(class_map, sample, tmp_path):
    sample.loc[:4, "class"] = [None, "", " ", None, ""]
    report = estimated(class_map, sample, tmp_path)
    assert report.estimate.counts.sum() == 115
    assert "5 points have no class" in " ".join(report.notes)


def test_a_sample_of_one_map_tells_the_accuracy_of_another(class_map, truth, sample, tmp_path):
    better = read_class_map(write_classes(tmp_path / "better.tif", truth))
    report = estimated(better, sample, tmp_path, strata=class_map)
    assert report.estimate.overall == (1.0, 0.0)
    own = estimated(class_map, sample, tmp_path)
    np.testing.assert_allclose(report.estimate.areas.value, own.estimate.areas.value)
    assert "Stehman" in report.method
    with pytest.raises(ValueError, match=r"drawn from another map .* than better\.tif .*--strata"):
        estimated(better, sample, tmp_path)


def test_classes_of_a_map_joined_by_codes_keep_the_strata_that_were_drawn(tmp_path, class_map, sample):
    joined = read_class_map(class_map.path, {"crops": [(None, 1), (None, 2)], "water": [(None, 3)]})
    renamed = sample.assign(**{"class": ["water" if name == "water" else "crops" for name in sample["class"]]})
    own, report = (estimated(*pair, tmp_path) for pair in ((class_map, sample), (joined, renamed)))
    areas = own.estimate.areas.value
    np.testing.assert_allclose(report.estimate.areas.value, [areas[0] + areas[1], areas[2]])


def test_without_points_counts_are_said_to_be_biased(class_map, codes):
    report = estimate_areas(class_map)
    assert report.estimate is None
    assert "biased" in report.notes[0]
    assert report.hectares.tolist() == pytest.approx([(codes == code).sum() / 100 for code in (1, 2, 3)])


def test_pixels_without_a_class_are_in_no_area(tmp_path, codes):
    codes[:10] = 0
    report = estimate_areas(read_class_map(write_classes(tmp_path / "map.tif", codes)))
    assert report.total == pytest.approx(15)
    assert "5.00 ha of the map have no class" in " ".join(report.notes)


def test_rejected_pixels_have_no_accuracy_and_their_area_goes_to_what_was_found(tmp_path, codes, truth):
    codes[:10] = 255
    class_map = read_class_map(write_classes(tmp_path / "map.tif", codes, tags={"CLASS_255": "uncertain"}))
    sample = visited(draw_sample(plan_sample(class_map, SampleOptions(per_class=40))), truth)
    report = estimated(class_map, sample, tmp_path)
    assert report.estimate.areas.value[:3].sum() == pytest.approx(1)
    assert report.estimate.shares[3].sum() == pytest.approx(0.25)
    assert "uncertain" in area_text(report)


def test_areas_in_degrees_are_those_of_the_ellipsoid(tmp_path, codes):
    file = write_classes(tmp_path / "map.tif", codes, crs="EPSG:4326", transform=from_origin(3, 51, 0.01, 0.01))
    geod = pyproj.Geod(ellps="WGS84")
    edges = np.linspace(51, 50.6, 41)
    rows = []
    for north, south in itertools.pairwise(edges):
        # Parallels are no geodesics: many points on each.
        along = np.linspace(3, 3.01, 200)
        outline = shapely.Polygon([*((x, south) for x in along), *((x, north) for x in along[::-1])])
        rows.append(abs(geod.geometry_area_perimeter(outline)[0]))
    expected = [((codes == code).sum(axis=1) * rows).sum() / 10_000 for code in (1, 2, 3)]
    np.testing.assert_allclose(read_class_map(file).hectares, expected, rtol=1e-6)


def test_feet_are_no_metres(tmp_path, codes):
    file = write_classes(
        tmp_path / "map.tif", codes, crs="EPSG:2225", transform=from_origin(6_500_000, 2_100_000, 30, 30)
    )
    assert read_class_map(file).hectares.sum() == pytest.approx(codes.size * (30 * 1200 / 3937) ** 2 / 10_000)


def changed(sample, **columns):
    return sample.assign(**columns)


def moved(sample):
    return sample.set_geometry(sample.geometry.translate(0.001))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda sample: changed(sample, map_hash="0123456789abcdef"), "drawn from another map"),
        (moved, "was drawn at row .* and moved to"),
        (lambda sample: sample[sample["stratum"] != "water"], "lacks the points of a stratum"),
        (lambda sample: sample.drop(columns="stratum_ha"), "a sample without its column 'stratum_ha'"),
        (lambda sample: changed(sample, seed=range(len(sample))), "joins samples of several draws, by 'seed'"),
        (lambda sample: sample.iloc[[0, *range(len(sample))]], "two points of the pixel"),
        (lambda sample: changed(sample, stratum_ha=range(len(sample))), "two areas of one stratum"),
        (lambda sample: changed(sample, stratum=[None, *sample["stratum"][1:]]), "points that were not drawn"),
        (lambda sample: changed(sample, **{"class": "corn"}), "'corn' is none of the map's: use maize, grassland"),
        (lambda sample: changed(sample, **{"class": ""}), "column 'class' of visited.gpkg is empty"),
        (lambda sample: sample.rename(columns={"class": "crop"}), "no column 'class': --reference-column is one of"),
        (lambda sample: sample.set_geometry(sample.to_crs(32631).buffer(9).to_crs(4326)), "holds a Polygon"),
    ],
)
def test_a_sample_that_is_not_as_it_was_is_refused(class_map, sample, tmp_path, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimated(class_map, change(sample), tmp_path)


def test_a_stratum_of_one_point_is_refused(class_map, sample, tmp_path):
    one = sample.index[sample["stratum"] == "water"][0]
    lost = (sample["stratum"] == "water") & (sample.index != one)
    sample.loc[lost, "class"] = ""
    with pytest.raises(ValueError, match="stratum 'water' has 1 reference point, and an interval needs 2"):
        estimated(class_map, sample, tmp_path)


@pytest.mark.parametrize("where", ["outside", "no class"])
def test_points_off_the_map_are_refused_or_left_out(tmp_path, codes, truth, where):
    codes[0] = 0
    class_map = read_class_map(write_classes(tmp_path / "map.tif", codes))
    pixels = [*np.argwhere(np.random.default_rng(0).random(codes.shape) < 0.1), (-3 if where == "outside" else 0, 5)]
    pixels = [pixel for pixel in pixels if pixel[0] > 0] + [pixels[-1]]
    points = write_points(tmp_path / "points.gpkg", pixels, [NAMES[truth[row, column] - 1] for row, column in pixels])
    sentence = "lie outside map.tif" if where == "outside" else "lie where there is no class on map.tif"
    with pytest.raises(ValueError, match=f"1 of {len(pixels)} points of points.gpkg {sentence}"):
        estimate_areas(class_map, ReferenceOptions(points))
    report = estimate_areas(class_map, ReferenceOptions(points, skip_outside=True))
    assert report.estimate.counts.sum() == len(pixels) - 1


def test_strata_without_points_are_refused(class_map):
    with pytest.raises(ValueError, match="--strata is for points of known class"):
        estimate_areas(class_map, strata=class_map)


def test_a_class_that_no_point_is_of_is_not_said_to_be_absent(class_map, sample, tmp_path):
    report = estimated(class_map, sample.assign(**{"class": "maize"}), tmp_path)
    assert "No point is grassland or water" in " ".join(report.notes)


def test_text_table_json_and_picture_say_the_same(class_map, sample, tmp_path):
    report = estimated(class_map, sample, tmp_path)
    write_area_json(report, tmp_path / "areas.json")
    write_area_csv(report, tmp_path / "areas.csv")
    write_area_png(report, tmp_path / "areas.png")
    content = json.loads((tmp_path / "areas.json").read_text())
    with (tmp_path / "areas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    text = area_text(report)
    for index, (entry, row) in enumerate(zip(content["classes"], rows, strict=False)):
        hectares = report.estimate.areas.value[index] * report.total
        assert entry["class"] == row["class"] == NAMES[index]
        assert entry["area_hectares"]["value"] == pytest.approx(hectares)
        assert float(row["area_hectares_value"]) == pytest.approx(hectares)
        assert f"{hectares:.2f} ± {report.estimate.areas.half_width[index] * report.total:.2f}" in text
    assert content["overall_accuracy"]["value"] == pytest.approx(float(rows[-1]["overall_accuracy_value"]))
    assert content["matrix"]["points"] == report.estimate.counts.tolist()
    assert (tmp_path / "areas.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(FileExistsError):
        write_area_csv(report, tmp_path / "areas.csv")


def test_names_of_classes_that_a_spreadsheet_would_compute_are_text(tmp_path, codes):
    names = ("=1+1", "$x_1$ [31m", "water")
    report = estimate_areas(read_class_map(write_classes(tmp_path / "map.tif", codes, names)))
    write_area_csv(report, tmp_path / "areas.csv")
    write_area_png(report, tmp_path / "areas.png")
    assert (tmp_path / "areas.csv").read_text().splitlines()[1].startswith("'=1+1,")
