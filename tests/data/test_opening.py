from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from timesenclip_hf.data.opening import default_split, read_dataset
from timesenclip_hf.data.sources.arrays import dataset_from_series, write_dataset
from timesenclip_hf.simulator import simulate


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return dataset_from_series(simulate(6, seed=0).series, problems=[])


def test_an_import_is_read_by_its_split(dataset: Dataset, tmp_path: Path):
    write_dataset(dataset, tmp_path / "import", identity={"kind": "test"})
    for split in ("train", "all"):
        assert read_dataset(tmp_path / "import", split)["series"][:] == dataset["series"][:]
    with pytest.raises(ValueError, match="no split 'test': its splits are train"):
        read_dataset(tmp_path / "import", "test")


def test_what_save_to_disk_wrote_is_read_whole_and_by_split(dataset: Dataset, tmp_path: Path):
    dataset.save_to_disk(tmp_path / "one")
    DatasetDict(train=dataset.select(range(4)), test=dataset.select(range(4, 6))).save_to_disk(tmp_path / "two")
    assert len(read_dataset(tmp_path / "one")) == 6
    assert read_dataset(tmp_path / "two", "test")["point_id"][:] == ["4", "5"]
    assert read_dataset(tmp_path / "two")["point_id"][:] == dataset["point_id"][:]
    with pytest.raises(ValueError, match="no split 'validation': its splits are train, test"):
        read_dataset(tmp_path / "two", "validation")


def test_an_evaluation_takes_the_split_test_or_the_only_one(dataset: Dataset, tmp_path: Path):
    write_dataset(dataset, tmp_path / "import", identity={"kind": "test"})
    dataset.save_to_disk(tmp_path / "one")
    for name, splits in (("two", ("train", "test")), ("untested", ("train", "validation"))):
        DatasetDict(dict.fromkeys(splits, dataset)).save_to_disk(tmp_path / name)
    assert [default_split(tmp_path / name) for name in ("import", "one", "two")] == ["train", "all", "test"]
    with pytest.raises(ValueError, match="no split 'test': its splits are train, validation; name one, or all"):
        default_split(tmp_path / "untested")


def test_a_folder_without_a_dataset_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"No dataset in .*: make one with `timesenclip import`"):
        read_dataset(tmp_path)


def test_a_name_that_is_no_folder_nor_on_the_hub_is_one_line():
    with pytest.raises(FileNotFoundError, match=r"No dataset nobody/nothing: there is no such folder, and the Hub"):
        read_dataset("nobody/nothing")


def test_a_dataset_with_a_script_is_refused_in_one_sentence_and_nothing_of_it_runs(dataset: Dataset, tmp_path: Path):
    folder = tmp_path / "stranger"
    write_dataset(dataset, folder, identity={"kind": "test"})
    (folder / "stranger.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ValueError, match=r"cannot be read \(Dataset scripts are no longer supported.*Parquet files\.$"):
        read_dataset(folder)
    assert not (tmp_path / "ran").exists()
