"""How simulated buildings, grass, bare ground, water and wetlands look from the ground, and every cover by name.

Sizes and colours are our approximation.
"""

from collections.abc import Callable

import numpy as np

from .canvas import NEAREST, RGB, Canvas, blend
from .crop_scenes import CROP_LOOKS, draw_crop, draw_fodder, draw_off_season, draw_stubble, draw_vegetables
from .tree_scenes import (
    draw_broadleaved,
    draw_citrus,
    draw_mixed,
    draw_olives,
    draw_orchard,
    draw_pine,
    draw_spruce,
    draw_vineyard,
    foliage,
)


def _grass(canvas: Canvas, lush: RGB = (96, 158, 58), straw: RGB = (196, 180, 118)) -> RGB:
    """Lay grass whose colour follows green and dry shares; return the colour."""
    state = canvas.state
    share = state.dry / max(state.green + state.dry, 1e-3)
    colour = blend(lush, straw, share)
    cover = min(0.25 + state.green + state.dry, 1.0)
    canvas.ground(blend(canvas.soil_colour(), colour, cover))
    return colour


def _windows(canvas: Canvas, left: float, top: float, wide: float, tall: float, columns: int, rows: int) -> None:
    pane: RGB = (58, 70, 92) if canvas.rng.random() < 0.7 else (120, 140, 160)
    for row in range(rows):
        for column in range(columns):
            x, y = left + wide * (column + 0.28) / columns, top + tall * (row + 0.22) / rows
            canvas.draw.rectangle((x, y, x + wide * 0.44 / columns, y + tall * 0.5 / rows), fill=pane)


def _house(canvas: Canvas, x: float, base: float, wide: float) -> None:
    walls: tuple[RGB, ...] = (
        (232, 222, 205),
        (205, 175, 145),
        (178, 98, 78),
        (240, 238, 232),
        (214, 206, 150),
    )
    roofs: tuple[RGB, ...] = ((158, 70, 52), (98, 66, 56), (84, 88, 98), (186, 96, 66))
    tall = wide * canvas.rng.uniform(0.5, 0.8)
    wall = canvas.shade(walls[canvas.rng.integers(5)])
    canvas.draw.rectangle((x, base - tall, x + wide, base), fill=wall)
    ridge = base - tall - wide * canvas.rng.uniform(0.3, 0.5)
    roof = canvas.shade(roofs[canvas.rng.integers(4)])
    corners = [(x - wide * 0.07, base - tall), (x + wide * 1.07, base - tall)]
    top = (
        [(x + wide * 0.5, ridge)] if canvas.rng.random() < 0.5 else [(x + wide * 0.85, ridge), (x + wide * 0.15, ridge)]
    )
    canvas.draw.polygon([*corners, *top], fill=roof)
    _windows(canvas, x, base - tall, wide, tall, 3, 2)
    canvas.draw.rectangle((x + wide * 0.42, base - tall * 0.42, x + wide * 0.58, base), fill=(96, 62, 44))


def _block(canvas: Canvas, x: float, base: float, wide: float, tall: float) -> None:
    walls: tuple[RGB, ...] = ((196, 192, 186), (172, 132, 110), (220, 214, 200), (150, 156, 166))
    canvas.draw.rectangle((x, base - tall, x + wide, base), fill=canvas.shade(walls[canvas.rng.integers(4)]))
    _windows(canvas, x, base - tall, wide, tall, 4, max(int(tall / wide * 4), 3))


def draw_buildings(canvas: Canvas) -> None:
    """Draw houses or blocks of flats behind a street, a garden or a lawn."""
    canvas.far_strip((120, 110, 105))
    _grass(canvas)
    if canvas.rng.random() < 0.65:
        canvas.ground(canvas.shade((138, 136, 134)), 5)
        kerb = canvas.y(6.0)
        canvas.draw.rectangle((0, kerb, canvas.size, kerb + 2), fill=(186, 184, 180))
    tower = canvas.rng.random() < 0.35
    for base_distance in (26.0, 15.0):
        base, x = canvas.y(base_distance), canvas.rng.uniform(-0.25, 0.05) * canvas.size
        while x < canvas.size:
            wide = canvas.scale(base_distance) * canvas.rng.uniform(6.0, 9.0)
            if tower:
                _block(canvas, x, base, wide, canvas.scale(base_distance) * canvas.rng.uniform(7.0, 16.0))
            else:
                _house(canvas, x, base, wide)
            x += wide * canvas.rng.uniform(1.1, 1.7)
    for x, tall in canvas.rng.random((2, 2)).tolist():
        crown = canvas.size * (0.1 + 0.12 * tall)
        leaves = canvas.state.green if canvas.state.green > 0.15 else 0.0
        canvas.broadleaf(x * canvas.size, canvas.y(11.0), crown, foliage(canvas), leaves)


