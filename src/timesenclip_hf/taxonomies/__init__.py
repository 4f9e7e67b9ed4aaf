"""Load label sets, which are data: one JSON file each, one schema, one loader.

A label set that comes with the package holds `name`, `source`, `licence` and `labels`; optionally `parents`, the label
set one level up, and `labels_of`, the label set of which it is a part. A label holds its `code` in the source and the
`name` to show; optionally `aliases`, other spellings of the name; `parent`, a code of the `parents` set; and `prompts`,
phrases for a text tower by view: `ground`, `aerial`, `generic`. Under `labels_of` the labels are codes of that set. The
order of the labels is the order of class indices. A user's own file may also be what `candidate_labels` takes: a list
of names, `{label: [phrase, ...]}`, or a legend of names and codes.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from ..files import read_json
from ..models.timesenclip.zero_shot_timesenclip import read_labels
from .label_files import LABEL_SUFFIXES, read_label_file

_FOLDER = Path(__file__).parent
_REQUIRED = ("name", "source", "licence", "labels")
_OPTIONAL = ("parents", "labels_of")
_OF_A_LABEL = ("code", "name", "aliases", "parent", "prompts")

VIEWS = ("ground", "aerial", "generic")
"""Views that a prompt describes: the place seen by a visitor, the place seen from above, or the class as such."""


@dataclass(frozen=True)
class Label:
    """Describe one class of a label set.

    Attributes:
        code: its code in the source.
        name: to show.
        aliases: other spellings and names by which it is found.
        parent: code of the class one level up, in the `parents` of its label set; None at the top.
        prompts: phrases that describe it, by view; a view may be absent.
    """

    code: str
    name: str
    aliases: tuple[str, ...] = ()
    parent: str | None = None
    prompts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def phrases(self) -> tuple[str, ...]:
        """Return the phrases to score with where no view is chosen: the generic prompts, or the name."""
        return self.prompts.get("generic", (self.name,))


@dataclass(frozen=True)
class Taxonomy:
    """Hold a label set with its source and licence; the index of a label is its class index."""

    name: str
    source: str
    licence: str
    labels: tuple[Label, ...]
    parents: "Taxonomy | None" = None

    @property
    def prompts(self) -> dict[str, list[str]]:
        """Map names to phrases, `{name: [phrase, ...]}`, as `candidate_labels` takes them."""
        return {label.name: list(label.phrases) for label in self.labels}

    @property
    def names(self) -> dict[str, str]:
        """Map codes to names."""
        return {label.code: label.name for label in self.labels}

    @property
    def class_names(self) -> list[str]:
        """List the names in the order of class indices, as `datasets.ClassLabel` takes them."""
        return [label.name for label in self.labels]

    @cached_property
    def indices(self) -> dict[str, int]:
        """Map codes to class indices."""
        return {label.code: index for index, label in enumerate(self.labels)}

    def prompts_of(self, *views: str) -> dict[str, list[str]]:
        """Map names to their prompts of some views, `{name: [phrase, ...]}`, as `candidate_labels` takes them.

        Args:
            views: any of "ground", "aerial" and "generic".

        Raises:
            ValueError: no such view, or a class without a prompt of it.
        """
        wrong = next((repr(view) for view in views if view not in VIEWS), None if views else "none")
        if wrong is not None:
            raise ValueError(f"Prompts are of the views {', '.join(VIEWS)}, got {wrong}: name one or more of these.")
        for label in self.labels:
            lacking = [view for view in views if not label.prompts.get(view)]
            if lacking:
                raise ValueError(f"{label.name!r} of {self.name!r} has no {lacking[0]} prompts: use `prompts`.")
        return {label.name: [p for view in views for p in label.prompts[view]] for label in self.labels}

    def find(self, text: str) -> Label:
        """Find the label with this code, name or alias; case does not count, nor in names spaces and punctuation.

        Raises:
            ValueError: there is none; the message names the nearest.
        """
        label = self._by_key.get(text.strip().casefold()) or self._by_key.get(_key(text))
        if label is not None:
            return label
        hint = self._by_key[difflib.get_close_matches(_key(text), self._by_key, n=1, cutoff=0.0)[0]]
        raise ValueError(
            f"There is no class {text!r} in {self.name!r}: the nearest is {hint.name!r}, with code {hint.code!r}."
        )

    @cached_property
    def _by_key(self) -> dict[str, Label]:
        return {key: label for label in self.labels for key in _keys(label)}


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _keys(label: Label) -> list[str]:
    """List everything that finds a label; codes keep their punctuation, since 1.1 and 11 may be two classes."""
    return list(dict.fromkeys([label.code.casefold(), *map(_key, (label.name, *label.aliases))]))


def list_taxonomies() -> list[str]:
    """List the names that [`load_taxonomy`] takes."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load_taxonomy(name: str | PathLike[str]) -> Taxonomy:
    """Load a label set.

    Args:
        name: one of [`list_taxonomies`]; the path of a JSON file of the same schema, or of a file that
            [`read_label_file`] reads; or names between commas.

    Raises:
        ValueError: no such label set, a file that is not JSON, a missing or unknown field, an unknown parent, or a
            code, a name, an alias or a prompt that two classes share.
    """
    if "," in str(name) and not Path(name).is_file():
        return _of_labels("labels", read_labels(str(name)), "names")
    if Path(name).suffix.lower() in LABEL_SUFFIXES[1:]:
        return _of_labels(Path(name).stem, read_label_file(name), f"the file {Path(name).name}")
    path = Path(name) if str(name).endswith(".json") else _FOLDER / f"{name}.json"
    if not path.is_file():
        names = ", ".join(list_taxonomies())
        raise ValueError(f"There is no label set {str(name)!r}: use {names}, or a path to a JSON file.")
    try:
        content = read_json(path)
        of_user = bool(content) and isinstance(content, (dict, list)) and {*_REQUIRED, *_OPTIONAL}.isdisjoint(content)
        return _of_labels(path.stem, content, f"the file {path.name}") if of_user else _read(content)
    except ValueError as error:
        raise ValueError(f"The label set {path.name} cannot be used: {error}") from error


