"""Fill cards and Spaces with what they have in common, read from where it is written once."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import RepoCard
from huggingface_hub.repocard_data import CardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined, meta, select_autoescape

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "hub" / "cards"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = "timesenclip_hf"
REPOSITORY: str = PROJECT["urls"]["Repository"]
# Of every model, dataset and Space; each adds its own.
TAGS = ("sentinel-2", "time-series", "land-cover", "remote-sensing", PACKAGE)
# Of CITATION.cff to BibTeX.
BIBTEX_KINDS = {"article": "article", "conference-paper": "inproceedings"}
PARTS = Environment(
    loader=FileSystemLoader(CARDS),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def citation() -> str:
    """Write the papers of CITATION.cff as BibTeX, fenced."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["references"]
    return "```bibtex\n" + "\n".join(_bibtex(entry) for entry in cited) + "\n```"


def _bibtex(entry: Mapping[str, Any]) -> str:
    authors = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in entry["authors"])
    pages = f"{entry['start']}--{entry['end']}"
    venue = {"journal": entry["journal"]} if "journal" in entry else {"booktitle": entry["collection-title"]}
    fields = {"title": f"{{{entry['title']}}}", "author": authors, **venue, "volume": entry.get("volume")}
    fields |= {"pages": pages, "year": entry["year"], "doi": entry["doi"], "url": entry["url"]}
    key = f"{entry['authors'][0]['family-names']}{entry['year']}{entry['title'].split(':')[0]}".lower()
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{BIBTEX_KINDS[entry['type']]}{{{key},", *lines, "}"])


def fill(card: type[RepoCard], template: Path, data: CardData, values: Mapping[str, Any]) -> str:
    """Fill a card's template.

    Args:
        card: kind of card, whose `from_template` fills it.
        template: Markdown with slots of Jinja2; `card_data` is the head as YAML.
        data: the head; its fields may be used as slots, too.
        values: of the other slots.

    Raises:
        ValueError: a slot for which there is nothing; the Hub's client would leave it empty.
    """
    text = template.read_text(encoding="utf-8")
    fields: dict[str, Any] = data.to_dict()  # type: ignore[no-untyped-call]
    known = {name for name, value in {**fields, **values}.items() if value is not None}
    empty = sorted(meta.find_undeclared_variables(Environment().parse(text)) - known - {"card_data"})
    if empty:
        raise ValueError(f"{template} has the slot {empty[0]!r}, for which there is nothing.")
    return f"{card.from_template(data, template_str=text, **values)}\n"


def fill_part(name: str, **values: Any) -> str:
    """Fill a template of `hub/cards` that is no card by itself; what goes into HTML is escaped.

    Raises:
        jinja2.UndefinedError: a slot for which there is nothing.
    """
    return PARTS.get_template(name).render(values)


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """Write a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows])
