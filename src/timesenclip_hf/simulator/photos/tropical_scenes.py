"""Draw simulated rainforest, dry forest, mangrove, savanna and tropical pasture; sizes and colours approximate."""

import numpy as np

from .canvas import NEAREST, RGB, Canvas, blend
from .grass_scenes import lay_grass
from .tropical_trees import draw_crooked_tree, draw_palm, draw_stilt_tree, draw_umbrella_tree

_CANOPY: tuple[RGB, ...] = ((30, 84, 36), (46, 112, 42), (70, 138, 50), (24, 66, 40), (96, 158, 60))
_STRAW: RGB = (208, 180, 104)
_RED_EARTH: RGB = (164, 92, 58)


def draw_tropical_rainforest(canvas: Canvas) -> None:
    """Draw a wall of many storeys: emergent crowns, pale buttressed trunks, lianas, huge leaves over a dark floor."""
    size, rng, dry = canvas.size, canvas.rng, canvas.dry_share()
    roof = canvas.size * rng.uniform(0.04, 0.2)
    tones = [blend(tone, (150, 140, 60), 0.6 * dry) for tone in _CANOPY]
    canvas.block(0, size, size, size - roof, (16, 40, 22))
    crowns = rng.random((46, 3))
    for share, x, pick in crowns[np.argsort(crowns[:, 0])].tolist():
        row = roof + (size * 0.6 - roof) * share
        shadow = blend(tones[int(pick * len(tones))], (10, 30, 16), 0.55 * share)
        canvas.disc(x * size, row, size * (0.04 + 0.06 * rng.random()), canvas.shade(shadow, 9), 0.7)
    for x, t in rng.random((6, 2)).tolist():
        base, half = canvas.y(6.0 + 12.0 * t), size * (0.008 + 0.012 * (1 - t))
        left, bark = x * size, canvas.shade((172, 160, 140), 14)
        canvas.draw.rectangle((left - half, size * 0.2, left + half, base), fill=bark)
        canvas.draw.polygon([(left, base - size * 0.12), (left - 4 * half, base), (left + 4 * half, base)], fill=bark)
    for x, sway, end in rng.random((7, 3)).tolist():
        left, low = x * size, size * (0.45 + 0.35 * end)
        rope = (left, roof, left + size * 0.06 * (sway - 0.5), (roof + low) / 2, left + size * 0.1 * (sway - 0.5), low)
        canvas.draw.line(rope, fill=(112, 104, 66))
    _draw_huge_leaves(canvas, tones, 14)
    if rng.random() < 0.4:
        x = canvas.columns(1)[0]
        draw_palm(canvas, x, size * 0.95, size * rng.uniform(0.3, 0.5), size * 0.17, (62, 140, 52), stiff=False)


def _draw_huge_leaves(canvas: Canvas, tones: list[RGB], count: int) -> None:
    """Draw the undergrowth: leaves as long as an arm, with a pale midrib, towards the viewer."""
    size = canvas.size
    for share, x, lean in canvas.rng.random((count, 3)).tolist():
        y, reach = size * (0.68 + 0.34 * share), size * (0.06 + 0.08 * share)
        left, tip = x * size, x * size + (lean - 0.5) * reach * 2.4
        tone = canvas.shade(blend(canvas.pick(tones), (70, 150, 60), 0.3), 10)
        side = reach * 0.22
        corners = [(left, y), ((left + tip) / 2 - side, y - reach * 0.8), (tip, y - reach)]
        canvas.draw.polygon([*corners, ((left + tip) / 2 + side, y - reach * 0.35)], fill=tone)
        canvas.draw.line((left, y, tip, y - reach), fill=blend(tone, (200, 220, 140), 0.4))


