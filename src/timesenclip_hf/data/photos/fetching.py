"""Fetch one photo once: continue what is there of it, tell errors that pass from answers that last, and check it."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ...extras import needs_extra
from ...gate.photos import open_photo

with needs_extra("data"):
    from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Retry
    from urllib3.exceptions import HTTPError, InvalidHeader, ProtocolError

NO_BYTES, UNREADABLE = "photo of zero bytes", "photo unreadable"
# Answers that may be another the next time (RFC 9110): time-out, too early, too many requests, and server errors.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# Answers to everybody, not only to who asked.
BUSY = (429, 503)
CHUNK = 1 << 16
AGENT = "timesenclip_hf (ground photos for research)"
# Redirects only: a photo that broke off must be continued, which urllib3 cannot, so the caller tries again.
_REDIRECTS = Retry(total=None, connect=False, read=False, other=False, redirect=5)


class PassingError(Exception):
    """Report a try that may go better the next time.

    Args:
        reason: what the photo is counted by.
        wait: seconds that the server asks to wait.
        all_wait: it asks everybody.
    """

    def __init__(self, reason: str, wait: float | None = None, *, all_wait: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.all_wait = wait, all_wait


class LastingError(Exception):
    """Report an answer that will not change."""


class Connections:
    """Keep connections open between requests, through the proxies that the environment names.

    There are `workers` requests at a time; `timeout` seconds without an answer end one.
    """

    def __init__(self, workers: int, timeout: float) -> None:
        settings: dict[str, Any] = {"maxsize": workers, "timeout": timeout}
        self.direct = PoolManager(**settings)
        proxies = {scheme: proxy for scheme, proxy in getproxies().items() if scheme in ("http", "https")}
        self.proxied = {scheme: ProxyManager(proxy, **settings) for scheme, proxy in proxies.items()}

    def get(self, url: str, headers: dict[str, str]) -> BaseHTTPResponse:
        """Ask for an address; the answer's content is not read yet."""
        target = urlsplit(url)
        pool = self.direct if proxy_bypass(target.netloc) else self.proxied.get(target.scheme, self.direct)
        headers = {"User-Agent": AGENT, **headers}
        return pool.request("GET", url, headers=headers, preload_content=False, retries=_REDIRECTS)


def fetch_photo(connections: Connections, url: str, part: Path) -> tuple[int, bool]:
    """Fetch a photo that can be read; return the bytes received, and whether what `part` held of it was continued.

    Raises:
        PassingError: another try may help.
        LastingError: it will not.
    """
    begun = part.stat().st_size if part.exists() and tag_file(part).exists() else 0
    # Continue only if the file on the server is still the same one; else it comes whole.
    headers = {"Range": f"bytes={begun}-", "If-Range": tag_file(part).read_text(encoding="utf-8")} if begun else {}
    try:
        with connections.get(url, headers) as response:
            if response.status >= 300:
                raise _error_of(response, part)
            continues = _begin(response, part, begun)
            has_length = "Content-Length" in response.headers
            received = _receive(response, part)
    except HTTPError as error:
        raise PassingError(f"not answered ({type(error).__name__})") from None
    if (fault := photo_fault(part)) is not None:
        _forget(part)
        # Without a length, or where two parts were joined, the photo on the server may still be sound.
        raise LastingError(fault) if has_length and not continues else PassingError(fault)
    return received, continues


def photo_fault(photo: str | os.PathLike[str] | bytes) -> str | None:
    """Say why a photo, a file or its bytes, cannot be used; None where it can.

    The whole file is decoded, JPEGs at an eighth of their size, so that a truncated photo is found out.
    """
    try:
        if not (len(photo) if isinstance(photo, bytes) else os.path.getsize(photo)):
            return NO_BYTES
        with open_photo(photo) as image:
            image.draft("RGB", (image.width // 8, image.height // 8))
            image.load()
    except (OSError, ValueError, SyntaxError):  # Pillow's errors for damaged files
        return UNREADABLE
    return None


def tag_file(part: Path) -> Path:
    """Name the file that keeps what the server calls the state of a photo, beside its part."""
    return part.with_name(part.name + ".tag")


def _begin(response: BaseHTTPResponse, part: Path, begun: int) -> bool:
    """Tell whether the answer continues the part; else clear it away and keep the new photo's tag."""
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if response.status == 206 and start == str(begun):
        return True
    _forget(part)
    if response.status == 206:
        raise PassingError("came in the wrong part")
    tag = response.headers.get("ETag", "")
    # What `If-Range` takes: a strong tag, or the date of the file.
    validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
    if validator:
        tag_file(part).write_text(validator, encoding="utf-8")
    return False


def _receive(response: BaseHTTPResponse, part: Path) -> int:
    """Append the content of an answer to a part; return how many bytes came."""
    received = 0
    with part.open("ab") as file:
        try:
            for chunk in response.stream(CHUNK, decode_content=False):
                received += file.write(chunk)
        except ProtocolError:  # also where less came than was promised
            raise PassingError("cut short") from None
    return received


def _error_of(response: BaseHTTPResponse, part: Path) -> Exception:
    if response.status == 416:  # the part is longer than the photo: begin again
        part.unlink(missing_ok=True)
        return PassingError("came in the wrong part")
    if response.status in (404, 410):
        return LastingError("not on the server")
    if response.status not in PASSING:
        return LastingError(f"refused by the server ({response.status})")
    try:
        wait = _REDIRECTS.get_retry_after(response)
    except InvalidHeader:
        wait = None
    return PassingError(f"failed by the server ({response.status})", wait, all_wait=response.status in BUSY)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    tag_file(part).unlink(missing_ok=True)
