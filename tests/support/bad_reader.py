"""Stand in for the process that reads uploads, with a reader that does what the upload's content says."""

import os
import socket
import sys
import time

import numpy as np

from timesenclip_hf.app import reading_process


def read(request):
    with open(request["files"][0], encoding="utf-8") as file:
        wish = file.read()
    if wish == "hang":
        while True:
            time.sleep(1)
    if wish == "abort":
        os.abort()
    if wish == "eat":
        return [np.ones(2**27) for _ in range(2**10)]
    if wish == "write":
        with open(request["files"][0] + ".new", "w") as file:
            file.write("something")
    if wish == "connect":
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    if wish.startswith("/"):
        with open(wish, encoding="utf-8") as file:
            raise ValueError(file.read())
    raise KeyError("the reader's fault")


if __name__ == "__main__":
    reading_process.read_upload = read
    reading_process.serve(socket.socket(fileno=int(sys.argv[1])))
