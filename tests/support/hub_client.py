"""Keep a process that talks to a Hub, and run code in copies of it, which need not import the libraries anew.

The libraries read their settings once, at import, and the tests have set them to offline by then, so that a client is
a process of its own. Importing takes seconds: it happens once here, and each piece of code runs in a fork. A fork knows
nothing of the code before it; of this package nothing is imported before.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# What most code needs; a library that is not installed is left out.
LIBRARIES = ("torch", "huggingface_hub", "datasets", "evaluate", "transformers.pipelines")


class HubClient:
    """Hold the process.

    Args:
        environment: variables of the process, beside those of this one; `HF_HOME` is set for each piece of code.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = TemporaryDirectory(prefix="hub-client-")
        self._home = Path(self._folder.name) / "home"
        self._home.symlink_to(self._folder.name)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.hub_client"],
            cwd=ROOT,
            env={**os.environ, **environment, "HF_HOME": str(self._home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, home: Path, code: str, token: str | None) -> str:
        """Run code in the folder of this process, and return what it printed.

        Args:
            home: folder of its cache.
            code: Python.
            token: None for somebody who is not logged in.

        Raises:
            RuntimeError: the code failed; with what it wrote to stderr.
        """
        home.mkdir(parents=True, exist_ok=True)
        self._home.unlink()
        self._home.symlink_to(home.resolve())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"code": code, "token": token, "cwd": os.getcwd()}), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline() or '{"failed": true, "error": "the client ended"}')
        if answer["failed"]:
            raise RuntimeError(answer["error"])
        return str(answer["printed"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()  # it holds nothing, and would take seconds to end by itself
        self._process.communicate()
        self._folder.cleanup()


def serve() -> None:
    """Import the libraries, then run what comes, one line each, until the input ends."""
    for library in LIBRARIES:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(library)
    for line in sys.stdin:
        with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
            child = os.fork()
            if not child:
                os.dup2(output.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                _run(**json.loads(line))
            _, status = os.waitpid(child, 0)
            texts = []
            for file in (output, errors):
                file.seek(0)
                texts.append(file.read())
        print(json.dumps({"failed": status != 0, "printed": texts[0], "error": texts[1]}), flush=True)


def _run(code: str, token: str | None, cwd: str) -> None:
    from huggingface_hub import constants

    status = 1
    try:
        os.chdir(cwd)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ["HF_TOKEN"] = token or ""
        constants.HF_HUB_DISABLE_IMPLICIT_TOKEN = token is None
        importlib.invalidate_caches()
        values: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(code, "<code>", "exec"), values)
        status = 0
    except SystemExit as end:
        status = int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
