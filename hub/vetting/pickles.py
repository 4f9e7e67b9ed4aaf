"""Tell whether bytes are a pickle, by their opcodes; nothing of them runs."""

import io
import logging
import mmap
import pickletools
import re
import warnings

from picklescan.scanner import scan_bytes

# Formats whose readers run what they hold; `.bin` is what transformers once pickled.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
IMPORTED = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
# What it finds is told in our own sentence.
logging.getLogger("picklescan").setLevel(logging.CRITICAL)


def is_pickle(content: bytes | mmap.mmap, *, by_chance: bool = False) -> bool:
    """Tell whether bytes are a program of pickle's machine, space before it or not.

    `picklescan` tells what a pickle imports, not whether a file is a pickle: it takes a text that begins with the
    letter c for one, and a pickle that imports nothing for none. It is asked where the bytes begin as a pickle does,
    and of archives, which torch reads where `zipfile` does not.

    Args:
        content: of a file.
        by_chance: it was decoded from words that may be none of base64; then a pickle is what imports something, too.
    """
    start = next((index for index, byte in enumerate(content[:64]) if byte not in b" \t\r\n\0\xef\xbb\xbf"), 0)
    head = bytes(content[start : start + 4])
    begins = head == b"PK\x03\x04" or (head[:1] == b"\x80" and head[1:2] <= b"\x05")
    if begins and _imports(content[start:]):
        return True
    return _runs(bytes(content[start:]) if start else content, by_chance)


def _imports(content: bytes) -> bool:
    try:
        return bool(scan_bytes(io.BytesIO(content), "file").globals)
    except Exception:  # it meets a damaged archive with almost any error; that is refused where layers are unpacked
        return False


def _runs(content: bytes | mmap.mmap, by_chance: bool) -> bool:
    """Follow the opcodes until one stops the machine, or is none."""
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    file.seek(0)
    started = imports = False
    words: list[str] = []
    try:
        with warnings.catch_warnings(action="ignore"):  # about escapes in texts, which are no pickles
            for opcode, argument, _ in pickletools.genops(file):  # type: ignore[arg-type]  # a mapping reads as a file
                started |= opcode.name == "PROTO"
                if opcode.name in ("GLOBAL", "INST") and not IMPORTED.fullmatch(str(argument)):
                    return False
                imports |= opcode.name in ("GLOBAL", "INST") or (opcode.name == "STACK_GLOBAL" and len(words) > 1)
                words += [argument] if isinstance(argument, str) else []
                if opcode.name == "STOP":
                    return imports or (started and not by_chance)
    except (ValueError, UnicodeDecodeError, OverflowError, MemoryError):
        # Of a pickle that was cut short the beginning is enough.
        return started and imports
    return False
