"""Read hostile files by the package's own roads, and count what is opened and asked for meanwhile."""

import ctypes
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# <sys/inotify.h>
IN_OPEN, IN_ISDIR, IN_NONBLOCK = 0x20, 0x40000000, 0o4000


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """Listen on loopback; yield the address, and the list of what is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


class Opened:
    """Count which files of a folder are opened, by whatever process, as Linux tells it."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.notices = libc.inotify_init1(IN_NONBLOCK)
        if libc.inotify_add_watch(self.notices, os.fsencode(folder), IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def names(self) -> list[str]:
        """List the files that were opened since the last call."""
        found = []
        while True:
            try:
                events = os.read(self.notices, 65536)
            except BlockingIOError:
                return found
            while events:
                _, mask, _, length = struct.unpack_from("iIII", events)
                name, events = events[16 : 16 + length].rstrip(b"\0"), events[16 + length :]
                if not mask & IN_ISDIR:
                    found.append(name.decode())

    def close(self) -> None:
        """Watch no more."""
        os.close(self.notices)


def read(road: str, path: Path) -> Any:
    """Read a file by one of the roads of the package."""
    if road == "cube":
        from timesenclip_hf.maps.cubes import open_cube

        return open_cube(path)
    if road == "stac":
        from timesenclip_hf.maps.cubes.stac import open_stac

        return open_stac(path)
    if road == "table":
        from timesenclip_hf.data.sources.tables import read_table

        return read_table(path)
    from training.arguments import parse_arguments

    return parse_arguments([str(path)])
