"""Tell the area of each class of a map with its confidence interval, and the accuracies, from points of known class."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from .class_maps import NO_STRATUM, ClassMap
from .reference_points import (
    ReferencePoints,
    check_drawn_from,
    check_inside,
    counted,
    read_reference_points,
    reference_indices,
)
from .sampling import CLASS
from .stratified import StratifiedEstimate, check_points, estimate_stratified

BIASED = (
    "Counts of pixels are biased: what is mapped as a class by mistake counts, what is missed does not. Areas with "
    "intervals need points of known class (--reference)."
)
OLOFSSON = "Olofsson et al. (2014), Remote Sensing of Environment 148:42, equations 1 to 11"
STEHMAN = "Stehman (2014), International Journal of Remote Sensing 35:4923"

# Points of a class below which the normal interval of its area is not to be trusted: our own choice, after the rule
# that it wants some five points either way.
FEW_POINTS = 10


class Expected(NamedTuple):
    """Hold hectares by a map's own probabilities (labels,), and the sentence that must go with them."""

    hectares: np.ndarray
    note: str


@dataclass(frozen=True, eq=False)
class AreaReport:
    """Hold the areas of the classes of a map, and what is known of them.

    Attributes:
        name: of the map's file.
        labels: names of its classes; the last may be "uncertain".
        has_rejected: whether it is.
        pixels: mapped as each (labels,).
        hectares: mapped as each (labels,); biased.
        estimate: from reference points; None without them.
        total: hectares that the shares of the estimate are of.
        expected: hectares by the map's own probabilities, where there are any.
        method: what was done, with its source.
        notes: sentences on what the figures rest on.
        colours: of labels, as "#009e73".
    """

    name: str
    labels: list[str]
    has_rejected: bool
    pixels: np.ndarray
    hectares: np.ndarray
    estimate: StratifiedEstimate | None
    total: float
    method: str
    expected: Expected | None = None
    notes: list[str] = field(default_factory=list)
    colours: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReferenceOptions:
    """Say which points of known class the areas of a map are estimated from.

    Attributes:
        path: vector file of points.
        column: with their classes.
        layer: of the file, where it has several.
        skip_outside: leave points out that lie outside the map, or where it has no class.
    """

    path: str | os.PathLike[str]
    column: str = CLASS
    layer: str | None = None
    skip_outside: bool = False


def estimate_areas(
    class_map: ClassMap, reference: ReferenceOptions | None = None, *, strata: ClassMap | None = None
) -> AreaReport:
    """Estimate the area of each class of a map in hectares, and its accuracies, with standard errors.

    Points that `timesenclip sample` drew count by the strata that they were drawn from. Others are taken for simple
    random ones within each stratum, and the report says so.

    Args:
        class_map: of [`read_class_map`].
        reference: points of known class; without any, the report has counts of pixels alone.
        strata: another map whose classes are the strata, of the one that the points were drawn from; the map itself
            when left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the points cannot be used: they were drawn from another map or moved, lie outside it, have classes
            that it does not know, or are fewer than two in a stratum; the sentence says which.
    """
    notes = []
    if class_map.without_data > 0:
        notes.append(f"{class_map.without_data:,.2f} ha of the map have no class; they are in none of the areas.")
    report = AreaReport(
        name=class_map.path.name,
        labels=class_map.labels,
        has_rejected=class_map.has_rejected,
        pixels=class_map.pixels,
        hectares=class_map.hectares,
        estimate=None,
        total=float(class_map.hectares.sum()),
        method="counts of pixels",
        notes=notes,
        colours=dict(class_map.colours),
    )
    if reference is None:
        if strata is not None:
            raise ValueError("--strata is for points of known class: give them, --reference.")
        return replace(report, notes=[BIASED, *notes])
    return _estimated(report, class_map, reference, strata)