def draw_greenhouses(canvas: Canvas) -> None:
    """Draw plastic tunnels or glasshouses side by side, ends towards the viewer."""
    canvas.far_strip((70, 96, 66))
    canvas.ground(blend(canvas.soil_colour(), (120, 140, 90), 0.3))
    glass = canvas.rng.random() < 0.5
    for distance in (14.0, 9.0, 6.0):
        wide, tall = canvas.scale(distance) * 4.5, canvas.scale(distance) * 2.8
        base, x = canvas.y(distance), canvas.rng.uniform(-1.0, 0.0) * wide
        while x < canvas.size:
            skin = canvas.shade((206, 224, 230) if glass else (232, 236, 234), 6)
            if glass:
                peak = [(x, base - tall * 0.65), (x + wide / 2, base - tall), (x + wide, base - tall * 0.65)]
                canvas.draw.polygon([(x, base), *peak, (x + wide, base)], fill=skin, outline=(140, 156, 160))
            else:
                canvas.draw.pieslice(
                    (x, base - tall, x + wide, base + tall), 180, 360, fill=skin, outline=(160, 165, 165)
                )
            for rib in range(1, 6):
                px = x + wide * rib / 6
                canvas.draw.line((px, base - tall * 0.6, px, base), fill=(166, 180, 184), width=1)
            x += wide * 1.05


def draw_roads(canvas: Canvas) -> None:
    """Draw a road with markings, a railway, or a car park."""
    canvas.far_strip((76, 98, 70))
    _grass(canvas, (110, 142, 74))
    kind = canvas.rng.random()
    size, horizon = canvas.size, canvas.horizon
    canvas.vanish = size * canvas.rng.uniform(0.35, 0.65)
    middle = size * canvas.rng.uniform(0.35, 0.65)
    asphalt = canvas.shade((104, 105, 110))
    if kind < 0.2:
        canvas.ground(asphalt, 5)
        for near in canvas.lanes(NEAREST, 1.6):
            canvas.draw.line((canvas.vanish, horizon, near, size), fill=(225, 225, 222), width=1)
        for x in canvas.rng.uniform(0, size, 4).tolist():
            w = size * 0.13
            car = ((180, 40, 40), (230, 230, 232), (50, 70, 120), (60, 60, 64))[canvas.rng.integers(4)]
            canvas.draw.rectangle((x, horizon - 2, x + w, horizon + w * 0.4), fill=car)
        return
    wide = size * (0.42 if kind < 0.75 else 0.28)
    for share, colour in (
        (1.25, canvas.shade((160, 150, 135))),
        (1.0, asphalt if kind < 0.75 else (122, 112, 104)),
    ):
        half = wide * share
        canvas.draw.polygon(
            [
                (canvas.vanish - 1, horizon),
                (canvas.vanish + 1, horizon),
                (middle + half, size),
                (middle - half, size),
            ],
            fill=colour,
        )
    for step in range(9):
        t, end = 0.78**step, 0.78 ** (step + 0.5)
        x, x_end = (
            canvas.vanish + (middle - canvas.vanish) * t,
            canvas.vanish + (middle - canvas.vanish) * end,
        )
        y, y_end = horizon + (size - horizon) * t, horizon + (size - horizon) * end
        if kind < 0.75:
            canvas.draw.line((x, y, x_end, y_end), fill=(245, 245, 240), width=max(int(3 * t), 1))
        else:
            canvas.draw.line(
                (x - wide * t * 0.8, y, x + wide * t * 0.8, y), fill=(82, 64, 50), width=max(int(4 * t), 1)
            )
    for side in (-1, 1):
        near = middle + side * wide * (0.88 if kind < 0.75 else 0.5)
        line = (240, 240, 236) if kind < 0.75 else (178, 184, 192)
        canvas.draw.line((canvas.vanish, horizon, near, size), fill=line, width=1 if kind < 0.75 else 2)


