"""What pyproject.toml and constraints.txt promise."""

import re
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
DIRECT = [Requirement(line) for group in [PROJECT["dependencies"], *EXTRAS.values()] for line in group]
CONSTRAINTS = {
    canonicalize_name(requirement.name): requirement
    for requirement in map(Requirement, re.findall(r"^[^#\s].*$", (ROOT / "constraints.txt").read_text(), re.M))
}


def pinned_version(name: str) -> Version:
    (pin,) = CONSTRAINTS[canonicalize_name(name)].specifier
    return Version(pin.version)


def with_what_they_need(requirements: list[Requirement]) -> set[str]:
    """Canonical names of the requirements and of everything installed that they ask for, in turn."""
    waiting, seen = [(r, r.extras) for r in requirements], set()
    while waiting:
        requirement, extras = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(extras)) in seen:
            continue
        seen.add((name, frozenset(extras)))
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for line in map(Requirement, needed):
            if line.marker is None or any(line.marker.evaluate({"extra": e}) for e in (extras or {""})):
                waiting.append((line, line.extras))
    return {name for name, _ in seen}


def test_every_version_bound_has_its_reason_beside_it():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    bounds = [line for line in lines if re.search(r'"[\w-]+[<>=~!]=?\d', line)]
    assert len(bounds) >= len(DIRECT)
    assert [line for line in bounds if not re.search(r"# \d\S*: \w", line)] == []


def test_the_extras_are_the_settled_ones():
    assert set(EXTRAS) == {"data", "train", "eval", "map", "demo", "export", "dev"}


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_the_tested_version_of_a_dependency_is_pinned_and_within_its_bounds(requirement: Requirement):
    assert pinned_version(requirement.name) in requirement.specifier


def test_everything_the_dependencies_bring_is_pinned():
    assert sorted(with_what_they_need(DIRECT) - CONSTRAINTS.keys()) == []


def test_constraints_are_exact_and_name_no_local_build():
    for requirement in CONSTRAINTS.values():
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), requirement


def test_torch_is_the_tested_one_and_its_companions_stay_out():
    assert pinned_version("torch") == Version("2.13.0")
    named = CONSTRAINTS.keys() | {canonicalize_name(r.name) for r in DIRECT}
    assert not [name for name in named if re.match(r"torchvision|torchaudio|nvidia|cuda|triton", name)]


def test_the_wheel_carries_every_file_of_the_package(tmp_path: Path):
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    packed = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "src" / "timesenclip_hf"
    wanted = [f for pattern in ("*.py", "py.typed", "*.json", "*.safetensors") for f in package.rglob(pattern)]
    assert package / "py.typed" in wanted
    assert sorted({str(f.relative_to(ROOT / "src")) for f in wanted} - packed) == []
