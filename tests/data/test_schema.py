import numpy as np
import pytest
from datasets import Dataset

from timesenclip_hf.data.schema import (
    MISSING,
    as_series,
    build_features,
    class_index,
    classes_of_codes,
    month_places,
    pack_series,
    photo_feature,
    taxonomy_of,
)


def rows(series: np.ndarray) -> Dataset:
    features = build_features(series.shape[1], photos=False)
    table = {name: [None] * len(series) for name in features}
    return Dataset.from_dict({**table, "series": list(series.reshape(len(series), -1))}, features=features)


def test_the_columns_are_those_of_the_schema_and_classes_are_named_from_the_taxonomies():
    features = build_features()
    assert list(features) == [
        *("point_id", "year", "longitude", "latitude", "country", "series", "observed", "months", "lc1", "lu1"),
        *("land_cover", "land_use", "crop", "habitat", "bioregion", "photos"),
    ]
    assert features["series"].length == 120
    assert features["observed"].length == features["months"].length == 12
    assert [features[name].num_classes for name in ("land_cover", "land_use", "crop", "habitat", "bioregion")] == [
        *(8, 16, 40, 44, 12)
    ]


def test_native_acquisitions_have_dates_and_any_length():
    features = build_features(native=True, photos=False)
    assert features["series"].length == features["observed"].length == -1
    assert "dates" in features


def test_a_photo_has_an_embedding_where_one_is_asked_for():
    assert "embedding" not in build_features()["photos"].feature
    assert photo_feature(512).feature["embedding"].length == 512


@pytest.mark.parametrize("sizes", [{"num_times": 0}, {"crop": 0}])
def test_a_size_below_one_is_refused(sizes):
    with pytest.raises(ValueError, match="must be positive"):
        build_features(**sizes)


def test_series_come_back_from_every_form_of_a_batch():
    series = np.random.default_rng(0).integers(-100, 9000, (7, 12, 10)).astype(np.int16)
    dataset = rows(series)
    chosen = [5, 2, 3]
    for batch in (
        dataset.with_format("arrow")[chosen],
        dataset.with_format("arrow")[chosen]["series"],
        dataset.with_format("numpy")[chosen],
        dataset.with_format("torch")[chosen],
        dataset[chosen],
    ):
        np.testing.assert_array_equal(as_series(batch), series[chosen])
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[2:5]), series[2:5])


def test_reading_series_from_arrow_keeps_the_integers_and_copies_nothing():
    table = rows(np.ones((4, 12, 10), dtype=np.int16)).with_format("arrow")[:]
    series = as_series(table)
    assert series.dtype == np.int16
    assert not series.flags.owndata


def test_patches_keep_their_sides():
    series = np.arange(2 * 12 * 10 * 9, dtype=np.int16).reshape(2, 12, 10, 3, 3)
    np.testing.assert_array_equal(as_series(series.reshape(2, -1), crop=3), series)


def test_series_that_do_not_divide_into_bands_are_refused():
    with pytest.raises(ValueError, match="a multiple of 10, got the shape"):
        as_series(np.zeros((2, 119)))


def test_packing_keeps_whole_numbers_and_marks_what_is_missing_or_too_bright():
    packed = pack_series(np.array([[np.nan, 0.4, 1234.6, -12, 65535]]))
    assert packed.tolist() == [[MISSING, 0, 1235, -12, MISSING]]


@pytest.mark.parametrize(
    ("lc1", "lu1", "expected"),
    [
        ("B16", "U111", ("Cropland", "Agriculture", "Maize")),
        ("E20", "U420", ("Grassland", "Semi-natural and natural areas not in use", None)),
        ("", "", (None, None, None)),
        ("Z99", "U999", (None, None, None)),
    ],
)
def test_lucas_codes_tell_land_cover_land_use_and_crop(lc1, lu1, expected):
    classes = classes_of_codes(lc1, lu1)
    columns = ("land_cover", "land_use", "crop")
    named = tuple(
        None if classes[column] < 0 else taxonomy_of(column).class_names[classes[column]] for column in columns
    )
    assert named == expected


def test_a_class_is_found_by_index_code_and_name():
    assert [class_index("bioregion", value) for value in (3, "3", "Atlantic", "atlantic")] == [3, 3, 3, 3]
    assert [class_index("bioregion", value) for value in (12, -1, "Narnia")] == [-1, -1, -1]


def test_composites_lie_in_the_middle_of_their_months():
    assert list(month_places()) == list(range(12))
    assert list(month_places(4)) == [1, 4, 7, 10]
    assert list(month_places(1)) == [5.5]
