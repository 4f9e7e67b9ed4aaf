"""Find the pixels of polygons one by one, by other ways than the package: for tests and evidence."""

from itertools import pairwise

import numpy as np
import shapely

# Square metres of a pixel that a polygon must cover to touch it.
SLIVER = 1e-8


def holds(shape, x: float, y: float) -> bool:
    """Tell whether a polygon holds a point, by the count of edges that are crossed to the east of it."""
    crossed = 0
    for part in shapely.get_parts(shape):
        for ring in (part.exterior, *part.interiors):
            for (x1, y1), (x2, y2) in pairwise(shapely.get_coordinates(ring)):
                crossed += (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return crossed % 2 == 1


def pixels_of(shape, y: np.ndarray, x: np.ndarray, rule: str) -> tuple[list[tuple[int, int]], bool]:
    """List the pixels of a polygon on a grid of square pixels, and tell whether they are those it merely touches.

    Args:
        shape: a polygon, in the grid's reference system.
        y: centres of the rows.
        x: centres of the columns.
        rule: "centre" or "touched".
    """
    half = abs(x[1] - x[0]) / 2
    cells = [(row, column) for row in range(len(y)) for column in range(len(x))]
    held = [cell for cell in cells if rule == "centre" and holds(shape, x[cell[1]], y[cell[0]])]
    if held:
        return held, False

    def touches(row: int, column: int) -> bool:
        pixel = shapely.box(x[column] - half, y[row] - half, x[column] + half, y[row] + half)
        return shapely.intersection(shape, pixel).area > SLIVER

    return [cell for cell in cells if touches(*cell)], rule == "centre"


def drawn_polygons(count: int, side: float, corner: tuple[float, float], seed: int = 3) -> list:
    """Draw polygons of many sizes over a square from its upper left corner, some beyond it, some smaller than a pixel.

    Among them are one with a hole, one of two parts, one along the edge of pixels, and one that is thin.
    """
    random = np.random.default_rng(seed)
    west, north = corner

    def box(left: float, top: float, right: float, bottom: float):
        return shapely.box(west + left, north - bottom, west + right, north - top)

    middles = np.stack([west + random.uniform(-20, side + 20, count), north - random.uniform(-20, side + 20, count)], 1)
    radii = random.uniform(2, 60, count)
    blobs = [shapely.Point(middle).buffer(radius) for middle, radius in zip(middles, radii, strict=True)]
    circle = shapely.Point(west + 100, north - 100).buffer
    two = shapely.MultiPolygon([box(11, 11, 59, 39), box(121, 61, 169, 89)])
    return [*blobs, circle(80).difference(circle(40)), two, box(1, 99, side - 1, 101), box(30, 20, 90, 60)]
