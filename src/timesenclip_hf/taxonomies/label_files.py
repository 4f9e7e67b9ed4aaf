"""Read class names from files that people keep them in: JSON, text and CSV."""

import csv
import json
import re
from os import PathLike
from pathlib import Path
from typing import Any

from ..files import read_json

LABEL_SUFFIXES = (".json", ".txt", ".csv", ".tsv")
# Columns of a CSV of labels, lower case: the name, and phrases that describe it.
NAME_COLUMNS = ("label", "name", "class", "class_name", "classname", "category", "description")
PHRASE_COLUMNS = ("phrase", "phrases", "prompt", "prompts")
# The only field of a JSON file around its list of names.
LIST_FIELDS = ("classes", "class_names", "labels", "names", "categories")
# Nothing but a number, or a row of a colour table: no name of a class.
_NO_NAME = re.compile(r"[\d.]+|[\d.]+(?:[,;\s]+[\d.]+){3,}[,;\s].*")


def read_label_file(path: str | PathLike[str]) -> list[str] | dict[str, Any]:
    """Read class names from a file, in the form that `candidate_labels` takes.

    Args:
        path: JSON (a list of names, `{label: [phrase, ...]}`, or a legend `{name: code}` or `{code: name}`), text (one
            name a line; lines that begin with # are left out), or CSV and TSV (one name a row, in the column `label`,
            `name` or `class`, the first of these that holds more than numbers, perhaps with a column `phrase`; several
            rows of one name are several phrases).

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No such file of labels: {path}.")
    if path.suffix.lower() == ".json":
        return _from_json(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(_no_text(path)) from None
    labels = _from_rows(lines, path) if path.suffix.lower() in (".csv", ".tsv") else _from_lines(lines)
    if not labels:
        raise ValueError(f"{path.name} holds no label: write one name a line.")
    if odd := next((label for label in labels if _NO_NAME.fullmatch(label)), None):
        raise ValueError(
            f"{path.name} has {odd!r} in place of the name of a class: write one name a line, or CSV with a column "
            "'label'."
        )
    return labels


def _from_json(path: Path) -> list[str] | dict[str, Any]:
    try:
        labels = read_json(path)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not JSON ({error}): write {{'label': ['phrase', ...]}}.") from None
    except UnicodeDecodeError:
        raise ValueError(_no_text(path)) from None
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be used: {error}") from None
    if isinstance(labels, dict) and len(labels) == 1 and next(iter(labels)).lower() in LIST_FIELDS:
        labels = next(iter(labels.values()))
    if isinstance(labels, dict) and labels:
        return labels
    if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
        return labels
    raise ValueError(f"{path.name} must hold a list of labels or {{'label': ['phrase', ...]}}.")


def _no_text(path: Path) -> str:
    return f"{path.name} is no text in UTF-8: save the labels again as UTF-8."


def _from_lines(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _from_rows(lines: list[str], path: Path) -> list[str] | dict[str, list[str]]:
    lines = [line for line in lines if line.strip()]
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    if not rows:
        return []
    header = [cell.lower() for cell in rows[0]]
    columns = [header.index(column) for column in NAME_COLUMNS if column in header]
    # A legend may have its codes in the first of them.
    named = [index for index in columns if not all(_NO_NAME.fullmatch(row[index]) for row in rows[1:] if row[index:])]
    name = next(iter([*named, *columns]), None)
    if name is None:
        if len(header) == 1:
            return [row[0] for row in rows]
        listed = ", ".join(rows[0][:6])
        raise ValueError(f"{path.name} has no column 'label', 'name' or 'class': its columns are {listed}.")
    phrase = next((header.index(column) for column in PHRASE_COLUMNS if column in header), None)
    names = [row[name] for row in rows[1:] if len(row) > name and row[name]]
    if phrase is None:
        return names
    phrases: dict[str, list[str]] = {}
    for row in rows[1:]:
        if len(row) > name and row[name]:
            phrases.setdefault(row[name], []).append(row[phrase] if len(row) > phrase and row[phrase] else row[name])
    return phrases
