"""Draw simulated eucalyptus, oil palm, date palm, tea and coffee from the ground; sizes and colours approximate."""

import numpy as np

from .canvas import RGB, Canvas, blend
from .tree_scenes import dot_crown, plant_grid
from .tropical_trees import draw_gum, draw_palm

_GUM: RGB = (116, 142, 112)


def draw_eucalyptus_plantation(canvas: Canvas) -> None:
    """Draw tall, thin, pale trunks in rows under high, loose, grey-green crowns, bark and leaves on the ground."""
    state, rng = canvas.state, canvas.rng
    leaf = blend(_GUM, (160, 138, 96), 0.7 * canvas.dry_share())
    floor = blend((150, 112, 84), (120, 140, 80), 0.5 * state.off_season)
    canvas.ground(floor, 14)
    canvas.block(0, canvas.horizon + 1, canvas.size, canvas.size * 0.1, blend(leaf, (64, 78, 66), 0.6))
    tall = min(max(state.height, 4.0), 12.0)
    for distance in (44.0, 34.0, 27.0, 21.0, 16.5):
        for x in canvas.lanes(distance, 3.6, 0.5):
            if -0.1 * canvas.size < x < 1.1 * canvas.size:
                high = canvas.scale(distance) * tall * rng.uniform(0.9, 1.1)
                draw_gum(canvas, x, canvas.y(distance), high, leaf)
    for x, t, lean in rng.random((26, 3)).tolist():
        y, reach = canvas.row(t), canvas.size * 0.07 * (0.3 + t)
        canvas.draw.line((x * canvas.size, y, x * canvas.size + reach, y + reach * (lean - 0.5)), fill=(196, 160, 124))


def draw_oil_palm(canvas: Canvas) -> None:
    """Draw oil palms in wide rows: stout trunks, large dark crowns of arching fronds, ferns below."""
    state = canvas.state
    colour = blend((44, 104, 44), (150, 140, 70), 0.8 * canvas.dry_share())
    tall = max(min(state.height, 6.5) - 1.5, 0.2)
    fruit = canvas.rng.random() < 0.5

    def plant(x: float, base: float, unit: float) -> None:
        draw_palm(canvas, x, base, unit * tall, unit * 3.1, colour, stiff=False)
        if fruit:
            canvas.disc(x, base - unit * (tall - 0.3), max(unit * 0.25, 0.8), (178, 72, 34))

    plant_grid(canvas, 8.0, 1.0, plant)
    canvas.scatter(((72, 132, 56), (56, 110, 50)), int(50 * (state.green + state.off_season)), 0.12, 0.1)


def draw_date_palm(canvas: Canvas) -> None:
    """Draw date palms on sand or on irrigated plots: slender trunks, round crowns of stiff grey fronds, dates."""
    state, rng = canvas.state, canvas.rng
    canvas.far_strip((186, 158, 124), 0.7)
    sand = blend(canvas.soil_colour(), (216, 188, 142), 0.6)
    canvas.ground(sand, 12)
    canvas.tufts(((120, 156, 76), (142, 168, 90)), int(220 * state.off_season), 0.15)
    tall = min(max(state.height, 2.5), 9.0)
    colour = blend((112, 132, 92), (150, 132, 92), 0.6 * canvas.dry_share())
    dates = rng.random() < 0.5
    for distance in (34.0, 24.0, 17.0, 12.0, 8.5):
        for x in canvas.lanes(distance, 7.0, 0.5):
            if not -0.2 * canvas.size < x < 1.2 * canvas.size:
                continue
            base, unit = canvas.y(distance), canvas.scale(distance)
            high = tall * rng.uniform(0.8, 1.1)
            canvas.disc(x + unit * 1.6, base, unit * 1.6, blend(sand, (120, 96, 74), 0.5), 0.12)
            draw_palm(canvas, x, base, unit * high, unit * 2.1, colour, stiff=True)
            if dates:
                for side in (-0.5, 0.5):
                    canvas.disc(x + side * unit, base - unit * (high - 0.5), max(unit * 0.22, 0.7), (206, 124, 40), 1.5)


