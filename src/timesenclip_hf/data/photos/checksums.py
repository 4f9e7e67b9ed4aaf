"""Keep the checksums of a folder's photos in `SHA256SUMS`; `sha256sum --check SHA256SUMS` reads it too."""

import hashlib
from pathlib import Path

CHECKSUM_FILE = "SHA256SUMS"


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ChecksumFile:
    """Append checksums photo by photo, so that none is lost when the program is killed.

    Of a path listed twice the last line holds.

    Args:
        folder: of the photos.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CHECKSUM_FILE
        self.checksums: dict[str, str] = {}
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        complete, newline, torn = text.rpartition("\n")
        for line in complete.splitlines():
            checksum, _, path = line.partition("  ")
            self.checksums[path] = checksum
        if torn:  # the run was killed within its last line
            self.path.write_text(complete + newline, encoding="utf-8")

    def __enter__(self) -> "ChecksumFile":
        self.file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def add(self, path: str, checksum: str) -> None:
        """Write the checksum of a photo, by its path below the folder, unless it is known."""
        if self.checksums.get(path) != checksum:
            self.checksums[path] = checksum
            self.file.write(f"{checksum}  {path}\n")
            self.file.flush()
