"""Unpack what lies inside a file, layer by layer and within bounds: archives, encodings, cells of tables, pickles."""

import base64
import binascii
import bz2
import html
import io
import lzma
import mmap
import re
import tarfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Content = bytes | mmap.mmap
# A file in an archive in an archive ...: nobody publishes more.
DEPTH = 6
UNPACKED = 1 << 30
MEMBERS = 10_000
# Longer text is searched as binary files are, by its printable runs.
TEXT_LIMIT = 1 << 26
# Archives that cannot be opened here.
CLOSED = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"MSCF\0\0\0\0")
PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e]{8,}")
# Of UTF-16 and UTF-32, in either order of bytes.
WIDE = re.compile(rb"(?:[\t\n\r\x20-\x7e]\0{1,3}){8,}|(?:\0{1,3}[\t\n\r\x20-\x7e]){8,}")
BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{20,}(?:\\n|\s)*)+[A-Za-z0-9+/_-]*")
HEXADECIMAL = re.compile(r"(?:[0-9a-fA-F]{2}){12,}")
ESCAPED = re.compile(r"\\u00([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})")
ESCAPES = re.compile(r"\\u00|\\x[0-9a-f]|%[0-9a-f]{2}|&#|\\/|\\n|&amp;|&quot;", re.IGNORECASE)


class UnreadableError(ValueError):
    """Say why a layer cannot be unpacked; the words follow the name of the file."""


class DamagedError(UnreadableError):
    """Say that a layer is no whole archive, which words that were decoded by chance are not either."""


class Budget:
    """Count what was unpacked of one file."""

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def take(self, size: int) -> None:
        """Refuse more than the limit.

        Raises:
            UnreadableError: it is exceeded.
        """
        self.left -= size
        if self.left < 0:
            raise UnreadableError(f"unpacks to more than {self.limit:,} bytes")


def texts(content: Content) -> Iterator[str]:
    """List the texts of a layer: all of it where it is text, else its printable runs, in one byte a letter or more."""
    is_text = len(content) <= TEXT_LIMIT and b"\0" not in content[:4096]
    if is_text:
        try:
            yield bytes(content).decode("utf-8-sig")
            return
        except UnicodeDecodeError:
            pass
    runs = b"\n\n".join(match[0] for match in PRINTABLE.finditer(content))
    if runs:
        yield runs.decode("ascii")
    for match in WIDE.finditer(content):
        yield match[0].replace(b"\0", b"").decode("ascii")


def unescaped(text: str) -> Iterator[str]:
    """Give a text without the escapes of JSON, Python, addresses and HTML, where it has any."""
    if ESCAPES.search(text):
        plain = ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
        plain = plain.replace("\\/", "/").replace("\\r", "").replace("\\n", "\n").replace('\\"', '"')
        plain = html.unescape(urllib.parse.unquote(plain))
        if plain != text:
            yield plain


def decoded(text: str) -> Iterator[bytes]:
    """Decode what may be base64, at each of its four beginnings, or hexadecimal."""
    for match in BASE64.finditer(text):
        run = re.sub(r"\\n|\s", "", match[0]).replace("-", "+").replace("_", "/")
        for start in range(4):
            part = run[start : len(run) - (len(run) - start) % 4 or None]
            tail = run[len(part) + start :]
            try:
                yield base64.b64decode(part + (tail + "=" * (4 - len(tail)) if len(tail) > 1 else ""))
            except binascii.Error:
                continue
    for match in HEXADECIMAL.finditer(text):
        yield bytes.fromhex(match[0])


