"""Samples are drawn by lot within each class of a map, and say how."""

import numpy as np
import pytest

pytest.importorskip("geopandas", reason="needs the extra data")
pytest.importorskip("rasterio", reason="needs the extra map")
import itertools

from rasterio.transform import from_origin
from rasterio.windows import Window

from tests.support.class_rasters import NAMES, random_codes, write_classes
from timesenclip_hf.parcels import class_maps, read_class_map
from timesenclip_hf.parcels.sampling import SampleOptions, _draw_ranks, draw_sample, plan_sample


@pytest.fixture
def codes():
    codes = random_codes()
    codes[:3, :4] = 0
    return codes


@pytest.fixture
def class_map(tmp_path, codes):
    return read_class_map(write_classes(tmp_path / "map.tif", codes))


def pixels_of(sample) -> np.ndarray:
    return sample["pixel"].str.extract(r"row (\d+), column (\d+)").to_numpy(dtype=int).T


def test_each_class_gets_its_points_and_each_point_is_a_pixel_of_its_class(class_map, codes):
    sample = draw_sample(plan_sample(class_map, SampleOptions(per_class=30)), seed=4)
    assert sample["stratum"].value_counts().to_dict() == dict.fromkeys(NAMES, 30)
    rows, columns = pixels_of(sample)
    assert [NAMES[code - 1] for code in codes[rows, columns]] == sample["stratum"].tolist()
    assert not sample.duplicated("pixel").any()
    places = sample.to_crs(class_map.crs.to_wkt()).geometry
    found = class_map.pixels_at(places.x.to_numpy(), places.y.to_numpy())
    np.testing.assert_array_equal(found, (rows, columns))


def test_a_sample_says_what_it_was_drawn_from(class_map, codes):
    sample = draw_sample(plan_sample(class_map, SampleOptions(per_class=5)), seed=9)
    assert set(sample["map_hash"]) == {class_map.map_hash}
    assert set(sample["seed"]) == {9}
    assert set(sample["allocation"]) == {"equal"}
    assert set(sample["class"]) == {""}
    assert sample["id"].tolist() == list(range(1, 16))
    maize = sample[sample["stratum"] == "maize"].iloc[0]
    assert maize["stratum_px"] == (codes == 1).sum()
    assert maize["stratum_ha"] == pytest.approx((codes == 1).sum() / 100)
    assert max(map(len, sample.columns)) <= 10, "or a Shapefile cuts them"


def test_the_same_seed_draws_the_same_points_and_another_draws_others(class_map):
    plan = plan_sample(class_map, SampleOptions(per_class=20))
    first, again, other = (draw_sample(plan, seed=seed)["pixel"].tolist() for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)


def test_points_do_not_come_class_by_class(class_map):
    strata = draw_sample(plan_sample(class_map, SampleOptions(per_class=30)))["stratum"].tolist()
    assert sum(one != other for one, other in itertools.pairwise(strata)) > 30


def test_a_class_of_fewer_pixels_than_points_is_taken_whole(tmp_path, codes):
    codes[codes == 3] = 2
    codes[5, :7] = 3
    class_map = read_class_map(write_classes(tmp_path / "small.tif", codes))
    sample = draw_sample(plan_sample(class_map, SampleOptions(per_class=50)))
    rows, columns = pixels_of(sample[sample["stratum"] == "water"])
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(5, column) for column in range(7)}


@pytest.mark.parametrize("count", [1, 10])  # of 12: by drawing again, and by keys
def test_every_pixel_of_a_class_is_as_likely_as_any_other(tmp_path, count):
    codes = np.full((4, 6), 2, dtype=np.uint8)
    codes[1::2] = 1
    class_map = read_class_map(write_classes(tmp_path / "map.tif", codes))
    drawn = np.zeros((4, 12))
    for seed in range(1200):
        np.add.at(drawn, _draw_ranks(class_map, 0, count, seed), 1)
    drawn = drawn[1::2, :6]
    expected = 1200 * count / 12
    # A sum of squares over 11 degrees of freedom; without replacement counts vary less than those of a multinomial.
    assert ((drawn - expected) ** 2 / expected).sum() < 31.3  # one in a thousand


