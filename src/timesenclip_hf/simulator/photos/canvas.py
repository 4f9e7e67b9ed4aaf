"""Hold the canvas on which the simulated ground photos are drawn: a pinhole camera, a sky and simple plants.

Distances are in metres; the camera stands level at eye height, so a point at distance ``d``
falls ``focal * height / d`` below the horizon. Colours are sRGB triples chosen by eye (our approximation).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Choice = TypeVar("Choice")

# Height of the camera, and distance of the ground at the photo's lower edge, in metres.
EYE, NEAREST = 1.6, 2.2


@dataclass(frozen=True)
class VisitState:
    """Describe what a visitor sees on one day: a [`GroundState`] of one visit, with defaults of bare, moist soil."""

    green: float = 0.0
    dry: float = 0.0
    flower: float = 0.0
    height: float = 0.0
    stubble: float = 0.0
    off_season: float = 0.0
    snow: float = 0.0
    wetness: float = 0.3
    soil_brightness: float = 0.5


def blend(first: Sequence[int], second: Sequence[int], share: float) -> RGB:
    """Mix two colours, ``share`` of the second."""
    part = min(max(share, 0.0), 1.0)
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


class Canvas:
    """Hold a square photo under way: camera, sky, horizon, and the plants and things that scenes are made of.

    Args:
        state: of the place on the day.
        rng: source of every random choice.
        pixels: side of the drawing in pixels.
    """

    def __init__(self, state: VisitState, rng: np.random.Generator, pixels: int) -> None:
        self.state, self.rng, self.size = state, rng, pixels
        self.horizon = pixels * rng.uniform(0.34, 0.46)
        self.focal = (pixels - self.horizon) * NEAREST / EYE
        self.vanish = pixels * rng.uniform(0.15, 0.85)
        self.image = Image.new("RGB", (pixels, pixels))
        self.draw = ImageDraw.Draw(self.image)
        # Three soils in ten are more or less red.
        self.redness = max(rng.random() - 0.7, 0.0) * 2.5
        self.paint_sky(rng.random())

    def paint_sky(self, cloudy: float) -> None:
        """Paint the sky, blue and clear at 0, grey with clouds at 1."""
        rng, pixels = self.rng, self.size
        top = blend((70, 125, 205), (165, 172, 182), cloudy)
        bottom = blend((175, 205, 235), (205, 208, 212), cloudy)
        for band in range(6):
            self.draw.rectangle((0, self.horizon * band / 6, pixels, self.horizon), fill=blend(top, bottom, band / 5))
        for _ in range(int(cloudy * 6)):
            x, y = rng.uniform(0, pixels), rng.uniform(0, self.horizon * 0.8)
            w, h = pixels * rng.uniform(0.1, 0.3), self.horizon * rng.uniform(0.05, 0.15)
            self.draw.ellipse((x - w, y - h, x + w, y + h), fill=blend(bottom, (245, 245, 248), 0.6))

    def shade(self, colour: RGB, spread: float = 10.0) -> RGB:
        """Vary a colour's brightness a little."""
        step = self.rng.normal(0.0, spread)
        red, green, blue = (min(max(round(c + step), 0), 255) for c in colour)
        return red, green, blue

    def y(self, distance: float, height: float = 0.0) -> float:
        """Compute the row of a point ``height`` metres above the ground."""
        return self.horizon + self.focal * (EYE - height) / distance

    def scale(self, distance: float) -> float:
        """Compute the pixels per metre at a distance."""
        return self.focal / distance

    def row(self, share: float) -> float:
        """Compute the row of the ground at a share of the way from the horizon to the lower edge."""
        return self.horizon + (self.size - self.horizon) * share

    def columns(self, count: int) -> list[float]:
        """Draw columns anywhere."""
        return list(self.rng.uniform(0, self.size, count).tolist())

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """Draw one of some colours, or of something else."""
        return choices[int(self.rng.integers(len(choices)))]

    def disc(self, x: float, y: float, radius: float, colour: RGB, flat: float = 1.0) -> None:
        """Fill a circle, or an ellipse that is ``flat`` times as high as wide."""
        self.draw.ellipse((x - radius, y - radius * flat, x + radius, y + radius * flat), fill=colour)

    def block(self, x: float, base: float, wide: float, tall: float, colour: RGB) -> None:
        """Fill an upright rectangle by its lower left corner."""
        self.draw.rectangle((x, base - tall, x + wide, base), fill=colour)

    def lanes(self, distance: float, spacing: float, offset: float = 0.0) -> list[float]:
        """List the columns at which rows that run to the vanishing point pass at a distance."""
        step = self.scale(distance) * spacing
        before, behind = int(self.vanish / step), int((self.size - self.vanish) / step)
        return [self.vanish + step * (k + offset) for k in range(-before - 1, behind + 2)]

    def far_strip(self, colour: RGB, share: float = 0.6) -> None:
        """Draw hills or a line of trees on the horizon, in ``share`` of the photos."""
        if self.rng.random() > share:
            return
        height = self.size * self.rng.uniform(0.015, 0.06)
        colour = blend(colour, (172, 150, 116), 0.8 * self.aridity())
        x = -2.0
        while x < self.size:
            w = self.size * self.rng.uniform(0.05, 0.2)
            top = self.horizon - height * self.rng.uniform(0.4, 1.0)
            self.draw.ellipse((x - w * 0.3, top, x + w * 1.3, self.horizon + height), fill=self.shade(colour, 5))
            x += w

    def ground(self, colour: RGB, patches: int = 10) -> None:
        """Fill everything below the horizon, with patches of slightly other brightness."""
        self.draw.rectangle((0, self.horizon, self.size, self.size), fill=colour)
        for x, t, w in self.rng.random((patches, 3)).tolist():
            wide = self.size * (0.05 + 0.25 * w) * (0.3 + t)
            self.disc(x * self.size, self.row(t), wide, self.shade(colour, 7), 0.12)

    def dry_share(self) -> float:
        """Compute the share of the leaves that is ripe or dead."""
        return self.state.dry / max(self.state.green + self.state.dry, 1e-3)

    def aridity(self) -> float:
        """Estimate from bright, dry ground how dry the land around is: 0 to 1."""
        bright, dry = (self.state.soil_brightness - 0.5) / 0.3, (0.25 - self.state.wetness) / 0.2
        return min(max(bright, 0.0), 1.0) * min(max(dry, 0.0), 1.0)

    def soil_colour(self) -> RGB:
        """Mix the colour of bare soil on the day."""
        brown = blend((96, 72, 54), (190, 160, 120), self.state.soil_brightness)
        dry = blend(brown, (172, 92, 58), self.redness)
        return blend(dry, (70, 60, 52), 0.6 * min(self.state.wetness, 0.8))

    def scatter(self, colours: Sequence[RGB], count: int, radius: float, top: float = 0.0, bottom: float = 1.0) -> None:
        """Scatter dots of about ``radius`` metres over a part of the ground, nearer ones larger."""
        for x, t, pick in self.rng.random((max(count, 0), 3)).tolist():
            depth = top + (bottom - top) * t
            r = max(self.focal * radius / NEAREST * depth, 0.6)
            self.disc(x * self.size, self.row(depth), r, colours[int(pick * len(colours))])

    def tufts(self, colours: Sequence[RGB], count: int, height: float, top: float = 0.02) -> None:
        """Scatter tufts of upright blades, ``height`` metres tall, from far to near."""
        spots = self.rng.random((max(count, 0), 4))
        spots[:, 0] = top + (1 - top) * np.sort(spots[:, 0])
        for depth, x, lean, pick in spots.tolist():
            y = self.horizon + (self.size * 1.05 - self.horizon) * depth
            tall = self.focal * height / NEAREST * depth * (0.6 + 0.8 * pick)
            px, colour = x * self.size, colours[int(pick * 997) % len(colours)]
            tip = px + (lean - 0.5) * tall * 0.8
            self.draw.line((px, y, tip, y - tall), fill=colour, width=1 if depth < 0.6 else 2)

    def furrows(self, spacing: float, colour: RGB, wide: float = 0.3) -> None:
        """Draw ploughing lines towards the vanishing point."""
        for near in self.lanes(NEAREST, max(spacing, 0.25)):
            half = self.scale(NEAREST) * spacing * wide / 2
            corners = [(self.vanish, self.horizon), (near - half, self.size), (near + half, self.size)]
            self.draw.polygon(corners, fill=colour)

    def rows_of_dots(self, spacing: float, colours: Sequence[RGB], radius: float) -> None:
        """Draw round plants on rows that run to the vanishing point."""
        distance = 14.0
        while distance > NEAREST * 0.85:
            y, r = self.y(distance, radius), max(self.scale(distance) * radius, 0.7)
            for x in self.lanes(distance, spacing):
                if -r < x < self.size + r:
                    colour = self.shade(colours[int(self.rng.random() * len(colours))])
                    self.draw.ellipse((x - r, y - r * 0.75, x + r, y + r), fill=colour)
            distance *= 0.84

    def ripples(self, colour: RGB, count: int) -> None:
        """Draw short level strokes on water."""
        for x, t, w in self.rng.random((count, 3)).tolist():
            y = self.row(t)
            self.draw.line((x * self.size, y, x * self.size + self.size * 0.2 * (w + t), y), fill=colour)

    def cone(self, x: float, base: float, tall: float, colour: RGB) -> None:
        """Draw a spruce or fir."""
        wide, trunk = tall * 0.2, max(tall * 0.02, 1.0)
        self.draw.rectangle((x - trunk, base - tall * 0.15, x + trunk, base), fill=(70, 52, 40))
        for tier in range(3):
            low, high = base - tall * (0.08 + 0.26 * tier), base - tall * (0.5 + 0.25 * tier)
            half = wide * (1 - 0.27 * tier)
            self.draw.polygon([(x - half, low), (x + half, low), (x, high)], fill=self.shade(colour, 6))

    def pine(self, x: float, base: float, tall: float, colour: RGB) -> None:
        """Draw a pine: a tall bare orange trunk under a flat crown."""
        trunk, bark = max(tall * 0.022, 1.0), self.shade((176, 104, 66))
        self.draw.rectangle((x - trunk, base - tall * 0.75, x + trunk, base), fill=bark)
        for dx, dy, r in ((-0.13, 0.72, 0.14), (0.13, 0.75, 0.14), (0.0, 0.88, 0.16)):
            self.disc(x + dx * tall, base - dy * tall, r * tall, self.shade(colour, 8), 0.6)

    def broadleaf(self, x: float, base: float, tall: float, colour: RGB, leaves: float) -> None:
        """Draw a broadleaved tree, bare where ``leaves`` is low."""
        trunk, bark = max(tall * 0.03, 1.0), self.shade((98, 84, 72))
        self.draw.rectangle((x - trunk, base - tall * 0.5, x + trunk, base), fill=bark)
        for angle in self.rng.uniform(-1.0, 1.0, 6).tolist():
            y = base - tall * 0.45
            tip = (x + angle * tall * 0.35, base - tall * (1 - 0.35 * abs(angle)))
            self.draw.line((x, y, *tip), fill=bark, width=1)
            middle = (x + (tip[0] - x) * 0.55, y + (tip[1] - y) * 0.55)
            self.draw.line((*middle, middle[0] + angle * tall * 0.05, tip[1]), fill=bark, width=1)
        for dx, dy in self.rng.uniform(-1.0, 1.0, (int(9 * leaves + 0.5), 2)).tolist():
            self.disc(x + dx * tall * 0.24, base - tall * (0.68 + dy * 0.2), tall * 0.15, self.shade(colour, 9))

    def round_tree(self, x: float, base: float, tall: float, wide: float, colour: RGB) -> None:
        """Draw a small tree with a round crown on a short trunk."""
        trunk = max(tall * 0.05, 1.0)
        self.draw.rectangle((x - trunk, base - tall * 0.4, x + trunk, base), fill=self.shade((92, 76, 62)))
        self.draw.ellipse((x - wide / 2, base - tall, x + wide / 2, base - tall * 0.25), fill=self.shade(colour, 8))
        for dx, dy in ((-0.28, 0.72), (0.28, 0.6), (0.0, 0.8)):
            self.disc(x + dx * wide, base - dy * tall, wide * 0.2, self.shade(colour, 12))

    def dome(self, x: float, base: float, tall: float, wide: float, colour: RGB) -> None:
        """Draw a low shrub or a heap that stands on the ground."""
        box = (x - wide / 2, base - tall, x + wide / 2, base + tall)
        self.draw.pieslice(box, 180, 360, fill=self.shade(colour, 10))
