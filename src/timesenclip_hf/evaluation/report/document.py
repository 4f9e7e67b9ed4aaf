"""A page made of headings, text, tables and pictures, written as markdown and as HTML that stands by itself.

Everything is plain text until it is written: labels and names come from data, so both writers escape what they get.
"""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

_PAGE = Path(__file__).with_name("page.html")
# Wider pictures scroll on a narrow screen instead of shrinking until nobody can read them.
SHRINKABLE_WIDTH = 560


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the page's."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list, folded under a title where there is one."""

    items: Sequence[str]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under a head; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows; `name` is that of its file, `width` in CSS pixels."""

    name: str
    png: bytes
    caption: str
    width: int


Block = Heading | Text | Points | Table | Picture


def to_markdown(blocks: Sequence[Block], folder: str) -> str:
    """The page as GitHub reads it, with its pictures at `folder/name.png`."""
    return "\n\n".join(_markdown(block, folder) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block]) -> str:
    """The page in one file: style and pictures inside, no script, nothing fetched."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "Report")
    body = "\n".join(_html(block) for block in blocks)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(title=html.escape(title), body=body)


def _markdown(block: Block, folder: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_plain(block.text)}"
        case Text():
            return _plain(block.text)
        case Points():
            items = "\n".join(f"- {_plain(item)}" for item in block.items)
            summary = f"<details><summary>{_plain(block.title)}</summary>\n\n{items}\n\n</details>"
            return summary if block.title else items
        case Table():
            head, *rows = ([_plain(cell) for cell in row] for row in (block.head, *block.rows))
            return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))
        case Picture():
            return f"![{_plain(block.caption)}]({folder}/{block.name}.png)\n\n*{_plain(block.caption)}*"


def _plain(text: str) -> str:
    """Text that markdown shows as it is, on one line."""
    return re.sub(r"([\\`*|\[\]$~#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _html(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
        case Text():
            return f"<p>{html.escape(block.text)}</p>"
        case Points():
            items = "".join(f"<li>{html.escape(item)}</li>" for item in block.items)
            listed = f"<ul>{items}</ul>"
            title = html.escape(block.title)
            return f"<details><summary>{title}</summary>{listed}</details>" if block.title else listed
        case Table():
            head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in block.head)
            return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{_rows(block)}</tbody></table></div>'
        case Picture():
            caption, data = html.escape(block.caption), base64.b64encode(block.png).decode()
            least = f";min-width:{block.width}px" if block.width > SHRINKABLE_WIDTH else ""
            image = f'<img src="data:image/png;base64,{data}" alt="{caption}" style="width:{block.width}px{least}">'
            return f'<figure><div class="wide">{image}</div><figcaption>{caption}</figcaption></figure>'


def _rows(table: Table) -> str:
    rows = []
    for first, *rest in table.rows:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        rows.append(f'<tr><th scope="row">{html.escape(first)}</th>{cells}</tr>')
    return "\n".join(rows)
