"""A server of photos on loopback that fails, throttles and breaks off as told, and writes down what was asked of it."""

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
from PIL import Image


def draw_photo(seed: int = 0, side: int = 96) -> bytes:
    """Bytes of a JPEG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass
class Photo:
    """A photo on the server, and its first answers: a status, or how many bytes to send before breaking off."""

    content: bytes
    answers: list[tuple[str, int]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    length: bool = True
    tag: bool = True


@dataclass
class PhotoServer:
    """What the server holds, and what it saw."""

    photos: dict[str, Photo] = field(default_factory=dict)
    delay: float = 0.0
    requests: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    times: list[float] = field(default_factory=list)
    busiest: int = 0
    url: str = ""
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, path: str, answers: Iterable[tuple[str, int]] = (), **options: object) -> bytes:
        """Puts a photo on the server; its bytes."""
        content = options.pop("content", None)
        if content is None:
            content = draw_photo(len(self.photos))
        assert isinstance(content, bytes)
        self.photos[path] = Photo(content, list(answers), **options)
        return content

    @property
    def num_requests(self) -> int:
        """All requests so far."""
        return sum(map(len, self.requests.values()))


@contextmanager
def serve_photos() -> Iterator[PhotoServer]:
    """Runs a server for as long as the block lasts."""
    state = PhotoServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            with state.lock:
                state.requests[path].append(dict(self.headers))
                state.times.append(time.monotonic())
                state.under_way += 1
                state.busiest = max(state.busiest, state.under_way)
            time.sleep(state.delay)
            # Before the answer: with its last byte the client is free to ask again.
            with state.lock:
                state.under_way -= 1
            _answer(self, state.photos.get(path))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, photo: Photo | None) -> None:
    if photo is None:
        handler.send_error(404)
        return
    kind, number = photo.answers.pop(0) if photo.answers else ("whole", 0)
    if kind == "status":
        handler.send_response(number)
        for name, value in photo.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if kind == "hang up":
        handler.close_connection = True
        return
    tag = f'"{hashlib.sha256(photo.content).hexdigest()[:16]}"'
    asked, start = handler.headers.get("Range"), 0
    if asked and handler.headers.get("If-Range") == tag:
        start = int(asked.removeprefix("bytes=").rstrip("-"))
    if start >= len(photo.content) and start:
        handler.send_error(416)
        return
    body = photo.content[start:]
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(photo.content) - 1}/{len(photo.content)}")
    if photo.length:
        handler.send_header("Content-Length", str(len(body)))
    if photo.tag:
        handler.send_header("ETag", tag)
    handler.end_headers()
    handler.wfile.write(body[:number] if kind == "break off" else body)
    handler.close_connection = True
