"""Damage HDF5 files so that HDF5 goes round for ever, or meets what it does not know, as flipped bits do."""

from pathlib import Path

# Where superblock 0 keeps what is cached of the root group.
ROOT_CACHE = 72
# A global heap: its signature and sizes, then objects, each with its number, its references and its size.
HEAP, FIRST_SIZE = b"GCOL", 24
# With 16 bytes before it, an object of this size ends where it begins.
ENDLESS = (2**64 - 16).to_bytes(8, "little")


def damage_heap(path: Path) -> Path:
    """Let HDF5 2.0 never come to the end of the first heap, where texts of attributes lie."""
    content = bytearray(path.read_bytes())
    start = content.index(HEAP) + FIRST_SIZE
    content[start : start + 8] = ENDLESS
    path.write_bytes(content)
    return path


def damage_root(path: Path) -> Path:
    """Give the root group of a file a kind of cache that there is none of."""
    content = bytearray(path.read_bytes())
    content[ROOT_CACHE] = 7
    path.write_bytes(content)
    return path
