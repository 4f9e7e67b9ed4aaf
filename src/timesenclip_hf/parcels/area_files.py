"""Write the areas of a map as text, CSV and JSON."""

import csv
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..files import whole_file, write_json
from ..words import as_cell, on_one_line
from .areas import AreaReport
from .stratified import Z_95, Measure

# Characters of a class in a table of text; files have all of it.
LONGEST_LABEL = 28
NONE = "–"


def area_text(report: AreaReport) -> str:
    """Write areas, accuracies and the error matrix as tables of text, and the notes."""
    lines = [f"Areas of {on_one_line(report.name)}: {report.method}", ""]
    lines += _table(list(_area_rows(report)))
    if report.estimate is not None:
        overall = report.estimate.overall
        lines += [
            "",
            f"overall accuracy {_plus_minus(float(overall.value), float(overall.half_width), '.3f')} (95 % intervals)",
        ]
        lines += ["", "Points, mapped as (down) and found (across)", *_table(list(_matrix_rows(report, "counts")))]
        lines += ["", "Shares of the area, likewise", *_table(list(_matrix_rows(report, "shares")))]
    return "\n".join([*lines, "", *(f"note: {on_one_line(note)}" for note in report.notes)])


def _area_rows(report: AreaReport) -> Iterator[list[str]]:
    estimate, expected = report.estimate, report.expected
    yield [
        *("class", "pixels", "mapped ha"),
        *(["expected ha"] if expected is not None else []),
        *(["area ha", "user's", "producer's"] if estimate is not None else []),
    ]
    for index, label in enumerate(report.labels):
        row = [_short(label), f"{report.pixels[index]:,}", _hectares(report.hectares[index])]
        is_rejected = report.has_rejected and index == len(report.labels) - 1
        if expected is not None:
            row.append(NONE if is_rejected else _hectares(expected.hectares[index]))
        if estimate is not None and is_rejected:
            row += [NONE] * 3
        elif estimate is not None:
            area, half = (values[index] * report.total for values in (estimate.areas.value, estimate.areas.half_width))
            row.append(f"{_hectares(area)} ± {_hectares(half)}")
            for measure in (estimate.users, estimate.producers):
                row.append(_plus_minus(measure.value[index], measure.half_width[index], ".2f"))
        yield row


def _matrix_rows(report: AreaReport, name: str) -> Iterator[list[str]]:
    assert report.estimate is not None, "without an estimate there is no matrix"
    values = getattr(report.estimate, name)
    known = len(report.labels) - report.has_rejected
    yield ["", *map(_short, report.labels[:known]), "all"]
    form = "{:,}" if name == "counts" else "{:.4f}"
    for label, row in zip([*report.labels, "all"], [*values, values.sum(axis=0)], strict=True):
        yield [_short(label), *(form.format(value) for value in row[:known]), form.format(row.sum())]


def _table(rows: list[list[str]]) -> list[str]:
    """Align columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]))
    return lines


def _hectares(value: float) -> str:
    """Write hectares to a hundredth of one, large areas whole."""
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def _plus_minus(value: float, half: float, form: str) -> str:
    return NONE if not np.isfinite(value) else f"{value:{form}} ± {half:{form}}"


def _short(label: str) -> str:
    text = on_one_line(label)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def area_json(report: AreaReport) -> dict[str, Any]:
    """Return everything that a report holds in types that JSON has; hectares, shares, and 95 % intervals of both."""
    content: dict[str, Any] = {
        "map": report.name,
        "method": report.method,
        "hectares": report.total,
        "standard_errors_of_an_interval": Z_95,
        "classes": list(_class_rows(report)),
        "notes": report.notes,
    }
    if report.estimate is not None:
        content["overall_accuracy"] = _interval(report.estimate.overall)
        content["matrix"] = {
            "rows": "mapped class",
            "columns": "reference class",
            "classes": report.labels,
            "points": report.estimate.counts.tolist(),
            "area_shares": report.estimate.shares.tolist(),
        }
    return content


def _class_rows(report: AreaReport) -> Iterator[dict[str, Any]]:
    for index, label in enumerate(report.labels):
        is_rejected = report.has_rejected and index == len(report.labels) - 1
        row: dict[str, Any] = {
            "class": label,
            "mapped_pixels": int(report.pixels[index]),
            "mapped_hectares": float(report.hectares[index]),
        }
        if report.expected is not None and not is_rejected:
            row["expected_hectares"] = float(report.expected.hectares[index])
        if (estimate := report.estimate) is not None and not is_rejected:
            shares = _interval(estimate.areas, index)
            row["area_hectares"] = {name: value * report.total for name, value in shares.items()}
            row["area_share"] = shares
            row["users_accuracy"] = _interval(estimate.users, index)
            row["producers_accuracy"] = _interval(estimate.producers, index)
        yield row


def _interval(measure: Measure, index: int | tuple[()] = ()) -> dict[str, float]:
    ends = {"value": measure.value, "standard_error": measure.error, "low": measure.low, "high": measure.high}
    return {name: float(np.asarray(values)[index]) for name, values in ends.items()}


def write_area_json(report: AreaReport, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a report as JSON, whole or not at all; NaN is null.

    Raises:
        OSError: the file cannot be written, or is there already and not to be replaced.
    """
    write_json(path, area_json(report), overwrite=overwrite)


def write_area_csv(report: AreaReport, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a report as a table: a row a class, last all together, with the error matrix in its last columns.

    Raises:
        OSError: the file cannot be written, or is there already and not to be replaced.
    """
    rows = [_flat(row) for row in _class_rows(report)]
    if (estimate := report.estimate) is not None:
        known = report.labels[: len(report.labels) - report.has_rejected]
        for row, counts, shares in zip(rows, estimate.counts, estimate.shares, strict=True):
            row |= {f"points found {name}": int(count) for name, count in zip(known, counts, strict=False)}
            row |= {f"share found {name}": float(share) for name, share in zip(known, shares, strict=False)}
    everything: dict[str, Any] = {"class": "all", "mapped_pixels": int(report.pixels.sum())}
    everything["mapped_hectares"] = float(report.hectares.sum())
    if estimate is not None:
        everything |= _flat({"overall_accuracy": _interval(estimate.overall)})
    names = list(dict.fromkeys(name for row in (*rows, everything) for name in row))
    with (
        whole_file(path, overwrite=overwrite) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([as_cell(on_one_line(name)) for name in names])
        for row in (*rows, everything):
            writer.writerow([_cell(row.get(name)) for name in names])


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Put the parts of an interval into columns of their own."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= (
            {f"{name}_{part}": number for part, number in value.items()} if isinstance(value, dict) else {name: value}
        )
    return flat


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    return as_cell(on_one_line(value)) if isinstance(value, str) else json.dumps(value)
