"""Write checkpoints that point elsewhere: at weights in other files, at addresses, at code."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timesenclip_hf import DEFAULT_CHECKPOINT

from .aims import Aim, Hostile

_WEIGHTS = "model.safetensors"


def _checkpoint(change: Callable[[Path, Aim], None]) -> Callable[[Aim], Path]:
    """Return what writes the embedded checkpoint with a change."""

    def write(aim: Aim) -> Path:
        folder = aim.folder / "checkpoint"
        shutil.copytree(DEFAULT_CHECKPOINT, folder)
        change(folder, aim)
        return folder

    return write


def _with(name: str, fields: Callable[[Aim], dict[str, Any]]) -> Callable[[Path, Aim], None]:
    def change(folder: Path, aim: Aim) -> None:
        path = folder / name
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **fields(aim)}))

    return change


def _index(weights: Callable[[Aim], str]) -> Callable[[Path, Aim], None]:
    def change(folder: Path, aim: Aim) -> None:
        (folder / _WEIGHTS).unlink()
        index = {"metadata": {"total_size": 1}, "weight_map": {"logit_scale": weights(aim)}}
        (folder / f"{_WEIGHTS}.index.json").write_text(json.dumps(index))

    return change


def _header(length: int, header: bytes = b"{}") -> Callable[[Path, Aim], None]:
    def change(folder: Path, aim: Aim) -> None:
        (folder / _WEIGHTS).write_bytes(length.to_bytes(8, "little") + header)

    return change


def _code(folder: Path, aim: Aim) -> None:
    (folder / "stolen.py").write_text(
        f"import shutil\nshutil.copy({str(aim.secret)!r}, {str(aim.folder / 'copy')!r})\n"
    )
    _with("config.json", lambda aim: {"model_type": "stolen", "auto_map": {"AutoModel": "stolen.Model"}})(folder, aim)


_OFFSETS = b'{"logit_scale":{"dtype":"F32","shape":[1],"data_offsets":[0,4000000000]}}'

CHECKPOINTS = [
    Hostile("weights in a file above", "checkpoint", _checkpoint(_index(lambda aim: "../../secret.txt"))),
    Hostile("weights at an absolute path", "checkpoint", _checkpoint(_index(lambda aim: str(aim.secret)))),
    Hostile("weights at an address", "checkpoint", _checkpoint(_index(lambda aim: f"{aim.address}/weights"))),
    Hostile("a header of safetensors that is larger than its file", "checkpoint", _checkpoint(_header(2**62))),
    Hostile("tensors behind the end of their file", "checkpoint", _checkpoint(_header(len(_OFFSETS), _OFFSETS))),
    Hostile("code beside a configuration", "checkpoint", _checkpoint(_code)),
    Hostile(
        "a tokenizer that names a file",
        "checkpoint",
        _checkpoint(_with("tokenizer.json", lambda aim: {"model": {"type": "BPE", "vocab": str(aim.secret)}})),
    ),
]
