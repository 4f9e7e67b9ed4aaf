"""Print what a benchmark found, and keep it as JSON and Markdown in runs/bench."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timesenclip_hf.files import write_json

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "bench"


def record(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of equal columns as a table and writes `name`.json and `name`.md."""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(_text(row[column]) for column in columns)} |" for row in rows]
    text = "\n".join([title, "", *lines])
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_json(FOLDER / f"{name}.json", {"title": title, "rows": list(rows)})
    (FOLDER / f"{name}.md").write_text(text + "\n")
    print(f"\n{text}")


def _text(value: Any) -> str:
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1_000
        else f"{value:,.0f}"
        if isinstance(value, float)
        else str(value)
    )
