"""Draw simulated rocks, sand, bare soil, salt and ice from the ground; sizes and colours are our approximation."""

import numpy as np

from .canvas import NEAREST, RGB, Canvas, blend
from .crop_scenes import draw_off_season


def draw_rocks(canvas: Canvas) -> None:
    """Draw boulders, scree and a bare rock face."""
    size, rng = canvas.size, canvas.rng
    stone = canvas.shade(canvas.pick(((150, 148, 146), (132, 126, 122), (168, 156, 140))))
    peaks = [(x * size, canvas.horizon * (0.15 + 0.5 * t)) for x, t in rng.random((4, 2)).tolist()]
    foot = canvas.horizon * 0.6
    outline = [(0.0, size), (0.0, foot), *sorted(peaks), (size, foot), (size, size)]
    canvas.draw.polygon(outline, fill=blend(stone, (105, 108, 118), 0.4))
    canvas.ground(stone)
    for x, t in rng.random((16, 2)).tolist():
        y = canvas.horizon * 0.5 + size * 0.15 * t
        canvas.draw.line((x * size, y, x * size + 8 * (t - 0.5), y + 12), fill=(88, 88, 92))
    boulder = ((-1, 0), (-0.6, -0.8), (0.3, -1), (1, -0.2), (0.7, 0.3))
    depths = np.sort(rng.random(44))
    for depth, (x, w) in zip(depths.tolist(), rng.random((44, 2)).tolist(), strict=True):
        y, r = canvas.row(depth), size * (0.02 + 0.1 * w) * (0.25 + depth)
        px, tone = x * size, canvas.shade(stone, 22)
        corners = [(px + dx * r, y + dy * r) for dx, dy in boulder]
        canvas.draw.polygon(corners, fill=tone, outline=blend(tone, (40, 40, 44), 0.6))


def draw_sand(canvas: Canvas) -> None:
    """Draw dunes or a beach: pale waves with ripples, marram grass, sometimes the sea."""
    size, rng = canvas.size, canvas.rng
    sand = canvas.shade((228, 206, 158))
    if rng.random() < 0.4:
        canvas.draw.rectangle((0, canvas.horizon - 5, size, canvas.horizon + 6), fill=(66, 118, 160))
        canvas.draw.rectangle((0, canvas.horizon + 5, size, size), fill=sand)
    else:
        canvas.ground(sand)
    for t in (0.05, 0.25, 0.5):
        y = canvas.row(t)
        x, w = rng.uniform(-0.3, 0.8) * size, size * rng.uniform(0.5, 0.9)
        tone = blend(sand, (255, 240, 205) if rng.random() < 0.5 else (196, 168, 120), 0.5)
        canvas.draw.ellipse((x - w / 2, y - w * 0.13, x + w / 2, y + w * 0.2), fill=tone)
    canvas.ripples(blend(sand, (170, 142, 98), 0.5), 34)
    if rng.random() < 0.4:
        canvas.tufts(((150, 156, 96), (172, 168, 110)), 24, 0.45, 0.25)


def draw_bare_soil(canvas: Canvas) -> None:
    """Draw open earth without rows: clods, cracks, pebbles, at most a weed or two."""
    canvas.far_strip((92, 100, 72), 0.4)
    soil = canvas.soil_colour()
    canvas.ground(soil, 16)
    clods = (blend(soil, (40, 30, 24), 0.4), blend(soil, (235, 215, 185), 0.25), blend(soil, (60, 45, 35), 0.3))
    canvas.scatter(clods, 150, 0.05)
    for x, t, lean in canvas.rng.random((14, 3)).tolist():
        y, px, reach = canvas.row(t), x * canvas.size, canvas.size * 0.12 * (0.3 + t)
        bend = (px + reach * 0.5, y + reach * (lean - 0.5))
        canvas.draw.line((px, y, *bend, px + reach, y + reach * 0.2), fill=blend(soil, (20, 14, 10), 0.65))
    draw_off_season(canvas)


def draw_glacier(canvas: Canvas) -> None:
    """Draw ice and everlasting snow: peaks, blue crevasses, moraine."""
    horizon, size = canvas.horizon, canvas.size
    for x, t in canvas.rng.random((3, 2)).tolist():
        peak, half, middle = horizon * (0.1 + 0.4 * t), size * 0.35, x * size
        canvas.draw.polygon([(middle - half, horizon), (middle, peak), (middle + half, horizon)], fill=(92, 92, 102))
        cap = peak + (horizon - peak) * 0.5
        canvas.draw.polygon([(middle - half / 2, cap), (middle, peak), (middle + half / 2, cap)], fill=(245, 248, 252))
    canvas.ground(canvas.shade((226, 238, 248), 5), 8)
    for x, t, lean in canvas.rng.random((16, 3)).tolist():
        y, reach = canvas.row(t), size * 0.2 * (0.3 + t)
        crevasse = (x * size, y, x * size + reach, y + reach * (lean - 0.5) * 0.5)
        canvas.draw.line(crevasse, fill=(122, 178, 220), width=2 if t > 0.4 else 1)
    canvas.scatter(((120, 118, 118),), 10, 0.06)


def draw_salt_flat(canvas: Canvas) -> None:
    """Draw salt pans and mudflats: a level white crust with polygonal cracks, salt heaps, shallow brine."""
    size, rng = canvas.size, canvas.rng
    canvas.far_strip((128, 120, 118), 0.4)
    salt = canvas.shade(canvas.pick(((238, 234, 228), (226, 212, 204), (188, 178, 168))), 5)
    canvas.ground(salt, 4)
    crack = blend(salt, (140, 128, 120), 0.55)
    for distance in np.geomspace(24.0, NEAREST, 9).tolist():
        y, ahead = canvas.y(distance), canvas.y(distance * 0.78)
        canvas.draw.line((0, y, size, y), fill=crack)
        for x in canvas.lanes(distance, 1.1, rng.random()):
            canvas.draw.line((x, y, x + (x - canvas.vanish) * 0.25, ahead), fill=crack)
    if rng.random() < 0.5 + 0.4 * canvas.state.wetness:
        y = canvas.y(rng.uniform(5.0, 10.0))
        brine: RGB = (176, 202, 214) if rng.random() < 0.6 else (222, 168, 172)
        canvas.draw.rectangle((0, y, size * rng.uniform(0.4, 1.0), y + size * 0.1), fill=brine)
    if rng.random() < 0.5:
        tall, base = canvas.scale(12.0) * 1.8, canvas.y(12.0)
        for x in canvas.columns(3):
            canvas.draw.polygon([(x - tall, base), (x, base - tall), (x + tall, base)], fill=(250, 250, 250))