def draw_cleared_forest(canvas: Canvas) -> None:
    """Draw what felling leaves before the next forest: stumps, logs, ash, regrowth; or the forest that still stands."""
    state, size, rng = canvas.state, canvas.size, canvas.rng
    if state.height > 4 and state.green > 0.4:
        draw_tropical_rainforest(canvas)
        return
    for x in np.arange(-4.0, size, size * 0.07).tolist():
        rise = size * rng.uniform(0.04, 0.13)
        canvas.disc(x, canvas.horizon - rise * 0.4, rise, canvas.shade((48, 84, 48), 8), 0.9)
    burnt = rng.random() < 0.5
    earth = blend(canvas.soil_colour(), (74, 66, 62) if burnt else _RED_EARTH, 0.55)
    canvas.ground(earth, 14)
    canvas.scatter((blend(earth, (210, 206, 200), 0.5), blend(earth, (30, 26, 24), 0.6)), 90, 0.06)
    wood = (44, 38, 36) if burnt else (140, 116, 90)
    pieces = rng.random((30, 4))
    for share, x, lean, kind in pieces[np.argsort(pieces[:, 0])].tolist():
        y, unit, left, tone = canvas.row(share), size * (0.03 + 0.2 * share), x * size, canvas.shade(wood, 14)
        if kind < 0.35:
            canvas.block(left, y, unit * 0.4, unit * 0.5, tone)
            canvas.disc(left + unit * 0.2, y - unit * 0.5, unit * 0.2, blend(tone, (214, 184, 140), 0.6), 0.4)
        else:
            end = (left + unit * 1.6, y + unit * (lean - 0.5))
            canvas.draw.line((left, y, *end), fill=tone, width=max(round(unit * 0.2), 1))
    for x, t in rng.random((3, 2)).tolist():
        base, tall = canvas.y(14.0 + 20.0 * t), size * rng.uniform(0.12, 0.3)
        canvas.draw.line((x * size, base, x * size, base - tall), fill=wood, width=2)
    green = min(state.off_season + state.green, 1.0)
    canvas.tufts(((92, 142, 58), (120, 160, 70)), int(130 * green), 0.3)


def draw_tropical_dry_forest(canvas: Canvas) -> None:
    """Draw crooked stems over red earth: light green in the rains, leafless over litter and straw in the dry season."""
    state, rng = canvas.state, canvas.rng
    leaves = min(max(state.green + 0.5 * state.dry - 0.15, 0.0) * 1.3, 1.0)
    foliage = blend((104, 158, 62), (190, 140, 62), canvas.dry_share())
    litter = blend(_RED_EARTH, (190, 150, 104), 0.5)
    canvas.ground(blend(litter, (124, 150, 70), min(state.green, 0.6)), 14)
    wall = blend((150, 132, 112), foliage, 0.8 * leaves)
    canvas.block(0, canvas.horizon + 1, canvas.size, canvas.size * 0.1, wall)
    for distance in (34.0, 24.0, 17.0, 12.0, 8.5):
        base, tall = canvas.y(distance), canvas.scale(distance) * min(max(state.height, 5.0), 9.0)
        for x in canvas.columns(5 if distance > 15 else 3):
            draw_crooked_tree(canvas, x, base, tall * rng.uniform(0.75, 1.15), foliage, leaves)
    grass = blend((128, 164, 72), _STRAW, max(canvas.dry_share(), 0.9 - state.green))
    canvas.tufts((grass, blend(grass, litter, 0.5)), 60, 0.45, 0.15)
    canvas.scatter(((186, 130, 76), (150, 100, 62)), int(60 * (1 - leaves)), 0.05)


def draw_mangrove(canvas: Canvas) -> None:
    """Draw stilt-rooted trees at the water's edge; at low tide mud full of breathing roots."""
    state, size, rng = canvas.state, canvas.size, canvas.rng
    leaf = blend((56, 118, 50), (140, 140, 60), canvas.dry_share())
    flooded = rng.random() < 0.35 + 0.6 * state.wetness
    floor = canvas.shade((112, 122, 100) if flooded else (112, 98, 84), 8)
    canvas.ground(floor, 4 if flooded else 12)
    canvas.block(0, canvas.horizon + 2, size, size * 0.12, blend(leaf, (24, 52, 28), 0.5))
    if flooded:
        canvas.block(0, canvas.row(0.22), size, canvas.row(0.22) - canvas.horizon, blend(floor, (36, 66, 36), 0.65))
    for distance in (20.0, 13.0, 8.5):
        base, tall = canvas.y(distance), canvas.scale(distance) * min(max(state.height, 3.5), 7.0)
        for x in canvas.columns(4 if distance > 10 else 2):
            draw_stilt_tree(canvas, x, base, tall * rng.uniform(0.8, 1.15), leaf)
    if flooded:
        canvas.ripples(blend(floor, (205, 215, 205), 0.45), 22)
        canvas.ripples(blend(floor, (30, 50, 32), 0.5), 14)
    else:
        spikes = rng.random((70, 2)) * (1.0, 0.9) + (0.0, 0.1)
        for x, t in spikes[np.argsort(spikes[:, 1])].tolist():
            y = canvas.row(t)
            canvas.draw.line((x * size, y, x * size, y - canvas.scale(NEAREST) * 0.16 * t), fill=(64, 52, 44))


