import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import h5py
import numpy as np
import pytest

from tests.support.hostile_files.damaged import damage_heap
from tests.support.sen4map_files import write_raw
from timesenclip_hf.gate import PLAIN, watching
from timesenclip_hf.gate.hdf5 import check_hdf5, list_entries
from timesenclip_hf.gate.hdf5_walker import Walk

IMPATIENT = replace(PLAIN, seconds=0.2)
# A walker that sleeps over each entry, as on a disk that takes its time.
SLEEPING = watching._START.replace(
    "import serve\n",
    "import serve\nimport time, timesenclip_hf.gate.hdf5_walker as it\nit._fault = lambda *_: time.sleep(0.1)\n",
)


@pytest.fixture
def fresh(monkeypatch):
    """Ask a walker of the test's own, started anew."""
    walker = watching._Walker()
    monkeypatch.setattr(watching, "_WALKER", walker)
    yield walker
    walker.end()


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("raw") / "raw.h5", 6, size=8)


@pytest.fixture
def endless(raw, tmp_path):
    copy = tmp_path / "endless.h5"
    copy.write_bytes(raw.read_bytes())
    return damage_heap(copy)


def test_after_two_entries_without_end_the_rest_of_a_file_is_given_up(endless, fresh):
    names = list_entries(endless, IMPATIENT)
    faults = watching.check_entries(endless, names, IMPATIENT)
    rest = "endless.h5 is damaged, HDF5 came to no end 2 times, the rest is left out: fetch it again."
    first, second, *others = (faults[name] for name in names)
    assert f"{names[0]} of endless.h5 is damaged, HDF5 breaks down or comes to no end in it" in first
    assert names[1] in second
    assert set(others) == {rest}
    fresh.end()
    assert watching.check_entries(endless, names[3:], IMPATIENT) == dict.fromkeys(names[3:], rest)
    assert fresh.process is None  # nothing was started to say so


@pytest.mark.skipif(not watching.COUNTS_CPU, reason="Windows counts no CPU time")
def test_a_slow_disk_is_not_taken_for_a_file_without_end(raw, fresh, monkeypatch):
    monkeypatch.setattr(watching, "_START", SLEEPING)
    names = list_entries(raw, PLAIN)
    assert watching.check_entries(raw, names[:2], replace(PLAIN, seconds=0.05)) == {}


def test_many_objects_in_a_group_are_signs_of_life(tmp_path):
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        for index in range(2_500):
            file.create_group(f"all/{index}")
    signs = []
    with h5py.File(path) as file:
        Walk(file, path, PLAIN, lambda: signs.append(1)).check("all")
    assert len(signs) == 2


def test_threads_that_ask_at_once_are_all_answered(raw, fresh):
    names = list_entries(raw, PLAIN)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: watching.check_entries(raw, names, PLAIN), range(20)))
    assert answers == [{}] * 20


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_forked_process_asks_a_walker_of_its_own_also_where_another_thread_was_asking(raw):
    names = list_entries(raw, PLAIN)
    process = watching._WALKER.process
    handle = process.stdin.fileno()
    with watching._WALKER.lock:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with pytest.raises(OSError, match="descriptor"):  # else the walker would outlive its parent
                    os.fstat(handle)
                code = int(watching.list_entries(raw, PLAIN) != names or watching._WALKER.process.pid == process.pid)
                watching._WALKER.end()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list_entries(raw, PLAIN) == names
    assert watching._WALKER.process is process


def test_attributes_that_hold_nothing_are_admitted(tmp_path):
    path = tmp_path / "empty.h5"
    with h5py.File(path, "w") as file:
        file.attrs["comment"] = h5py.Empty("S1")  # as netCDF writes ""
        file.attrs["none"] = np.zeros(0)
        file.attrs.create("names", np.array([(1, "x")], dtype=[("code", "i4"), ("text", h5py.string_dtype())]))
    check_hdf5(path, PLAIN)
