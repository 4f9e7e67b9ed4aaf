import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image, Value, load_dataset

from timesenclip_hf.data.photos.embedding_shards import add_embeddings, read_embeddings
from timesenclip_hf.data.photos.pairing import pair_lucas
from timesenclip_hf.data.photos.upstream_embeddings import import_upstream_embeddings
from timesenclip_hf.data.sources.lucas import Survey, SurveyPoint

SIZE = 6


@pytest.fixture
def shards(tmp_path):
    """Embeddings of point 38023110's four photos, in upstream's order, and of another's north."""
    keys = [*(f"BE_38023110{side}" for side in "WENS"), "BE_38023116N"]
    torch.save({key: torch.full((1, SIZE), float(place)) for place, key in enumerate(keys)}, tmp_path / "lucas.pt")
    import_upstream_embeddings(tmp_path / "lucas.pt", tmp_path / "shards", shard_size=2)
    return tmp_path / "shards"


def paired(tmp_path, *points):
    points = [SurveyPoint(point_id, year, "BE", 2.6, 50.9, "B13", "U111") for point_id, year in points]
    survey = Survey({(point.point_id, point.year): point for point in points}, [])
    pair_lucas(tmp_path / "paired", survey=survey, workers=1, progress=False)
    return load_dataset(str(tmp_path / "paired"), split="train", cache_dir=str(tmp_path / "cache"))


def test_each_photo_gets_its_own_embedding_whatever_the_order_of_the_shards(shards, tmp_path):
    dataset = paired(tmp_path, ("38023116", 2018), ("38023110", 2018), ("38023999", 2018))
    added = add_embeddings(dataset, shards, cache_dir=str(tmp_path / "cache"))
    first, second, third = ([photo["embedding"][0] for photo in row["photos"]] for row in added)
    np.testing.assert_array_equal(first, [4, np.nan, np.nan, np.nan])
    assert second == [2, 1, 3, 0]  # N, E, S, W of upstream's W, E, N, S
    assert np.isnan(third).all()
    for before, after in zip(dataset, added, strict=True):
        without = [{key: value for key, value in photo.items() if key != "embedding"} for photo in after["photos"]]
        assert without == before["photos"]
        assert {key: after[key] for key in before if key != "photos"} == {
            k: v for k, v in before.items() if k != "photos"
        }


def test_added_embeddings_replace_earlier_ones_and_rows_may_be_chosen_before(shards, tmp_path):
    dataset = paired(tmp_path, ("38023116", 2018), ("38023110", 2018), ("38023999", 2018))
    once = add_embeddings(dataset, shards, cache_dir=str(tmp_path / "cache"))
    twice = add_embeddings(once.select([1]), shards, cache_dir=str(tmp_path / "cache"))
    assert [photo["embedding"][0] for photo in twice[0]["photos"]] == [2, 1, 3, 0]
    assert twice.features == once.features


def test_embeddings_of_another_year_are_not_taken(shards, tmp_path):
    dataset = paired(tmp_path, ("38023110", 2015))
    with pytest.raises(ValueError, match="the points or the years differ"):
        add_embeddings(dataset, shards, cache_dir=str(tmp_path / "cache"))


def test_a_dataset_without_photos_and_a_folder_without_embeddings_are_refused_in_one_line(shards, tmp_path):
    with pytest.raises(ValueError, match="has no column 'photos', but id: pair it first"):
        add_embeddings(Dataset.from_dict({"id": [1]}), shards)
    with pytest.raises(ValueError, match="has no finished embeddings"):
        read_embeddings(tmp_path)


def test_the_features_say_what_an_embedding_is(shards, tmp_path):
    added = add_embeddings(paired(tmp_path, ("38023110", 2018)), shards, cache_dir=str(tmp_path / "cache"))
    photo = added.features["photos"].feature
    assert photo["embedding"].length == SIZE
    assert photo["embedding"].feature == Value("float32")
    assert photo["image"] == Image(decode=False)
    assert isinstance(added.features, Features)
