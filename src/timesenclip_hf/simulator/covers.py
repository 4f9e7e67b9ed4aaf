"""Read how each simulated land cover lives through the year, from the tables `crops` and `landscapes`."""

from dataclasses import fields
from typing import Any

from .phenology import Cover
from .reading import read_record, read_table
from .surfaces import GROUNDS, PETALS

Ways = tuple[tuple[float, Cover], ...]
"""Ways of life of a land cover, each with its frequency."""


def _read_covers(table: str) -> dict[str, Ways]:
    content = read_table(table)
    ancestors: dict[str, Cover] = {}
    for name, entry in content["ancestors"].items():
        ancestors[name] = _read_cover(entry, name, ancestors)
    covers = {}
    for name, ways in content["covers"].items():
        covers[name] = tuple((way.pop("share"), _read_cover(way, name, ancestors)) for way in ways)
        if abs(sum(share for share, _ in covers[name]) - 1) > 1e-9:
            raise ValueError(f"The shares of {name!r} in the table {table} must sum to one.")
    return covers


def _read_cover(entry: dict[str, Any], where: str, ancestors: dict[str, Cover]) -> Cover:
    base = ancestors[entry.pop("like")] if "like" in entry else None
    cover = read_record(Cover, entry, where, base)
    for field in fields(cover):
        value = getattr(cover, field.name)
        if isinstance(value, tuple) and not value[0] <= value[-1]:
            raise ValueError(f"`{field.name}` of {where!r} must be the lowest and the highest value, got {value}.")
    if cover.petals not in PETALS or cover.ground not in GROUNDS:
        raise ValueError(f"{where!r} has petals {cover.petals!r} on {cover.ground!r}: name ones of the table spectra.")
    return cover


COVERS: dict[str, Ways] = _read_covers("crops") | _read_covers("landscapes")
