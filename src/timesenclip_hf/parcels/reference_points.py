"""Read the points whose class is known, and what their file says of how they were drawn."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..extras import needs_extra
from ..maps.files.comparison import check_labels
from .class_maps import NO_STRATUM, ClassMap
from .layers import read_layer
from .sampling import ALLOCATION, CLASS, HECTARES, MAP_HASH, PIXEL, SEED, STRATUM, pixel_name

with needs_extra("data"):
    import geopandas
    import pandas

# Share by which the areas of a sample's strata may differ from the map's, from rounding in files.
SAME_AREA = 1e-6


@dataclass(frozen=True, eq=False)
class DrawnSample:
    """Hold what a file of `timesenclip sample` says of how its points were drawn.

    Attributes:
        map_hash: of the map that they were drawn from.
        strata: names of the strata.
        hectares: of each (strata,).
        stratum: index of each point's stratum (points,).
        pixels: name of each point's pixel (points,).
        how: seed and allocation, in words.
    """

    map_hash: str
    strata: list[str]
    hectares: np.ndarray
    stratum: np.ndarray
    pixels: list[str]
    how: str


@dataclass(frozen=True, eq=False)
class ReferencePoints:
    """Hold points whose class is known.

    Attributes:
        path: of their file.
        frame: the points, in the CRS of their file.
        classes: name of the class of each (points,).
        drawn: how they were drawn, where the file says it.
        unvisited: points of the file without a class, which are left out.
    """

    path: Path
    frame: geopandas.GeoDataFrame
    classes: np.ndarray
    drawn: DrawnSample | None
    unvisited: int

    def pixels_of(self, class_map: ClassMap) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and columns of the pixels of a map that hold the points, -1 outside."""
        places = self.frame.geometry.to_crs(class_map.crs.to_wkt())
        return class_map.pixels_at(places.x.to_numpy(), places.y.to_numpy())

    def strata_of(self, class_map: ClassMap) -> np.ndarray:
        """Return the index of the label of a map at each point, -1 outside and where there is no class."""
        return class_map.strata_at(*self.pixels_of(class_map))

    def keep(self, kept: np.ndarray) -> "ReferencePoints":
        """Return some of the points (points,) bool."""
        drawn = self.drawn
        if drawn is not None:
            pixels = [name for name, is_kept in zip(drawn.pixels, kept, strict=True) if is_kept]
            drawn = replace(drawn, stratum=drawn.stratum[kept], pixels=pixels)
        return replace(self, frame=self.frame[kept], classes=self.classes[kept], drawn=drawn)


def read_reference_points(
    path: str | os.PathLike[str], column: str = CLASS, *, layer: str | None = None
) -> ReferencePoints:
    """Read points with a column of classes; those where it is empty were not visited, and are left out.

    Args:
        path: of a vector file, as [`read_layer`] takes it.
        column: with the classes.
        layer: of the file, where it has several.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file cannot be read, holds other geometries than points, lacks the column, or has no class; or
            what `timesenclip sample` wrote into it was changed.
    """
    path = Path(path)
    frame = read_layer(path, layer=layer)
    kinds = frame.geometry.geom_type.fillna("empty geometry")
    if (other := next((kind for kind in kinds if kind != "Point"), None)) is not None or frame.geometry.is_empty.any():
        raise ValueError(
            f"{path.name} holds a {other or 'point without a place'}, and areas are estimated from points: give "
            "points, such as one in each polygon, drawn by lot."
        )
    if column not in frame.columns or column == frame.geometry.name:
        names = ", ".join(str(name) for name in frame.columns if name != frame.geometry.name)
        raise ValueError(f"{path.name} has no column {column!r}: --reference-column is one of {names or 'none'}.")
    classes = frame[column].map(_as_class).to_numpy(dtype=object)
    visited = classes != ""
    if not visited.any():
        raise ValueError(f"The column {column!r} of {path.name} is empty: fill in what is at each point.")
    drawn = _read_drawn(frame, path) if {MAP_HASH, STRATUM} & set(frame.columns) else None
    points = ReferencePoints(path, frame, classes, drawn, int((~visited).sum()))
    return points.keep(visited)


