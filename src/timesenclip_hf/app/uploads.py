"""Have uploads read in processes of their own; the server opens no upload, and a process that goes wrong is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load
from transformers.utils import logging

from .limits import MOST_PIXELS, MOST_SERIES, MOST_STEPS, READING_MB, READING_SECONDS
from .reading_process import ID, READY
from .series_reading import EncodedSeries, Reading, SeriesReader

logger = logging.get_logger(__name__)

# Seconds that the imports of a process may take, on a machine with other work to do.
PATIENCE = 120
# Bytes of an answer (the most pixels have 9 MB), and characters of words in it.
MOST_ANSWER = 32 * 2**20
MOST_TEXT = 500
MOST_NOTES = 8
# One thread each: there are as many processes as cores. GDAL and PROJ read no other file and fetch nothing.
ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
ENVIRONMENT |= {"GDAL_PAM_ENABLED": "NO", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": "64"}
ENVIRONMENT |= {"PROJ_NETWORK": "OFF", "HF_HUB_OFFLINE": "1"}
# pyarrow's allocator has no thread: only a process of a single thread may leave the network, and forks well.
ENVIRONMENT |= {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
# What reading an answer that breaks off, or was forged, raises.
NOT_UNDERSTOOD = (KeyError, TypeError, OverflowError, UnicodeDecodeError, json.JSONDecodeError, SafetensorError)


class Uploads:
    """Read uploads as a checkpoint reads them.

    Args:
        reader: of the checkpoint.
        module: what Python runs to read them; its `__main__` serves requests.
    """

    def __init__(self, reader: SeriesReader, module: str = f"{__package__}.reading_process") -> None:
        self.reader, self.module = reader, module
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket
        self._is_ready = False

    def read_series(self, file: str, number: int, *, offset: float | None = None) -> Reading:
        """Read a series of a table or NetCDF.

        Args:
            file: path of the upload.
            number: of the series in it, the first is 1.
            offset: to subtract from digital numbers, where the file does not say itself.

        Raises:
            ValueError: the file cannot be used, or took too much time or memory.
        """
        return self._read({"kind": "series", "files": [file], "number": number, "offset": offset})

    def read_cube(self, files: Sequence[str], *, offset: float | None = None) -> Reading:
        """Read all pixels of a cube, in a file or in one a band or date; raises as `read_series` does."""
        return self._read({"kind": "cube", "files": list(files), "offset": offset})

    def start(self) -> None:
        """Start the process that waits for requests, so that the first upload need not wait for its imports."""
        with self._lock:
            if sys.platform == "linux" and self._process is None:
                self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self._control.settimeout(PATIENCE)
                with theirs:
                    handle = theirs.fileno()
                    self._process = self._run([str(handle)], pass_fds=[handle], stdin=subprocess.DEVNULL)

    def close(self) -> None:
        """End the process that waits."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._control.close()
                self._process, self._is_ready = None, False

    def _run(self, arguments: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        # What this program found where, though it was started elsewhere or in another way.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = os.environ | ENVIRONMENT | {"PYTHONPATH": paths}
        return subprocess.Popen([sys.executable, "-m", self.module, *arguments], env=environment, **options)

    def _read(self, request: Mapping[str, Any]) -> Reading:
        message = json.dumps({**request, "settings": self.reader.settings}).encode()
        names = [Path(file).name for file in request["files"]]
        subject = names[0] if len(names) == 1 else f"The upload of {len(names)} files"
        ask = self._ask_fork if sys.platform == "linux" else self._ask_process
        try:
            content = ask(message)
        except TimeoutError:
            text = f"{subject} took longer than {READING_SECONDS:.0f} s to read: cut out a part."
            raise ValueError(text) from None
        try:
            return self._understood(content)
        except NOT_UNDERSTOOD:
            raise ValueError(
                f"{subject} ended the process that read it: it is damaged, or needs more than {READING_MB} MB of memory"
                "; save it again, or cut out a part."
            ) from None

    def _ask_fork(self, message: bytes) -> bytes:
        """Send a request to the process that waits, and return the answer of its fork."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._send(message, theirs.fileno())
            until = time.monotonic() + READING_SECONDS
            content, number = bytearray(), ID.size
            try:
                while True:
                    ours.settimeout(max(until - time.monotonic(), 0.001))
                    part = ours.recv(2**20)
                    content += part
                    if not part or len(content) > MOST_ANSWER:
                        return bytes(content[number:])
            finally:
                if len(content) >= number:
                    with suppress(ProcessLookupError):
                        os.killpg(ID.unpack_from(content)[0], signal.SIGKILL)

    def _send(self, message: bytes, handle: int) -> None:
        """Hand a request to the process that waits, and start it anew if it has ended."""
        for _ in range(2):
            self.start()
            try:
                with self._lock:
                    self._is_ready = self._is_ready or self._control.recv(len(READY)) == READY
                    if self._is_ready:
                        socket.send_fds(self._control, [message], [handle])
                        return
            except OSError:
                logger.exception("The process that reads uploads has ended.")
            self.close()
        raise RuntimeError("The process that reads uploads cannot be started.")

    def _ask_process(self, message: bytes) -> bytes:
        """Send a request to a process that is started for it, and return its answer."""
        process = self._run([], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            return process.communicate(message, READING_SECONDS + PATIENCE)[0]
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            process.kill()
            process.wait()

    def _understood(self, content: bytes) -> Reading:
        """Check an answer, which the upload may have forged; raise what it says, or what `_read` catches."""
        line, _, rest = content.partition(b"\n")
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise TypeError("an answer that is no object")
        if "refused" in fields:
            raise ValueError(str(fields["refused"])[:MOST_TEXT])
        if "fault" in fields:
            raise RuntimeError(f"An upload cannot be read.\n{fields['fault']}")
        height, width, count = (int(fields[name]) for name in ("height", "width", "count"))
        rows, bands, arrays = height * width, self.reader.bands, load(rest)
        steps = arrays["observed"].shape[-1]
        shapes = {"reflectance": (rows, steps, len(bands)), "observed": (rows, steps), "months": (rows, steps)}
        kinds = {"reflectance": np.float32, "observed": np.bool_, "months": np.float32}
        if not (
            all(arrays[name].shape == shape and arrays[name].dtype == kinds[name] for name, shape in shapes.items())
            and 0 < rows <= MOST_PIXELS
            and height > 0
            and 0 < steps <= MOST_STEPS
            and 0 < count <= MOST_SERIES
        ):
            raise TypeError("an answer of other arrays than were asked for")
        notes = [str(note)[:MOST_TEXT] for note in list(fields["notes"])[:MOST_NOTES]]
        series = EncodedSeries(arrays["reflectance"], arrays["observed"], arrays["months"], bands)
        return Reading(series, height, width, count, str(fields["name"])[:MOST_TEXT], notes)
