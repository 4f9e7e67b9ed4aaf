"""Write words of strangers, such as ids, labels, file names and errors, so that they are words wherever they stand.

HTML is escaped by Jinja's autoescape, JSON by `json`, XML by `xml.etree`; here is what these leave: characters that act
on a terminal or turn the order of a line, cells that a spreadsheet computes, Markdown, and the dollar signs of
matplotlib.
"""

import html
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from markupsafe import Markup

from .files import first_line

# Control characters but for tab and line ends, separators of lines, marks that turn the order of what follows
# (Unicode Standard Annex 9; those that languages are written with stay), halves of surrogate pairs, and what has no
# place in XML.
ACTING = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
# What spreadsheets take for a formula where a cell begins with it (OWASP, "CSV Injection"), quoted already or not.
FORMULA = re.compile(r"'*[=+\-@\t\r]")
# Characters of an error that people are shown.
LONGEST_SENTENCE = 1000
NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")


def printable(text: object) -> str:
    r"""Write what would act on a terminal or turn a line as an escape that is seen, such as "\x1b"; the rest stays."""
    return ACTING.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), str(text))


def on_a_page(value: Any) -> Any:
    """Write a value that Jinja puts into a page as [`printable`]; what is markup already, or no text, stays."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def on_one_line(text: object) -> str:
    """Write text as [`printable`], on one line."""
    return printable(" ".join(str(text).split()))


def as_sentence(error: object) -> str:
    """Write an error as [`on_one_line`], without the rest of a cell or a name that fills pages."""
    text = on_one_line(error)
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE]} …"


def as_cell(text: object) -> str:
    """Write a cell of a CSV that people open in a spreadsheet, so that it computes nothing there.

    A text that begins like a formula gets an apostrophe before it, as a spreadsheet marks text; numbers such as "-12"
    stay. [`from_cell`] takes it off again, so that ids still join.
    """
    written = str(text)
    return f"'{written}" if FORMULA.match(written) and not NUMBER.fullmatch(written) else written


def from_cell(text: str) -> str:
    """Read a cell that [`as_cell`] wrote."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def in_figure(text: object) -> str:
    """Write text for matplotlib, which would read dollars as formulas and leave labels out that begin with "_"."""
    return re.sub("^(?=_)", " ", on_one_line(text).replace("$", r"\$"))


def in_markdown(text: object) -> str:
    """Escape what Markdown, its tables and HTML in it would take for their own."""
    return re.sub(r"([\\`*|\[\]$~#])", r"\\\1", html.escape(on_one_line(text), quote=False))


class PrintableStream:
    """Write to a terminal or a pipe what is printable; everything else is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        r"""Write text as [`printable`], but for "\r", by which progress bars go back; return the characters taken."""
        if not isinstance(text, str):  # by which Typer tells a stream of text from one of bytes
            raise TypeError(f"Text can be written here, got {type(text).__name__}.")
        self._stream.write(printable(text))
        return len(text)


class PrintableLog(logging.Filter):
    """Write messages of a log as [`printable`]."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Escape a message; all are kept."""
        record.msg, record.args = printable(record.getMessage()), ()
        return True


@contextmanager
def damage_told(source: object) -> Iterator[None]:
    """Tell in one sentence that a source is damaged, where a library meets damage with an error of its own.

    Raises:
        ValueError: in place of what is none of `ValueError`, `OSError` and `ImportError`.
    """
    try:
        yield
    except (ValueError, OSError, ImportError):
        raise
    except Exception as error:
        raise ValueError(f"{source} is damaged ({first_line(error)}): fetch it again.") from None
