import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from distributed import LocalCluster

from tests.support.small_cubes import small_cube
from timesenclip_hf.maps import MapRun, RunOptions, map_cube, open_cube
from timesenclip_hf.maps.making.cluster import open_client, run_each

LABELS = ["maize", "woodland", "water"]


def double(number: int) -> int:
    if number == 13:
        raise OSError("thirteen")
    return 2 * number


@pytest.mark.parametrize("workers", [1, 4])
def test_calls_are_made_when_their_turn_comes_and_all_come_back(workers):
    made = []

    def calls():
        for number in range(20):
            made.append(number)
            yield str(number), (number + 20,)

    with open_client("threads", workers) as client:
        results = run_each(client, double, calls())
        first = next(results)
        assert len(made) <= 2 * workers + 1
        doubled = dict([first, *results])
    assert doubled == {str(number): 2 * (number + 20) for number in range(20)}


def test_what_a_task_raises_comes_out():
    with open_client("threads", 1) as client, pytest.raises(OSError, match="thirteen"):
        list(run_each(client, double, [("a", (13,))]))


def test_a_cluster_that_is_there_already_is_used_and_left_as_it_is(tmp_path, tiny_checkpoint):
    cube = open_cube(small_cube(12, 9), chunks=6)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        # In one process the scheduler can be reached by its own protocol only.
        address = cluster.scheduler_address
        run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, run=RunOptions(address))
        mapped = run.execute(progress=False)[""]
        assert cluster.status.name == "running"
    np.testing.assert_array_equal(
        mapped["class"], map_cube(cube.compute(), LABELS, tiny_checkpoint, progress=False)["class"]
    )


def test_a_scheduler_without_workers_is_named(tmp_path, tiny_checkpoint):
    cube = open_cube(small_cube(12, 9), chunks=6)
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, run=RunOptions(cluster.scheduler_address))
        with pytest.raises(OSError, match="has no worker: start some"):
            run.execute(progress=False)


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path, tiny_checkpoint):
    cube = open_cube(small_cube(120, 120), chunks=12)
    whole = map_cube(cube.compute(), LABELS, tiny_checkpoint, progress=False)
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint, run=RunOptions("processes", 2))
    with ThreadPoolExecutor(1) as background:
        running = background.submit(run.execute, progress=False)
        while len(run.store.entries()) < 5:
            time.sleep(0.05)
        victim = next(iter(run.store.entries().values()))["worker"]
        os.kill(victim, signal.SIGKILL)
        mapped = running.result()[""]
    workers = {entry["worker"] for entry in run.store.entries().values()}
    assert len(workers - {victim}) >= 1
    np.testing.assert_array_equal(mapped["class"], whole["class"])
