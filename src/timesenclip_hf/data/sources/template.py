"""Show the layout of a table of series: two places of a year, in the file `template.csv`."""

from pathlib import Path


def read_template() -> str:
    """Return a small CSV to fill in, one row a place and date, which is read as it is.

    Its numbers are of two pixels of the simulator, its places are made up.
    """
    return Path(__file__).with_name("template.csv").read_text(encoding="utf-8")
