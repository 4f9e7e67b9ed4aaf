"""Stand in for the process that reads uploads: it does what a file wishes, and reads any other file."""

import os
import socket
import sys
import time
from pathlib import Path

import numpy as np

from timesenclip_hf.app import reading_process
from timesenclip_hf.app.upload_reading import read_upload


def read(request):
    upload = Path(request["files"][0])
    wish, _, detail = (upload.read_bytes() if upload.exists() else b"").partition(b" ")
    match wish:
        case b"hang":
            while True:
                time.sleep(1)
        case b"abort":
            os.abort()
        case b"eat":
            return [np.ones(2**27) for _ in range(2**10)]
        case b"fault":
            raise KeyError("the reader's fault")
        case b"write":
            with open(detail, "w", encoding="utf-8") as file:
                file.write("something")
        case b"connect":
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        case b"show":
            with open(detail, encoding="utf-8") as file:
                raise ValueError(file.read())
    return read_upload(request)


if __name__ == "__main__":
    reading_process.read_upload = read
    reading_process.serve(socket.socket(fileno=int(sys.argv[1])))
