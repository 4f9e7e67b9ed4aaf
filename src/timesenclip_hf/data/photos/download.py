"""Download photos politely, and go on where a download was stopped.

Few requests at a time, growing pauses after errors, and when the server asks one request to wait, all wait. A photo
arrives as `NAME.part` and is renamed once it is complete and can be read, so that an interrupted download goes on
where it stopped. `SHA256SUMS` beside the photos lists what arrived.

Nothing here is called unless the user asks for a download.
"""

import hashlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tqdm import tqdm

from ...extras import needs_extra
from ...files.locks import Hold
from ...files.outputs import check_run_folder
from .fetching import Connections, LastingError, PassingError, fetch_photo, photo_fault, tag_file

with needs_extra("data"):
    from urllib3.exceptions import MaxRetryError
    from urllib3.util.retry import RequestHistory, Retry

CHECKSUM_FILE = "SHA256SUMS"  # `sha256sum --check SHA256SUMS` reads it too
# More requests at a time than a browser makes to one host would be impolite.
MAX_WORKERS = 8
# A server that fails this many photos in a row is down: the rest is left for another day.
FAILURES_IN_A_ROW = 20
# Longest pause between two tries, seconds; our choice.
LONGEST_PAUSE = 60.0


class PhotoRequest(NamedTuple):
    """Name a photo to fetch by its address, and by its path below the folder of photos, with forward slashes."""

    url: str
    path: str


@dataclass(frozen=True)
class DownloadOptions:
    """Say how a server is asked for photos; an option out of range raises `ValueError`.

    Attributes:
        workers: requests at a time, 1 to `MAX_WORKERS`.
        retries: further tries after a passing error.
        pause: seconds before the second try, and up to as many again at random; doubled before each further one.
        timeout: seconds without an answer that end a try.
        longest_wait: a server that asks to wait longer (`Retry-After`) ends the download, with a report.
    """

    workers: int = 4
    retries: int = 5
    pause: float = 1.0
    timeout: float = 30.0
    longest_wait: float = 300.0

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ValueError(f"`workers` must be 1 to {MAX_WORKERS}, got {self.workers}: the server is shared.")
        if self.retries < 0 or self.pause < 0 or self.timeout <= 0:
            numbers = f"{self.retries}, {self.pause}, {self.timeout}"
            raise ValueError(f"`retries` and `pause` must not be negative, nor `timeout` 0: {numbers}.")

    def to_retry(self) -> Retry:
        """Return urllib3's counter of tries and pauses for one photo."""
        # urllib3 tries again at once after the first error of a history: with an entry to begin with it pauses.
        return Retry(
            total=self.retries,
            backoff_factor=self.pause / 2,
            backoff_max=LONGEST_PAUSE,
            backoff_jitter=self.pause,  # so that workers that failed together do not come back together
            history=(RequestHistory("GET", None, None, None, None),),
        )


@dataclass
class DownloadReport:
    """Tell what became of the photos asked for; `str()` is the text for people.

    `continued` are those fetched whose earlier part was there, `failed` the photos that did not arrive, by reason;
    `stopped` says why the download ended before every photo was tried.
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
        return "\n".join([*lines, self.stopped] if self.stopped else lines)


def download_photos(
    photos: Iterable[PhotoRequest],
    folder: str | os.PathLike[str],
    options: DownloadOptions = DownloadOptions(),
    *,
    progress: bool = True,
) -> DownloadReport:
    """Fetch photos into a folder; call it again to go on, or to try the failed ones again.

    Args:
        photos: to fetch, such as [`lucas.photo_requests`] gives; a path that is named twice is fetched once.
        folder: where the photos and their checksums go.
        options: how the server is asked.
        progress: show a bar.

    Raises:
        OSError: the folder cannot be written, or another process writes to it.
        ValueError: an address that is not http(s), or a path that leaves the folder.
    """
    wanted = {photo.path: photo for photo in map(_check_request, photos)}
    folder = Path(folder)
    check_run_folder(folder)
    bar = tqdm(wanted.values(), desc="photos", unit="photo", disable=not progress)
    with Hold(folder), ChecksumFile(folder) as checksums, bar:
        work = _Download(iter(bar), folder, checksums, options)
        with ThreadPoolExecutor(options.workers) as executor:
            futures = [executor.submit(work.run) for _ in range(options.workers)]
            try:
                for future in futures:
                    future.result()
            finally:
                work.stop.set()
    return work.report


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ChecksumFile:
    """Append the checksums of a folder's photos one by one, so that none is lost when the program is killed.

    Of a path listed twice the last line holds.
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


