"""Run the Space as a process of its own on loopback: started as a host starts it, stopped at the end of the block."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ("hub/space/app.py",)
COMMAND = ("-m", "timesenclip_hf.cli", "demo-app")
# Imports, the checkpoint and the examples, on a machine with other work to do.
PATIENCE = 600


@dataclass(frozen=True)
class Space:
    """Hold a page that answers, and the process behind it."""

    url: str
    process: subprocess.Popen[bytes]

    def memory(self, field: str = "VmRSS") -> float:
        """Count the MiB that the process holds now, or held at most (`VmHWM`), as Linux counts them."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


@contextmanager
def running_space(command: Sequence[str] = LAUNCHER) -> Iterator[Space]:
    """Run the Space on a free port for as long as the block lasts.

    Args:
        command: what Python is given: a file or `-m` and a module, with their arguments.

    Raises:
        RuntimeError: the process ended, or did not answer; what it printed follows.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))).rstrip(os.pathsep),
    }
    with TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            space = Space(f"http://127.0.0.1:{port}", process)
            if not _answers(space):
                output.seek(0)
                raise RuntimeError(f"{' '.join(command)} does not answer:\n{output.read().decode(errors='replace')}")
            yield space
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(space: Space) -> bool:
    opener = build_opener(ProxyHandler({}))  # loopback goes through no proxy
    for _ in range(PATIENCE * 4):
        if space.process.poll() is not None:
            return False
        try:
            with opener.open(space.url, timeout=5):
                return True
        except (URLError, OSError):
            time.sleep(0.25)
    return False
