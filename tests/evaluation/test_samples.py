import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.collate import SeriesRows
from timesenclip_hf.data.schema import photo_feature
from timesenclip_hf.data.sources.arrays import dataset_from_series
from timesenclip_hf.evaluation.samples import SEASONS, Samples, parse_months
from timesenclip_hf.simulator import simulate

NUM = 40


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    points = simulate(NUM, seed=5)
    columns = {
        "longitude": points.longitude.tolist(),
        "latitude": points.latitude.tolist(),
        "country": ["FR", ""] * (NUM // 2),
        "land_cover": ["Cropland", "E", "", "Water"] * (NUM // 4),
        "soil": ["clay", "sand"] * (NUM // 2),
    }
    return dataset_from_series(points.series, columns, problems=[])


@pytest.fixture(scope="module")
def samples(dataset: Dataset) -> Samples:
    return Samples.from_dataset(dataset, name="places", split="test", texts=("country", "soil"))


def test_the_features_of_whole_years_are_those_that_training_reads(dataset: Dataset, samples: Samples):
    extractor = TimeSenCLIPFeatureExtractor()
    rows = SeriesRows(dataset, extractor).__getitems__(list(range(NUM)))
    features = samples.features(extractor)
    assert torch.equal(features["series_mask"], rows["series_mask"])
    torch.testing.assert_close(features["pixel_series"], rows["pixel_series"], rtol=0, atol=1e-6)
    assert torch.equal(features["months"], rows["months"])


def test_class_columns_and_columns_of_text_become_labels_with_their_names(samples: Samples):
    assert samples.class_names["country"] == ["FR"]
    assert samples.labels["country"].tolist() == [0, -1] * (NUM // 2)
    assert samples.class_names["soil"] == ["clay", "sand"]
    known = samples.labels["land_cover"][:4]
    assert [samples.class_names["land_cover"][place] for place in known[[0, 1, 3]]] == [
        "Cropland",
        "Grassland",
        "Water",
    ]
    assert known[2] == -1


def test_quarters_are_the_medians_of_their_observed_months_and_stand_in_their_middle(samples: Samples):
    extractor = TimeSenCLIPFeatureExtractor(band_low=[0.0] * 10, band_scale=[30_000.0] * 10)
    features = samples.features(extractor, composites=4)
    assert features["months"][0].tolist() == [1, 4, 7, 10]
    for row in range(NUM):
        for quarter in range(4):
            months = samples.series[row, 3 * quarter : 3 * quarter + 3]
            seen = months[~np.isnan(months).any(axis=1)]
            assert bool(features["series_mask"][row, quarter]) == (len(seen) > 0)
            if len(seen):
                wanted = np.clip(np.median(seen, axis=0) / 30_000, 0, 1)
                np.testing.assert_allclose(features["pixel_series"][row, quarter].numpy(), wanted, atol=1e-6)


def test_the_year_is_one_composite_in_its_middle(samples: Samples):
    features = samples.features(TimeSenCLIPFeatureExtractor(), composites=1)
    assert features["pixel_series"].shape == (NUM, 1, 10)
    assert features["months"].unique().tolist() == [5.5]


def test_missing_months_are_hidden_and_the_others_stay_what_they_were(samples: Samples):
    extractor = TimeSenCLIPFeatureExtractor()
    whole, holed = samples.features(extractor), samples.features(extractor, missing=(0, 11))
    others = list(range(1, 11))
    assert not holed["series_mask"][:, [0, 11]].any()
    assert torch.equal(holed["series_mask"][:, others], whole["series_mask"][:, others])
    assert torch.equal(holed["pixel_series"][:, others], whole["pixel_series"][:, others])


def test_missing_months_do_not_enter_the_medians(samples: Samples):
    extractor = TimeSenCLIPFeatureExtractor()
    quarters = samples.features(extractor, composites=4, missing=(0, 1, 2))
    assert not quarters["series_mask"][:, 0].any()


@pytest.mark.parametrize("number", [0, 5, 24])
def test_composites_that_do_not_divide_the_year_are_refused(samples: Samples, number: int):
    with pytest.raises(ValueError, match=f"cannot become {number}: ask for a divisor of 12"):
        samples.features(TimeSenCLIPFeatureExtractor(), composites=number)


def test_some_samples_are_taken_with_all_that_belongs_to_them(samples: Samples):
    chosen = samples.select(samples.labels["soil"] == 1)
    assert len(chosen) == NUM // 2
    assert chosen.point_ids == samples.point_ids[1::2]
    np.testing.assert_array_equal(chosen.series, samples.series[1::2])
    assert set(chosen.labels["soil"].tolist()) == {1}


def test_samples_without_places_have_no_blocks(samples: Samples, dataset: Dataset):
    assert samples.blocks().shape == (NUM,)
    nowhere = Samples.from_dataset(dataset.remove_columns(["longitude", "latitude"]), name="nowhere")
    assert nowhere.blocks() is None


def test_patches_keep_their_sides():
    series = np.full((3, 12, 10, 5, 5), 1_000, dtype=np.int16)
    dataset = dataset_from_series(series, units="dn", offset=0)
    assert Samples.from_dataset(dataset, name="patches").series.shape == (3, 12, 10, 5, 5)


def test_photo_embeddings_are_averaged_over_the_photos_that_have_one():
    points = simulate(2, seed=0)
    plain = dataset_from_series(points.series, problems=[])
    photos = [
        [{"embedding": [3.0, 0.0]}, {"embedding": [0.0, 0.5]}, {"embedding": None}],
        [],
    ]
    empty = {"direction": "N", "url": None, "image": None, "licence": ""}
    column = [[{**empty, **photo} for photo in shown] for shown in photos]
    feature = photo_feature(2)
    embeds = Samples.from_dataset(plain.add_column("photos", column, feature=feature), name="shown").photo_embeds
    torch.testing.assert_close(embeds[0], torch.tensor([0.5, 0.5]).sqrt())
    assert embeds[1].isnan().all()


def test_an_empty_split_is_refused(dataset: Dataset):
    with pytest.raises(ValueError, match="The split 'test' of places is empty"):
        Samples.from_dataset(dataset.select([]), name="places", split="test")


def test_a_missing_column_is_named(dataset: Dataset):
    with pytest.raises(ValueError, match="places has no column 'observed'"):
        Samples.from_dataset(dataset.remove_columns("observed"), name="places")


def test_native_acquisitions_are_refused():
    dates = [np.datetime64("2018-01-01") + np.arange(count) * 20 for count in (5, 9)]
    items = [{"series": np.full((len(days), 10), 0.2), "dates": days} for days in dates]
    with pytest.raises(ValueError, match="series of native differ in length: import them as composites"):
        Samples.from_dataset(dataset_from_series(items, composite="none"), name="native")


def test_a_label_outside_the_classes_of_its_column_is_named(dataset: Dataset):
    column = dataset.add_column("kind", [7] * NUM)
    # `datasets` checks class indices as it casts, not as it reads files of others.
    column.info.features["kind"] = ClassLabel(names=["a", "b"])
    with pytest.raises(ValueError, match="Row 0 of places has the label 7 in 'kind', which has 2 classes"):
        Samples.from_dataset(column, name="places")


@pytest.mark.parametrize(
    ("given", "name", "months"),
    [
        (None, None, ()),
        ("none", None, ()),
        ("winter", "winter", (0, 1, 11)),
        ("Growing_Season", "growing season", (3, 4, 5, 6, 7, 8)),
        ("jan, March", "jan, mar", (0, 2)),
        ("1,2,12", "jan, feb, dec", (0, 1, 11)),
        ([12, 12], "dec", (11,)),
    ],
)
def test_months_go_by_season_name_or_number(given, name, months):
    assert parse_months(given) == (name, months)


@pytest.mark.parametrize("given", ["autumnal", "0", "13", "jan,,feb", [], [0], ["x"]])
def test_what_is_no_month_is_one_sentence(given):
    with pytest.raises(ValueError, match="Missing months must be winter, growing season, names such as 'jan,feb'"):
        parse_months(given)


@given(st.text(max_size=12))
def test_any_text_is_months_or_one_sentence(text: str):
    try:
        _, months = parse_months(text)
    except ValueError:
        with pytest.raises(ValueError, match="Missing months must be"):
            parse_months(text)
    else:
        assert all(0 <= month < 12 for month in months)


def test_the_seasons_are_those_of_the_northern_year():
    assert sorted(SEASONS["winter"]) == [0, 1, 11]
    assert sorted(SEASONS["growing season"]) == [3, 4, 5, 6, 7, 8]
