"""What cards and Spaces have in common, read from where it is written once, and how their slots are filled."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "hub" / "cards"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = "timesenclip_hf"
# Of every model, dataset and Space; each adds its own.
TAGS = ("sentinel-2", "time-series", "land-cover", "remote-sensing", PACKAGE)
# Of CITATION.cff to BibTeX.
BIBTEX_KINDS = {"article": "article", "conference-paper": "inproceedings"}


def citation() -> str:
    """The papers of CITATION.cff as BibTeX, fenced."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["references"]
    return "```bibtex\n" + "\n".join(_bibtex(entry) for entry in cited) + "\n```"


def _bibtex(entry: dict[str, Any]) -> str:
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in entry["authors"])
    pages = f"{entry['start']}--{entry['end']}"
    place = {"journal": entry["journal"]} if "journal" in entry else {"booktitle": entry["collection-title"]}
    fields = {"title": f"{{{entry['title']}}}", "author": authors, **place, "volume": entry.get("volume")}
    fields |= {"pages": pages, "year": entry["year"], "doi": entry["doi"], "url": entry["url"]}
    key = f"{entry['authors'][0]['family-names']}{entry['year']}{entry['title'].split(':')[0]}".lower()
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{BIBTEX_KINDS[entry['type']]}{{{key},", *lines, "}"])


def fill(template: Path, values: dict[str, Any]) -> str:
    """A template with its slots filled.

    Raises:
        ValueError: a slot for which there is nothing.
    """
    try:
        return Template(template.read_text(encoding="utf-8")).substitute(values)
    except KeyError as error:
        raise ValueError(f"{template} has the slot ${error.args[0]}, for which there is nothing.") from None


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """A markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows])
