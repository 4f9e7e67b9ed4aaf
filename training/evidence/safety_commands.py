"""Run commands in processes that are forked, which start at once, on inputs that are small: for evidence of outputs."""

import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.evidence.safety_options import MEASURE, TIMESENCLIP

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0
CROPS = ["maize", "grassland", "built-up"]
LABELS = ",".join(CROPS)


@dataclass(frozen=True)
class Outcome:
    """Hold how a command ended: its status and what it wrote to standard error."""

    status: int
    errors: str

    @property
    def sentences(self) -> list[str]:
        """List the lines of error; a traceback counts as many."""
        lines = [line for line in self.errors.splitlines() if line.startswith("error:")]
        return [*lines, *["Traceback"] * 9] if "Traceback" in self.errors else lines


class Running:
    """Start a command in a process of its own, with all its processes in one group.

    Args:
        words: the module that Python runs, and its arguments.
        errors: file for what it prints.
    """

    def __init__(self, words: Sequence[str], errors: Path) -> None:
        self.errors = errors
        self.started = time.monotonic()
        self.process = _fork(lambda: _run_module(words), errors)

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        os.killpg(self.process, number)

    def poll(self) -> int | None:
        """Return its status where it has ended."""
        process, status = os.waitpid(self.process, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if process else None

    def wait(self) -> Outcome:
        """Wait for its end; kill it where that takes too long."""
        while (status := self.poll()) is None:
            if time.monotonic() - self.started > PATIENCE:
                self.signal(signal.SIGKILL)
            time.sleep(0.005)
        return Outcome(status, self.errors.read_text(encoding="utf-8", errors="replace"))


def call(function: Callable[[], object], errors: Path) -> None:
    """Run a function in a forked process, so that this one stays fit to be forked; raise where it fails."""
    _, status = os.waitpid(_fork(function, errors), 0)
    if status:
        raise RuntimeError(errors.read_text(encoding="utf-8"))


def _fork(function: Callable[[], object], errors: Path) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.setsid()
        sink = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        function()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run_module(words: Sequence[str]) -> None:
    os.environ["PYTHONWARNINGS"] = "ignore"
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def write_inputs(folder: Path) -> None:
    """Write everything that the commands read."""
    import numpy as np
    import torch
    from rasterio.warp import transform

    from tests.conftest import write_tiny_clip
    from tests.support.class_rasters import random_codes, write_classes
    from tests.support.image_files import write_patch, write_picture
    from tests.support.photo_places import write_paired, write_series
    from tests.support.photo_server import draw_photo
    from tests.support.reference import random_upstream_encoder
    from tests.support.sen4map_files import write_derived
    from tests.support.small_cubes import CRS, grid, small_cube, write_raster
    from timesenclip_hf.data.sources.lucas import photo_path
    from timesenclip_hf.maps.cubes import open_cube
    from timesenclip_hf.maps.making.options import MapOptions
    from timesenclip_hf.maps.making.run import MapRun

    values = np.random.default_rng(0).integers(100, 4000, (300, 12, 10), dtype=np.uint16)
    ids = np.array([f"p{index}" for index in range(len(values))])
    np.savez(folder / "table.npz", X=values, ids=ids, crop=np.array(CROPS * 100))
    small_cube(70, 70).to_netcdf(folder / "cube.nc", engine="h5netcdf")
    run = MapRun(
        open_cube(small_cube(16, 16), chunks=16), folder / "map.run", LABELS, options=MapOptions(embeddings="int8")
    )
    run.execute(progress=False)
    write_raster(folder / "labels.tif", np.full((1, 70, 70), 7, dtype=np.uint8))
    write_classes(folder / "classes.tif", random_codes())
    east, north = transform(CRS, "EPSG:4326", [grid(70, 70)["x"][30]], [grid(70, 70)["y"][30]])
    (folder / "points.csv").write_text(f"longitude,latitude\n{east[0]},{north[0]}\n", encoding="utf-8")
    write_derived(folder / "points.h5", 300)
    write_picture(folder / "eurosat" / "River" / "River_1.jpg")
    write_patch(folder / "bigearthnet", "S2A_1")
    write_paired(folder, 120, size=64)
    write_series(60).save_to_disk(folder / "places")
    write_tiny_clip(folder / "clip")
    torch.save(random_upstream_encoder(joint=32, heads=8).state_dict(), folder / "upstream.ckpt")
    for number in range(60):
        photo = folder / "photos" / photo_path(str(38_023_000 + number), 2018, "BE", "N")
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(draw_photo(number, side=64))
    curve = [{"step": step, "loss": 1.0, "learning_rate": 0.1} for step in (1, 2)]
    (folder / "results.json").write_text(f'{{"curves": {{"a": {curve}}}}}'.replace("'", '"'), encoding="utf-8")


def words_of(command: str, inputs: Path) -> list[str]:
    """Return the module and the arguments of a command on those inputs, but for its outputs."""
    evaluated = ["--dataset", str(inputs / "paired"), "--split", "train", "--task", "land_cover", "--composites", "12"]
    arguments: dict[str, list[str | Path]] = {
        f"{TIMESENCLIP} classify": [inputs / "table.npz", "--labels", LABELS],
        f"{TIMESENCLIP} fit": [inputs / "table.npz", "--labels", LABELS, "--label-column", "crop"],
        f"{TIMESENCLIP} suggest": [inputs / "map.run", "--count", "5"],
        f"{TIMESENCLIP} map": [inputs / "cube.nc", "--labels", LABELS, "--chunk", "16"],
        f"{TIMESENCLIP} areas": [inputs / "classes.tif"],
        f"{TIMESENCLIP} sample": [inputs / "classes.tif", "--per-class", "4"],
        f"{TIMESENCLIP} vectorise": [inputs / "classes.tif"],
        f"{TIMESENCLIP} change": [inputs / "map.run", inputs / "map.run", "--labels", LABELS],
        f"{TIMESENCLIP} import sen4map": [inputs / "points.h5"],
        f"{TIMESENCLIP} import lucas": ["--series", inputs / "paired"],
        f"{TIMESENCLIP} import table": [inputs / "table.npz"],
        f"{TIMESENCLIP} import cube": [inputs / "cube.nc", "--labels", inputs / "labels.tif", "--codes", "maize=7"],
        f"{TIMESENCLIP} import patches": [inputs / "cube.nc", "--points", inputs / "points.csv", "--size", "2"],
        f"{TIMESENCLIP} import eurosat": [inputs / "eurosat"],
        f"{TIMESENCLIP} import bigearthnet": [inputs / "bigearthnet"],
        f"{TIMESENCLIP} import join": [inputs / "paired", "--embeddings", inputs / "embeddings", "--block-km", "0"],
        f"{TIMESENCLIP} index": [inputs / "paired"],
        f"{TIMESENCLIP} evaluate": [*evaluated, "--suite", "zero_shot,calibration"],
        f"{TIMESENCLIP} evaluate-images": [
            *("--dataset", "simulated", "--images", "40", "--prompts", "generic", "--model", inputs / "clip")
        ],
        f"{TIMESENCLIP} convert": [inputs / "upstream.ckpt", "--clip", inputs / "clip"],
        f"{TIMESENCLIP} export": [],
        MEASURE: [*evaluated, "--suite", "zero_shot,calibration"],
        "training.curves": [inputs / "results.json"],
        "training.embed_photos": [
            *("--photos", inputs / "photos", "--clip", inputs / "clip", "--shard_size", "4", "--batch_size", "2"),
            *("--workers", "0", "--cpu"),
        ],
        "training.train": [
            *(ROOT / "training" / "configs" / "smoke.yaml", "--cpu", "true", "--clip_name_or_path"),
            *(ROOT / "src" / "timesenclip_hf" / "checkpoints" / "timesenclip-simulated", "--save_steps", "1"),
            *("--series_points", "48", "--validation_points", "24", "--held_out_points", "120"),
        ],
        "hub.push_model": [ROOT / "src/timesenclip_hf/checkpoints/timesenclip-simulated", "tester/thing"],
        "hub.push_dataset": [inputs / "places", "tester/places"],
        "hub.push_space": ["tester/space"],
    }
    return [*command.split(), *map(str, arguments.get(command, []))]
