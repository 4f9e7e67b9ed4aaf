"""The table of CONTRIBUTING.md, "Who may import whom", and the extras of pyproject.toml, against every import."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.extras import distribution_of
from training.evidence.house_structure import import_circles, imports, layers, module_name

packaging_requirements = pytest.importorskip("packaging.requirements", reason="needs the extra dev")
packaging_utils = pytest.importorskip("packaging.utils", reason="needs the extra dev")

PACKAGE = "timesenclip_hf"
FILES = sorted((ROOT / "src" / PACKAGE).rglob("*.py"))
TRAVELLING = sorted((ROOT / "src" / PACKAGE / "models" / "timesenclip").glob("*_timesenclip.py"))
LAYERS = {name: allowed for names, allowed in layers().items() for name in re.findall(r"\w+", names)}
# What every layer may use, and what names the layers: neither is one.
FOR_ALL = {"extras", "files", "gate", "words"}
# They travel to the Hub beside each metric, where `needs_extra` is not; their package asks for the extra here.
METRICS = sorted((ROOT / "src" / PACKAGE / "evaluation" / "metrics").glob("[!_]*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distributions(requirements: list[str]) -> set[str]:
    """Canonical names; `dask[distributed]` brings distributed too."""
    read = [packaging_requirements.Requirement(line) for line in requirements]
    return {packaging_utils.canonicalize_name(name) for line in read for name in (line.name, *line.extras)}


INSTALLED = packages_distributions()  # reads the records of every package: once
BASE = distributions(PROJECT["dependencies"])
EXTRAS = {name: distributions(lines) for name, lines in PROJECT["optional-dependencies"].items()}


def layer_of(module: str) -> str:
    """The part of a module's name after the package's."""
    return module.split(".")[1] if "." in module else ""


def is_allowed(module: str, layer: str) -> bool:
    imported = layer_of(module)
    return imported in FOR_ALL or imported == layer or imported in LAYERS.get(layer, [])


def test_the_table_has_a_row_for_every_layer_and_no_other():
    found = {layer_of(module_name(file)) for file in FILES} - FOR_ALL - {"", "checkpoints"}
    assert found == LAYERS.keys(), "mend the table in CONTRIBUTING.md"
    assert len(layers()) <= 12


@pytest.mark.parametrize("file", [file for file in FILES if layer_of(module_name(file))], ids=module_name)
def test_a_file_imports_only_what_its_layer_may(file: Path):
    layer = layer_of(module_name(file))
    found = [one for one in imports(file) if one.module.split(".")[0] == PACKAGE and one.module != PACKAGE]
    wrong = [f"line {one.line}: {one.module}" for one in found if not is_allowed(one.module, layer)]
    assert wrong == [], f"`{layer}` may import {LAYERS.get(layer, [])}"


@pytest.mark.parametrize("file", [file for file in FILES if file not in METRICS], ids=module_name)
def test_what_the_base_install_lacks_is_imported_under_the_extra_that_brings_it(file: Path):
    wrong = []
    for one in imports(file):
        top = one.module.split(".")[0]
        if top in sys.stdlib_module_names or top == PACKAGE:
            continue
        bringing = {packaging_utils.canonicalize_name(name) for name in INSTALLED.get(top, [distribution_of(top)])}
        if not bringing & (BASE | EXTRAS.get(one.extra or "", set())):
            wrong.append(f"line {one.line}: {top}, under {one.extra or 'no extra'}")
    assert wrong == [], 'import it under `with needs_extra("..."):` and name it in that extra of pyproject.toml'


def test_no_modules_import_each_other_in_a_circle():
    assert import_circles() == []


@pytest.mark.parametrize("file", TRAVELLING, ids=module_name)
def test_a_file_that_travels_to_the_hub_names_its_siblings_as_the_remote_loader_reads_them(file: Path):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"line {node.lineno}: only siblings are copied"
            assert node.module, f"line {node.lineno}: write `from .sibling import name`"
            assert "." not in node.module, f"line {node.lineno}: sub-packages are not copied"
            assert file.with_name(f"{node.module}.py").is_file(), f"line {node.lineno}: no such sibling"
    assert not [
        one for one in imports(file) if one.module.split(".")[0] == PACKAGE and "_timesenclip" not in one.module
    ]
    # The loader reads imports by pattern, text included: such a line in a docstring asks for a missing file.
    for sibling in re.findall(r"^\s*from \.(\w+) import", file.read_text(), flags=re.MULTILINE):
        assert file.with_name(f"{sibling}.py").is_file(), f"a line of text reads as an import of .{sibling}"


def test_a_forbidden_import_is_found():
    assert not is_allowed(f"{PACKAGE}.models.timesenclip", "nothing")
    assert not is_allowed(f"{PACKAGE}.cli", "models")
    assert is_allowed(f"{PACKAGE}.files", "models")