def draw_quarry(canvas: Canvas) -> None:
    """Draw the terraced face of an open pit, spoil heaps and an excavator."""
    stone = canvas.shade(((206, 192, 160), (176, 172, 168), (196, 160, 124))[canvas.rng.integers(3)])
    canvas.ground(blend(stone, (150, 135, 115), 0.4))
    step = canvas.size * canvas.rng.uniform(0.05, 0.075)
    for level in range(4, 0, -1):
        y = canvas.horizon - step * (level - 1)
        canvas.draw.rectangle(
            (0, y - step, canvas.size, y), fill=canvas.shade(blend(stone, (110, 100, 90), 0.12 * level))
        )
        canvas.draw.line((0, y - step, canvas.size, y - step), fill=(235, 228, 210), width=2)
        for x in canvas.rng.uniform(0, canvas.size, 9).tolist():
            canvas.draw.line((x, y - step, x + 2, y), fill=blend(stone, (70, 62, 55), 0.5))
    for distance in (16.0, 9.0, 6.0):
        tall = canvas.scale(distance) * 1.6
        canvas.dome(
            canvas.rng.uniform(0, canvas.size),
            canvas.y(distance),
            tall,
            tall * 3,
            blend(stone, (250, 245, 235), 0.2),
        )
    if canvas.rng.random() < 0.7:
        x, y, u = canvas.rng.uniform(0.2, 0.7) * canvas.size, canvas.y(9.0), canvas.scale(9.0)
        canvas.draw.rectangle((x, y - u, x + 1.8 * u, y - 0.3 * u), fill=(238, 180, 20))
        canvas.draw.rectangle((x, y - 0.3 * u, x + 1.8 * u, y), fill=(45, 45, 48))
        canvas.draw.line(
            (x + 1.8 * u, y - u, x + 2.7 * u, y - 1.9 * u, x + 3.3 * u, y - 0.4 * u),
            fill=(238, 180, 20),
            width=2,
        )


def _meadow_flowers(canvas: Canvas, count: int) -> None:
    canvas.scatter(((250, 250, 250), (248, 214, 40), (190, 90, 180), (225, 60, 60)), count, 0.025, 0.05)


def draw_grassland(canvas: Canvas) -> None:
    """Draw permanent grass: uneven tufts, herbs in flower, now and then a fence, cattle, a single tree."""
    state = canvas.state
    canvas.far_strip((72, 104, 64), 0.8)
    colour = _grass(canvas, (92, 146, 62))
    if canvas.rng.random() < 0.35:
        canvas.broadleaf(
            canvas.rng.uniform(0, canvas.size),
            canvas.y(18.0),
            canvas.scale(18.0) * 7,
            foliage(canvas),
            state.green,
        )
    tones = (colour, blend(colour, (60, 96, 40), 0.5), blend(colour, (205, 195, 120), 0.45))
    canvas.tufts(tones, 170, 0.08 + 0.5 * state.height)
    _meadow_flowers(canvas, int(state.flower * 70))
    chance = canvas.rng.random()
    if chance < 0.35:
        for x in canvas.rng.uniform(0.05, 0.95, 3).tolist():
            y, u, px = canvas.y(12.0), canvas.scale(12.0), x * canvas.size
            hide = ((40, 34, 32), (245, 242, 238), (140, 80, 50))[canvas.rng.integers(3)]
            canvas.draw.ellipse((px, y - 1.4 * u, px + 2.2 * u, y - 0.5 * u), fill=hide)
            canvas.draw.ellipse((px + 1.9 * u, y - 1.6 * u, px + 2.6 * u, y - 1.0 * u), fill=hide)
            for leg in (0.3, 1.8):
                canvas.draw.line((px + leg * u, y - 0.7 * u, px + leg * u, y), fill=hide)
    if 0.2 < chance < 0.65:
        y, u = canvas.y(7.0), canvas.scale(7.0)
        for x in canvas.lanes(7.0, 2.5, canvas.rng.random()):
            canvas.draw.line((x, y - 1.2 * u, x, y), fill=(104, 84, 64), width=2)
        for rise in (0.6, 1.05):
            canvas.draw.line((0, y - rise * u, canvas.size, y - rise * u), fill=(130, 120, 110))


