"""Keep a run in its folder: one run at a time, checkpoints that are whole or not there, and what the run was told.

Layout: `run.json` (settings, recipe and versions of the code), `<stage>/checkpoint-00000100/` (Accelerate's state, the
run's progress, and `run.json` again), `<stage>/best.safetensors`.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from timesenclip_hf.data.engine.reports import check_identity
from timesenclip_hf.files import first_line, whole_file, whole_folder, write_json
from timesenclip_hf.files.locks import Hold
from timesenclip_hf.files.outputs import check_run_folder, is_empty
from training.batches import Batch

RUN_FILE, PROGRESS_FILE = "run.json", "progress.json"
# Raised with every change by which the same settings train otherwise: first weights, order of rows, augmentation, loss.
# Runs of 1 did not note it; 2 initialises towers as their configuration says.
RECIPE = 2
LIBRARIES = ("timesenclip-hf", "torch", "transformers", "accelerate", "datasets", "numpy")
# Settings that say where things go or how they are shown: a stopped run may go on with others.
FREE = frozenset(
    {
        "output_dir",
        "results_file",
        "overwrite",
        "workers",
        "dataloader_num_workers",
        "report_to",
        "save_steps",
        "save_total_limit",
        "push_to_hub",
        "hub_model_id",
    }
)


@dataclass
class Progress:
    """Count how far a stage is.

    Attributes:
        step: optimiser steps done.
        curve: what was logged: `step`, mean `loss` since the last entry, `learning_rate` and, where contrasted,
            `logit_scale`.
        evaluations: `step` and the metrics measured then.
        best: the entry of `evaluations` that was the best so far.
        stopped: why it ended before its last step.
        losses: of the steps since the last entry of the curve.
        seconds: that the steps took, over all starts.
        loading_seconds: of these, waiting for batches.
    """

    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] | None = None
    stopped: str | None = None
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    loading_seconds: float = 0.0


def describe_code() -> dict[str, str]:
    """Return the versions of the libraries, and the commit of the training scripts, with `+` where files differ."""
    versions = {library: version(library) for library in LIBRARIES}
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return versions
    return versions | {"commit": commit + "+" * bool(changed.stdout.strip())}


def open_run(folder: Path, arguments: Mapping[str, Any]) -> Hold:
    """Take a folder for this run alone, and note its settings there.

    Returns:
        The hold, until it is released or the process ends, however it ends.

    Raises:
        OSError: the folder cannot be written, or another run is writing there.
        ValueError: it holds a run with other settings or of another recipe, or other files.
    """
    check_run_folder(folder)
    hold = Hold(folder).acquire()
    try:
        _note_settings(folder, arguments)
    except BaseException:
        hold.release()
        raise
    return hold


def _note_settings(folder: Path, arguments: Mapping[str, Any]) -> None:
    settings = {name: value for name, value in arguments.items() if name not in FREE}
    file = folder / RUN_FILE
    if not file.exists() and not is_empty(folder):
        raise ValueError(f"{folder} holds other files than a run's: choose another `output_dir`.")
    if file.exists():
        started = json.loads(file.read_text(encoding="utf-8"))
        kept = {name: value for name, value in started["arguments"].items() if name not in FREE}
        check_identity(folder, kept, settings, "a run with another")
        if started.get("recipe", 1) != RECIPE:
            raise ValueError(
                f"{folder} holds a run of another version of the training code, which would end otherwise under this "
                "one: finish it with that version, or choose another folder."
            )
    write_json(file, {"arguments": dict(arguments), "recipe": RECIPE, "code": describe_code()})


class Checkpoints:
    """Keep the checkpoints of one stage, of which the newest is what a stopped run goes on from.

    Args:
        accelerator: with everything that is to be kept prepared or registered.
        folder: of the stage.
        limit: checkpoints that are kept, the newest.
    """

    def __init__(self, accelerator: Accelerator, folder: Path, limit: int = 2) -> None:
        self.accelerator = accelerator
        self.folder = folder
        self.limit = limit
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, progress: Progress) -> None:
        """Write a checkpoint beside the others, and only then give it its name and drop the oldest.

        Raises:
            OSError: it could not be written, for want of space or otherwise; the others are as they were.
        """
        target = self.folder / f"checkpoint-{progress.step:08d}"
        main = self.accelerator.is_main_process
        try:
            with ExitStack() as stack:
                paths = [str(stack.enter_context(whole_folder(target, overwrite=True, names=("*",))))] if main else [""]
                broadcast_object_list(paths)
                self.accelerator.save_state(paths[0])
                if main:
                    write_json(Path(paths[0], PROGRESS_FILE), asdict(progress))
                    shutil.copyfile(self.folder.parent / RUN_FILE, Path(paths[0], RUN_FILE))
                # Every process has written its part before the folder is given its name.
                self.accelerator.wait_for_everyone()
        except (OSError, SafetensorError, RuntimeError) as error:  # torch.save raises RuntimeError on a full disk
            kept = list_checkpoints(self.folder)
            raise OSError(
                f"The checkpoint of step {progress.step} could not be written ({first_line(error)}): make room and "
                f"run the same command again; it goes on from {kept[-1].name if kept else 'the beginning'}."
            ) from None
        if main:
            for old in list_checkpoints(self.folder)[: -self.limit]:
                shutil.rmtree(old)
        self.accelerator.wait_for_everyone()

    def restore(self) -> Progress:
        """Load the newest checkpoint, if there is one; return how far the stage was.

        Raises:
            OSError: it is damaged.
        """
        kept = list_checkpoints(self.folder)
        if kept:
            try:
                self.accelerator.load_state(str(kept[-1]))
            except Exception as error:  # damaged files are met with almost any error, in four formats
                raise _damaged(kept[-1], error) from None
        return read_progress(self.folder)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the finished checkpoints of a stage, oldest first."""
    return sorted(path for path in folder.glob("checkpoint-*") if path.is_dir())


def read_progress(folder: Path) -> Progress:
    """Return how far a stage was at its newest checkpoint.

    Raises:
        OSError: it is damaged.
    """
    kept = list_checkpoints(folder)
    if not kept:
        return Progress()
    try:
        return Progress(**json.loads((kept[-1] / PROGRESS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(kept[-1], error) from None


def _damaged(checkpoint: Path, error: Exception) -> OSError:
    return OSError(
        f"The checkpoint {checkpoint} cannot be read ({first_line(error)}): delete it, and the run goes on from the "
        "one before."
    )


def compute_once(
    files: Sequence[Path], compute: Callable[[int], Batch], accelerator: Accelerator, description: str
) -> Batch:
    """Join the tensors of files; compute now, shared by the processes, those that no earlier start has computed.

    Args:
        files: one a shard, in one folder.
        compute: the tensors of the shard of that number.
        accelerator: of the processes.
        description: beside the progress bar.
    """
    files[0].parent.mkdir(parents=True, exist_ok=True)
    share = list(enumerate(files))[accelerator.process_index :: accelerator.num_processes]
    for shard, file in tqdm(share, desc=description, unit="shard", disable=not accelerator.is_main_process):
        if not file.exists():
            with whole_file(file, overwrite=True) as partial:
                save_file(compute(shard), partial)
    accelerator.wait_for_everyone()
    shards = [load_file(file) for file in files]
    return {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}