def _as_class(value: object) -> str:
    """Write a class as text: codes in numbers too, none as nothing."""
    if pandas.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _read_drawn(frame: geopandas.GeoDataFrame, path: Path) -> DrawnSample:
    """Read what `timesenclip sample` wrote; refuse it where it is not as it was."""
    again = "give the file of `timesenclip sample` with only its classes filled in"
    needed = (MAP_HASH, STRATUM, HECTARES, PIXEL, SEED, ALLOCATION)
    if lost := [name for name in needed if name not in frame.columns]:
        raise ValueError(f"{path.name} is a sample without its column {lost[0]!r}: {again}.")
    if frame[list(needed)].isna().any(axis=None):
        name = next(name for name in needed if frame[name].isna().any())
        raise ValueError(f"{path.name} has points that were not drawn with its sample, without {name!r}: {again}.")
    if frame.duplicated(PIXEL).any():
        twice = frame.loc[frame.duplicated(PIXEL), PIXEL].iloc[0]
        raise ValueError(f"{path.name} has two points of the pixel {twice!r}: {again}.")
    for name in (MAP_HASH, SEED, ALLOCATION):
        if frame[name].nunique() > 1:
            raise ValueError(f"{path.name} joins samples of several draws, by {name!r}: give them one at a time.")
    strata = sorted(frame[STRATUM].astype(str).unique())
    sizes = frame.groupby(frame[STRATUM].astype(str))[HECTARES]
    if (sizes.nunique() > 1).any():
        raise ValueError(f"{path.name} says two areas of one stratum: {again}.")
    return DrawnSample(
        map_hash=str(frame[MAP_HASH].iloc[0]),
        strata=strata,
        hectares=sizes.first()[strata].to_numpy(dtype=np.float64),
        stratum=np.asarray([strata.index(name) for name in frame[STRATUM].astype(str)], dtype=np.int64),
        pixels=[str(name) for name in frame[PIXEL]],
        how=f"seed {frame[SEED].iloc[0]}, {frame[ALLOCATION].iloc[0]} allocation",
    )


def reference_indices(points: ReferencePoints, class_map: ClassMap, column: str) -> np.ndarray:
    """Return the index of each point's class among a map's labels (points,); its codes may stand for them.

    Raises:
        ValueError: a class is none of the map's.
    """
    known = {label: index for index, label in enumerate(class_map.classes)}
    classes = sorted(set(points.classes))
    if not set(classes) & known.keys():  # written as codes
        codes = {str(code): index for index, codes in enumerate(class_map.codes) for code in codes}
        known = codes if set(classes) & codes.keys() else known
    try:
        check_labels(list(known), classes)
    except ValueError as error:
        raise ValueError(f"{str(error).rstrip('.')}, in the column {column!r} of {points.path.name}.") from None
    return np.asarray([known[name] for name in points.classes], dtype=np.int64)


def check_drawn_from(points: ReferencePoints, class_map: ClassMap) -> None:
    """Raise a ValueError unless the points were drawn from this map, and lie where they were drawn."""
    drawn = points.drawn
    assert drawn is not None, "the file says how its points were drawn"
    if drawn.map_hash != class_map.map_hash:
        raise ValueError(
            f"{points.path.name} was drawn from another map ({drawn.map_hash}) than {class_map.path.name} "
            f"({class_map.map_hash}): give the map it was drawn from, as --strata where the areas are to be of this "
            "one."
        )
    rows, columns = points.pixels_of(class_map)
    for row, column, pixel in zip(rows, columns, drawn.pixels, strict=True):
        if pixel_name(row, column) != pixel:
            raise ValueError(
                f"{points.path.name} has a point that was drawn at {pixel} and moved to {pixel_name(row, column)}: put "
                "it back, as the pixel that was drawn is what counts."
            )
    if abs(drawn.hectares.sum() / class_map.hectares.sum() - 1) > SAME_AREA:
        raise ValueError(
            f"{points.path.name} lacks the points of a stratum: its strata have {drawn.hectares.sum():,.2f} ha of the "
            f"{class_map.hectares.sum():,.2f} ha of {class_map.path.name}: visit some of each."
        )


def check_inside(strata: np.ndarray, points: ReferencePoints, class_map: ClassMap) -> None:
    """Raise a ValueError where a point lies outside a map, or where the map has no class."""
    for is_wrong, what in (
        (points.pixels_of(class_map)[0] < 0, "outside"),
        (strata == NO_STRATUM, "where there is no class on"),
    ):
        if is_wrong.any():
            first = points.frame.geometry[is_wrong].iloc[0]
            raise ValueError(
                f"{int(is_wrong.sum()):,} of {len(is_wrong):,} points of {points.path.name} lie {what} "
                f"{class_map.path.name}, the first at {first.x:.7g}, {first.y:.7g}: remove them, or have those outside "
                "all strata left out (--skip-outside)."
            )


def counted(strata: np.ndarray, mapped: np.ndarray, reference: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Count the points of each stratum, mapped class and reference class, in an array of this shape."""
    counts = np.zeros(tuple(shape), dtype=np.int64)
    np.add.at(counts, (strata, mapped, reference), 1)
    return counts