def draw_temporary_grassland(canvas: Canvas) -> None:
    """Draw sown grass: an even, saturated sward with mowing stripes, after a cut swaths and wrapped bales."""
    state = canvas.state
    canvas.far_strip((72, 104, 64))
    colour = _grass(canvas, (62, 172, 48), (190, 196, 110))
    canvas.furrows(1.6, blend(colour, (30, 120, 30), 0.22), 1.0)
    draw_stubble(canvas, 1.2)
    canvas.scatter((blend(colour, (140, 220, 90), 0.4), blend(colour, (20, 110, 30), 0.3)), 90, 0.05)
    if state.height < 0.15 and canvas.rng.random() < 0.6:
        for x in canvas.rng.uniform(0, canvas.size, 3).tolist():
            y, r = canvas.y(10.0), canvas.scale(10.0) * 0.65
            bale = ((235, 238, 235), (165, 205, 165), (205, 190, 130))[canvas.rng.integers(3)]
            canvas.draw.ellipse((x - r, y - 2 * r, x + r, y), fill=bale, outline=(140, 145, 130))
    canvas.scatter(((250, 250, 250),), int(20 * state.flower), 0.02)


def draw_fallow(canvas: Canvas) -> None:
    """Draw abandoned ground: patches of soil, tall thistles and dock, dead stalks, young bushes."""
    state = canvas.state
    canvas.far_strip((72, 104, 64))
    soil = canvas.soil_colour()
    canvas.ground(blend(soil, (150, 140, 90), 0.35), 16)
    draw_off_season(canvas)
    weeds = (
        blend((108, 136, 70), (170, 140, 90), state.dry),
        blend((140, 150, 90), (120, 90, 60), state.dry),
    )
    canvas.scatter(weeds, int(40 + 40 * state.green), 0.2)
    for x, t, tall in canvas.rng.random((26, 3)).tolist():
        distance = 3.2 + 14 * (1 - t)
        y, px = canvas.y(distance), x * canvas.size
        top = y - canvas.scale(distance) * (0.5 + 0.9 * tall)
        canvas.draw.line((px, y, px, top), fill=canvas.shade((128, 92, 62)), width=1)
        r = max(canvas.scale(distance) * 0.07, 0.8)
        head: RGB = (150, 75, 150) if state.flower > 0.1 and tall > 0.4 else (118, 78, 52)
        canvas.draw.ellipse((px - r, top - 2 * r, px + r, top + r), fill=head)
    for x in canvas.rng.uniform(0, canvas.size, 2).tolist():
        canvas.dome(x, canvas.y(8.0), canvas.scale(8.0) * 1.2, canvas.scale(8.0) * 1.5, (92, 108, 62))


def draw_shrubland(canvas: Canvas) -> None:
    """Draw scrub and heath: domes of dark shrubs, heather and gorse in flower, stones between."""
    state = canvas.state
    canvas.far_strip((88, 98, 78), 0.8)
    canvas.ground(blend(canvas.soil_colour(), (150, 140, 95), 0.55))
    canvas.scatter(((170, 165, 158), (150, 146, 140)), 12, 0.1)
    for distance in np.geomspace(26.0, 4.2, 8).tolist():
        base, u = canvas.y(distance), canvas.scale(distance)
        for x in canvas.rng.uniform(-0.05, 1.05, 5).tolist():
            tall = u * (0.3 + 0.6 * max(state.height, 0.5)) * canvas.rng.uniform(0.6, 1.3)
            shrub = blend((78, 92, 54), (116, 104, 66), canvas.rng.random())
            canvas.dome(x * canvas.size, base, tall, tall * 2.0, shrub)
    bloom: RGB = (150, 84, 150) if canvas.rng.random() < 0.5 else (235, 200, 40)
    canvas.scatter((bloom,), int(12 + 90 * state.flower), 0.05)


