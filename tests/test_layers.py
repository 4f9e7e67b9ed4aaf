"""The table of CONTRIBUTING.md, "Who may import whom", against the imports in the source files."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
PACKAGE = "timesenclip_hf"
FILES = sorted((SOURCE / PACKAGE).rglob("*.py"))
TRAVELLING = sorted((SOURCE / PACKAGE / "models" / "timesenclip").glob("*_timesenclip.py"))


def read_layers() -> dict[str, set[str]]:
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## Who may import whom")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", section, flags=re.MULTILINE)
    return {layer: set(allowed.replace("`", "").split(", ")) for layer, allowed in rows}


LAYERS = read_layers()


def module_name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str | None:
    """The most exact layer that holds a module of the package; None for the package's own `__init__`."""
    inside = module.removeprefix(PACKAGE).removeprefix(".")
    holders = [layer for layer in LAYERS if inside == layer or inside.startswith(f"{layer}.")]
    return max(holders, key=len, default=None)


def imported_modules(file: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, absolute, with its line; imports inside functions count too."""
    package = module_name(file) if file.name == "__init__.py" else module_name(file).rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            target = ".".join(filter(None, [base, node.module]))
            is_folder = target.startswith(PACKAGE) and (SOURCE / target.replace(".", "/")).is_dir()
            yield from ((node.lineno, f"{target}.{alias.name}" if is_folder else target) for alias in node.names)


def is_allowed(module: str, own_layer: str) -> bool:
    if module.split(".")[0] in sys.stdlib_module_names or LAYERS[own_layer] == {"anything"}:
        return True
    if module.split(".")[0] == PACKAGE:
        layer = layer_of(module)
        return layer is not None and (layer == own_layer or any(is_within(layer, a) for a in LAYERS[own_layer]))
    return any(is_within(module, allowed) for allowed in LAYERS[own_layer])


def is_within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


def test_every_file_of_the_package_belongs_to_a_layer_of_the_table():
    homeless = [module_name(file) for file in FILES if module_name(file) != PACKAGE and not layer_of(module_name(file))]
    assert homeless == [], "add the layer to the table in CONTRIBUTING.md"


@pytest.mark.parametrize("file", [f for f in FILES if module_name(f) != PACKAGE], ids=module_name)
def test_a_file_imports_only_what_its_layer_may(file: Path):
    layer = layer_of(module_name(file))
    assert layer is not None
    wrong = [f"line {line}: {module}" for line, module in imported_modules(file) if not is_allowed(module, layer)]
    assert wrong == [], f"layer `{layer}` may import {sorted(LAYERS[layer])}"


@pytest.mark.parametrize(
    "file",
    TRAVELLING,
    ids=module_name,
)
def test_a_file_that_travels_to_the_hub_names_its_siblings_as_the_remote_loader_reads_them(file: Path):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"line {node.lineno}: only siblings are copied"
            assert node.module, f"line {node.lineno}: write `from .sibling import name`"
            assert "." not in node.module, f"line {node.lineno}: sub-packages are not copied"
            assert file.with_name(f"{node.module}.py").is_file(), f"line {node.lineno}: no such sibling"
        names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        assert not any(is_within(name, PACKAGE) for name in names), "the package is absent where this file runs"
    # The loader reads imports by pattern, text included: such a line in a docstring asks for a missing file.
    for sibling in re.findall(r"^\s*from \.(\w+) import", file.read_text(), flags=re.MULTILINE):
        assert file.with_name(f"{sibling}.py").is_file(), f"a line of text reads as an import of .{sibling}"


def test_a_forbidden_import_is_found():
    assert not is_allowed("sklearn.metrics", "models")
    assert not is_allowed(f"{PACKAGE}.models.timesenclip", "taxonomies")
    assert not is_allowed(f"{PACKAGE}.cli", "taxonomies")
    assert is_allowed(f"{PACKAGE}.models.timesenclip.zero_shot_timesenclip", "learning")
    assert is_allowed("json", "taxonomies")