def _read(content: Any) -> Taxonomy:
    _check_fields(content, "the file", _REQUIRED, _OPTIONAL)
    _check_texts([content[name] for name in content if name != "labels"], "every field of the file but `labels`")
    if not isinstance(content["labels"], list) or not content["labels"]:
        raise ValueError("`labels` must be a list with at least one label.")
    parents = load_taxonomy(content["parents"]) if "parents" in content else None
    if "labels_of" in content:
        source = load_taxonomy(content["labels_of"])
        parents = parents or source.parents
        _check_texts(content["labels"], "each of the labels of a file with `labels_of`")
        labels = tuple(source.find(code) for code in content["labels"])
    else:
        labels = tuple(_read_label(entry) for entry in content["labels"])
    _check_labels(labels, parents)
    return Taxonomy(content["name"], content["source"], content["licence"], labels, parents)


def _of_labels(name: str, content: Any, source: str) -> Taxonomy:
    """Make a label set of names, of names with phrases, or of a legend; the code of a label without one is its name."""
    phrases = read_labels(content)
    codes = {label: label for label in phrases}
    for key, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, (int, float)):
            codes[str(key).strip()] = str(value)
        elif str(key).strip() not in phrases:
            codes[str(value)] = str(key)
    labels = tuple(Label(codes[label], label, prompts={"generic": tuple(texts)}) for label, texts in phrases.items())
    _check_labels(labels, None)
    return Taxonomy(name, source, "not stated", labels)


def _read_label(entry: Any) -> Label:
    where = f"the label {entry.get('code')!r}" if isinstance(entry, dict) else f"the label {entry!r}"
    _check_fields(entry, where, _OF_A_LABEL[:2], _OF_A_LABEL[2:])
    prompts = entry.get("prompts", {})
    _check_fields(prompts, f"`prompts` of {where}", (), VIEWS)
    _check_texts([entry[name] for name in ("code", "name", "parent") if name in entry], f"the code or name of {where}")
    for name, texts in [("aliases", entry.get("aliases", [])), *prompts.items()]:
        _check_texts(texts, f"each of the {name} of {where}")
    phrases = {view: tuple(prompts[view]) for view in VIEWS if prompts.get(view)}
    return Label(entry["code"], entry["name"], tuple(entry.get("aliases", [])), entry.get("parent"), phrases)


def _check_fields(content: Any, where: str, required: Iterable[str], optional: Iterable[str]) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where} must be a JSON object, got {content!r}.")
    known = (*required, *optional)
    if lacking := [name for name in required if name not in content]:
        raise ValueError(f"{where} lacks the field {lacking[0]!r}.")
    if unknown := [name for name in content if name not in known]:
        raise ValueError(f"{where} has the unknown field {unknown[0]!r}: use {', '.join(known)}.")


def _check_texts(texts: Any, what: str) -> None:
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() == text != "" for text in texts):
        raise ValueError(f"{what} must be a text, not empty and without outer spaces, got {texts!r}.")


def _check_labels(labels: tuple[Label, ...], parents: Taxonomy | None) -> None:
    """Check that every text leads to one label, and that every parent exists."""
    for key, count in Counter(key for label in labels for key in _keys(label)).items():
        if count > 1:
            raise ValueError(f"{key!r} is the code, name or alias of two labels: each must lead to one.")
    prompts = Counter(prompt.casefold() for label in labels for texts in label.prompts.values() for prompt in texts)
    for prompt, count in prompts.items():
        if count > 1:
            raise ValueError(f"the prompt {prompt!r} is given twice: a prompt describes one label in one view.")
    for label in labels:
        if label.parent is not None and (parents is None or label.parent not in parents.names):
            raise ValueError(f"{label.parent!r}, parent of {label.code!r}, is not a code of the `parents` set.")
