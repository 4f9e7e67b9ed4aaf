"""Read the simulator's tables: JSON files of what is not code, each with its units and sources in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..files import read_json

_FOLDER = Path(__file__).parent / "tables"
# Words for whoever reads a table; no code reads them.
_COMMENTS = {"note", "notes", "source"}

Record = TypeVar("Record")


def read_table(name: str) -> dict[str, Any]:
    """Read a table by the name of its file in `tables`, without what is for readers only.

    Raises:
        ValueError: a field is written twice in one object, or no `note` says what the values are.
    """
    table = read_json(_FOLDER / f"{name}.json")
    if not table.get("note"):
        raise ValueError(f"The table {name} of the simulator needs a `note` with the units and sources of its values.")
    return {key: content for key, content in table.items() if key not in _COMMENTS}


def read_record(kind: type[Record], entry: Mapping[str, Any], where: str) -> Record:
    """Make a dataclass instance of a JSON object; lists become tuples.

    Args:
        kind: the dataclass.
        entry: values by field, with or without `note`, `notes` and `source`.
        where: name of the entry for error messages.

    Raises:
        ValueError: a field is unknown, or one without a default is absent.
    """
    try:
        return kind(**{name: _as_tuple(value) for name, value in entry.items() if name not in _COMMENTS})
    except TypeError as error:
        raise ValueError(f"{where!r} cannot be used: {error}") from error


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value
