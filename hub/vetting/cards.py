"""Refuse cards that are not filled: empty slots, sections without text, no licence."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub.repocard import metadata_load

# What a card holds where nobody filled it.
SLOTS = re.compile(r"\$\{?[a-z][a-z_]*\}?|\{\{.*?\}\}|\[More Information Needed\]|\bTODO\b|\bTBD\b|(?<=\| )None(?= \|)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def check_card(path: Path) -> None:
    """Refuse a card that is not filled.

    Raises:
        ValueError: no card, a slot or section left empty, or no licence.
    """
    if not path.is_file():
        raise ValueError(f"{path.parent} has no card, README.md.")
    text = path.read_text(encoding="utf-8")
    try:
        metadata: Any = metadata_load(path) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"The head of the card {path} is no YAML: {error}.") from None
    if metadata.get("license") in (None, "", [], "unknown"):
        raise ValueError(f"The card {path} names no licence: give one.")
    body = FENCED.sub("a listing", text.partition("\n---\n")[2])
    if metadata["license"] == "other" and not re.search("^#+ Licences?$", body, re.MULTILINE):
        raise ValueError(f"The licence of the card {path} is 'other', and no section says which: name it.")
    empty = [f"`{name}` of its head" for name, value in metadata.items() if value in (None, "", [], {})]
    empty += [f"`{slot}`" for slot in SLOTS.findall(body)] + [f"the section {name!r}" for name in _bare(body)]
    if empty:
        raise ValueError(f"The card {path} has empty slots: {', '.join(dict.fromkeys(empty))}.")


def _bare(body: str) -> Iterator[str]:
    """Find headings with nothing below them: no text, and no deeper heading."""
    headings = list(re.finditer(r"^(#+) +(.*)$", body, re.MULTILINE))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        content = body[heading.end() : following.start() if following else None]
        deeper = following is not None and len(following[1]) > len(heading[1])
        if not content.strip() and not deeper:
            yield heading[2]