def _check_request(photo: PhotoRequest) -> PhotoRequest:
    parts = PurePosixPath(photo.path).parts
    if not parts or ".." in parts or parts[0] == "/":
        raise ValueError(f"The path of a photo must stay within its folder, got {photo.path!r}.")
    if not photo.url.startswith(("http://", "https://")):
        raise ValueError(f"The address of a photo must begin with http:// or https://, got {photo.url!r}.")
    return photo


@dataclass
class _Download:
    """Hold the state that the workers share."""

    photos: Iterator[PhotoRequest]
    folder: Path
    checksums: ChecksumFile
    options: DownloadOptions
    report: DownloadReport = field(default_factory=DownloadReport)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: Any = field(default_factory=threading.Lock)
    closed_until: float = 0.0
    failures_in_a_row: int = 0

    def __post_init__(self) -> None:
        self.connections = Connections(self.options.workers, self.options.timeout)

    def run(self) -> None:
        """Take photos until none is left, as one worker."""
        try:
            while (photo := self._next()) is not None:
                self._bring(photo)
        except BaseException:
            self.stop.set()
            raise

    def _next(self) -> PhotoRequest | None:
        with self.lock:
            return None if self.stop.is_set() else next(self.photos, None)

    def _bring(self, photo: PhotoRequest) -> None:
        target = self.folder / photo.path
        if self._is_kept(photo.path, target):
            with self.lock:
                self.report.kept += 1
            return
        part = target.with_name(target.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            received, continued = self._try_often(photo.url, part)
        except (PassingError, LastingError) as error:
            self._fail(photo.path, error)
            return
        checksum = sha256_of(part)
        part.replace(target)
        tag_file(part).unlink(missing_ok=True)
        with self.lock:
            self.checksums.add(photo.path, checksum)
            self.report.fetched += 1
            self.report.continued += continued
            self.report.num_bytes += received
            self.failures_in_a_row = 0

    def _is_kept(self, path: str, target: Path) -> bool:
        if not target.is_file():
            return False
        if path in self.checksums.checksums:
            return True
        if photo_fault(target) is not None:
            return False
        checksum = sha256_of(target)
        with self.lock:
            self.checksums.add(path, checksum)
        return True

    def _try_often(self, url: str, part: Path) -> tuple[int, bool]:
        """Fetch a photo in as many tries as allowed; return the bytes received, and whether a part was continued."""
        retry = self.options.to_retry()
        while True:
            while (left := self.closed_until - time.monotonic()) > 0 and not self.stop.is_set():
                self.stop.wait(left)
            if self.stop.is_set():
                raise PassingError("not tried")
            try:
                return fetch_photo(self.connections, url, part)
            except PassingError as error:
                if error.wait is not None and error.wait > self.options.longest_wait:
                    self._end(f"The server asks to wait {error.wait:.0f} s: go on later.")
                    raise
                try:
                    retry = retry.increment("GET", url, error=error)
                except MaxRetryError:
                    raise error from None
                # By hand: urllib3's `Retry.sleep` holds up its own request only, and no other worker can end it.
                seconds = error.wait or retry.get_backoff_time()
                if not error.all_wait:
                    self.stop.wait(seconds)
                    continue
                with self.lock:
                    self.closed_until = max(self.closed_until, time.monotonic() + seconds)

    def _fail(self, path: str, error: Exception) -> None:
        with self.lock:
            self.report.failed[str(error)].append(path)
            self.failures_in_a_row = self.failures_in_a_row + 1 if isinstance(error, PassingError) else 0
            down = self.failures_in_a_row >= FAILURES_IN_A_ROW
        if down:
            self._end(f"{FAILURES_IN_A_ROW} photos in a row failed ({error}): the server seems down, go on later.")

    def _end(self, reason: str) -> None:
        self.report.stopped = self.report.stopped or reason
        self.stop.set()
