"""Photos from a server, fetched politely, and the check that a photo can be read.

Few requests at a time, growing pauses after errors, and when the server asks one request to wait, all wait. A photo
arrives as `NAME.part` and is renamed once it is whole and can be read, so that an interrupted download goes on where
it stopped. `SHA256SUMS` beside the photos lists what arrived; `sha256sum --check SHA256SUMS` reads it too.

Nothing here is called unless the user asks for a download.
"""

import hashlib
import os
import random
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image
from tqdm import tqdm

CHECKSUM_FILE = "SHA256SUMS"
NO_BYTES, UNREADABLE = "photo of zero bytes", "photo unreadable"
# More requests at a time than a browser makes to one host would be impolite.
MAX_WORKERS = 8
# Answers that may be another the next time (RFC 9110): time-out, too early, too many requests, and server errors.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# A server that fails this many photos in a row is down: the rest is left for another day.
FAILURES_IN_A_ROW = 20
# Longest pause between two tries, seconds; our choice.
LONGEST_PAUSE = 60.0
CHUNK = 1 << 16
AGENT = "timesenclip_hf (ground photos for research)"


class PhotoRequest(NamedTuple):
    """A photo to fetch: its address, and where it goes below the folder of photos, with forward slashes."""

    url: str
    path: str


@dataclass
class DownloadReport:
    """What became of the photos asked for; `str()` is the text for people.

    Attributes:
        fetched: photos that arrived now.
        continued: those of them that were continued from an earlier part.
        kept: photos that were there already.
        num_bytes: received now.
        failed: the photos that did not arrive, by reason.
        stopped: why the download ended before every photo was tried; empty otherwise.
    """

    fetched: int = 0
    continued: int = 0
    kept: int = 0
    num_bytes: int = 0
    failed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    stopped: str = ""

    def __str__(self) -> str:
        lines = [
            f"{self.fetched} photos fetched ({self.num_bytes / 1e6:.1f} MB, {self.continued} continued), "
            f"{self.kept} were there"
        ]
        for reason, photos in sorted(self.failed.items()):
            more = f", and {len(photos) - 3} more" if len(photos) > 3 else ""
            lines.append(f"{len(photos)} {reason}: {', '.join(photos[:3])}{more}")
        return "\n".join([*lines, *([self.stopped] if self.stopped else [])])


