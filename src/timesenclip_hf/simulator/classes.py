"""List the land covers that the simulator knows, each with its names and the LUCAS codes it stands for, if any."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .reading import read_record, read_table


@dataclass(frozen=True)
class SimulatedClass:
    """Describe one land cover of the simulator by its name, used all over it; the table `classes` tells the fields."""

    name: str
    lc1: tuple[str, ...]
    plain: tuple[str, ...]
    other: tuple[str, ...]
    group: tuple[str, ...]
    share: float = 1.0
    is_crop: bool = False
    seasonless: bool = False

    @property
    def code(self) -> str:
        """Return the LC1 code that is written on the cover's points; empty where the survey has none."""
        return next(iter(self.lc1), "")


def _read_classes() -> tuple[SimulatedClass, ...]:
    table = read_table("classes")
    groups: dict[str, list[str]] = {}
    for name, words in table["groups"].items():
        groups[name] = _expand(words, groups)
    entries = ({**entry, "group": _expand(entry["group"], groups)} for entry in table["covers"])
    covers = [read_record(SimulatedClass, entry, entry["name"]) for entry in entries]
    for kind, keys in (("name", [c.name for c in covers]), ("LC1 code", [code for c in covers for code in c.lc1])):
        if len(set(keys)) < len(keys):
            raise ValueError(f"Two covers of the simulator share a {kind}: each must lead to one.")
    return tuple(covers)


def _expand(words: Iterable[str], groups: Mapping[str, list[str]]) -> list[str]:
    """Replace `*name` by the words of the group of that name."""
    return [text for word in words for text in (groups[word[1:]] if word.startswith("*") else [word])]


SIMULATED_CLASSES: tuple[SimulatedClass, ...] = _read_classes()
CLASS_NAMES: tuple[str, ...] = tuple(cover.name for cover in SIMULATED_CLASSES)