def draw_tea(canvas: Canvas) -> None:
    """Draw tea: low hedges clipped flat, along the slope, row above row, with narrow paths and shade trees."""
    state, size, rng = canvas.state, canvas.size, canvas.rng
    top = canvas.horizon - size * rng.uniform(0.06, 0.2)
    leaf = blend((78, 140, 46), (150, 140, 84), max(canvas.dry_share(), 0.8 - state.green))
    hill = [(x * size, top + size * 0.05 * np.sin(3.0 * x + 6.0 * canvas.vanish / size)) for x in np.linspace(0, 1, 9)]
    canvas.draw.polygon([*hill, (size, size), (0, size)], fill=blend(canvas.soil_colour(), (56, 74, 38), 0.5))
    for x in canvas.columns(3):
        canvas.round_tree(x, top + size * 0.06, size * 0.16, size * 0.13, (84, 122, 70))
    sway, phase = size * rng.uniform(0.02, 0.07), rng.uniform(0.0, 6.0)
    steps = np.linspace(0.0, 1.0, 9)
    wave = sway * np.sin(phase + 4.0 * steps)
    # Rows come closer to each other up the slope, as they do with distance.
    for share in (np.arange(11) / 10) ** 1.7:
        y, tall = top + size * 0.07 + (size * 1.02 - top) * share, size * (0.022 + 0.075 * share)
        crest = y + wave * (0.3 + share) - tall
        tone = canvas.shade(leaf, 6)
        upper = list(zip((steps * size).tolist(), crest.tolist(), strict=True))
        lower = list(zip((steps * size).tolist(), (crest + tall).tolist(), strict=True))
        canvas.draw.polygon(upper + lower[::-1], fill=blend(tone, (24, 52, 24), 0.45))
        face = list(zip((steps * size).tolist(), (crest + tall * 0.6).tolist(), strict=True))
        canvas.draw.polygon(upper + face[::-1], fill=tone)
        for x, dy in rng.random((9, 2)).tolist():
            lift = float(np.interp(x, steps, crest)) + tall * 0.5 * dy
            canvas.disc(x * size, lift, max(tall * 0.13, 0.8), blend(tone, (176, 214, 84), 0.5 * state.green), 0.6)
    if rng.random() < 0.35:
        for x in canvas.columns(3):
            y = canvas.row(rng.uniform(0.2, 0.7))
            canvas.block(x, y, size * 0.025, size * 0.06, canvas.pick(((200, 60, 70), (60, 90, 170), (230, 200, 80))))


def draw_coffee(canvas: Canvas) -> None:
    """Draw coffee: rows of dark, glossy, tiered shrubs on red earth, with cherries or blossom, under shade trees."""
    state, rng, size = canvas.state, canvas.rng, canvas.size
    canvas.far_strip((58, 98, 56), 0.9)
    earth = blend(canvas.soil_colour(), (156, 84, 56), 0.6)
    canvas.ground(blend(earth, (110, 140, 66), 0.6 * state.off_season), 12)
    leaf = blend((30, 84, 38), (130, 116, 62), 0.8 * canvas.dry_share())
    cherries = canvas.pick(((196, 40, 36), (150, 30, 40), (210, 170, 40)))
    shaded = rng.random() < 0.5
    tall = min(max(state.height, 1.0), 2.6)
    for distance in np.geomspace(22.0, 3.6, 9).tolist():
        if shaded and 8 < distance < 18:
            x, high = canvas.columns(1)[0], canvas.scale(distance) * 8.0
            canvas.block(x, canvas.y(distance), high * 0.03, high, (126, 112, 94))
            canvas.disc(x, canvas.y(distance) - high, high * 0.4, canvas.shade((86, 132, 62)), 0.4)
        for x in canvas.lanes(distance, 2.2, 0.5):
            high = canvas.scale(distance) * tall
            if -high < x < size + high:
                _draw_coffee_shrub(canvas, x, canvas.y(distance), high * rng.uniform(0.85, 1.1), leaf)
                if state.flower > 0.1:
                    dot_crown(canvas, x, canvas.y(distance), high, (248, 248, 242), int(16 * state.flower), 0.05)
                elif state.green > 0.3:
                    dot_crown(canvas, x, canvas.y(distance), high, cherries, 6, 0.035)


def _draw_coffee_shrub(canvas: Canvas, x: float, base: float, tall: float, leaf: RGB) -> None:
    """Draw tiers of level branches that narrow to the top, with a gloss on each."""
    for level, half in ((0.16, 0.42), (0.38, 0.38), (0.6, 0.29), (0.82, 0.17)):
        tone, y = canvas.shade(leaf, 8), base - tall * level
        canvas.disc(x, y, tall * half, tone, 0.42)
        canvas.disc(x - tall * half * 0.3, y - tall * 0.07, tall * half * 0.45, blend(tone, (120, 170, 96), 0.35), 0.3)
