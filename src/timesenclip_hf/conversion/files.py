"""Find and read a checkpoint, on disk or on the Hub."""

import re
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub import hf_hub_download, list_repo_files

from ..files import first_line, read_tensors

_SUFFIXES = (".ckpt", ".pt", ".pth")
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(?::(?P<file>.+))?")


class UpstreamFile(NamedTuple):
    """Hold the tensors of a checkpoint file, and the name that it was asked for by."""

    name: str
    weights: dict[str, torch.Tensor]


def read_upstream(checkpoint: str | Path | UpstreamFile, revision: str | None = None) -> UpstreamFile:
    """Read a checkpoint file; what was read already is passed on.

    Args:
        checkpoint: a file, or `user/repo`, or `user/repo:file.ckpt` where the repository holds several.
        revision: of the Hub repository.

    Raises:
        FileNotFoundError: no such file, and no Hub id.
        ValueError: a folder, a Hub repository that cannot be read or does not hold one checkpoint, or a file that is
            damaged or holds anything but a state dict of tensors.
    """
    if isinstance(checkpoint, UpstreamFile):
        return checkpoint
    return UpstreamFile(str(checkpoint), read_tensors(locate(checkpoint, revision)))


def locate(checkpoint: str | Path, revision: str | None = None) -> Path:
    """Return the path of a checkpoint file, downloaded where a Hub id names it.

    Args:
        checkpoint: a file, or `user/repo`, or `user/repo:file.ckpt` where the repository holds several.
        revision: of the Hub repository.

    Raises:
        FileNotFoundError: no such file, and no Hub id.
        ValueError: a folder, or a Hub repository that cannot be read or does not hold one checkpoint.
    """
    path = Path(checkpoint)
    if path.is_file():
        return path
    if path.is_dir():
        raise ValueError(f"{checkpoint} is a folder: name the checkpoint file in it.")
    hub_id = _HUB_ID.fullmatch(str(checkpoint))
    if isinstance(checkpoint, Path) or hub_id is None or hub_id["repo"].endswith(_SUFFIXES):
        raise FileNotFoundError(f"No such checkpoint: {checkpoint}; give a file, or a Hub id as user/repo:file.ckpt.")
    repo, file = hub_id["repo"], hub_id["file"]
    try:
        files = [file] if file else [f for f in list_repo_files(repo, revision=revision) if f.endswith(_SUFFIXES)]
        if len(files) == 1:
            return Path(hf_hub_download(repo, files[0], revision=revision))
    except Exception as error:  # the Hub client lets the errors of its HTTP library through
        raise ValueError(f"{checkpoint} cannot be fetched from the Hub: {first_line(error)}.") from None
    raise ValueError(f"{repo} must hold one checkpoint, found {', '.join(files) or 'none'}: name one as {repo}:FILE.")
