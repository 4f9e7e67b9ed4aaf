"""Run training.train: in this process for what comes of it, or in processes of its own, to be compared and killed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file
from transformers.utils import logging

from timesenclip_hf.files import whole_folder

ROOT = Path(__file__).resolve().parents[2]
MODULE = "training.train"
CONFIGS = ROOT / "training" / "configs"
SMOKE = CONFIGS / "smoke.yaml"
# Drawing and embedding photos is most of a short run; a batch of the smoke test has 32 places.
FEW_PLACES = ("--series_points", "48", "--validation_points", "24")
# The fewest points, lessons and steps that show a student coming nearer to its teacher.
SHORT_STUDENT = (
    *("--series_points", "300", "--validation_points", "60", "--held_out_points", "300", "--lessons", "400"),
    *("--steps", "9", "--batch_size", "32", "--save_steps", "3", "--logging_steps", "2", "--eval_steps", "4"),
    *("--learning_rate", "0.002", "--dropout", "0.2", "--mixed_precision", "no"),
)
# What a test waits for at most; a run takes seconds.
PATIENCE = 300


@contextmanager
def command_line(*argv: str) -> Iterator[None]:
    """Set the command line for a script that is run in this process; put back what a script sets for its process."""
    before = sys.argv, logging.get_verbosity(), torch.get_float32_matmul_precision()
    sys.argv = [MODULE, *argv]
    try:
        yield
    finally:
        sys.argv = before[0]
        logging.set_verbosity(before[1])
        torch.set_float32_matmul_precision(before[2])


def run_here(*argv: str) -> None:
    """Run the script in this process to its end.

    Raises:
        SystemExit: it refuses; the text is its one line.
    """
    from training.train import main

    with command_line(*argv):
        main()


def train_here(output: Path, *settings: str, config: Path = SMOKE) -> None:
    """Run a configuration in this process to its end."""
    run_here(str(config), "--output_dir", str(output), "--cpu", "true", *settings)


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Make a folder once in a session, however many workers of pytest-xdist ask for it.

    Args:
        factory: pytest's.
        name: of the folder.
        make: called with the empty folder, by the first who asks.

    Returns:
        The folder, which nobody may change.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            with whole_folder(folder) as partial:
                make(partial)
    return folder


def command(output: Path, *settings: str, processes: int = 1, config: Path = SMOKE) -> list[str]:
    """Return the command of one process by Python itself, of several by torchrun, over gloo."""
    launcher = [sys.executable]
    if processes > 1:
        torchrun = str(Path(sys.executable).parent / "torchrun")
        launcher = [torchrun, "--standalone", "--nproc-per-node", str(processes)]
    return [*launcher, "-m", MODULE, str(config), "--output_dir", str(output), "--cpu", "true", *settings]


def environment(**variables: str) -> dict[str, str]:
    """Return variables for a run offline, with one thread a process: how sums are split must not make a difference."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **variables}


def train(output: Path, *settings: str, processes: int = 1, config: Path = SMOKE, **variables: str) -> str:
    """Run to the end in processes of their own; return what was printed."""
    done = subprocess.run(
        command(output, *settings, processes=processes, config=config),
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3_000:])
    return done.stdout


def refuse(output: Path, *settings: str, **variables: str) -> str:
    """Run what must fail; return its last line."""
    done = subprocess.run(
        command(output, *settings), cwd=ROOT, env=environment(**variables), capture_output=True, text=True, check=False
    )
    if not done.returncode:
        raise AssertionError("the run did not fail")
    return done.stderr.strip().splitlines()[-1]


def kill(
    output: Path, *settings: str, checkpoint: Path, after: float = 0.0, processes: int = 1, config: Path = SMOKE
) -> None:
    """Start a run and end it with SIGKILL, all its processes at once, some time after a checkpoint is there."""
    import psutil  # of another extra than training's

    process = subprocess.Popen(
        command(output, *settings, processes=processes, config=config),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(after)
    ended = process.poll()
    if ended is None:
        # torchrun puts each of its workers in a session of its own.
        for running in [process, *psutil.Process(process.pid).children(recursive=True)]:
            os.kill(running.pid, signal.SIGKILL)
        process.wait()
    if ended is not None or not checkpoint.exists():
        raise RuntimeError(f"the run ended with {ended} before it was killed")


def outcome(output: Path) -> dict[str, Any]:
    """Return every logged loss and metric, and a hash of all final weights."""
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    return {
        "curves": results["curves"],
        "evaluations": results["evaluations"],
        "weights": weights_hash(output / "model" / "model.safetensors"),
    }


def weights_hash(file: Path) -> str:
    """Return a hash of every tensor's bits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(file).items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def newest_step(folder: Path) -> int:
    """Return the step of the newest checkpoint of a stage; 0 where there is none."""
    return max((int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*")), default=0)
