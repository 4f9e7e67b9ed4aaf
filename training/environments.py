"""Make an environment apart, and try the package in it: `python -m training.environments --versions lowest`.

The environment has the package as its wheel, what that needs, and pytest; nothing of `.venv`. It is made by uv, which
takes its own variables: `UV_TORCH_BACKEND=cpu` for PyTorch's CPU build, `UV_FIND_LINKS` for wheels on this machine,
`UV_OVERRIDE` for a file with versions that replace ours. `make floors` finds out so whether the lower bounds of
pyproject.toml hold.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from timesenclip_hf.extras import needs_extra

ROOT = Path(__file__).resolve().parents[1]
# What the base install can run; the first three are the model, what it reads and whose words it knows.
BASE_TESTS = ("tests/models", "tests/names", "tests/taxonomies", "tests/test_extras.py", "tests/test_imports.py")
# Of the extra `dev`: what runs the tests. Without hypothesis, a fifth of their modules would be skipped.
TOOLS = ("pytest", "hypothesis")
Versions = Literal["tested", "lowest", "newest"]
# Imports every module of the package, and prints what kept any from it.
IMPORT_ALL = """
import importlib, json, pkgutil
import timesenclip_hf
faults = {}
for module in pkgutil.walk_packages(timesenclip_hf.__path__, "timesenclip_hf.", onerror=lambda name: None):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            faults[module.name] = str(error)
print(json.dumps(faults))
"""
_LOCATE = (
    "import platform, torch, transformers as t; print(platform.python_version(), torch.__version__, t.__version__)"
)


@dataclass(frozen=True)
class Environment:
    """Say what an environment is made of."""

    python: str = "3.11"
    extras: tuple[str, ...] = ()
    # Those of constraints.txt, the lowest that pyproject.toml allows, or the newest.
    versions: Versions = "tested"

    def __str__(self) -> str:
        what = f"base and {', '.join(self.extras)}" if self.extras else "base install"
        return f"Python {self.python}, {what}, {self.versions} versions"


@dataclass(frozen=True)
class Outcome:
    """Hold how a run of tests ended."""

    passed: int
    failed: int
    skipped: int
    line: str


def find_python(version: str) -> str | None:
    """Return the interpreter of a version such as "3.13", or None where this machine has none."""
    done = _uv("python", "find", "--no-python-downloads", "--system", version, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


def resolve(environment: Environment) -> list[str]:
    """Return every distribution that the environment needs, as `name==version`, from wheels alone.

    Raises:
        ValueError: there is no such set of versions with wheels.
    """
    bounds = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    tools = [line for line in bounds["dev"] if re.split(r"[^\w-]", line)[0] in TOOLS]
    how = {
        "tested": ["--constraints", "constraints.txt"],
        "lowest": ["--resolution", "lowest-direct"],
        "newest": ["--resolution", "highest"],
    }
    extras = [option for extra in environment.extras for option in ("--extra", extra)]
    with tempfile.TemporaryDirectory() as name:
        more = Path(name) / "tools.in"
        more.write_text("\n".join(tools) + "\n", encoding="utf-8")
        call = ["pip", "compile", "--quiet", "--no-annotate", "--no-header", "--only-binary", ":all:"]
        call += ["--python-version", environment.python, *how[environment.versions], *extras]
        done = _uv(*call, "pyproject.toml", str(more), check=False)
    if done.returncode:
        raise ValueError(f"{environment} cannot be had: {done.stderr.strip()}")
    return done.stdout.split("\n")[:-1]


@contextmanager
def made(environment: Environment) -> Iterator[str]:
    """Make an environment, give its interpreter, and remove it.

    Raises:
        ValueError: there is no such interpreter here, or no such set of versions with wheels.
    """
    with needs_extra("dev"):
        from hatchling.builders.wheel import WheelBuilder
    interpreter = find_python(environment.python)
    if interpreter is None:
        raise ValueError(f"There is no Python {environment.python} on this machine.")
    with tempfile.TemporaryDirectory() as name:
        needed = Path(name) / "needed.txt"
        needed.write_text("\n".join(resolve(environment)) + "\n", encoding="utf-8")
        (wheel,) = WheelBuilder(str(ROOT)).build(directory=name, versions=["standard"])
        _uv("venv", "--python", interpreter, f"{name}/venv")
        python = str(Path(name, "venv", *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python"))))
        _uv("pip", "install", "--python", python, "--only-binary", ":all:", "--requirement", str(needed))
        _uv("pip", "install", "--python", python, "--no-deps", wheel)
        yield python


def describe(python: str) -> str:
    """Return the versions of Python, torch and transformers of an environment."""
    return subprocess.run([python, "-c", _LOCATE], capture_output=True, text=True, check=True).stdout.strip()


def run_tests(python: str, paths: Sequence[str] = BASE_TESTS) -> Outcome:
    """Run tests of this checkout with an environment's interpreter, and what they say on the way on stderr."""
    call = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"} | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    outcome = read_outcome(done.stdout)
    if outcome.failed:
        sys.stderr.write(done.stdout[-20_000:] + done.stderr[-2_000:])
    return outcome


def read_outcome(printed: str) -> Outcome:
    """Read pytest's last line; a run without one counts as a failure."""
    line = (printed.strip().splitlines() or ["nothing was printed"])[-1]
    found: dict[str, int] = {}
    for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", line):
        found[word] = found.get(word, 0) + int(number)
    failed = found.get("failed", 0) + found.get("error", 0)
    return Outcome(
        found.get("passed", 0), failed if "passed" in found else max(failed, 1), found.get("skipped", 0), line
    )


def _uv(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    with needs_extra("dev"):
        from uv import find_uv_bin
    done = subprocess.run([find_uv_bin(), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ValueError(f"uv {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done


def main(
    python: Annotated[str, typer.Option(help="Version of Python; it must be on this machine.")] = "3.11",
    extra: Annotated[list[str] | None, typer.Option(help="Extra to install too; may be given again.")] = None,
    versions: Annotated[
        Versions, typer.Option(help="Of constraints.txt, the lowest allowed, or the newest.")
    ] = "tested",
    tests: Annotated[list[str] | None, typer.Argument(help="What to run.", show_default="the base's")] = None,
) -> None:
    """Make the environment, run the tests, and end with 1 where any fails."""
    environment = Environment(python, tuple(extra or ()), versions)
    try:
        with made(environment) as interpreter:
            print(f"{environment} (Python, torch, transformers: {describe(interpreter)})", flush=True)
            outcome = run_tests(interpreter, tests or BASE_TESTS)
    except (ValueError, ImportError) as error:
        raise SystemExit(f"error: {error}") from None
    print(outcome.line)
    raise SystemExit(1 if outcome.failed else 0)


if __name__ == "__main__":
    typer.run(main)
