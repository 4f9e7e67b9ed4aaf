import json
import os
import socket
from pathlib import Path

import pytest

from timesenclip_hf.files.outputs import OwnFiles, check_content, check_file, check_folder, check_run_folder


def put(path: Path, kind: str) -> Path:
    """Put something in the way of an output."""
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "a dangling link":
        path.symlink_to(path.parent / "nowhere")
    elif kind == "a link to itself":
        path.symlink_to(path)
    elif kind == "a link to a folder":
        (path.parent / "folder").mkdir()
        path.symlink_to(path.parent / "folder")
    return path


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("a folder", "out is a folder: give the name of a file to write"),
        ("a link to a folder", "out is a folder: give the name of a file to write"),
        ("a pipe", "out is a device, a pipe or a socket: give the name of a file to write"),
        ("a socket", "out is a device, a pipe or a socket: give the name of a file to write"),
        ("a dangling link", "out is a link that leads nowhere: remove it, or give another name"),
        ("a link to itself", "out is a link that leads nowhere: remove it, or give another name"),
    ],
)
def test_what_is_no_file_is_refused_whatever_is_asked_for(tmp_path, kind, sentence, overwrite):
    path = put(tmp_path / "out", kind)
    with pytest.raises(OSError, match=sentence) as caught:
        check_file(path, overwrite=overwrite)
    assert len(str(caught.value).splitlines()) == 1
    assert path.is_symlink() or path.exists()


def test_a_device_is_refused():
    with pytest.raises(OSError, match="/dev/null is a device"):
        check_file("/dev/null", overwrite=True)


@pytest.mark.parametrize("check", [check_file, check_folder, check_run_folder])
def test_a_file_among_the_folders_of_a_path_is_named(tmp_path, check):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="file is a file, below which nothing can be written"):
        check(tmp_path / "file" / "deep" / "out")


@pytest.mark.parametrize("check", [check_file, check_folder, check_run_folder])
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, check, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(PermissionError, match=f"The folder {tmp_path} may not be written to: give another"):
        check(tmp_path / "new" / "out")


def test_a_file_that_is_there_is_replaced_only_where_that_is_asked_for(tmp_path):
    file = tmp_path / "out.csv"
    file.write_text("mine")
    with pytest.raises(
        FileExistsError, match=r"out\.csv is there already: give another name, or overwrite it \(--over"
    ):
        check_file(file)
    assert check_file(file, overwrite=True) == file


def test_what_a_command_reads_is_never_replaced(tmp_path):
    (tmp_path / "table.csv").write_text("mine")
    (tmp_path / "link.csv").symlink_to("table.csv")
    with pytest.raises(FileExistsError, match=r"link\.csv is read by the same command"):
        check_file(tmp_path / "link.csv", overwrite=True, inputs=["nowhere.csv", tmp_path / "table.csv"])


def test_the_content_of_a_folder_is_held_against_names_and_locks_do_not_count(tmp_path):
    (tmp_path / ".import").mkdir()
    (tmp_path / ".timesenclip-abc").mkdir()
    (tmp_path / ".timesenclip-abc" / "half").touch()
    (tmp_path / ".lock").touch()
    check_content(tmp_path, [".import"])
    (tmp_path / ".import" / "deep").mkdir()
    (tmp_path / ".import" / "deep" / "file").touch()
    check_content(tmp_path, [".import/*"])
    with pytest.raises(FileExistsError, match=r"holds \.import/deep/file, which such a command does not write"):
        check_content(tmp_path, ["data/*"])


def test_a_run_knows_its_files_by_size_and_time_also_where_it_was_moved_to(tmp_path):
    (tmp_path / "a" / "map.run").mkdir(parents=True)
    for name in ("map.tif", "map.html"):
        (tmp_path / "a" / name).write_text(name)
    own = OwnFiles(tmp_path / "a" / "map.run" / "written.json")
    own.note({tmp_path / "a" / "map.tif": tmp_path / "a" / "map.tif"})
    (tmp_path / "a").rename(tmp_path / "b")
    own = OwnFiles(tmp_path / "b" / "map.run" / "written.json")
    assert tmp_path / "b" / "map.tif" in own
    assert tmp_path / "b" / "map.html" not in own
    assert tmp_path / "b" / "absent" not in own
    os.utime(tmp_path / "b" / "map.tif", ns=(0, 0))
    assert tmp_path / "b" / "map.tif" not in own


def test_a_run_that_is_killed_while_files_get_their_names_knows_the_old_and_the_new(tmp_path):
    old, new = tmp_path / "map.tif", tmp_path / "new.tif"
    old.write_text("old")
    new.write_text("new one")
    own = OwnFiles(tmp_path / "written.json")
    own.note({old: old})
    own.note({old: new})
    assert old in own
    new.replace(old)
    assert old in OwnFiles(tmp_path / "written.json")
    assert len(json.loads((tmp_path / "written.json").read_text())["map.tif"]) == 2
