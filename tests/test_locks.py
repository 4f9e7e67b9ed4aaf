import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from timesenclip_hf.files import locks, whole_file, whole_folder
from timesenclip_hf.files.locks import OWNER_FILE, UNFINISHED, FullDiskError, HeldError, Hold, clear_unfinished, is_full

ROOT = Path(__file__).resolve().parents[1]
# The package without its models: a process that only locks is there at once.
PACKAGE = """
import sys, time, types
package = types.ModuleType("timesenclip_hf")
package.__path__ = [{source!r}]
sys.modules["timesenclip_hf"] = package
from pathlib import Path
from timesenclip_hf.files.locks import REPLACED, Hold, unfinished
"""


@pytest.fixture
def start():
    """Start Python on a few lines and wait until it says that it is there; it is ended after the test."""
    running = []

    def _start(lines: str) -> subprocess.Popen[str]:
        script = PACKAGE.format(source=str(ROOT / "src" / "timesenclip_hf")) + lines
        process = subprocess.Popen([sys.executable, "-c", script, "word"], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        return process

    yield _start
    for process in running:
        process.kill()
        process.wait()


HOLDING = "Hold(Path({folder!r})).acquire()\nprint('there', flush=True)\ntime.sleep(600)\n"
WRITING = """
with unfinished(Path({folder!r})) as folder:
    (folder / "half.tif").write_text("half")
    print("there", flush=True)
    time.sleep(600)
"""
SWAPPING = """
target = Path({folder!r}) / "model"
with unfinished(target.parent) as work:
    (work / "model").mkdir()
    (work / "model" / "weights").write_text("new")
    target.rename(work / REPLACED)
    print("there", flush=True)
    time.sleep(600)
"""


def test_the_second_process_is_told_who_holds_a_folder_since_when_and_by_which_command(tmp_path, start):
    process = start(HOLDING.format(folder=str(tmp_path / "out")))
    with pytest.raises(HeldError) as caught:
        Hold(tmp_path / "out").acquire()
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'out'} is being written to by process {process.pid} on ")
    assert " since 20" in said
    assert "(-c word)" in said
    assert said.endswith(": wait for it, or give another name.")


def test_a_process_that_was_killed_holds_nothing(tmp_path, start):
    process = start(HOLDING.format(folder=str(tmp_path)))
    process.send_signal(signal.SIGKILL)
    with Hold(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_hold_leaves_no_trace_and_no_folder_that_it_made_for_nothing(tmp_path):
    with Hold(tmp_path / "deep" / "out"):
        assert (tmp_path / "deep" / "out").is_dir()
    assert not (tmp_path / "deep" / "out").exists()
    with Hold(tmp_path / "kept"):
        (tmp_path / "kept" / "file").touch()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["file"]


def test_the_thread_that_holds_a_folder_may_take_it_again_and_another_may_not(tmp_path):
    with Hold(tmp_path):
        with Hold(tmp_path):
            pass
        with ThreadPoolExecutor(1) as other, pytest.raises(HeldError, match=f"by process {os.getpid()} on"):
            other.submit(Hold(tmp_path).acquire).result()
    with ThreadPoolExecutor(1) as other:
        other.submit(Hold(tmp_path).__enter__).result().release()


def test_a_note_that_somebody_else_wrote_into_a_lock_shows_no_escapes(tmp_path, start):
    process = start(HOLDING.format(folder=str(tmp_path)))
    note = {"process": process.pid, "host": os.uname().nodename, "since": "now", "command": "\x1b[2J" + "x" * 900}
    (tmp_path / ".lock").write_text(json.dumps(note))
    with pytest.raises(HeldError) as caught:
        Hold(tmp_path).acquire()
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_two_that_write_at_once_do_not_share_what_is_unfinished(tmp_path):
    with (
        whole_file(tmp_path / "a.csv", overwrite=True) as first,
        whole_file(tmp_path / "a.csv", overwrite=True) as second,
    ):
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.csv").read_text() == "first"  # the outer one ends last
    with whole_folder(tmp_path / "model"), ThreadPoolExecutor(1) as other, pytest.raises(HeldError):
        other.submit(whole_folder(tmp_path / "model").__enter__).result()


def test_what_a_killed_process_left_is_cleared_and_what_one_at_work_has_is_not(tmp_path, start):
    killed, working = (start(WRITING.format(folder=str(tmp_path))) for _ in range(2))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    clear_unfinished(tmp_path)
    (left,) = tmp_path.iterdir()
    assert json.loads((left / OWNER_FILE).read_text())["process"] == working.pid


def test_a_folder_that_was_just_being_put_in_place_is_put_there(tmp_path, start):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("old")
    process = start(SWAPPING.format(folder=str(tmp_path)))
    assert not (tmp_path / "model").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    clear_unfinished(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"model", "model/weights"}
    assert (tmp_path / "model" / "weights").read_text() == "new"


def test_what_only_seems_ours_is_left_alone(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / OWNER_FILE).touch()
    (tmp_path / f"{UNFINISHED}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{UNFINISHED}file").write_text("mine")
    for name, files in {"bare": ["diary.txt"], "unsigned": ["diary.txt", OWNER_FILE]}.items():
        (tmp_path / f"{UNFINISHED}{name}").mkdir()
        for file in files:
            (tmp_path / f"{UNFINISHED}{name}" / file).touch()
    (tmp_path / f"{UNFINISHED}empty").mkdir()
    before = {path for path in tmp_path.rglob("*") if not path.name.endswith("empty")}
    clear_unfinished(tmp_path)
    assert set(tmp_path.rglob("*")) == before


def test_a_full_disk_is_known_by_number_and_by_what_libraries_say():
    error = ValueError("cannot write")
    error.__cause__ = OSError("[Errno 28] No space left on device")
    assert is_full(error)
    assert not is_full(ValueError("no such file"))
    assert not is_full(None)


def test_where_not_even_a_note_fits_on_the_disk_nothing_is_left(tmp_path, monkeypatch):
    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(locks, "_describe_process", fail)
    with pytest.raises(FullDiskError, match=f"no space left on the disk of {tmp_path} "), whole_file(tmp_path / "a"):
        pytest.fail("the block must not run")
    assert list(tmp_path.iterdir()) == []


def test_the_disk_that_is_full_is_the_one_that_is_named(tmp_path):
    def write():
        with whole_file(tmp_path / "large" / "a"), whole_file(tmp_path / "small" / "b"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FullDiskError, match=f"of {tmp_path / 'small'} "):
        write()
