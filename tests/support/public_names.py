"""Gather the public names of the package, and those that the API pages of a built site show."""

import ast
import importlib
import re
from pathlib import Path

from hub.docs_links import read_pages
from tests.support.readme import ROOT

SRC = ROOT / "src"


def public_names() -> list[str]:
    """Return every name of an `__all__`, what `labelling` defines without an underscore, and what the pages import."""
    names = set()
    for path in SRC.rglob("*.py"):
        module = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names |= {f"{module}.{name}" for name in ast.literal_eval(node.value)}
            if ".labelling." in module and isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
                names.add(f"{module}.{node.name}")
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for module, imported in re.findall(r"from (timesenclip_hf[\w.]*) import \(?([\w, ]+)", page.read_text("utf-8")):
            names |= {f"{module}.{name.strip()}" for name in imported.split(",") if name.strip()}
    return sorted(names)


def not_shown(site: Path) -> list[str]:
    """Return the public names that no API page shows, under this name or another of the same object."""
    pages = [page for path, page in read_pages(site).items() if path.parent.name == "api"]
    places = {place for page in pages for place in page.places if place.startswith("timesenclip_hf.")}
    shown = {id(found) for place in places if (found := _resolve(place)) is not None}
    return [name for name in public_names() if name not in places and id(_resolve(name)) not in shown]


def _resolve(path: str) -> object | None:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