def photo_fault(photo: str | os.PathLike[str] | bytes) -> str | None:
    """Why a photo, a file or its bytes, cannot be used; None where it can.

    The whole file is decoded, JPEGs at an eighth of their size, so that a truncated photo is found out.
    """
    try:
        if not (len(photo) if isinstance(photo, bytes) else os.path.getsize(photo)):
            return NO_BYTES
        with Image.open(BytesIO(photo) if isinstance(photo, bytes) else photo) as image:
            image.draft("RGB", (image.width // 8, image.height // 8))
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's errors for damaged files
        return UNREADABLE
    return None


def download_photos(
    photos: Iterable[PhotoRequest],
    folder: str | os.PathLike[str],
    *,
    workers: int = 4,
    retries: int = 5,
    pause: float = 1.0,
    timeout: float = 30.0,
    longest_wait: float = 300.0,
    verify: bool = False,
    progress: bool = True,
) -> DownloadReport:
    """Fetches photos into a folder; call it again to go on, or to try the failed ones again.

    Args:
        photos: what to fetch, such as [`lucas.photo_requests`] gives; may be a generator.
        folder: where the photos and their checksums go.
        workers: requests at a time, 1 to `MAX_WORKERS`.
        retries: further tries after a passing error.
        pause: seconds before the second try; doubled before each further one, less a random part.
        timeout: seconds without an answer that end a try.
        longest_wait: a server that asks to wait longer (`Retry-After`) ends the download, with a report.
        verify: compute the checksums of the photos that are there, and fetch the changed ones again.
        progress: show a bar.

    Raises:
        ValueError: an option out of range, an address that is not http(s), or a path that leaves the folder.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"`workers` must be 1 to {MAX_WORKERS}, got {workers}: the server is shared.")
    if retries < 0 or pause < 0 or timeout <= 0:
        raise ValueError(f"`retries` and `pause` must not be negative, nor `timeout` 0: {retries}, {pause}, {timeout}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    total = len(photos) if isinstance(photos, Sized) else None
    with _Manifest(folder) as manifest, tqdm(total=total, desc="photos", unit="photo", disable=not progress) as bar:
        options = _Options(retries, pause, timeout, longest_wait, verify)
        work = _Download(iter(photos), folder, manifest, options, bar)
        with ThreadPoolExecutor(workers) as executor:
            futures = [executor.submit(work.run) for _ in range(workers)]
            try:
                for future in futures:
                    future.result()
            finally:
                work.stop.set()
    return work.report


class _Options(NamedTuple):
    retries: int
    pause: float
    timeout: float
    longest_wait: float
    verify: bool


class _Passing(Exception):
    """A try that may go better the next time; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None, *, all_wait: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.all_wait = all_wait


class _Lasting(Exception):
    """An answer that will not change."""


class _Download:
    """The state that the workers share."""

    def __init__(
        self,
        photos: Iterator[PhotoRequest],
        folder: Path,
        manifest: "_Manifest",
        options: _Options,
        bar: "tqdm[object]",
    ) -> None:
        self.photos = photos
        self.folder = folder
        self.manifest = manifest
        self.options = options
        self.bar = bar
        self.report = DownloadReport()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.under_way: set[str] = set()
        self.closed_until = 0.0
        self.failures_in_a_row = 0

    def run(self) -> None:
        """One worker: takes photos until none is left."""
        try:
            while (photo := self._next()) is not None:
                self._bring(photo)
                with self.lock:
                    self.under_way.discard(photo.path)
                    self.bar.update()
        except BaseException:
            self.stop.set()
            raise

    def _next(self) -> PhotoRequest | None:
        with self.lock:
            while not self.stop.is_set() and (photo := next(self.photos, None)) is not None:
                parts = PurePosixPath(photo.path).parts
                if not parts or ".." in parts or parts[0] == "/":
                    raise ValueError(f"The path of a photo must stay within its folder, got {photo.path!r}.")
                if not photo.url.startswith(("http://", "https://")):
                    raise ValueError(f"The address of a photo must begin with http:// or https://, got {photo.url!r}.")
                if photo.path not in self.under_way:  # else asked for twice, and another worker is at it
                    self.under_way.add(photo.path)
                    return photo
        return None

    def _bring(self, photo: PhotoRequest) -> None:
        target = self.folder / photo.path
        if self._is_there(photo.path, target):
            with self.lock:
                self.report.kept += 1
            return
        part = target.with_name(target.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            received, continued = self._try_often(photo.url, part)
        except (_Passing, _Lasting) as error:
            self._fail(photo.path, error)
            return
        checksum = _sha256(part)
        os.replace(part, target)
        _tag_file(part).unlink(missing_ok=True)
        with self.lock:
            self.manifest.add(photo.path, checksum)
            self.report.fetched += 1
            self.report.continued += continued
            self.report.num_bytes += received
            self.failures_in_a_row = 0

    def _is_there(self, path: str, target: Path) -> bool:
        if not target.is_file():
            return False
        known = self.manifest.checksums.get(path)
        if known is not None:
            return not self.options.verify or _sha256(target) == known
        if photo_fault(target) is not None:
            return False
        checksum = _sha256(target)
        with self.lock:
            self.manifest.add(path, checksum)
        return True

    def _try_often(self, url: str, part: Path) -> tuple[int, bool]:
        """Bytes received, and whether an earlier part was continued; the part is then a whole, readable photo."""
        received, continued = 0, False
        for attempt in range(self.options.retries + 1):
            self._wait_for_the_server()
            if self.stop.is_set():
                raise _Passing("not tried")
            try:
                more, went_on = _fetch(url, part, self.options.timeout)
                return received + more, continued or went_on
            except _Passing as error:
                last = error
                if error.wait is not None and error.wait > self.options.longest_wait:
                    self._end(f"The server asks to wait {error.wait:.0f} s: go on later.")
                    raise
                if attempt == self.options.retries:
                    raise
                doubled = min(self.options.pause * 2**attempt, LONGEST_PAUSE)
                # A random part, so that workers that failed together do not come back together.
                seconds = error.wait or doubled * random.uniform(0.5, 1.0)
                if error.all_wait:
                    with self.lock:
                        self.closed_until = max(self.closed_until, time.monotonic() + seconds)
                else:
                    self.stop.wait(seconds)
        raise last

    def _wait_for_the_server(self) -> None:
        while (left := self.closed_until - time.monotonic()) > 0 and not self.stop.is_set():
            self.stop.wait(left)

    def _fail(self, path: str, error: Exception) -> None:
        with self.lock:
            self.report.failed[str(error)].append(path)
            self.failures_in_a_row = self.failures_in_a_row + 1 if isinstance(error, _Passing) else 0
            down = self.failures_in_a_row >= FAILURES_IN_A_ROW
        if down:
            self._end(f"{FAILURES_IN_A_ROW} photos in a row failed ({error}): the server seems down, go on later.")

    def _end(self, reason: str) -> None:
        self.report.stopped = self.report.stopped or reason
        self.stop.set()


def _fetch(url: str, part: Path, timeout: float) -> tuple[int, bool]:
    """One try: fetches, or continues, the part."""
    tag_file = _tag_file(part)
    begun = part.stat().st_size if part.exists() and tag_file.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": AGENT})
    if begun:
        request.add_header("Range", f"bytes={begun}-")
        # Continue only if the file on the server is still the same one; else it comes whole.
        request.add_header("If-Range", tag_file.read_text(encoding="utf-8"))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            continues = response.status == 206 and _range_start(response.headers) == begun
            if not continues:
                part.unlink(missing_ok=True)
                tag_file.unlink(missing_ok=True)
                if response.status == 206:
                    raise _Passing("came in the wrong part")
                if tag := _validator(response.headers):
                    tag_file.write_text(tag, encoding="utf-8")
            received = 0
            with part.open("ab") as file:
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    received += len(chunk)
            length = response.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        raise _of_status(error, part) from None
    except (OSError, HTTPException) as error:
        raise _Passing(f"not answered ({getattr(error, 'reason', None) or type(error).__name__})") from None
    if length is not None and received < int(length):
        raise _Passing("cut short")
    if (fault := photo_fault(part)) is not None:
        part.unlink()
        tag_file.unlink(missing_ok=True)
        # Without a length, or where two parts were joined, the photo on the server may still be sound.
        raise _Passing(fault) if length is None or continues else _Lasting(fault)
    return received, continues


def _of_status(error: urllib.error.HTTPError, part: Path) -> Exception:
    error.close()
    if error.code == 416:  # the part is longer than the photo: begin again
        part.unlink(missing_ok=True)
        return _Passing("came in the wrong part")
    if error.code in (404, 410):
        return _Lasting("not on the server")
    if error.code not in PASSING:
        return _Lasting(f"refused by the server ({error.code})")
    wait, busy = _retry_after(error.headers), error.code in (429, 503)
    return _Passing(f"failed by the server ({error.code})", wait, all_wait=busy)


def _retry_after(headers: Message) -> float | None:
    """Seconds that the server asks to wait, given as such or as a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _range_start(headers: Message) -> int | None:
    start = headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else None


def _validator(headers: Message) -> str | None:
    """What `If-Range` takes: a strong tag, or the date of the file."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Manifest:
    """`SHA256SUMS`, appended to photo by photo; of a path listed twice the last line holds."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CHECKSUM_FILE
        self.checksums: dict[str, str] = {}
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        whole, newline, _ = text.rpartition("\n")
        for line in whole.splitlines():
            checksum, _, path = line.partition("  ")
            self.checksums[path] = checksum
        if len(text) > len(whole) + len(newline):  # the last line was torn when the run was killed
            self.path.write_text(whole + newline, encoding="utf-8")

    def __enter__(self) -> "_Manifest":
        self.file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def add(self, path: str, checksum: str) -> None:
        if self.checksums.get(path) != checksum:
            self.checksums[path] = checksum
            self.file.write(f"{checksum}  {path}\n")
            self.file.flush()