def draw_rocks(canvas: Canvas) -> None:
    """Draw boulders, scree and a bare rock face."""
    stone = canvas.shade(((150, 148, 146), (132, 126, 122), (168, 156, 140))[canvas.rng.integers(3)])
    peaks = [(x * canvas.size, canvas.horizon * (0.15 + 0.5 * t)) for x, t in canvas.rng.random((4, 2)).tolist()]
    outline = [
        (0.0, canvas.size),
        (0.0, canvas.horizon * 0.6),
        *sorted(peaks),
        (canvas.size, canvas.horizon * 0.6),
    ]
    canvas.draw.polygon([*outline, (canvas.size, canvas.size)], fill=blend(stone, (105, 108, 118), 0.4))
    canvas.ground(stone)
    for x, t in canvas.rng.random((16, 2)).tolist():
        y = canvas.horizon * 0.5 + canvas.size * 0.15 * t
        canvas.draw.line((x * canvas.size, y, x * canvas.size + 8 * (t - 0.5), y + 12), fill=(88, 88, 92))
    depths = np.sort(canvas.rng.random(44))
    for depth, (x, w) in zip(depths.tolist(), canvas.rng.random((44, 2)).tolist(), strict=True):
        y = canvas.horizon + (canvas.size - canvas.horizon) * depth
        r = canvas.size * (0.02 + 0.1 * w) * (0.25 + depth)
        px, tone = x * canvas.size, canvas.shade(stone, 22)
        canvas.draw.polygon(
            [
                (px - r, y),
                (px - r * 0.6, y - r * 0.8),
                (px + r * 0.3, y - r),
                (px + r, y - r * 0.2),
                (px + r * 0.7, y + r * 0.3),
            ],
            fill=tone,
            outline=blend(tone, (40, 40, 44), 0.6),
        )


def draw_sand(canvas: Canvas) -> None:
    """Draw dunes or a beach: pale waves with ripples, marram grass, sometimes the sea."""
    sand = canvas.shade((228, 206, 158))
    if canvas.rng.random() < 0.4:
        canvas.draw.rectangle((0, canvas.horizon - 5, canvas.size, canvas.horizon + 6), fill=(66, 118, 160))
        canvas.draw.rectangle((0, canvas.horizon + 5, canvas.size, canvas.size), fill=sand)
    else:
        canvas.ground(sand)
    for t in (0.05, 0.25, 0.5):
        y = canvas.horizon + (canvas.size - canvas.horizon) * t
        x, w = canvas.rng.uniform(-0.3, 0.8) * canvas.size, canvas.size * canvas.rng.uniform(0.5, 0.9)
        tone = blend(sand, (255, 240, 205) if canvas.rng.random() < 0.5 else (196, 168, 120), 0.5)
        canvas.draw.ellipse((x - w / 2, y - w * 0.13, x + w / 2, y + w * 0.2), fill=tone)
    canvas.ripples(blend(sand, (170, 142, 98), 0.5), 34)
    if canvas.rng.random() < 0.4:
        canvas.tufts(((150, 156, 96), (172, 168, 110)), 24, 0.45, 0.25)


def draw_bare_soil(canvas: Canvas) -> None:
    """Draw open earth without rows: clods, cracks, pebbles, at most a weed or two."""
    canvas.far_strip((92, 100, 72), 0.4)
    soil = canvas.soil_colour()
    canvas.ground(soil, 16)
    clods = (
        blend(soil, (40, 30, 24), 0.4),
        blend(soil, (235, 215, 185), 0.25),
        blend(soil, (60, 45, 35), 0.3),
    )
    canvas.scatter(clods, 150, 0.05)
    for x, t, lean in canvas.rng.random((14, 3)).tolist():
        y = canvas.horizon + (canvas.size - canvas.horizon) * t
        px, reach = x * canvas.size, canvas.size * 0.12 * (0.3 + t)
        bend = (px + reach * 0.5, y + reach * (lean - 0.5))
        canvas.draw.line((px, y, *bend, px + reach, y + reach * 0.2), fill=blend(soil, (20, 14, 10), 0.65))
    draw_off_season(canvas)


def draw_lake(canvas: Canvas) -> None:
    """Draw open water to the far shore, mirroring the sky."""
    water = blend((58, 98, 140), (110, 136, 150), canvas.rng.random())
    shore: RGB = ((56, 82, 56), (96, 110, 96), (120, 128, 120))[canvas.rng.integers(3)]
    canvas.far_strip(shore, 0.95)
    canvas.ground(water, 4)
    y = canvas.horizon + canvas.size * 0.04
    canvas.draw.rectangle((0, canvas.horizon, canvas.size, y), fill=blend(water, shore, 0.5))
    canvas.ripples(blend(water, (200, 220, 235), 0.4), 40)
    canvas.ripples(blend(water, (20, 40, 70), 0.3), 20)
    if canvas.rng.random() < 0.3:
        x, base, u = canvas.rng.uniform(0.2, 0.8) * canvas.size, canvas.y(16.0), canvas.scale(16.0)
        canvas.draw.polygon(
            [(x, base), (x + 3 * u, base), (x + 2.5 * u, base + u), (x + 0.5 * u, base + u)],
            fill=(235, 235, 232),
        )
        canvas.draw.polygon([(x + 1.5 * u, base - 4 * u), (x + 1.5 * u, base), (x + 3 * u, base)], fill=(245, 245, 245))


