"""Runs of training/train.py in processes of their own, to be compared, and to be killed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "training" / "train.py"
SMOKE = ROOT / "training" / "configs" / "smoke.yaml"
# What a test waits for at most; a run takes seconds.
PATIENCE = 300


def command(output: Path, *settings: str, processes: int = 1, config: Path = SMOKE) -> list[str]:
    """One process by Python itself, several by torchrun, over gloo."""
    launcher = [sys.executable]
    if processes > 1:
        torchrun = str(Path(sys.executable).parent / "torchrun")
        launcher = [torchrun, "--standalone", "--nproc-per-node", str(processes)]
    return [*launcher, str(SCRIPT), str(config), "--output_dir", str(output), "--cpu", "true", *settings]


def environment(**variables: str) -> dict[str, str]:
    """Offline, and with one thread a process: two runs must not differ by how their sums are split."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **variables}


def train(output: Path, *settings: str, processes: int = 1, config: Path = SMOKE, **variables: str) -> str:
    """Runs to the end; what it printed."""
    done = subprocess.run(
        command(output, *settings, processes=processes, config=config),
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3_000:])
    return done.stdout


def refuse(output: Path, *settings: str, **variables: str) -> str:
    """Runs what must fail; its last line."""
    done = subprocess.run(
        command(output, *settings), env=environment(**variables), capture_output=True, text=True, check=False
    )
    if not done.returncode:
        raise AssertionError("the run did not fail")
    return done.stderr.strip().splitlines()[-1]


def kill(
    output: Path, *settings: str, checkpoint: Path, after: float = 0.0, processes: int = 1, config: Path = SMOKE
) -> None:
    """Starts a run and ends it with SIGKILL, all its processes at once, some time after a checkpoint is there."""
    process = subprocess.Popen(
        command(output, *settings, processes=processes, config=config),
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
        for one in [process, *psutil.Process(process.pid).children(recursive=True)]:
            os.kill(one.pid, signal.SIGKILL)
        process.wait()
    if ended is not None or not checkpoint.exists():
        raise RuntimeError(f"the run ended with {ended} before it was killed")


def outcome(output: Path) -> dict[str, Any]:
    """Every logged loss and metric, and a hash of all final weights."""
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    return {
        "curves": results["curves"],
        "evaluations": results["evaluations"],
        "weights": weights_hash(output / "model" / "model.safetensors"),
    }


def weights_hash(file: Path) -> str:
    """Of every tensor's bits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(file).items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def newest_step(folder: Path) -> int:
    """Of the newest checkpoint of a stage; 0 where there is none."""
    found: Sequence[Path] = sorted(folder.glob("checkpoint-*"))
    return int(found[-1].name.split("-")[1]) if found else 0
