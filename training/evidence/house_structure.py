"""Measure how the package is built: lengths, parameters, docstrings, words, import circles.

`python -m training.evidence.house_structure [PATH ...]` lists every place below the paths that a bar is about.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from training.evidence.claims import ROOT

SOURCE = ROOT / "src"
PACKAGE = "timesenclip_hf"
LONGEST_MODULE, LONGEST_FUNCTION, MANY_PARAMETERS, MOST_PARAMETERS = 400, 60, 8, 14
# Words that a docstring must not begin with: it begins with a verb.
NO_VERBS = {
    *("a", "an", "the", "all", "any", "each", "every", "no", "not", "one", "two", "some", "this", "these", "that"),
    *("what", "how", "where", "when", "which", "whether", "who", "why", "as", "for", "of", "in", "on", "at", "to"),
    *("with", "by", "from", "its", "it", "same", "many", "both", "and", "or", "if", "is", "are"),
}
# Phrases that send a reader elsewhere for what should stand here.
REFERRALS = re.compile(r"\b(see there|as there|as for the rest)\b", re.IGNORECASE)
# Names that say nothing where a noun would.
EMPTY_NAMES = {"one", "own", "place", "said", "there", "whole", "found", "given"}
# "look" for an acquisition, in prose and inside names; what merely contains the letters is another word.
LOOK = re.compile(r"(?<![a-z])looks?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Function:
    """Describe one function or method of the package.

    Attributes:
        file: that holds it.
        name: with its class.
        line: where it begins.
        lines: of its definition.
        parameters: without `self` and `cls`.
        is_public: it and what holds it have no leading underscore.
        is_annotated: every parameter and the result have a type.
        docstring: or None.
    """

    file: Path
    name: str
    line: int
    lines: int
    parameters: int
    is_public: bool
    is_annotated: bool
    docstring: str | None


@dataclass(frozen=True)
class Finding:
    """Name a place that a bar is about."""

    kind: str
    file: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.kind}: {self.what}"


class Import(NamedTuple):
    """Describe an imported module: absolute, with its line and the extra that `needs_extra` names around it."""

    module: str
    line: int
    extra: str | None


def python_files(*folders: Path) -> list[Path]:
    """List the Python files below folders, or the files themselves."""
    return sorted(file for folder in folders for file in ([folder] if folder.is_file() else folder.rglob("*.py")))


def functions_of(file: Path) -> Iterator[Function]:
    """Describe every function and method of a file; those inside functions belong to these."""
    yield from _functions(ast.parse(file.read_text(encoding="utf-8")), file, "", True)


def _functions(node: ast.AST, file: Path, prefix: str, is_public: bool) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, file, f"{prefix}{child.name}.", is_public and not child.name.startswith("_"))
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = child.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            named = [argument for argument in every if argument.arg not in ("self", "cls")]
            typed = [*named, *filter(None, [arguments.vararg, arguments.kwarg])]
            yield Function(
                file,
                f"{prefix}{child.name}",
                child.lineno,
                (child.end_lineno or child.lineno) - child.lineno + 1,
                len(named),
                is_public and not child.name.startswith("_"),
                child.returns is not None and all(argument.annotation is not None for argument in typed),
                ast.get_docstring(child),
            )


def docstrings_of(file: Path) -> Iterator[tuple[int, str]]:
    """Give every docstring of a file with the line of what it describes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def begins_with_a_verb(docstring: str) -> bool:
    """Tell whether a docstring's first word may be a verb in the imperative."""
    word = re.match(r"[A-Za-z']+", docstring)
    return word is not None and word[0].lower() not in NO_VERBS


def empty_names(file: Path) -> Iterator[tuple[int, str]]:
    """Find local variables, loop variables and parameters whose name says nothing."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in EMPTY_NAMES:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg) and node.arg in EMPTY_NAMES:
            yield node.lineno, node.arg


def looks(file: Path) -> Iterator[tuple[int, str]]:
    """Find "look" for an acquisition in a text file, in prose or in a name."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line.replace("--looks", "")).replace("_", " ")
        if LOOK.search(words):
            yield number, line.strip()


