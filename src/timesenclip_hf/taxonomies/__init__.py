"""Label sets as data: one JSON file each, one schema, one loader.

A file holds `name`, `source`, `licence`, and `labels`, each with a unique `code`, the `name` to show, and the
`phrases` that describe it to a text tower; the name is the phrase where there are none.
"""

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Label:
    """One class of a label set: its code in the source, the name to show, and the phrases that describe it."""

    code: str
    name: str
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Taxonomy:
    """A label set with its source and licence."""

    name: str
    source: str
    licence: str
    labels: tuple[Label, ...]

    @property
    def prompts(self) -> dict[str, list[str]]:
        """`{name: [phrase, ...]}`, as `candidate_labels` takes it."""
        return {label.name: list(label.phrases) for label in self.labels}

    @property
    def names(self) -> dict[str, str]:
        """`{code: name}`; several codes may share a name."""
        return {label.code: label.name for label in self.labels}


def list_taxonomies() -> list[str]:
    """Names that [`load_taxonomy`] takes."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load_taxonomy(name: str) -> Taxonomy:
    """Loads a label set by name, or from the path of a JSON file of the same schema.

    Raises:
        ValueError: no such label set, a missing field, or a code used twice.
    """
    path = Path(name) if name.endswith(".json") else _FOLDER / f"{name}.json"
    if not path.is_file():
        raise ValueError(
            f"There is no label set {name!r}: use {', '.join(list_taxonomies())}, or a path to a JSON file."
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    missing = [field for field in ("name", "source", "licence", "labels") if field not in content]
    if missing:
        raise ValueError(f"The label set {path.name} lacks the field {missing[0]!r}.")
    labels = tuple(
        Label(entry["code"], entry["name"], tuple(entry.get("phrases", [entry["name"]]))) for entry in content["labels"]
    )
    codes = [label.code for label in labels]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice is not None:
        raise ValueError(f"The label set {path.name} has the code {twice!r} twice: codes must be unique.")
    return Taxonomy(content["name"], content["source"], content["licence"], labels)
