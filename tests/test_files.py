import pytest
import torch

from timesenclip_hf.files import first_line, read_tensors, weights_hash, whole_file, whole_folder, write_json


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


def test_a_hash_of_weights_knows_names_and_values_but_neither_order_nor_precision():
    weights = {"a": torch.tensor([0.5, 2.0]), "b": torch.zeros(2, 3)}
    same = [dict(reversed(weights.items())), {name: tensor.bfloat16() for name, tensor in weights.items()}]
    assert {weights_hash(other) for other in same} == {weights_hash(weights)}
    others = [{"a": weights["a"]}, {"c": weights["a"], "b": weights["b"]}, {**weights, "a": torch.tensor([0.5, 2.1])}]
    assert len({weights_hash(other) for other in [weights, *others]}) == 4


def test_a_file_is_replaced_when_the_new_one_is_finished_and_nothing_else_is_touched(tmp_path):
    path, neighbour = tmp_path / "map.tif", tmp_path / "map.tif.aux.xml"
    path.write_text("old")
    neighbour.write_text("of another program")
    with whole_file(path) as partial:
        assert partial.parent == tmp_path
        assert partial.suffix == ".tif"
        partial.write_text("new")
        assert path.read_text() == "old"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "map.tif": "new",
        "map.tif.aux.xml": "of another program",
    }


def test_an_error_leaves_the_old_file_and_no_part_of_the_new_one(tmp_path):
    path = tmp_path / "map.tif"
    path.write_text("old")

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write()
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]
    assert path.read_text() == "old"


def test_a_folder_in_the_way_of_a_file_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "map.tif").mkdir()
    (tmp_path / "map.tif" / "kept").write_text("")
    with (
        pytest.raises(IsADirectoryError, match=r"map\.tif is a folder: give the name of a file"),
        whole_file(tmp_path / "map.tif"),
    ):
        pytest.fail("the block must not run")
    assert [file.name for file in tmp_path.rglob("*")] == ["map.tif", "kept"]


def test_what_a_killed_run_left_of_a_file_is_no_obstacle(tmp_path):
    path = tmp_path / "map.tif"
    with whole_file(path) as partial:
        leftover = partial
        partial.write_text("first")
    leftover.write_text("half, of a run that was killed, and longer than what follows")
    with whole_file(path) as partial:
        assert not partial.exists()
        partial.write_text("second")
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]
    assert path.read_text() == "second"


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


def test_a_folder_with_content_is_replaced_only_when_that_is_asked_for(tmp_path):
    folder = tmp_path / "model"
    with whole_folder(folder) as partial:
        (partial / "old").write_text("1")
    with pytest.raises(FileExistsError, match="model is there already"), whole_folder(folder):
        pytest.fail("the block must not run")
    assert files_below(tmp_path) == {"model/old": "1"}
    with whole_folder(folder, replace=True) as partial:
        (partial / "new").write_text("2")
        assert files_below(folder) == {"old": "1"}
    assert files_below(tmp_path) == {"model/new": "2"}


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path, replace):
    (tmp_path / "model").write_text("a file")
    with (
        pytest.raises(FileExistsError, match="model is there already"),
        whole_folder(tmp_path / "model", replace=replace),
    ):
        pytest.fail("the block must not run")
    assert files_below(tmp_path) == {"model": "a file"}


def test_an_error_leaves_the_old_folder_and_no_part_of_the_new_one(tmp_path):
    folder = tmp_path / "model"
    (tmp_path / "model-2").mkdir()
    (tmp_path / "model-2" / "kept").write_text("")
    with whole_folder(folder) as partial:
        (partial / "old").write_text("1")

    def write() -> None:
        with whole_folder(folder, replace=True) as partial:
            (partial / "new").write_text("2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert files_below(tmp_path) == {"model/old": "1", "model-2/kept": ""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model-2"]


def test_what_a_killed_run_left_of_a_folder_is_no_obstacle_and_no_part_of_the_new_one(tmp_path):
    with whole_folder(tmp_path / "model") as partial:
        leftover = partial
        (partial / "weights").write_text("1")
    for name in (leftover, leftover.with_name(leftover.name.replace("partial", "old"))):
        name.mkdir()
        (name / "half").write_text("of a run that was killed")
    with whole_folder(tmp_path / "model", replace=True) as partial:
        (partial / "weights").write_text("2")
    assert files_below(tmp_path) == {"model/weights": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
