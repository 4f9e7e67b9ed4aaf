"""Name what hostile files point at, and what each is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
SECRET = b"the secret of the server: 0123456789 " * 64
SIDE, MONTHS = 4, 12


@dataclass(frozen=True)
class Aim:
    """Name what files point at.

    Attributes:
        folder: to write to, empty.
        secret: a file beside it that nobody may read.
        address: of a listener that must not be asked.
    """

    folder: Path
    secret: Path
    address: str


@dataclass(frozen=True)
class Hostile:
    """Name a file that points elsewhere, the road that reads it, and the function that writes it."""

    name: str
    road: str
    write: Callable[[Aim], Any]


def aim_at(folder: Path, address: str) -> Aim:
    """Make a folder for a hostile file, and the secret beside it."""
    secret = folder / "secret.txt"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_bytes(SECRET)
    (folder / "upload").mkdir()
    return Aim(folder / "upload", secret, address)


def named(name: str, text: Callable[[Aim], str]) -> Callable[[Aim], Path]:
    """Return what writes a text under a name."""

    def write(aim: Aim) -> Path:
        path = aim.folder / name
        path.write_text(text(aim), encoding="utf-8")
        return path

    return write
