import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from datasets import Features, List, Value, load_dataset

from timesenclip_hf.data.engine.reports import ImportReport, Problem
from timesenclip_hf.data.engine.shards import WORK_FOLDER, ImportPart, import_parts

FEATURES = Features({"name": Value("string"), "values": List(Value("int16"), length=3)})
PARTS = [ImportPart(start, 10) for start in range(0, 60, 10)]


def read(start: int):
    for place in range(start, start + 10):
        if place % 13 == 5:
            yield Problem("odd", str(place), "numbers", "a thirteenth")
        else:
            yield {"name": str(place), "values": np.full(3, place, dtype=np.int16)}


def read_slowly(start: int):
    time.sleep(0.2)
    yield from read(start)


def fail_at_thirty(start: int):
    if start == 30:
        raise OSError("the disk is full")
    yield from read(start)


def fail_at_all(start: int):
    raise AssertionError("a finished part is read again")


def end_at_thirty(start: int):
    if start == 30:
        os._exit(9)
    yield from read(start)


def run(output: Path, reader=read, **options) -> ImportReport:
    return import_parts(
        output, PARTS, reader, FEATURES, identity={"kind": "test"}, **{"workers": 1, "progress": False, **options}
    )


def test_rows_come_in_order_and_problems_are_counted_and_listed(tmp_path):
    report = run(tmp_path / "out", workers=2)
    dataset = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert dataset.features == FEATURES
    assert dataset["name"][:6] == ["0", "1", "2", "3", "4", "6"]
    assert (report.points, report.rows, report.counts) == (60, 55, {"odd": 5})
    assert [problem.point_id for problem in report.skipped] == ["5", "18", "31", "44", "57"]
    assert ImportReport.read(tmp_path / "out") == report
    assert not (tmp_path / "out" / WORK_FOLDER).exists()


def test_a_stream_gives_the_same_rows(tmp_path):
    run(tmp_path / "out")
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert list(load_dataset(str(tmp_path / "out"), split="train", streaming=True)) == list(loaded)


def test_the_number_of_processes_changes_nothing(tmp_path):
    hashes = {run(tmp_path / str(workers), workers=workers).content_hash for workers in (1, 2, 3)}
    assert len(hashes) == 1


def test_an_error_loses_only_the_part_in_work_and_the_next_call_goes_on(tmp_path):
    with pytest.raises(OSError, match="the disk is full"):
        run(tmp_path / "out", fail_at_thirty)
    assert len(list((tmp_path / "out" / WORK_FOLDER).glob("*.parquet"))) == 3
    assert run(tmp_path / "out").content_hash == run(tmp_path / "whole").content_hash


def test_a_finished_import_is_not_read_again(tmp_path):
    report = run(tmp_path / "out")
    assert run(tmp_path / "out", fail_at_all) == report


def test_a_worker_that_is_ended_from_outside_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="ended from outside"):
        run(tmp_path / "out", end_at_thirty, workers=2)
    assert run(tmp_path / "out").rows == 55


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")
def test_killed_half_way_and_run_again_it_gives_the_same_and_leaves_no_worker(tmp_path):
    script = (
        "from pathlib import Path; from tests.data.engine import test_shards as t; "
        f"t.run(Path({str(tmp_path / 'out')!r}), t.read_slowly, workers=2)"
    )
    root = Path(__file__).resolve().parents[3]
    paths = [str(root), str(root / "src")]
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    work = tmp_path / "out" / WORK_FOLDER
    while len(list(work.glob("*.parquet"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 2 <= len(list(work.glob("*.parquet"))) < len(PARTS)
    assert run(tmp_path / "out").content_hash == run(tmp_path / "whole").content_hash
    deadline = time.monotonic() + 20
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(child) for child in children)


def _alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_another_import_does_not_go_into_the_same_folder(tmp_path):
    with pytest.raises(OSError, match="the disk is full"):
        run(tmp_path / "out", fail_at_thirty)
    for state in ("half-way", "finished"):
        with pytest.raises(ValueError, match="holds an import with another kind"):
            import_parts(tmp_path / "out", PARTS, read, FEATURES, identity={"kind": state}, progress=False)
        run(tmp_path / "out")


def test_a_folder_with_a_dataset_of_other_making_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.parquet").touch()
    with pytest.raises(ValueError, match="holds a dataset already"):
        run(tmp_path)


def test_nothing_usable_is_an_error_that_names_the_first_reason(tmp_path):
    def nothing(start: int):
        yield Problem("odd", str(start), detail="by design")

    with pytest.raises(ValueError, match=r"None of the 60 points can be used, the first because of: odd \(by design\)"):
        run(tmp_path / "out", nothing)


def test_a_report_is_whole_json_with_its_counts(tmp_path):
    run(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "import_report.json").read_text())
    assert content["counts"] == {"odd": 5}
    assert "a thirteenth" in str(content["problems"][0])


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(tmp_path, workers):
    with pytest.raises(ValueError, match="`workers` must be at least 1"):
        run(tmp_path / "out", workers=workers)
