import numpy as np
import pytest
from datasets import DatasetDict, load_dataset, load_from_disk

from tests.support.photo_places import point_id, write_paired
from timesenclip_hf.data.joining import MANIFEST_FILE, join_dataset
from timesenclip_hf.data.photos.embedding_shards import add_embeddings
from timesenclip_hf.data.splits import (
    SplitOptions,
    blocked_split,
    random_split,
    read_manifest,
    split_rows,
    write_manifest,
)

COUNT = 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The paired dataset, and the embeddings of its photos."""
    return write_paired(tmp_path_factory.mktemp("places"), COUNT, size=4)


def rows_of(folder):
    return {name: split.to_list() for name, split in load_from_disk(folder).items()}


def test_joining_gives_what_the_single_steps_give(folders, tmp_path):
    paired, embeddings = folders
    counts = join_dataset(paired, embeddings, tmp_path / "joined", SplitOptions(block_km=20))
    points = add_embeddings(load_dataset(str(paired), split="train"), embeddings)
    splits = blocked_split(points["point_id"], points["longitude"], points["latitude"], block_km=20)
    write_manifest(tmp_path / "splits.csv", splits)
    places = {name: points.select(rows) for name, rows in split_rows(splits, points["point_id"]).items()}
    DatasetDict(places).save_to_disk(tmp_path / "steps")
    np.testing.assert_equal(rows_of(tmp_path / "joined"), rows_of(tmp_path / "steps"))
    joined, steps = load_from_disk(tmp_path / "joined"), load_from_disk(tmp_path / "steps")
    assert {name: split.features for name, split in joined.items()} == {
        name: split.features for name, split in steps.items()
    }
    assert (tmp_path / "joined" / MANIFEST_FILE).read_bytes() == (tmp_path / "splits.csv").read_bytes()
    assert counts == {name: len(split) for name, split in joined.items()}
    assert sum(counts.values()) == COUNT


def test_single_points_are_drawn_and_a_manifest_is_followed_though_it_knows_more(folders, tmp_path):
    join_dataset(*folders, tmp_path / "drawn", SplitOptions(block_km=None, seed=1))
    ids = [point_id(index) for index in range(COUNT)]
    assert read_manifest(tmp_path / "drawn" / MANIFEST_FILE) == random_split(ids, seed=1)
    write_manifest(tmp_path / "splits.csv", {**dict.fromkeys(ids, "train"), "another": "test"})
    assert join_dataset(*folders, tmp_path / "told", SplitOptions(tmp_path / "splits.csv")) == {"train": COUNT}


def test_what_an_earlier_call_wrote_is_replaced_where_that_is_asked_for_and_other_things_are_left_alone(
    folders, tmp_path
):
    join_dataset(*folders, tmp_path / "out", SplitOptions(block_km=None))
    with pytest.raises(FileExistsError, match="out is there already: give another name, or overwrite it"):
        join_dataset(*folders, tmp_path / "out", SplitOptions(block_km=None))
    everything = SplitOptions(block_km=None, shares={"train": 1.0})
    assert join_dataset(*folders, tmp_path / "out", everything, overwrite=True) == {"train": COUNT}
    assert list(load_from_disk(tmp_path / "out")) == ["train"]
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"out holds notes\.txt, which such a command does not write"):
        join_dataset(*folders, tmp_path / "out", everything, overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SplitOptions(block_km=5_000), "too few for 3 splits"),
        (SplitOptions(block_km=None, shares={"train": 0.5}), "sum to 1"),
    ],
)
def test_what_cannot_be_split_so_leaves_nothing_behind(folders, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        join_dataset(*folders, tmp_path / "out", options)
    assert not list(tmp_path.iterdir())


def test_a_point_that_the_manifest_does_not_know_and_a_missing_dataset_are_named(folders, tmp_path):
    write_manifest(tmp_path / "splits.csv", {point_id(0): "train"})
    with pytest.raises(ValueError, match=f"The point {point_id(1)} is in no split"):
        join_dataset(*folders, tmp_path / "out", SplitOptions(tmp_path / "splits.csv"))
    with pytest.raises(FileNotFoundError, match="No dataset in"):
        join_dataset(tmp_path, folders[1], tmp_path / "out")
    with pytest.raises(ValueError, match="has no finished embeddings"):
        join_dataset(folders[0], tmp_path, tmp_path / "out")
