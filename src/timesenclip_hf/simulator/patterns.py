"""Draw patterns of ground seen from above: parcels, crowns, rows, roofs, shores; shares and brightness, no colour.

Lengths are in pixels of 10 m. A brightness has a mean near 1 and is multiplied with a colour.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

# Half width of Sentinel-2's point spread at 10 m, as the standard deviation of a Gaussian: about that of the
# modulation of 0.25 at the Nyquist frequency that ESA states for the visible bands.
POINT_SPREAD = 0.65
# Of parcels; more than any patch holds.
NUMBERS = 997


class Ground:
    """Hold a square of ground to draw on: its coordinates, turned by a random angle, and its chance.

    Args:
        size: pixels along a side.
        rng: source of every random choice.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size, self.rng = size, rng
        self.x, self.y = _centred(size)
        self.across, self.along = self.turned(rng.uniform(0, np.pi))

    def turned(self, angle: float) -> tuple[Field, Field]:
        """Compute coordinates across and along a direction, 0 in the middle."""
        sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
        return self.x * cosine + self.y * sine, self.y * cosine - self.x * sine

    def grain(self, blur: float = 0.0) -> Field:
        """Draw noise of unit variance, pixel by pixel or blurred by so many pixels."""
        noise = self.rng.standard_normal((self.size, self.size), dtype=np.float32)
        if not blur:
            return noise
        kernel = _blur(self.size, blur)
        # White noise keeps the sum of the squared weights of its variance.
        return np.asarray(kernel @ noise @ kernel.T / np.float32((kernel[self.size // 2] ** 2).sum()))

    def hills(self, length: float) -> Field:
        """Draw smooth noise of about unit variance whose features are so many pixels long."""
        cells = max(3, round(self.size / length) + 2)
        spread = _spread(self.size, cells)
        nodes = self.rng.standard_normal((cells, cells), dtype=np.float32)
        return np.asarray(spread @ nodes @ spread.T * np.float32(1.5))

    def inside_body(self, radius: float, raggedness: float = 0.35) -> Field:
        """Measure how far each pixel lies inside a body around the middle, negative outside."""
        shore = self.hills(radius * 0.8) + np.float32(0.25) * self.hills(max(radius * 0.3, 3))
        reach = np.float32(radius) * np.maximum(1 + np.float32(raggedness) * shore, np.float32(0.3))
        return np.asarray(reach - np.hypot(self.x, self.y))

    def parcels(self, length: float, aspect: float, wobble: float = 0.0) -> tuple[npt.NDArray[np.int64], Field]:
        """Lay fields side by side like bricks: a number for each, 0 in the middle, and the way to the edge.

        Args:
            length: of the short side, on average.
            aspect: of long to short side.
            wobble: how far edges stray from straight lines.

        Returns:
            Numbers (size, size) below `NUMBERS`, which differ between neighbours; and the distance to the nearest edge.
        """
        across, along, rng = self.across, self.along, self.rng
        if wobble:
            across, along = (axis + np.float32(wobble) * self.hills(14) for axis in (across, along))
        reach = 0.8 * self.size + 4 * wobble
        count = int(2 * reach / (0.6 * length)) + 3
        widths = rng.uniform(0.6, 1.4, count) * length
        ends = np.concatenate([[0.0], np.cumsum(widths)])
        middle = int(np.searchsorted(ends, ends[-1] / 2)) - 1
        ends -= ends[middle] + widths[middle] * rng.uniform(0.3, 0.7)
        heights = rng.uniform(0.6, 1.4, count) * length * aspect
        starts = -heights * rng.uniform(0.3, 0.7, count)
        column = np.clip(np.searchsorted(ends, across) - 1, 0, count - 1)
        position = (along - starts[column]) / heights[column]
        row = np.floor(position)
        inside = (position - row) * heights[column]
        beside = np.minimum(across - ends[column], ends[column + 1] - across)
        edge = np.minimum(beside, np.minimum(inside, heights[column] - inside))
        number = ((column - middle) * 41 + row.astype(np.int64) * 17) % NUMBERS
        return number, edge.astype(np.float32)

    def from_course(self, bends: float) -> Field:
        """Measure how far each pixel is from a winding line through the middle that strays by about `bends`."""
        course = np.float32(bends) * self.hills(self.size / 2.5)
        return np.asarray(np.abs(self.across + course - course[self.size // 2, self.size // 2]))

    def rows(self, number: npt.NDArray[np.int64], period: float, strength: float) -> Field:
        """Draw the brightness of rows about along each parcel, such as of vines."""
        turn = self.rng.normal(0, 0.3, NUMBERS).astype(np.float32)[number]
        axis = self.across + turn * self.along
        return np.asarray(1 + np.float32(strength) * np.sin(axis * np.float32(2 * np.pi / period)))

    def dots(self, period: float, strength: float) -> Field:
        """Draw the brightness of trees planted on a grid: dark where both rows meet."""
        across, along = (np.sin(axis * np.float32(2 * np.pi / period)) for axis in (self.across, self.along))
        crowns = across * along
        return np.asarray(1 - np.float32(strength) * np.maximum(crowns, 0) + np.float32(strength * 0.2))

    def crowns(self, size: float, strength: float) -> Field:
        """Draw the brightness of a canopy lit from one side, so that each crown has a bright and a shaded flank."""
        relief = self.grain(size)
        lit = relief - np.roll(relief, (1, 1), axis=(0, 1))
        return np.asarray(np.exp(np.float32(strength) * (lit + np.float32(0.3) * self.grain())))

    def seen(self, colours: Field) -> Field:
        """Observe (3, size, size) as a sensor does: blurred by its optics, with the scene's light and its noise."""
        kernel = _blur(self.size, POINT_SPREAD)
        light = 1 + np.float32(0.02) * self.hills(self.size)
        noise = self.rng.standard_normal(colours.shape, dtype=np.float32) * np.float32(0.0015)
        return np.asarray(kernel @ colours @ kernel.T * light + noise)


def clip(values: Field) -> Field:
    """Clip values to shares, 0 to 1."""
    return np.asarray(np.clip(values, np.float32(0), np.float32(1)))


def line(distance: Field, width: float) -> Field:
    """Compute the share of a line in each pixel by the distance to its middle; lines below a pixel are faint."""
    return clip(np.float32(width / 2) + 0.5 - np.abs(distance)) * np.float32(min(width, 1.0))


@cache
def _centred(size: int) -> tuple[Field, Field]:
    axis = (np.arange(size) - (size - 1) / 2).astype(np.float32)
    return np.broadcast_to(axis, (size, size)), np.broadcast_to(axis[:, None], (size, size))


@cache
def _blur(size: int, spread: float) -> Field:
    """Make a matrix of a Gaussian along one axis, whose rows sum to 1."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    kernel = np.exp(-0.5 * (distance / spread) ** 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), dtype=np.float32)


@cache
def _spread(size: int, cells: int) -> Field:
    """Make a matrix that interpolates cubically from nodes to pixels along one axis."""
    position = np.linspace(0.5, cells - 1.5, size)
    distance = np.abs(np.subtract.outer(position, np.arange(cells)))
    weights = np.where(distance < 1, 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
