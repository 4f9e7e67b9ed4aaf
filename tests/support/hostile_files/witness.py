"""Read hostile files by the package's own roads, and count what is opened and asked for meanwhile."""

import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# <sys/inotify.h>
IN_OPEN, IN_ISDIR, IN_NONBLOCK = 0x20, 0x40000000, 0o4000


# Runs in a process of its own: whoever holds this one's lock while it asks would wait for an answer for ever.
_LISTEN = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.settimeout(1)
    try:
        asked = connection.recv(4096)
    except OSError:
        asked = b"nothing yet"
    print(asked.split(b"\\r\\n")[0].decode(), flush=True)
    connection.sendall(b"HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    connection.close()
"""


class Listener:
    """Listen on loopback, at an `address`, and answer that nothing is there."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", _LISTEN], stdout=subprocess.PIPE)
        self.output = self.process.stdout
        self.address = f"http://127.0.0.1:{int(self.output.readline())}"
        os.set_blocking(self.output.fileno(), False)

    def requests(self) -> list[str]:
        """List what was asked for since the last call."""
        return (self.output.read() or b"").decode().splitlines()

    def close(self) -> None:
        """Listen no more."""
        self.process.kill()
        self.process.wait()
        self.output.close()


@contextmanager
def listener() -> Iterator[Listener]:
    """Listen for as long as the block runs."""
    listening = Listener()
    try:
        yield listening
    finally:
        listening.close()


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
    if road == "checkpoint":
        from timesenclip_hf.classification import load_pipeline

        return load_pipeline(path, None)
    from training.arguments import parse_arguments

    return parse_arguments([str(path)])
