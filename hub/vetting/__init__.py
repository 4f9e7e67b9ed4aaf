"""Vet what may leave this machine: no card with empty slots, no secret, no pickle, nothing that is not on the list.

Three questions are asked of a file: may its kind be published, and is its content of that kind (`kinds`)? Does it, or
anything packed or encoded in it (`layers`), run where it is opened (`pickles`)? Does it, or anything in it, hold a
secret (`secrets`)? What cannot be unpacked is refused.
"""

import json
import mmap
from collections.abc import Iterator
from pathlib import Path

from hub.vetting.cards import check_card as check_card
from hub.vetting.kinds import check_kind
from hub.vetting.layers import (
    DEPTH,
    UNPACKED,
    Budget,
    Content,
    DamagedError,
    UnreadableError,
    decoded,
    texts,
    unescaped,
    unpack,
)
from hub.vetting.pickles import PICKLES, is_pickle
from hub.vetting.secrets import find_secret as find_in_text

# The Hub takes no larger file ("Storage limits" of its documentation, 2026).
FILE_LIMIT = 50_000_000_000
PICKLE = "is a pickle, which can run code where it is opened: publish safetensors only, and take it away"
# Beginnings of pickles, archives and arrays, which a tensor may hold.
DISGUISES = (
    *(bytes((0x80, protocol)) for protocol in range(2, 6)),
    *(b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\x93NUMPY"),
)


def check_file(path: Path, name: str, limit: int = FILE_LIMIT) -> None:
    """Refuse a file that must not be published.

    Args:
        path: of it.
        name: as people are told it.
        limit: bytes it may have.

    Raises:
        ValueError: as [`check_content`], or it is of a kind that is not published.
    """
    check_content(path, name, limit)
    check_kind(path, name)


def check_content(path: Path, name: str, limit: int = FILE_LIMIT) -> None:
    """Refuse a file for what is in it, be it of a kind that is published or not.

    Args:
        path: of it.
        name: as people are told it.
        limit: bytes it may have.

    Raises:
        ValueError: it is too large, a pickle, holds a secret, or cannot be unpacked to see; the secret itself is not
            repeated.
    """
    size = path.stat().st_size
    if size > limit:
        raise ValueError(f"{name} has {size / 1e9:,.3g} GB, the limit is {limit / 1e9:,.3g} GB: save it in parts.")
    if path.suffix.lower() in PICKLES:
        raise ValueError(f"{name} {PICKLE}.")
    if size:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if objection := find_objection(content):
                raise ValueError(f"{name} {objection}.")


def find_objection(content: Content, limit: int = UNPACKED) -> str | None:
    """Say why bytes must not be published, in words that follow their name; None where they may.

    Args:
        content: of a file.
        limit: bytes that it may unpack to.
    """
    try:
        return _objection(content, Budget(limit), 0)
    except UnreadableError as error:
        return f"{error}, so that nobody sees what is in it: publish it unpacked"


def _objection(content: Content, budget: Budget, depth: int, *, by_chance: bool = False) -> str | None:
    if depth > DEPTH:
        raise UnreadableError(f"has more than {DEPTH} layers in each other")
    if is_pickle(content, by_chance=by_chance):
        return PICKLE
    for tensor in _disguised(content):
        if objection := _objection(tensor, budget, depth + 1):
            return objection
    for name, member in unpack(content, budget):
        if name.lower().endswith(PICKLES):
            return PICKLE
        if objection := _objection(member, budget, depth + 1) or (find_in_text(name) and _secret(name)):
            return objection
    for text in texts(content):
        if objection := _text_objection(text, budget, depth):
            return objection
    return None


def _text_objection(text: str, budget: Budget, depth: int) -> str | None:
    if objection := _secret(text):
        return objection
    if depth == DEPTH:
        return None
    for plain in unescaped(text):
        if objection := _text_objection(plain, budget, depth + 1):
            return objection
    for inner in decoded(text):
        budget.take(len(inner))
        if objection := _inner(inner, budget, depth + 1):
            return objection
    return None


def _inner(content: bytes, budget: Budget, depth: int) -> str | None:
    """Judge what was decoded; a damaged archive there is chance, as words decode to anything."""
    try:
        return _objection(content, budget, depth, by_chance=True)
    except DamagedError:
        return None


def _secret(text: str) -> str | None:
    kind = find_in_text(text)
    return kind and f"holds {kind}: take it out, and withdraw it where it was issued"


def _disguised(content: Content) -> Iterator[bytes]:
    """List the tensors of a safetensors file that begin as an archive or a pickle does."""
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(len(content) - 8, 100_000_000) or content[8:9] != b"{":
        return
    try:
        entries = json.loads(content[8 : 8 + size])
        spans = [entry["data_offsets"] for name, entry in entries.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # no safetensors file, as its kind's check tells
    for begin, end in spans:
        start = 8 + size + begin
        if bytes(content[start : start + 6]).startswith(DISGUISES) or content[start + 257 : start + 262] == b"ustar":
            yield content[start : 8 + size + end]
