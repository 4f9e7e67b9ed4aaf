"""Time monthly medians beside the two ways they are usually written: `make bench` prints it."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from timesenclip_hf.models.timesenclip import medians_timesenclip
from timesenclip_hf.models.timesenclip.compositing_timesenclip import composite, month_of
from timesenclip_hf.models.timesenclip.dates_timesenclip import parse_dates
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import MASKED_SCL
from timesenclip_hf.models.timesenclip.medians_timesenclip import masked_median
from training.benchmarks.records import record


@dataclass(frozen=True)
class Timing:
    """Seconds of the three ways over the same cube, and whether all medians are the same."""

    ours: float
    monthly_calls: float
    pixel_loop: float
    equal: bool


def measure(size: int = 64, num_times: int = 118, repeats: int = 5) -> Timing:
    """Composites one Sentinel-2-like cube of digital numbers with its scene classification in three ways.

    Ours starts from the cube and its scene classes; the other two are given the masked cube, so masking is not in
    their time.
    """
    generator = np.random.default_rng(0)
    cube = generator.integers(1, 9_000, (num_times, 10, size, size)).astype(np.float32)
    classes, shares = [4, 5, 6, 3, 8, 9, 10], [0.3, 0.25, 0.05, 0.05, 0.1, 0.2, 0.05]
    scl = generator.choice(classes, p=shares, size=(num_times, size, size))
    scl = scl.astype(np.uint8)
    start = np.datetime64("2018-01-01")
    periods = month_of(parse_dates(start + np.sort(generator.integers(0, 365, num_times))))
    masked = np.where(np.isin(scl, MASKED_SCL)[:, None], np.float32(np.nan), cube)

    def ours() -> np.ndarray:
        medians, _ = composite(cube[None], ~np.isin(scl, MASKED_SCL)[None], periods)
        return np.asarray(medians[0])

    def monthly_calls() -> np.ndarray:
        return np.stack([np.nanmedian(masked[periods == month], axis=0) for month in range(12)])

    def pixel_loop() -> np.ndarray:
        medians = np.empty((12, 10, size, size), dtype=np.float32)
        for month in range(12):
            acquisitions_of_month = masked[periods == month]
            for row in range(size):
                for column in range(size):
                    medians[month, :, row, column] = np.nanmedian(acquisitions_of_month[:, :, row, column], axis=0)
        return medians

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an empty month
        results = ours(), monthly_calls(), pixel_loop()
        # Turn and turn about, so that a busy machine slows both; the loop is long enough to be taken once.
        turns = [(_seconds(ours), _seconds(monthly_calls)) for _ in range(repeats)]
        loop = _seconds(pixel_loop)
    equal = all(np.array_equal(results[0], other, equal_nan=True) for other in results[1:])
    mine, monthly = np.median(turns, axis=0)
    return Timing(float(mine), float(monthly), loop, equal)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_a_cube_is_composited_many_times_faster_than_by_nanmedian(capsys: pytest.CaptureFixture[str]) -> None:
    timing = measure()
    others = {"one nanmedian a month": timing.monthly_calls, "a loop over pixels": timing.pixel_loop}
    rows = [{"than": name, "times as fast": round(seconds / timing.ours, 1)} for name, seconds in others.items()]
    with capsys.disabled():
        record("compositing", "Monthly medians of (118, 10, 64, 64) with SCL", rows)
    assert timing.equal


@pytest.mark.parametrize(("num_times", "values"), [(6, 40_960), (20, 40_960), (118, 40_960), (20, 10), (20, 1024)])
def test_where_sorting_overtakes_the_network(
    num_times: int, values: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(0).random((num_times, values), dtype=np.float32)
    seconds = []
    for smallest in (0, values + 1):
        monkeypatch.setattr(medians_timesenclip, "SMALLEST_ROW", smallest)
        masked_median(rows, axis=0)
        seconds.append(np.median([_seconds(lambda: masked_median(rows, axis=0)) for _ in range(7)]))
    with capsys.disabled():
        times = f"network {1e3 * seconds[0]:.2f} ms, sort {1e3 * seconds[1]:.2f} ms"
        print(f"\n{num_times} acquisitions of {values} values: {times}")
