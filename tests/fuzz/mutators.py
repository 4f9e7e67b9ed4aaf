"""Damage bytes in ways that disks, networks, editors and strangers do; the same number always damages alike."""

import json
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

# Where formats keep what they say of themselves.
HEAD = 512
NUMBERS = (0, 1, 2**7 - 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
# What takes the place of a number or a word in a text.
WORDS = (
    *(
        "",
        "nan",
        "inf",
        "-1",
        "0",
        "1e999",
        "99999999999999999999",
        "null",
        "true",
        "[]",
        "{}",
        "=1+1",
        "\x00",
        "\x1b[31m",
    ),
    *("2018-02-30", "9999-99-99", "B99", "é\u202e", "file:///etc/hostname", "../../etc/passwd", "a" * 5000),
)

Random = np.random.Generator


def mutate(content: bytes, random: Random) -> bytes:
    """Damage a file once or a few times."""
    chosen = TEXT if _is_text(content) else BINARY
    for _ in range(int(random.integers(1, 4)) if random.random() < 0.3 else 1):
        content = chosen[int(random.integers(len(chosen)))](content, random)
    return content


def _is_text(content: bytes) -> bool:
    return b"\0" not in content[:4096] and all(byte < 0x80 for byte in content[:256])


def _at(content: bytes, random: Random) -> int:
    """Choose a byte, as often in the head and the tail, where headers are, as anywhere."""
    size = max(len(content), 1)
    near = min(HEAD, size)
    return int((random.integers(size), random.integers(near), size - 1 - random.integers(near))[random.integers(3)])


def flip_bits(content: bytes, random: Random) -> bytes:
    """Flip up to eight bits."""
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 9)) if content else 0):
        changed[_at(content, random)] ^= 1 << int(random.integers(8))
    return bytes(changed)


def truncate(content: bytes, random: Random) -> bytes:
    """Cut the end off."""
    return content[: _at(content, random)]


def swap(content: bytes, random: Random) -> bytes:
    """Exchange two pieces."""
    size = int(random.integers(1, 65))
    first, second = sorted((_at(content, random), _at(content, random)))
    if second - first < size:
        return content
    a, b = content[first : first + size], content[second : second + size]
    return content[:first] + b + content[first + size : second] + a + content[second + size :]


def splice(content: bytes, random: Random) -> bytes:
    """Repeat a piece elsewhere."""
    start, there = _at(content, random), _at(content, random)
    return content[:there] + content[start : start + int(random.integers(1, 257))] + content[there:]


def remove(content: bytes, random: Random) -> bytes:
    """Take a piece out."""
    start = _at(content, random)
    return content[:start] + content[start + int(random.integers(1, 257)) :]


def blank(content: bytes, random: Random) -> bytes:
    """Fill a piece with zeros or ones, as bad blocks of a disk are."""
    start, size = _at(content, random), int(random.integers(1, 257))
    size = min(size, len(content) - start)
    return content[:start] + (b"\0", b"\xff")[random.integers(2)] * size + content[start + size :]


def declare(content: bytes, random: Random) -> bytes:
    """Write another number where one of two, four or eight bytes may stand, as sizes and offsets are."""
    width = int((2, 4, 8)[random.integers(3)])
    number = int(NUMBERS[random.integers(len(NUMBERS))]) % (1 << 8 * width)
    start = _at(content, random)
    orders: tuple[Literal["little"], Literal["big"]] = ("little", "big")
    return content[:start] + number.to_bytes(width, orders[random.integers(2)]) + content[start + width :]


def replace_word(content: bytes, random: Random) -> bytes:
    """Put another word or number in the place of one."""
    words = list(re.finditer(rb"[^\s,;:\"{}\[\]]+", content))
    if not words:
        return content
    word = words[random.integers(len(words))]
    new = WORDS[random.integers(len(WORDS))].encode()
    return content[: word.start()] + new + content[word.end() :]


def edit_line(content: bytes, random: Random) -> bytes:
    """Double a line, drop it, or exchange it with another."""
    lines = content.split(b"\n")
    first, second = (int(random.integers(len(lines))) for _ in range(2))
    deed = random.integers(3)
    if deed == 0:
        lines.insert(second, lines[first])
    elif deed == 1:
        del lines[first]
    else:
        lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def edit_json(content: bytes, random: Random) -> bytes:
    """Give a field of a JSON file another value, or none."""
    try:
        document = json.loads(content)
    except ValueError:
        return replace_word(content, random)
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            places.append((value, key))
            collect(value[key])

    collect(document)
    if places:
        holder, key = places[random.integers(len(places))]
        values = (None, True, -1, 0, 1e308, 10**20, "", "a", [], {}, [1, "a"], {"a": 1}, "\ud800", float("nan"))
        chosen = int(random.integers(len(values) + 1))
        if chosen < len(values):
            holder[key] = values[chosen]
        else:
            del holder[key]
    return json.dumps(document).encode("utf-8", "surrogatepass")


BINARY: tuple[Callable[[bytes, Random], bytes], ...] = (
    flip_bits,
    flip_bits,
    truncate,
    swap,
    splice,
    remove,
    blank,
    declare,
    declare,
)
TEXT: tuple[Callable[[bytes, Random], bytes], ...] = (
    *BINARY[1:-1],
    replace_word,
    replace_word,
    edit_line,
    edit_json,
    edit_json,
)
