import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from timesenclip_hf.files import (
    first_line,
    read_tensors,
    whole_file,
    whole_files,
    whole_folder,
    write_json,
)


def test_tensors_are_read_from_the_file_or_from_under_its_state_dict(tmp_path):
    tensors = {"a": torch.arange(3), "b": torch.zeros(1, 2)}
    for name, content in {"bare": tensors, "nested": {"state_dict": tensors, "epoch": 3}}.items():
        torch.save(content, tmp_path / name)
        read = read_tensors(tmp_path / name)
        assert list(read) == ["a", "b"]
        assert torch.equal(read["a"], tensors["a"])


@pytest.mark.parametrize("content", [{}, [1], {"a": 1}, {1: torch.zeros(1)}])
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "file")
    with pytest.raises(ValueError, match="is refused"):
        read_tensors(tmp_path / "file")


def test_an_error_is_told_in_one_line():
    assert first_line(ValueError("what is wrong.\nand a lot more")) == "what is wrong"
    assert first_line(KeyError()) == "KeyError"


def test_a_file_is_replaced_when_the_new_one_is_finished_and_nothing_else_is_touched(tmp_path):
    path, neighbour = tmp_path / "map.tif", tmp_path / "map.tif.aux.xml"
    path.write_text("old")
    path.chmod(0o640)
    neighbour.write_text("of another program")
    with whole_file(path, overwrite=True) as partial:
        assert partial.parent.parent == tmp_path
        assert partial.name == "map.tif"
        partial.write_text("new")
        assert path.read_text() == "old"
    assert files_below(tmp_path) == {"map.tif": "new", "map.tif.aux.xml": "of another program"}
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_is_written_below_folders_that_are_not_there_yet(tmp_path):
    with whole_file(tmp_path / "a" / "b" / "map.tif") as partial:
        partial.write_text("new")
    assert files_below(tmp_path) == {"a/b/map.tif": "new"}


def test_a_file_that_comes_while_another_is_written_is_not_replaced(tmp_path):
    path = tmp_path / "map.tif"

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_text("ours")
            path.write_text("somebody else's")

    with pytest.raises(FileExistsError, match=r"map\.tif is there already"):
        write()
    assert files_below(tmp_path) == {"map.tif": "somebody else's"}


def test_an_error_leaves_the_old_file_and_no_part_of_the_new_one(tmp_path):
    path = tmp_path / "map.tif"
    path.write_text("old")

    def write() -> None:
        with whole_file(path, overwrite=True) as partial:
            partial.write_text("half")
            raise KeyError("anything")

    with pytest.raises(KeyError, match="anything"):
        write()
    assert files_below(tmp_path) == {"map.tif": "old"}


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("PytorchStreamWriter failed: No space left on device"),
        ValueError("I/O error: (os error 28)"),
    ],
)
def test_a_full_disk_is_told_in_one_sentence_and_leaves_what_was_there(tmp_path, error):
    (tmp_path / "map.tif").write_text("old")

    def write() -> None:
        with whole_file(tmp_path / "map.tif", overwrite=True) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(OSError, match=r"^There is no space left on the disk of .* \(.* MB free\): make room .*\.$"):
        write()
    assert files_below(tmp_path) == {"map.tif": "old"}


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "map.tif").write_text("old")
    (tmp_path / "map.tif").symlink_to("disk/map.tif")
    with pytest.raises(FileExistsError, match=r"map\.tif is there already"), whole_file(tmp_path / "map.tif"):
        pytest.fail("the block must not run")
    with whole_file(tmp_path / "map.tif", overwrite=True) as partial:
        partial.write_text("new")
    assert (tmp_path / "map.tif").is_symlink()
    assert (tmp_path / "disk" / "map.tif").read_text() == "new"


def test_several_files_are_all_written_or_none_where_one_is_in_the_way(tmp_path):
    (tmp_path / "b.txt").write_text("mine")
    (tmp_path / "c.txt").write_text("mine")

    def write(**options: Any) -> None:
        with whole_files(tmp_path, **options) as partial:
            for name in ("a.txt", "b.txt", "deep/d.txt"):
                (partial / name).parent.mkdir(exist_ok=True)
                (partial / name).write_text("new")

    with pytest.raises(FileExistsError, match=r"b\.txt is there already"):
        write()
    assert files_below(tmp_path) == {"b.txt": "mine", "c.txt": "mine"}
    write(overwrite=lambda path: path.name == "b.txt")
    assert files_below(tmp_path) == {"a.txt": "new", "b.txt": "new", "c.txt": "mine", "deep/d.txt": "new"}


def test_json_is_written_with_an_indent_of_one(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2]})
    assert (tmp_path / "a.json").read_text() == '{\n "a": [\n  1,\n  2\n ]\n}\n'
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text().startswith('{\n "a"')


def files_below(folder) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_is_there_when_it_is_finished(tmp_path):
    for folder in (tmp_path / "deep" / "model", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        with whole_folder(folder) as partial:
            assert not any(partial.iterdir())
            (partial / "weights").write_text("1")
            assert not folder.exists() or not any(folder.iterdir())
        assert files_below(folder.parent)[f"{folder.name}/weights"] == "1"
    assert files_below(tmp_path) == {"deep/model/weights": "1", "empty/weights": "1"}


def test_a_folder_is_replaced_only_when_that_is_asked_for_and_it_holds_nothing_else(tmp_path):
    folder = tmp_path / "model"
    with whole_folder(folder) as partial:
        (partial / "old.json").write_text("1")
    with pytest.raises(FileExistsError, match="model is there already"), whole_folder(folder):
        pytest.fail("the block must not run")
    with whole_folder(folder, overwrite=True, names=["*.json"]) as partial:
        (partial / "new.json").write_text("2")
        assert files_below(folder) == {"old.json": "1"}
    assert files_below(tmp_path) == {"model/new.json": "2"}
    (folder / "notes.txt").write_text("mine")
    sentence = r"model holds notes\.txt, which such a command does not write: give another name, or move it away"
    with pytest.raises(FileExistsError, match=sentence), whole_folder(folder, overwrite=True, names=["*.json"]):
        pytest.fail("the block must not run")
    assert files_below(tmp_path) == {"model/new.json": "2", "model/notes.txt": "mine"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path, overwrite):
    (tmp_path / "model").write_text("a file")
    with (
        pytest.raises(FileExistsError, match="model is there already and is no folder"),
        whole_folder(tmp_path / "model", overwrite=overwrite, names=["*"]),
    ):
        pytest.fail("the block must not run")
    assert files_below(tmp_path) == {"model": "a file"}


def test_an_error_leaves_the_old_folder_and_no_part_of_the_new_one(tmp_path):
    folder = tmp_path / "model"
    with whole_folder(folder) as partial:
        (partial / "old").write_text("1")

    def write() -> None:
        with whole_folder(folder, overwrite=True, names=["*"]) as partial:
            (partial / "new").write_text("2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert files_below(tmp_path) == {"model/old": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_beside_which_nothing_can_be_written_is_filled_from_within(tmp_path, monkeypatch):
    folder = tmp_path / "disk"
    folder.mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == folder)
    with whole_folder(folder) as partial:
        assert partial.is_relative_to(folder)
        (partial / "weights").write_text("1")
    assert files_below(tmp_path) == {"disk/weights": "1"}
