"""Read which part of a source is wanted: a box, a period, and the size of the pieces that are read at once."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

# West, south, east, north in degrees, as STAC and GeoJSON write a box.
Box: TypeAlias = Sequence[float]
Chunks: TypeAlias = int | Mapping[str, int]


def read_box(box: Box | str) -> tuple[float, float, float, float]:
    """Read west, south, east, north in degrees from four numbers or "2.2,50.8,2.3,50.9"; else raise ValueError.

    A box across 180 degrees has its west above its east, "179.8,-17,-179.9,-16.8", as GeoJSON writes it.
    """
    try:
        west, south, east, north = (float(part) for part in (box.split(",") if isinstance(box, str) else box))
        width = (east - west) % 360 if west > east else east - west
        in_order = min(west, east) >= -180 and max(west, east) <= 180 and -90 <= south < north <= 90
        # Half of the world and more across 180 degrees is a box with its sides exchanged.
        in_order &= width > 0 and (west < east or width < 180)
    except (TypeError, ValueError):
        in_order = False
    if not in_order:
        form = "west, south, east and north in degrees, in that order, such as 2.2,50.8,2.3,50.9"
        raise ValueError(f"A box is {form}; got {box!r}.")
    return west, south, east, north


def boxes_touch(first: Box, second: Box) -> bool:
    """Tell whether two boxes in degrees touch, of which both may cross 180 degrees."""
    if first[1] > second[3] or second[1] > first[3]:
        return False
    return any(a[0] <= b[1] and b[0] <= a[1] for a in _longitudes(first) for b in _longitudes(second))


def _longitudes(box: Box) -> list[tuple[float, float]]:
    west, east = box[0], box[2]
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def read_period(dates: str) -> tuple[np.datetime64, np.datetime64]:
    """Read the first and last day of "2021", "2021-04/2021-09" or "2021-04-15/2021-09-30"; else raise ValueError."""
    first, slash, last = str(dates).partition("/")
    try:
        begin, end = np.datetime64(first.strip()), np.datetime64((last if slash else first).strip())
    except ValueError:
        begin = end = np.datetime64("NaT")
    if np.isnat(begin) or np.isnat(end):
        raise ValueError(f'{dates!r} is no period: write "2021", "2021-04/2021-09" or "2021-04-15/2021-09-30".')
    start = begin.astype("datetime64[D]")
    # The last day of a year or month is the one before the next begins; with a time of day, it is that day.
    stop = max((end + 1).astype("datetime64[D]") - 1, end.astype("datetime64[D]"))
    if stop < start:
        raise ValueError(f"The period {dates} ends before it begins.")
    return start, stop


def read_chunks(chunks: Chunks) -> tuple[int, int]:
    """Read the height and width in pixels of the pieces that are read at once; raise ValueError for other chunks."""
    sides = dict.fromkeys(("y", "x"), chunks) if isinstance(chunks, int) else dict(chunks)
    if set(sides) != {"y", "x"} or any(side < 1 for side in sides.values()):
        raise ValueError(f'`chunks` is a side in pixels, or {{"y": 512, "x": 512}}, got {chunks!r}.')
    return sides["y"], sides["x"]