def draw_river(canvas: Canvas) -> None:
    """Draw a ribbon of water that winds towards the viewer between green banks."""
    canvas.far_strip((66, 96, 62), 0.9)
    _grass(canvas)
    water = blend((72, 112, 140), (124, 128, 108), canvas.rng.random())
    sway, phase = canvas.rng.uniform(0.06, 0.16), canvas.rng.uniform(0.0, 6.0)
    left: list[tuple[float, float]] = []
    right: list[tuple[float, float]] = []
    for t in np.linspace(0.0, 1.0, 12).tolist():
        y = canvas.horizon + (canvas.size - canvas.horizon) * t
        middle = canvas.size * (0.5 + sway * np.sin(phase + 5.0 * np.sqrt(t)))
        half = canvas.size * (0.02 + 0.33 * t)
        left.append((middle - half, y))
        right.append((middle + half, y))
    canvas.draw.polygon(left + right[::-1], fill=water)
    canvas.draw.line(left, fill=(120, 100, 72), width=2)
    canvas.draw.line(right, fill=(120, 100, 72), width=2)
    for x, y in left[3::2] + right[3::2]:
        w = canvas.size * 0.06
        canvas.draw.line((x + w, y, x + 2 * w, y), fill=blend(water, (225, 235, 240), 0.5))
    for (x, y), side in zip([*left[1:7:2], *right[1:7:2]], (-1, -1, -1, 1, 1, 1), strict=True):
        leaves = canvas.state.green if canvas.state.green > 0.15 else 0.0
        canvas.broadleaf(x + side * 6, y, canvas.size * canvas.rng.uniform(0.15, 0.25), foliage(canvas), leaves)


def draw_glacier(canvas: Canvas) -> None:
    """Draw ice and everlasting snow: peaks, blue crevasses, moraine."""
    rock: RGB = (92, 92, 102)
    for x, t in canvas.rng.random((3, 2)).tolist():
        peak, half = canvas.horizon * (0.1 + 0.4 * t), canvas.size * 0.35
        middle = x * canvas.size
        canvas.draw.polygon(
            [(middle - half, canvas.horizon), (middle, peak), (middle + half, canvas.horizon)], fill=rock
        )
        cap = peak + (canvas.horizon - peak) * 0.5
        canvas.draw.polygon([(middle - half / 2, cap), (middle, peak), (middle + half / 2, cap)], fill=(245, 248, 252))
    ice = canvas.shade((226, 238, 248), 5)
    canvas.ground(ice, 8)
    for x, t, lean in canvas.rng.random((16, 3)).tolist():
        y = canvas.horizon + (canvas.size - canvas.horizon) * t
        reach = canvas.size * 0.2 * (0.3 + t)
        line = (x * canvas.size, y, x * canvas.size + reach, y + reach * (lean - 0.5) * 0.5)
        canvas.draw.line(line, fill=(122, 178, 220), width=2 if t > 0.4 else 1)
    canvas.scatter(((120, 118, 118),), 10, 0.06)


def draw_marsh(canvas: Canvas) -> None:
    """Draw reeds with brown cattails around pools."""
    state = canvas.state
    canvas.far_strip((80, 100, 70))
    reed = blend((128, 150, 74), (206, 182, 124), max(state.dry, 0.75 - state.green))
    canvas.ground(blend(reed, (60, 70, 50), 0.4))
    for t in canvas.rng.uniform(0.1, 0.9, 4).tolist():
        y = canvas.horizon + (canvas.size - canvas.horizon) * t
        x, w = canvas.rng.uniform(0, canvas.size), canvas.size * (0.12 + 0.35 * t)
        canvas.draw.ellipse((x - w, y - w * 0.16, x + w, y + w * 0.16), fill=(104, 130, 152))
    for distance in np.geomspace(18.0, 3.6, 7).tolist():
        base, tall = canvas.y(distance), canvas.scale(distance) * max(1.6, state.height)
        middle = canvas.rng.uniform(0, canvas.size)
        for x in canvas.rng.normal(middle, canvas.size * 0.2, 18).tolist():
            top = base - tall * canvas.rng.uniform(0.7, 1.1)
            canvas.draw.line((x, base, x + tall * 0.05, top), fill=canvas.shade(reed, 16), width=1)
            if canvas.rng.random() < 0.35:
                canvas.draw.rectangle((x, top, x + 2, top + tall * 0.14), fill=(92, 56, 34))


