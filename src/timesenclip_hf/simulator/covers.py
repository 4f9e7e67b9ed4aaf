"""Read how each simulated land cover lives through the year, from the tables `crops` and `landscapes`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .climates import CLIMATES
from .grounds import GROUNDS, PETALS
from .reading import read_record, read_table

Range = tuple[float, float]
CLOCKS = ("date", "season", "twice")
_CLIMATES = {climate.name: climate for climate in CLIMATES}


@dataclass(frozen=True)
class Cover:
    """Describe one way in which a land cover lives: lowest and highest value of each of `QUANTITIES`, and the rest.

    The delay is in days per degree from the equator; petals and ground are keys of `PETALS` and `GROUNDS`. `climates`
    are where the cover lives in this way, each with its weight. With the clock "date" days are those of the table,
    moved by the delay; with "season" they count from the growing season of the place, as if it were that of 48 degrees
    north, and with "twice" they do so twice a year.
    """

    ranges: Mapping[str, Range]
    climates: Mapping[str, float] = field(default_factory=dict)
    clock: str = "date"
    delay: float = 3.0
    petals: str = "white"
    ground: str = "soil"


# Ways of life of a land cover, each with its frequency.
Ways = tuple[tuple[float, Cover], ...]


def _read_covers(table: str) -> dict[str, Ways]:
    content = read_table(table)
    ancestors: dict[str | None, Cover] = {None: _DEFAULT}
    for name, entry in content["ancestors"].items():
        ancestors[name] = _read_cover(entry, name, ancestors)
    covers = {}
    for name, ways in content["covers"].items():
        covers[name] = tuple((way["share"], _within_reach(_read_cover(way, name, ancestors), name)) for way in ways)
        if abs(sum(share for share, _ in covers[name]) - 1) > 1e-9:
            raise ValueError(f"The shares of {name!r} in the table {table} must sum to one.")
    return covers


def _read_cover(entry: Mapping[str, Any], where: str, ancestors: Mapping[str | None, Cover]) -> Cover:
    """Read a cover whose other quantities are those of the ancestor that it names."""
    base = ancestors[entry.get("like")]
    ranges = {name: tuple(entry[name]) for name in QUANTITIES if name in entry}
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"`{name}` of {where!r} must be the lowest and the highest value, got {low}, {high}.")
    others = {name: value for name, value in entry.items() if name not in {*ranges, "share", "like"}}
    cover = read_record(Cover, {**vars(base), **others, "ranges": {**base.ranges, **ranges}}, where)
    if cover.petals not in PETALS or cover.ground not in GROUNDS:
        raise ValueError(f"{where!r} has petals {cover.petals!r} on {cover.ground!r}: name ones of the table spectra.")
    if cover.clock not in CLOCKS:
        raise ValueError(f"`clock` of {where!r} must be one of {', '.join(CLOCKS)}, got {cover.clock!r}.")
    if unknown := [name for name in cover.climates if name not in _CLIMATES]:
        raise ValueError(f"{where!r} lives in {unknown[0]!r}: name climates of the table climates.")
    return cover


def latitude_range(cover: Cover, climate: str) -> Range:
    """Return how far from the equator a cover lives in a climate, in degrees; from more to less where it does not."""
    (nearest, furthest), (low, high) = cover.ranges["latitude"], _CLIMATES[climate].latitude
    return max(nearest, low), min(furthest, high)


def _within_reach(cover: Cover, where: str) -> Cover:
    """Weigh a cover's climates, without those beyond its latitudes: it takes its ancestor's, and may reach less far."""
    ranges = {climate: latitude_range(cover, climate) for climate in cover.climates}
    climates = {
        name: cover.climates[name] * _CLIMATES[name].weight for name, (low, high) in ranges.items() if low < high
    }
    if not climates:
        raise ValueError(f"{where!r} lives in none of its climates: `latitude` is {cover.ranges['latitude']}.")
    return replace(cover, climates=climates)


_DEFAULT = Cover({name: tuple(entry["range"]) for name, entry in read_table("quantities")["quantities"].items()})
# What describes a cover's year; the table `quantities` has the units and meanings, in this order.
QUANTITIES: tuple[str, ...] = tuple(_DEFAULT.ranges)
COVERS: dict[str, Ways] = _read_covers("crops") | _read_covers("landscapes")
