"""Skip what needs an extra that is not installed, by the extra's name: a plugin of pytest.

With the base install alone every test that needs more is skipped, and none ends the collection. Two things say so: an
error that names a missing module of an extra, wherever it is raised (the head of a test module, a `conftest.py`, a
fixture, the test itself, or a command whose output the error holds); and the marker `needs_extra("map")`, for a test
whose error would not name it.
"""

import re
import tomllib
from collections.abc import Generator, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
# Distributions that are imported by another name.
IMPORT_NAMES = {"faiss-cpu": "faiss", "odc-stac": "odc", "pyyaml": "yaml", "scikit-learn": "sklearn"}
# Modules that tests import, and the module of an extra that brings them.
BROUGHT = {"affine": "rasterio", "gradio_client": "gradio", "distributed": "dask", "pyproj": "rioxarray"}
MISSING = re.compile(
    r"""This needs (?P<needed>[\w.]+), which is not installed: run pip install"""
    r"""|No module named ['"]?(?P<absent>[\w.]+)"""
)


def read_extras() -> dict[str, str]:
    """Return the first extra of pyproject.toml that installs a module, by the module's name."""
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    modules: dict[str, str] = {}
    for extra, requirements in extras.items():
        for requirement in requirements:
            distribution = re.split(r"[^\w.-]", requirement)[0].lower()
            modules.setdefault(IMPORT_NAMES.get(distribution, distribution.replace("-", "_")), extra)
    return modules | {module: modules[bringer] for module, bringer in BROUGHT.items()}


EXTRAS = read_extras()


def distribution_of(module: str) -> str:
    """Return the distribution that brings a module, whether it is installed or not."""
    names = {imported: distribution for distribution, imported in IMPORT_NAMES.items()}
    return names.get(module, module.replace("_", "-"))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a test module, or a folder with its conftest, that imports what an extra would install."""
    report = yield
    if report.failed:
        skip_where_extra_is_missing(report, report.call.excinfo.value, collector.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip a test that fails for want of an extra."""
    report = yield
    if report.failed and call.excinfo is not None:
        skip_where_extra_is_missing(report, call.excinfo.value, item.path)
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker names an extra that is not installed."""
    for marker in item.iter_markers("needs_extra"):
        reason = reason_of_marker(*marker.args)
        if reason is not None:
            pytest.skip(reason)


def reason_to_skip(module: str) -> str | None:
    """Say which extra to install; None where the module belongs to none, or is installed.

    Args:
        module: a module that could not be imported, dotted or not.
    """
    name = module.split(".")[0]
    if name not in EXTRAS or _is_installed(name):
        return None
    return f"needs {name} of timesenclip_hf[{EXTRAS[name]}]"


def reason_of_error(error: BaseException | None) -> str | None:
    """Say which extra an error misses, whatever it was raised from; None where it is about something else."""
    for raised in _chain(error):
        for match in MISSING.finditer(_text(raised)):
            reason = reason_to_skip(match["needed"] or match["absent"])
            if reason is not None:
                return reason
    return None


def reason_of_marker(extra: str) -> str | None:
    """Say that an extra is needed of which a module is missing; None where it is installed.

    Raises:
        ValueError: pyproject.toml has no such extra.
    """
    if extra not in EXTRAS.values():
        raise ValueError(f"There is no extra {extra!r}: use {', '.join(sorted({*EXTRAS.values()}))}.")
    reasons = (reason_to_skip(module) for module, installer in EXTRAS.items() if installer == extra)
    return next((reason for reason in reasons if reason is not None), None)


def skip_where_extra_is_missing(
    report: pytest.CollectReport | pytest.TestReport, error: BaseException, path: Path
) -> None:
    """Turn a report of a failure into a skip where the failure is a missing extra.

    Args:
        report: of a collection or of a test that failed.
        error: that it failed with.
        path: of the file, which the summary names.
    """
    reason = reason_of_error(error)
    if reason is not None:
        report.outcome = "skipped"
        report.longrepr = (str(path), 0, f"Skipped: {reason}")


def _is_installed(name: str) -> bool:
    # Not `importlib.util.find_spec`, which a test that hides a module in `sys.modules` would deceive.
    return PathFinder.find_spec(name) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # A conftest's error keeps what was raised in an attribute.
        error = getattr(error, "cause", None) or error.__cause__ or error.__context__


def _text(error: BaseException) -> str:
    """Return what an error says, with the output of a command where it holds one."""
    outputs = (getattr(error, name, None) for name in ("stdout", "stderr"))
    return "\n".join(
        [str(error), *(output.decode() if isinstance(output, bytes) else str(output) for output in outputs if output)]
    )