def draw_peatbog(canvas: Canvas) -> None:
    """Draw red-brown moss hummocks, black pools, cotton grass and stunted pines."""
    canvas.far_strip((62, 78, 60), 0.9)
    canvas.ground(canvas.shade((134, 96, 58)), 16)
    moss: tuple[RGB, ...] = ((150, 70, 50), (170, 130, 62), (124, 128, 62), (112, 82, 54))
    canvas.scatter(moss, 110, 0.22)
    for t in canvas.rng.uniform(0.05, 0.85, 5).tolist():
        y = canvas.horizon + (canvas.size - canvas.horizon) * t
        x, w = canvas.rng.uniform(0, canvas.size), canvas.size * (0.06 + 0.2 * t)
        canvas.draw.ellipse((x - w, y - w * 0.2, x + w, y + w * 0.2), fill=(38, 40, 46))
    canvas.scatter(((246, 246, 242),), int(25 + 50 * canvas.state.flower), 0.035)
    for x in canvas.rng.uniform(0, canvas.size, 4).tolist():
        canvas.pine(x, canvas.y(14.0), canvas.scale(14.0) * canvas.rng.uniform(1.8, 3.0), (84, 100, 70))


def draw_salt_flat(canvas: Canvas) -> None:
    """Draw salt pans and mudflats: a level white crust with polygonal cracks, salt heaps, shallow brine."""
    canvas.far_strip((128, 120, 118), 0.4)
    salt = canvas.shade(((238, 234, 228), (226, 212, 204), (188, 178, 168))[canvas.rng.integers(3)], 5)
    canvas.ground(salt, 4)
    crack = blend(salt, (140, 128, 120), 0.55)
    for distance in np.geomspace(24.0, NEAREST, 9).tolist():
        y = canvas.y(distance)
        canvas.draw.line((0, y, canvas.size, y), fill=crack)
        ahead = canvas.y(distance * 0.78)
        for x in canvas.lanes(distance, 1.1, canvas.rng.random()):
            canvas.draw.line((x, y, x + (x - canvas.vanish) * 0.25, ahead), fill=crack)
    if canvas.rng.random() < 0.5 + 0.4 * canvas.state.wetness:
        y = canvas.y(canvas.rng.uniform(5.0, 10.0))
        brine: RGB = (176, 202, 214) if canvas.rng.random() < 0.6 else (222, 168, 172)
        canvas.draw.rectangle((0, y, canvas.size * canvas.rng.uniform(0.4, 1.0), y + canvas.size * 0.1), fill=brine)
    if canvas.rng.random() < 0.5:
        for x in canvas.rng.uniform(0, canvas.size, 3).tolist():
            tall = canvas.scale(12.0) * 1.8
            base = canvas.y(12.0)
            canvas.draw.polygon([(x - tall, base), (x, base - tall), (x + tall, base)], fill=(250, 250, 250))


SCENES: dict[str, Callable[[Canvas], None]] = {
    "buildings": draw_buildings,
    "greenhouses": draw_greenhouses,
    "roads": draw_roads,
    "quarry": draw_quarry,
    "vegetables": draw_vegetables,
    "clover and lucerne": draw_fodder,
    "temporary grassland": draw_temporary_grassland,
    "orchard": draw_orchard,
    "citrus": draw_citrus,
    "olive grove": draw_olives,
    "vineyard": draw_vineyard,
    "broadleaved woodland": draw_broadleaved,
    "spruce woodland": draw_spruce,
    "pine woodland": draw_pine,
    "mixed woodland": draw_mixed,
    "shrubland": draw_shrubland,
    "grassland": draw_grassland,
    "fallow": draw_fallow,
    "rocks": draw_rocks,
    "sand": draw_sand,
    "bare soil": draw_bare_soil,
    "lake": draw_lake,
    "river": draw_river,
    "glacier": draw_glacier,
    "marsh": draw_marsh,
    "peatbog": draw_peatbog,
    "salt flat": draw_salt_flat,
}


def draw_scene(canvas: Canvas, cover: str) -> None:
    """Draw one land cover of ``classes`` on a canvas."""
    if cover in CROP_LOOKS:
        draw_crop(canvas, cover)
    else:
        SCENES[cover](canvas)