def unpack(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """List the files, streams and cells inside a layer, with their names.

    Raises:
        UnreadableError: it cannot be unpacked, or not within the bounds.
    """
    head = content[:8]
    if head.startswith(CLOSED):
        raise UnreadableError("holds an archive that cannot be opened here")
    for magic, unpacker in UNPACKERS:
        if head.startswith(magic):
            yield from _bounded(unpacker(content, budget), budget)
            return
    if content[257:262] == b"ustar" or (len(content) >= 512 and not len(content) % 512 and _is_tar(content)):
        yield from _bounded(_tar(content, budget), budget)
    elif len(content) > 22 and content.rfind(b"PK\x05\x06", max(0, len(content) - 65_600)) >= 0:
        yield from _bounded(_zip(content, budget), budget)


def _bounded(members: Iterator[tuple[str, bytes]], budget: Budget) -> Iterator[tuple[str, bytes]]:
    """Count members and bytes, and turn what the readers raise into one sentence."""
    try:
        for count, (name, member) in enumerate(members):
            if count >= MEMBERS:
                raise UnreadableError(f"holds more than {MEMBERS:,} files")
            budget.take(len(member))
            yield name, member
    except UnreadableError:
        raise
    except Exception as error:  # readers of damaged archives raise almost anything
        raise DamagedError(f"holds a damaged layer ({type(error).__name__})") from None


def _stream(start: Callable[[], Any]) -> Callable[[Content, Budget], Iterator[tuple[str, bytes]]]:
    def unpack_stream(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
        rest = bytes(content)
        while rest:
            stream = start()
            limit = budget.left + 1
            unpacked = stream.decompress(rest, limit)
            yield "", unpacked
            if not stream.eof:
                raise DamagedError("holds a compressed layer that is cut short")
            rest = stream.unused_data.lstrip(b"\0")
            if rest and rest[:2] not in (b"\x1f\x8b", b"BZ", b"\xfd7"):
                yield "", rest
                return

    return unpack_stream


def _zlib(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """Unpack a zlib stream; its two bytes may as well begin any other file."""
    try:
        yield "", zlib.decompressobj().decompress(bytes(content), budget.left + 1)
    except zlib.error:
        return


def _zip(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile:
        if content[:4] == b"PK\x03\x04":
            raise DamagedError("holds a damaged archive") from None
        return
    with archive:
        for entry in archive.infolist():
            if entry.flag_bits & 1:
                raise UnreadableError("holds an archive under a password")
            if entry.file_size > budget.left:
                budget.take(entry.file_size)
            yield entry.filename, archive.read(entry)


def _is_tar(content: Content) -> bool:
    return content[:1] != b"\0" and tarfile.is_tarfile(io.BytesIO(content[:512] + bytes(1024)))


def _tar(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for entry in archive:
            if entry.size > budget.left:
                budget.take(entry.size)
            file = archive.extractfile(entry) if entry.isfile() else None
            yield entry.name, file.read() if file else b""


def _parquet(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """List the metadata of a Parquet file and the cells of its columns of words and bytes."""
    file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(content)))
    fields = [file.schema_arrow.metadata or {}, *((field.metadata or {}) for field in file.schema_arrow)]
    for metadata in (file.metadata.metadata or {}, *fields):
        for key, value in metadata.items():
            yield key.decode("utf-8", "replace"), key + b"=" + value
    words = [
        leaf.path
        for leaf in (file.schema.column(index) for index in range(len(file.schema)))
        if leaf.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
    ]
    if not words:
        return
    for batch in file.iter_batches(batch_size=1024, columns=words):
        budget.left += batch.nbytes  # as large as the file itself
        for column in batch.columns:
            yield from _cells(column)


def _cells(column: Any) -> Iterator[tuple[str, bytes]]:
    """List the words of a column as one text, and each of its byte strings by itself."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _cells(column.dictionary)
    elif pa.types.is_struct(kind):
        for child in column.flatten():
            yield from _cells(child)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _cells(column.flatten())
    elif pa.types.is_map(kind):
        yield from _cells(column.keys)
        yield from _cells(column.items)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield "", "\n\n".join(filter(None, column.to_pylist())).encode()
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        yield from (("", cell) for cell in column.to_pylist() if cell)


def _png(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """List the texts of a PNG, which may be compressed; Pillow bounds them."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        known = {**image.info, **getattr(image, "text", {})}
        for key, value in known.items():
            if isinstance(value, str | bytes):
                yield str(key), f"{key}=".encode() + (value.encode() if isinstance(value, str) else value)


def _npy(content: Content, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """Give an array of objects the name of what it is written as; others have nothing inside."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    if read(file, max_header_size=len(content))[2].hasobject:
        yield "objects.pickle", file.read()


UNPACKERS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[Content, Budget], Iterator[tuple[str, bytes]]]], ...] = (
    (b"\x1f\x8b\x08", _stream(lambda: zlib.decompressobj(31))),
    (b"BZh", _stream(bz2.BZ2Decompressor)),
    ((b"\xfd7zXZ\0", b"\x5d\0\0"), _stream(lzma.LZMADecompressor)),
    ((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), _zlib),
    (b"PK\x03\x04", _zip),
    (b"PAR1", _parquet),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\x93NUMPY", _npy),
)
