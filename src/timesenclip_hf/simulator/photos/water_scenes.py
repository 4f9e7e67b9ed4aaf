"""Draw simulated lakes, rivers, marshes and peatbogs from the ground; sizes and colours are our approximation."""

import numpy as np

from .canvas import RGB, Canvas, blend
from .grass_scenes import lay_grass
from .tree_scenes import draw_garden_tree


def draw_lake(canvas: Canvas) -> None:
    """Draw open water to the far shore, mirroring the sky."""
    water = blend((58, 98, 140), (110, 136, 150), canvas.rng.random())
    shore = canvas.pick(((56, 82, 56), (96, 110, 96), (120, 128, 120)))
    canvas.far_strip(shore, 0.95)
    canvas.ground(water, 4)
    y = canvas.horizon + canvas.size * 0.04
    canvas.draw.rectangle((0, canvas.horizon, canvas.size, y), fill=blend(water, shore, 0.5))
    canvas.ripples(blend(water, (200, 220, 235), 0.4), 40)
    canvas.ripples(blend(water, (20, 40, 70), 0.3), 20)
    if canvas.rng.random() < 0.3:
        x, base, u = canvas.rng.uniform(0.2, 0.8) * canvas.size, canvas.y(16.0), canvas.scale(16.0)
        hull = [(x, base), (x + 3 * u, base), (x + 2.5 * u, base + u), (x + 0.5 * u, base + u)]
        canvas.draw.polygon(hull, fill=(235, 235, 232))
        canvas.draw.polygon([(x + 1.5 * u, base - 4 * u), (x + 1.5 * u, base), (x + 3 * u, base)], fill=(245, 245, 245))


def draw_river(canvas: Canvas) -> None:
    """Draw a ribbon of water that winds towards the viewer between green banks."""
    size, rng = canvas.size, canvas.rng
    canvas.far_strip((66, 96, 62), 0.9)
    lay_grass(canvas)
    water = blend((72, 112, 140), (124, 128, 108), rng.random())
    sway, phase = rng.uniform(0.06, 0.16), rng.uniform(0.0, 6.0)
    shares = np.linspace(0.0, 1.0, 12)
    middle, half = size * (0.5 + sway * np.sin(phase + 5.0 * np.sqrt(shares))), size * (0.02 + 0.33 * shares)
    rows = [canvas.row(share) for share in shares.tolist()]
    left, right = (list(zip(bank.tolist(), rows, strict=True)) for bank in (middle - half, middle + half))
    canvas.draw.polygon(left + right[::-1], fill=water)
    for bank in (left, right):
        canvas.draw.line(bank, fill=(120, 100, 72), width=2)
    for x, y in left[3::2] + right[3::2]:
        w = size * 0.06
        canvas.draw.line((x + w, y, x + 2 * w, y), fill=blend(water, (225, 235, 240), 0.5))
    for (x, y), side in zip([*left[1:7:2], *right[1:7:2]], (-1, -1, -1, 1, 1, 1), strict=True):
        draw_garden_tree(canvas, x + side * 6, y, size * rng.uniform(0.15, 0.25))


def _pools(canvas: Canvas, shares: list[float], sizes: tuple[float, float], flat: float, colour: RGB) -> None:
    """Draw pools at shares of the way from the horizon; sizes are a share of the photo, and what it grows by nearby."""
    for t in shares:
        canvas.disc(canvas.columns(1)[0], canvas.row(t), canvas.size * (sizes[0] + sizes[1] * t), colour, flat)


def draw_marsh(canvas: Canvas) -> None:
    """Draw reeds with brown cattails around pools."""
    state, rng = canvas.state, canvas.rng
    canvas.far_strip((80, 100, 70))
    reed = blend((128, 150, 74), (206, 182, 124), max(state.dry, 0.75 - state.green))
    canvas.ground(blend(reed, (60, 70, 50), 0.4))
    _pools(canvas, rng.uniform(0.1, 0.9, 4).tolist(), (0.12, 0.35), 0.16, (104, 130, 152))
    for distance in np.geomspace(18.0, 3.6, 7).tolist():
        base, tall = canvas.y(distance), canvas.scale(distance) * max(1.6, state.height)
        for x in rng.normal(canvas.columns(1)[0], canvas.size * 0.2, 18).tolist():
            top = base - tall * rng.uniform(0.7, 1.1)
            canvas.draw.line((x, base, x + tall * 0.05, top), fill=canvas.shade(reed, 16), width=1)
            if rng.random() < 0.35:
                canvas.draw.rectangle((x, top, x + 2, top + tall * 0.14), fill=(92, 56, 34))


def draw_peatbog(canvas: Canvas) -> None:
    """Draw red-brown moss hummocks, black pools, cotton grass and stunted pines."""
    canvas.far_strip((62, 78, 60), 0.9)
    canvas.ground(canvas.shade((134, 96, 58)), 16)
    canvas.scatter(((150, 70, 50), (170, 130, 62), (124, 128, 62), (112, 82, 54)), 110, 0.22)
    _pools(canvas, canvas.rng.uniform(0.05, 0.85, 5).tolist(), (0.06, 0.2), 0.2, (38, 40, 46))
    canvas.scatter(((246, 246, 242),), int(25 + 50 * canvas.state.flower), 0.035)
    for x in canvas.columns(4):
        canvas.pine(x, canvas.y(14.0), canvas.scale(14.0) * canvas.rng.uniform(1.8, 3.0), (84, 100, 70))