def module_name(file: Path) -> str:
    """Give a file of the package its dotted name."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> Iterator[Import]:
    """Give every import of a file of the package, inside functions too."""
    name = module_name(file)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    yield from _imports(ast.parse(file.read_text(encoding="utf-8")), package, None)


def _imports(node: ast.AST, package: str, extra: str | None) -> Iterator[Import]:
    if isinstance(node, ast.With):
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        named = [ast.literal_eval(call.args[0]) for call in calls if getattr(call.func, "id", "") == "needs_extra"]
        extra = named[0] if named else extra
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, extra) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
        target = ".".join(filter(None, [base, node.module]))
        folder = SOURCE / target.replace(".", "/") if target.startswith(PACKAGE) else None
        for alias in node.names:
            is_module = folder and ((folder / alias.name).is_dir() or (folder / f"{alias.name}.py").is_file())
            yield Import(f"{target}.{alias.name}" if is_module else target, node.lineno, extra)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, package, extra)


def import_circles() -> list[list[str]]:
    """Find the groups of modules that import each other, inside functions too."""
    files = {module_name(file): file for file in python_files(SOURCE / PACKAGE)}
    graph = {
        # A package's own name loads no submodule by itself.
        name: {found.module for found in imports(file)} & files.keys() - {name, PACKAGE}
        for name, file in files.items()
    }
    return [group for group in _components(graph) if len(group) > 1]


def _components(graph: dict[str, set[str]]) -> list[list[str]]:
    """Tarjan's strongly connected components."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            start = stack.index(node)
            groups.append(sorted(stack[start:]))
            del stack[start:]

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def layers() -> dict[str, list[str]]:
    """Read CONTRIBUTING's table of layers: each with the layers that it may import."""
    section = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Who may import whom")[1].split("\n## ")[0]
    )
    rows = re.findall(r"^\| `([\w.`, ]+)` \| (.*) \|$", section, flags=re.MULTILINE)
    return {name: re.findall(r"`([\w.]+)`", allowed) for name, allowed in rows}


def findings(*folders: Path) -> Iterator[Finding]:
    """List every place below folders that a bar is about."""
    for file in python_files(*folders):
        length = len(file.read_text(encoding="utf-8").splitlines())
        if length > LONGEST_MODULE:
            yield Finding("long module", file, 1, f"{length} lines")
        for function in functions_of(file):
            if function.lines > LONGEST_FUNCTION:
                yield Finding("long function", file, function.line, f"{function.name}, {function.lines} lines")
            if function.parameters > MANY_PARAMETERS:
                what = f"{function.name}, {function.parameters} parameters"
                yield Finding("many parameters", file, function.line, what)
            if function.is_public and function.docstring is None:
                yield Finding("no docstring", file, function.line, function.name)
            if not function.is_annotated:
                yield Finding("no types", file, function.line, function.name)
        for line, text in docstrings_of(file):
            if not begins_with_a_verb(text):
                yield Finding("no verb", file, line, text.splitlines()[0])
            if REFERRALS.search(text):
                yield Finding("referral", file, line, text.splitlines()[0])
        for line, name in empty_names(file):
            yield Finding("empty name", file, line, name)
        for line, text in looks(file):
            yield Finding("look", file, line, text)


def main() -> None:
    """Print the findings below the paths of the command line, and the median length of a module."""
    folders = [Path(name).resolve() for name in sys.argv[1:]] or [SOURCE]
    for finding in findings(*folders):
        print(finding)
    lengths = [len(file.read_text(encoding="utf-8").splitlines()) for file in python_files(*folders)]
    print(f"{len(lengths)} files, median {median(lengths)}, {sum(lengths)} lines", file=sys.stderr)


if __name__ == "__main__":
    main()