@pytest.mark.parametrize("count", [1, 3])  # of 8
def test_pixels_in_degrees_are_drawn_by_their_area(tmp_path, count):
    codes = np.ones((8, 1), dtype=np.uint8)
    file = write_classes(tmp_path / "map.tif", codes, crs="EPSG:4326", transform=from_origin(0, 80, 10, 10))
    class_map = read_class_map(file)
    drawn = np.zeros(8)
    for seed in range(2000):
        np.add.at(drawn, _draw_ranks(class_map, 0, count, seed)[0], 1)
    expected = class_map.row_areas / class_map.row_areas.sum()
    if count == 1:
        np.testing.assert_allclose(drawn / 2000, expected, atol=0.033)  # three standard deviations
    else:
        assert (np.diff(drawn) > -60).all()
        assert drawn[-1] > 3 * drawn[0]


def test_a_map_read_in_strips_is_counted_drawn_and_hashed_as_one_read_at_once(tmp_path, codes, monkeypatch):
    file = write_classes(tmp_path / "map.tif", codes)
    whole = read_class_map(file)
    sample = draw_sample(plan_sample(whole, SampleOptions(per_class=20)))
    monkeypatch.setattr(class_maps, "STRIP_PIXELS", 100)
    strips = read_class_map(file)
    assert strips.map_hash == whole.map_hash
    np.testing.assert_array_equal(strips.row_pixels, whole.row_pixels)
    assert draw_sample(plan_sample(strips, SampleOptions(per_class=20))).equals(sample)


def test_the_hash_tells_pixels_and_grid_from_others_and_not_how_they_are_stored(tmp_path, codes):
    first = read_class_map(write_classes(tmp_path / "map.tif", codes))
    wide = read_class_map(write_classes(tmp_path / "wide.tif", codes.astype(np.int32)))
    moved = write_classes(tmp_path / "moved.tif", codes, transform=from_origin(500_010, 5_600_000, 10, 10))
    other = codes.copy()
    other[20, 20] = 1 + other[20, 20] % 3
    assert wide.map_hash == first.map_hash
    assert read_class_map(moved).map_hash != first.map_hash
    assert read_class_map(write_classes(tmp_path / "other.tif", other)).map_hash != first.map_hash


def test_rejected_pixels_are_a_stratum_of_their_own(tmp_path, codes):
    codes[10:15] = 255
    class_map = read_class_map(write_classes(tmp_path / "map.tif", codes, tags={"CLASS_255": "uncertain"}))
    assert class_map.labels == [*NAMES, "uncertain"]
    assert class_map.classes == list(NAMES)
    sample = draw_sample(plan_sample(class_map, SampleOptions(per_class=6)))
    assert (sample["stratum"] == "uncertain").sum() == 6


def test_a_map_of_another_maker_tells_its_codes(tmp_path, codes):
    file = write_classes(tmp_path / "map.tif", (codes * 10).astype(np.uint16), names=())
    with pytest.raises(ValueError, match="does not name its classes: tell them, --codes"):
        read_class_map(file)
    class_map = read_class_map(file, {"crops": [(None, 10), (None, 20)], "water": [(None, 30)]})
    assert class_map.pixels.tolist() == [np.isin(codes, (1, 2)).sum(), (codes == 3).sum()]
    with pytest.raises(ValueError, match="pixels of code 30, which is no class and not marked as no data"):
        read_class_map(file, {"crops": [(None, 10), (None, 20)]})
    with pytest.raises(ValueError, match="code 10 is of two classes"):
        read_class_map(file, {"crops": [(None, 10)], "maize": [(None, 10)]})
    with pytest.raises(ValueError, match="one band and no variable 'LC'"):
        read_class_map(file, {"crops": [("LC", 10)]})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"crs": None}, "no coordinate reference system"),
        ({"crs": "EPSG:3857"}, "changes areas by up to"),
        ({"nodata": None}, "pixels of code 0, which is no class"),
    ],
)
def test_a_map_whose_areas_cannot_be_told_is_refused(tmp_path, codes, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_class_map(write_classes(tmp_path / "map.tif", codes, **settings))


def test_a_raster_of_scores_and_an_empty_map_are_refused(tmp_path, codes):
    with pytest.raises(ValueError, match="one band of whole numbers"):
        read_class_map(write_classes(tmp_path / "scores.tif", codes.astype(np.float32)))
    with pytest.raises(ValueError, match="no pixel with a class"):
        read_class_map(write_classes(tmp_path / "empty.tif", codes * 0))


def test_the_strips_of_a_map_are_whole_rows(class_map):
    found = np.concatenate([strata for _, strata in class_map.strips(np.arange(class_map.shape[0]))])
    assert found.shape == class_map.shape
    assert Window(0, 0, *class_map.shape[::-1]).width == found.shape[1]
