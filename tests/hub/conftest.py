"""Call the scripts of hub/ in this process, their client sent to the stand-in Hub."""

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from click.testing import Result
from huggingface_hub import HfApi, constants
from typer.testing import CliRunner

from tests.support.hub_stub import TOKEN, HubStub

CARD = "---\nlicense: mit\n---\n\n# A thing\n\nWhat it is.\n"


@pytest.fixture
def script() -> Callable[[str], ModuleType]:
    """Import a module of hub/ by its name."""
    return lambda name: importlib.import_module(f"hub.{name}")


@pytest.fixture
def command(script: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call a script by its name with arguments, in this process and in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: object) -> Result:
        app = typer.Typer()
        app.command()(script(name).main)
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def logged_in(script: Callable[[str], Any], hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Send the scripts' client to the stand-in Hub with a token, or another: a process each would take minutes."""

    def log_in(token: str | None = TOKEN) -> None:
        monkeypatch.setattr(script("publishing"), "HfApi", partial(HfApi, endpoint=hub.url, token=token))

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    # The client waits between its attempts at an upload.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    log_in()
    return log_in


def last_line(result: Result) -> str:
    """Read the only line of an error."""
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line
