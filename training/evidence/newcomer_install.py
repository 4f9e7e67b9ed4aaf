"""Measure that the package installs: alone, with each extra, with the lowest versions, on each Python there is.

Each environment is made from nothing by `training.environments` and removed after. One that cannot be made here, as
where there is no such Python, is a line without a figure that says why.
"""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from hub.filling import PROJECT
from training.environments import BASE_TESTS, IMPORT_ALL, Environment, describe, made, resolve, run_tests
from training.evidence.claims import Ledger

# Those that `requires-python` allows and that are released.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# `dev` is for this repository, and its `.venv` has it.
EXTRAS = tuple(extra for extra in PROJECT["optional-dependencies"] if extra != "dev")


def install(ledger: Ledger) -> None:
    """Run the tests of the base install in each environment, and import the package with each extra alone."""
    for environment in (Environment(versions="lowest"), *(Environment(python) for python in PYTHONS)):
        _add_tests(ledger, environment)
    for python in PYTHONS:
        _add_resolution(ledger, Environment(python, EXTRAS))
    for extra in EXTRAS:
        _add_imports(ledger, Environment(extras=(extra,)))


def _add_tests(ledger: Ledger, environment: Environment) -> None:
    claim = f"failures of {', '.join(BASE_TESTS[:3])} and two files: {environment}"
    try:
        with made(environment) as python:
            versions, outcome = describe(python), run_tests(python)
    except ValueError as error:
        ledger.skip(claim, "==", 0, str(error).splitlines()[0])
        return
    note = f"{outcome.passed} passed, {outcome.skipped} skipped for want of an extra; Python, torch, transformers"
    ledger.add(claim, outcome.failed, "==", 0, f"{note} {versions}")


def _add_resolution(ledger: Ledger, environment: Environment) -> None:
    """Ask whether wheels exist for all that every extra needs, which takes no such Python."""
    claim = f"wheels exist for all that the extras need: Python {environment.python}, tested versions"
    try:
        count = len(resolve(environment))
    except ValueError as error:
        ledger.add(claim, False, "==", True, str(error).splitlines()[0])
        return
    ledger.add(claim, True, "==", True, f"{count} distributions, none built")


def _add_imports(ledger: Ledger, environment: Environment) -> None:
    (extra,) = environment.extras
    claim = f"modules of the package that miss something of `{extra}` where the base and `{extra}` are installed"
    with made(environment) as python:
        done = subprocess.run([python, "-c", IMPORT_ALL], capture_output=True, text=True, check=True, cwd="/")
    faults: Mapping[str, str] = json.loads(done.stdout.splitlines()[-1])
    wrong = sorted(name for name, told in faults.items() if f"[{extra}]" in told or "This needs" not in told)
    ledger.add(claim, len(wrong), "==", 0, note=", ".join(wrong) or f"{len(faults)} name another extra")


PARTS: Mapping[str, Any] = {"install": install}
