"""Answer requests to read uploads, each in a process of its own: `python -m timesenclip_hf.app.reading_process`.

A process that has imported everything waits for requests and forks for each, in hundredths of a second. (The fork
server of `multiprocessing` would import the program's main module in every fork.) Elsewhere than on Linux each upload
has a process from the start.

An answer is a line of JSON and, where the upload was read, arrays as safetensors: nothing in it can run.
"""

import json
import os
import signal
import socket
import struct
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from safetensors.numpy import save

from ..extras import needs_extra
from ..gate.hdf5_walker import walk_here
from .limits import READING_MB
from .upload_reading import read_upload

with needs_extra("data"):
    import pandas  # noqa: F401 (read_table imports it late)
with needs_extra("map"):
    import dask
    import distributed  # noqa: F401 (dask imports it late)
    import h5netcdf  # noqa: F401 (xarray imports it late)
    import xarray as xr

# Bytes of a request: settings of a checkpoint, and paths.
MOST_REQUEST = 2**17
READY = b"ready"
# The server comes before what reads: its visitors with examples wait for no upload.
NICENESS = 5
# How the process id of a fork comes before its answer.
ID = struct.Struct("!I")


def answer(request: bytes) -> bytes:
    """Read what a request asks for, in JSON, and return the answer, or why there is none."""
    try:
        reading = read_upload(json.loads(request))
    except MemoryError:
        return _words(refused=f"This needs more than {READING_MB} MB of memory to read: cut out a part.")
    except (ValueError, OSError) as reason:
        return _words(refused=str(reason))
    except Exception:
        return _words(fault=traceback.format_exc())
    series = reading.series
    arrays = {name: getattr(series, name) for name in ("reflectance", "observed", "months")}
    details = {name: value for name, value in asdict(reading).items() if name != "series"}
    return _words(**details) + save({name: array.copy(order="C") for name, array in arrays.items()})


def _words(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def serve(control: socket.socket) -> None:
    """Fork for each request that comes, with the socket for its answer, until the server has ended."""
    from . import confinement  # of Linux alone

    confinement.leave_network()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the server, which ends this
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    xr.backends.list_engines()  # searched for once, here
    dask.config.set(scheduler="synchronous")
    walk_here()
    control.send(READY)
    while True:
        request, handles, *_ = socket.recv_fds(control, MOST_REQUEST, 1)
        if not request:
            return
        with socket.socket(fileno=handles[0]) as connection:
            if os.fork() == 0:
                with suppress(BaseException):  # whatever it is, the fork must not go on as its parent
                    control.close()
                    _answer_confined(connection, request)
                os._exit(0)


def _answer_confined(connection: socket.socket, request: bytes) -> None:
    from . import confinement

    os.setsid()  # so that what it starts ends with it
    os.nice(NICENESS)
    connection.sendall(ID.pack(os.getpid()))
    with open(os.devnull, "r+b") as nothing:
        for handle in range(3):
            os.dup2(nothing.fileno(), handle)
    confinement.limit()
    # Each upload's folder holds nothing else; the file in it is replaced when another visitor brings the same.
    confinement.see_only({os.path.dirname(file) for file in json.loads(request)["files"]})
    connection.sendall(answer(request))


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(socket.socket(fileno=int(sys.argv[1])))
    else:
        sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
