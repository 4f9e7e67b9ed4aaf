import dataclasses

import dask.array as da
import numpy as np
import pytest

from tests.support.small_cubes import CRS, MONTHS, grid, small_cube
from timesenclip_hf.maps import MapOptions, MapRun, RunOptions, open_cube
from timesenclip_hf.maps.cubes.reading import assemble_cube
from timesenclip_hf.maps.making.plan import Plan, chunk_side
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

LABELS = ["maize", "woodland"]
PLAN = Plan(
    pixels=1_000_000,
    chunks=16,
    chunks_left=16,
    side=(250, 250),
    pixels_per_second=1000.0,
    seconds=500.0,
    output_bytes=14_000_000,
    free_bytes=10**9,
    memory_bytes=600_000_000,
    workers=2,
    usable_memory=2 * 10**9,
)


def test_a_plan_counts_what_is_left_and_writes_nothing(tmp_path, tiny_checkpoint):
    cube = open_cube(small_cube(30, 20), chunks=8)
    options = MapOptions(embeddings="int8")
    run = MapRun(cube, tmp_path / "new" / "run", LABELS, tiny_checkpoint, options=options, run=RunOptions(workers=2))
    plan = run.plan()
    assert (plan.pixels, plan.chunks, plan.chunks_left, plan.side) == (600, 12, 12, (8, 8))
    # Class and months in a byte each, three scores in four, an embedding of 32 bytes with its scale, five of export.
    assert plan.output_bytes == 600 * (1 + 1 + 3 * 4 + 32 + 4 + 5)
    assert plan.workers == 2
    assert not (tmp_path / "new").exists()
    run.execute(progress=False)
    again = MapRun(cube, tmp_path / "new" / "run", LABELS, tiny_checkpoint, options=options).plan()
    assert (again.chunks, again.chunks_left, again.output_bytes) == (12, 0, 0)
    assert "(12 done); less than a minute; " in str(again)


def test_a_plan_is_one_line_in_units_that_people_read():
    assert str(PLAN) == (
        "1,000,000 pixels in 16 chunks of 250 x 250; about 8 min at 1,000 pixels/s for each of 2 workers; output up to "
        "13.35 MiB (0.93 GiB free); memory about 572.20 MiB for each worker"
    )
    rest = dataclasses.replace(PLAN, chunks_left=3, seconds=7200.0, workers=1)
    assert "16 chunks of 250 x 250 (13 done); about 2.0 h at 1,000 pixels/s for each of 1 worker;" in str(rest)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"free_bytes": 13_999_999}, "takes up to 13.35 MiB, 13.35 MiB are free: choose another disk"),
        ({"usable_memory": 10**9}, "2 workers take about 1.12 GiB of memory, 0.93 GiB are free"),
    ],
)
def test_what_cannot_fit_is_refused_in_one_sentence(changed, sentence):
    PLAN.check()
    with pytest.raises(OSError, match=sentence):
        dataclasses.replace(PLAN, **changed).check()


def test_workers_of_another_machine_have_their_own_memory():
    dataclasses.replace(PLAN, usable_memory=0).check()


def test_a_whole_tile_is_planned_without_reading_it(tmp_path, tiny_checkpoint):
    read = []

    def draw(block_info=None) -> np.ndarray:
        shape = block_info[None]["chunk-shape"]
        read.append(shape)
        return np.random.default_rng(0).integers(100, 4000, shape, dtype=np.uint16)

    chunks = ((12,), (10,), (366,) * 30, (366,) * 30)
    values = da.map_blocks(draw, chunks=chunks, dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16))
    coords = {"time": MONTHS, "band": list(BANDS), **grid(10_980, 10_980)}
    tile = assemble_cube(values, None, coords, np.zeros(12), None, CRS)
    plan = MapRun(tile, tmp_path / "run", LABELS, tiny_checkpoint).plan()
    assert (plan.pixels, plan.chunks) == (10_980**2, 900)
    assert plan.seconds == pytest.approx(plan.pixels / plan.pixels_per_second)
    assert len(read) <= 20  # the sample's squares, and the calibration
    with pytest.raises(OSError, match="of memory"):
        dataclasses.replace(plan, workers=10_000).check()


def test_the_sides_of_a_chunk_are_what_was_asked_or_the_cubes_own_or_what_fits():
    cube = open_cube(small_cube(30, 20))
    assert chunk_side(cube, 7) == (7, 7)
    assert chunk_side(cube.chunk({"y": 12, "x": 9}), None) == (12, 9)
    # 240 bytes a pixel: a square of 747, cut to the largest.
    assert chunk_side(cube, None) == (512, 512)