def draw_savanna(canvas: Canvas) -> None:
    """Draw tall grass, green in the rains and straw in the dry season, with scattered flat-topped trees."""
    state, rng = canvas.state, canvas.rng
    canvas.far_strip((112, 118, 78), 0.6)
    straw = blend(_STRAW, (186, 150, 92), rng.random())
    colour = lay_grass(canvas, (128, 160, 62), straw)
    if state.green + state.dry < 0.4:
        colour = straw
    crown = blend((92, 112, 58), (132, 118, 70), canvas.dry_share())
    leaves = min(0.35 + state.green, 1.0)
    for distance in np.sort(rng.uniform(13.0, 55.0, 6))[::-1].tolist():
        tall = canvas.scale(distance) * rng.uniform(5.0, 9.0)
        draw_umbrella_tree(canvas, canvas.columns(1)[0], canvas.y(distance), tall, crown, leaves)
    tones = (colour, blend(colour, (90, 90, 40), 0.35), blend(colour, (236, 216, 150), 0.5))
    canvas.tufts(tones, 150, 0.35 + 0.5 * min(state.height, 1.5))
    if rng.random() < 0.3:
        tall = canvas.scale(9.0) * rng.uniform(0.8, 1.8)
        canvas.dome(canvas.columns(1)[0], canvas.y(9.0), tall, tall * 0.9, _RED_EARTH)


def draw_tropical_pasture(canvas: Canvas) -> None:
    """Draw sown tropical grass before a wall of forest: white zebus, stumps, a palm left standing, red tracks."""
    state, size, rng = canvas.state, canvas.size, canvas.rng
    if rng.random() < 0.75:
        for x in np.arange(-4.0, size, size * 0.06).tolist():
            rise = size * rng.uniform(0.03, 0.1)
            canvas.disc(x, canvas.horizon - rise * 0.4, rise, canvas.shade((44, 88, 46), 8), 0.8)
    colour = lay_grass(canvas, (134, 166, 66), (204, 178, 100))
    if rng.random() < 0.5:
        near = size * rng.uniform(0.1, 0.9)
        track = [(canvas.vanish, canvas.horizon), (near - size * 0.07, size), (near + size * 0.07, size)]
        canvas.draw.polygon(track, fill=canvas.shade(_RED_EARTH))
    if rng.random() < 0.6:
        tall, crown = canvas.scale(16.0) * rng.uniform(6.0, 9.0), canvas.scale(16.0) * 2.6
        draw_palm(canvas, canvas.columns(1)[0], canvas.y(16.0), tall, crown, (70, 122, 52), stiff=False)
    canvas.tufts(
        (colour, blend(colour, (70, 120, 40), 0.4), blend(colour, (214, 206, 120), 0.4)),
        110,
        0.1 + 0.4 * min(state.height, 1.0),
    )
    for x in canvas.columns(3 if rng.random() < 0.6 else 0):
        y, u = canvas.y(12.0), canvas.scale(12.0)
        canvas.draw.ellipse((x, y - 1.5 * u, x + 2.0 * u, y - 0.5 * u), fill=(232, 228, 218))
        canvas.draw.ellipse((x + 1.3 * u, y - 1.9 * u, x + 1.9 * u, y - 1.2 * u), fill=(232, 228, 218))
        canvas.draw.ellipse((x + 1.8 * u, y - 1.7 * u, x + 2.4 * u, y - 1.1 * u), fill=(214, 208, 196))
        for leg in (0.3, 1.6):
            canvas.draw.line((x + leg * u, y - 0.7 * u, x + leg * u, y), fill=(206, 200, 190))
    for x in canvas.columns(int(rng.integers(0, 4))):
        y, u = canvas.y(8.0), canvas.scale(8.0)
        canvas.block(x, y, 0.4 * u, 0.6 * u, (74, 60, 50))