def _estimated(
    report: AreaReport, class_map: ClassMap, reference: ReferenceOptions, strata: ClassMap | None
) -> AreaReport:
    """Add what reference points tell."""
    points = read_reference_points(reference.path, reference.column, layer=reference.layer)
    notes, source = list(report.notes), class_map if strata is None else strata
    if points.unvisited:
        notes.append(
            f"{points.unvisited:,} points have no class and are left out, as if which ones these are were chance."
        )
    if points.drawn is not None:
        check_drawn_from(points, source)
    points, skipped = _inside(points, class_map, strata, reference.skip_outside)
    if skipped:
        notes.append(f"{skipped:,} points outside the map, or where it has no class, are left out.")
    reference_classes = reference_indices(points, class_map, reference.column)
    mapped = points.strata_of(class_map)
    if points.drawn is not None:
        names, sizes, chosen = points.drawn.strata, points.drawn.hectares, points.drawn.stratum
        notes.append(f"The points were drawn by lot from {source.path.name}: {points.drawn.how}.")
    else:
        names, sizes, chosen = source.labels, source.hectares, points.strata_of(source)
        notes.append(
            f"{points.path.name} does not say how its points were drawn: they are taken for a simple random sample "
            f"within each class of {source.path.name}; where they were chosen otherwise, the intervals do not hold."
        )
    counts = counted(chosen, mapped, reference_classes, (len(names), len(report.labels), len(report.labels)))
    check_points(counts.sum(axis=(1, 2)), sizes, names)
    estimate = estimate_stratified(counts, sizes, report.labels, names)
    return replace(
        report,
        estimate=estimate,
        total=float(sizes.sum()),
        method=f"stratified estimator, {OLOFSSON if _are_strata(counts, names, report.labels) else STEHMAN}",
        notes=[*notes, *_unseen(report, estimate), *_rejected(report)],
    )


def _inside(
    points: ReferencePoints, class_map: ClassMap, strata: ClassMap | None, skip: bool
) -> tuple[ReferencePoints, int]:
    """Return the points that have a stratum, and how many were left out; refuse others unless told to.

    What has a stratum and no class on the map is refused in any case: the area without it is not that of the strata.
    """
    source, before = class_map if strata is None else strata, len(points.classes)
    indices = points.strata_of(source)
    if not skip:
        check_inside(indices, points, source)
    points = points.keep(indices != NO_STRATUM)
    if not len(points.classes):
        raise ValueError(f"No point of {points.path.name} lies on {source.path.name}: give points within it.")
    if strata is not None:
        check_inside(points.strata_of(class_map), points, class_map)
    return points, before - len(points.classes)


def _are_strata(counts: np.ndarray, strata: Sequence[str], labels: Sequence[str]) -> bool:
    """Tell whether the points of every stratum are mapped as the class of its name."""
    mapped = counts.sum(axis=2)
    return all(
        mapped[index].sum() == (mapped[index, labels.index(name)] if name in labels else 0)
        for index, name in enumerate(strata)
    )


def _unseen(report: AreaReport, estimate: StratifiedEstimate) -> list[str]:
    """Say of which classes there are no reference points, or so few that an interval tells little."""
    known = report.labels[:-1] if report.has_rejected else report.labels
    seen = dict(zip(known, estimate.counts.sum(axis=0).tolist(), strict=False))
    notes = []
    if lost := [label for label, count in seen.items() if not count]:
        notes.append(f"No point is {' or '.join(lost)}: such an area is below what this sample can see, not surely 0.")
    if few := [f"{label} ({count})" for label, count in seen.items() if 0 < count < FEW_POINTS]:
        notes.append(f"Found at fewer than {FEW_POINTS} points, their intervals may be too narrow: {', '.join(few)}.")
    return notes


def _rejected(report: AreaReport) -> list[str]:
    """Say how pixels count whose class was taken away."""
    if not report.has_rejected:
        return []
    return [
        f"Pixels without a sure class ({report.labels[-1]}) count as mapped wrong; their area is shared out by points."
    ]
