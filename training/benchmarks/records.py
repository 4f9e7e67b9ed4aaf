"""What a benchmark found, printed and kept as JSON and Markdown in runs/bench."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "bench"


def record(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints rows of equal columns as a table and writes `name`.json and `name`.md."""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(_text(row[column]) for column in columns)} |" for row in rows]
    text = "\n".join([title, "", *lines])
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"title": title, "rows": list(rows)}, indent=1) + "\n")
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
