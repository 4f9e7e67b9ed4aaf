"""Keep the sums of chunks in the folder of a run, so that one that was stopped goes on and ends the same.

`manifest.json` says what the run is; `sums/ROW_COLUMN.npz` holds the sums of a chunk, each file written whole.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..files import read_json, whole_file, write_json
from ..files.outputs import check_run_folder, is_empty
from ..maps.making.store import RUN_MANIFEST, check_identity
from .sums import Sums

FORMAT = "timesenclip_hf parcels 1"
SUMS = "sums"
_REQUIRED = {"identity", "chunks"}


class SumStore:
    """Hold the folder of a run; nothing is written before [`create`].

    Raises:
        ValueError: the folder holds something else, or a run that is damaged.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: dict[str, Any] | None = None
        self._chunks: int | None = None
        check_run_folder(path)
        if (path / RUN_MANIFEST).is_file():
            manifest: Any = None
            with suppress(ValueError):
                manifest = read_json(path / RUN_MANIFEST)
            if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not manifest.keys() >= _REQUIRED:
                raise ValueError(f"{path} holds another run, or a damaged one: choose another output, or remove it.")
            self._identity, self._chunks = manifest["identity"], manifest["chunks"]
        elif path.exists() and not is_empty(path):
            raise ValueError(f"{path} exists and is no run of this command: choose another output, or remove it.")

    @property
    def is_finished(self) -> bool:
        """Tell whether the sums of all chunks are there."""
        return self._chunks is not None and len(list((self.path / SUMS).glob("*.npz"))) == self._chunks

    def create(self, identity: Mapping[str, Any], chunks: int, *, overwrite: bool = False) -> None:
        """Begin a run of this identity and so many chunks, or go on with one.

        Raises:
            ValueError: the folder holds a run of another identity, and `overwrite` does not replace it.
        """
        if self._identity is not None and overwrite and self._identity != json.loads(json.dumps(identity)):
            self.clear()
        if self._identity is not None:
            check_identity(self.path, self._identity, identity)
            return
        (self.path / SUMS).mkdir(parents=True, exist_ok=True)
        self._identity, self._chunks = dict(identity), chunks
        manifest = {"format": FORMAT, "identity": self._identity, "chunks": chunks}
        write_json(self.path / RUN_MANIFEST, manifest)

    def clear(self) -> None:
        """Remove the run, and nothing else that may lie in its folder; the folder too where it is empty then."""
        (self.path / RUN_MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(self.path / SUMS, ignore_errors=True)
        with suppress(OSError):
            self.path.rmdir()
        self._identity = None

    def has(self, chunk: tuple[int, int]) -> bool:
        """Tell whether the sums of a chunk are there."""
        return self._file(chunk).is_file()

    def write(self, chunk: tuple[int, int], sums: Sums) -> None:
        """Write the sums of a chunk."""
        with whole_file(self._file(chunk), overwrite=True) as partial, partial.open("wb") as file:
            np.savez(file, **sums._asdict())

    def read(self, chunk: tuple[int, int]) -> Sums:
        """Read the sums of a chunk; raise a ValueError where they are damaged."""
        try:
            with np.load(self._file(chunk), allow_pickle=False) as arrays:
                return Sums(*(arrays[name] for name in Sums._fields))
        except (OSError, KeyError, ValueError, EOFError):
            raise ValueError(f"{self._file(chunk)} is damaged: remove it and give the same command again.") from None

    def _file(self, chunk: tuple[int, int]) -> Path:
        return self.path / SUMS / f"{chunk[0]}_{chunk[1]}.npz"
