"""Fetch the tests that transformers has for all its models, from the source of the version that is installed."""

import importlib.util
import io
import json
import subprocess
import sys
import tarfile
import types
import unittest
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transformers

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / f"transformers-tests-{transformers.__version__}"
PACKAGE = "transformers_suite"
# Of every configuration, none with its default.
CONFIG_FIELDS = {
    "return_dict": False,
    "output_hidden_states": True,
    "output_attentions": True,
    "dtype": "float16",
    "chunk_size_feed_forward": 5,
    "architectures": ["SomeModel"],
    "id2label": {0: "maize"},
    "label2id": {"maize": 0},
    "problem_type": "regression",
}


@lru_cache(maxsize=1)
def suite_folder() -> Path:
    """Return the folder of the tests, fetched at the first use.

    Raises:
        OSError: they cannot be had.
    """
    if not (FOLDER / "test_modeling_common.py").exists():
        FOLDER.parent.mkdir(exist_ok=True)
        named = f"transformers=={transformers.__version__}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "transformers", named]
        run = subprocess.run([*command, "-d", str(FOLDER)], capture_output=True, text=True)
        archive = next(iter(FOLDER.glob("*.tar.gz")), None)
        if run.returncode or archive is None:
            reason = (run.stderr.strip().splitlines() or ["nothing was fetched"])[-1]
            raise OSError(f"the source of {named} cannot be had: {reason}")
        _unpack(archive)
        archive.unlink()
    return FOLDER


def load(name: str) -> Any:
    """Import a module of transformers' tests, such as "test_modeling_common"."""
    folder = suite_folder()
    _stand_in()
    full = f"{PACKAGE}.{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        # One of them looks for the library beside its own folder.
        with patch("transformers.utils.direct_transformers_import", lambda *args: transformers):
            spec.loader.exec_module(module)
    return sys.modules[full]


def run_case(case: type[unittest.TestCase]) -> dict[str, dict[str, str]]:
    """Run a test case; return what failed, what was skipped, and what passed, with reasons, by the name of the test."""
    result = unittest.TestResult()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    suite.run(result)
    failed = {_name(test): text for test, text in (*result.failures, *result.errors)}
    skipped = {_name(test): text for test, text in result.skipped}
    every = unittest.defaultTestLoader.getTestCaseNames(case)
    passed = {name: "" for name in every if name not in failed and name not in skipped}
    return {"failed": failed, "skipped": skipped, "passed": passed}


def run_apart(suite: str) -> dict[str, dict[str, str]]:
    """Run a suite of `transformers_cases` in a process of its own, as [`run_case`] does.

    Args:
        suite: one of its names.

    Raises:
        RuntimeError: it ended early.
    """
    command = [sys.executable, "-m", "tests.support.transformers_cases", suite]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if run.returncode:
        raise RuntimeError(run.stderr[-3000:])
    outcome: dict[str, dict[str, str]] = json.loads(run.stdout.splitlines()[-1])
    return outcome


def _name(test: Any) -> str:
    return getattr(getattr(test, "test_case", test), "_testMethodName", str(test))  # of a subtest, its test


def _unpack(archive: Path) -> None:
    """Write the modules of the tests themselves, and nothing else of the archive."""
    with tarfile.open(archive) as opened:
        for member in opened:
            parts = Path(member.name).parts
            if member.isfile() and len(parts) == 3 and parts[1] == "tests" and parts[2].endswith(".py"):
                content = opened.extractfile(member)
                assert content is not None
                (FOLDER / parts[2]).write_bytes(io.BytesIO(content.read()).getvalue())


def _stand_in() -> None:
    """Put empty mixins where the source archive leaves out the modules that the common tests import."""
    if PACKAGE in sys.modules:
        return
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(suite_folder())]
    sys.modules[PACKAGE] = package
    absent: dict[str, dict[str, Any]] = {
        f"{PACKAGE}.exporters": {"__path__": []},
        f"{PACKAGE}.exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
        f"{PACKAGE}.generation": {"__path__": []},
        f"{PACKAGE}.generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
        f"{PACKAGE}.utils": {"__path__": []},
        f"{PACKAGE}.utils.test_configuration_utils": {"config_common_kwargs": CONFIG_FIELDS},
        "fetch_hub_objects_for_ci": {"url_to_local_path": lambda url: url},
    }
    for name, content in absent.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        sys.modules.setdefault(name, module)
