"""Draw simulated steppe, dry shrubland, desert and tundra from the ground; sizes and colours are approximations."""

import numpy as np

from .canvas import RGB, Canvas, blend
from .grass_scenes import lay_grass


def _draw_ridge(canvas: Canvas, colour: RGB, high: float, *, flat: bool) -> None:
    """Draw bare hills along the horizon, ``high`` as a share of the photo; flat-topped or pointed."""
    size, rng = canvas.size, canvas.rng
    steps = np.linspace(0.0, 1.0, 9)
    rise = size * high * rng.random(9)
    if flat:
        rise = np.repeat(rise[:5], 2)[:9]
    tops = list(zip((steps * size).tolist(), (canvas.horizon - rise).tolist(), strict=True))
    canvas.draw.polygon([(0.0, canvas.horizon + 1), *tops, (float(size), canvas.horizon + 1)], fill=colour)


def draw_steppe(canvas: Canvas) -> None:
    """Draw short bunched grass to a level horizon without a tree: fresh in spring, pale straw for most of the year."""
    state, rng = canvas.state, canvas.rng
    if rng.random() < 0.4:
        _draw_ridge(canvas, canvas.shade((150, 140, 118)), 0.06, flat=False)
    straw: RGB = blend((206, 190, 136), (188, 164, 116), rng.random())
    colour = lay_grass(canvas, (138, 158, 84), straw)
    colour = blend(colour, straw, max(0.0, 0.8 - 1.5 * state.green))
    earth = blend(canvas.soil_colour(), colour, 0.45)
    canvas.scatter((earth, blend(earth, colour, 0.5)), 60, 0.12)
    shaded, pale = blend(colour, (96, 98, 62), 0.45), blend(colour, (238, 228, 190), 0.6)
    for distance in np.geomspace(20.0, 2.5, 12).tolist():
        unit, base = canvas.scale(distance), canvas.y(distance)
        tall = unit * (0.14 + 0.6 * min(state.height, 0.5))
        for x in canvas.columns(8):
            for lean, tone in ((-0.8, shaded), (-0.4, colour), (0.0, pale), (0.4, shaded), (0.8, colour)):
                canvas.draw.line((x, base, x + lean * tall, base - tall * (1.15 - 0.5 * abs(lean))), fill=tone)
    herbs = ((236, 206, 60), (170, 110, 190), (220, 70, 60))
    canvas.scatter(herbs, int(50 * state.flower), 0.025, 0.05)
    if rng.random() < 0.3:
        for x in canvas.columns(4):
            y, u = canvas.y(26.0), canvas.scale(26.0)
            canvas.draw.ellipse(
                (x, y - 1.4 * u, x + 2.0 * u, y - 0.5 * u), fill=canvas.pick(((90, 56, 36), (60, 46, 38)))
            )


def draw_dry_shrubland(canvas: Canvas) -> None:
    """Draw grey-green bushes scattered over bare, stony, bright ground, some of them leafless."""
    state, rng = canvas.state, canvas.rng
    canvas.paint_sky(0.5 * rng.random())
    _draw_ridge(canvas, canvas.shade((164, 134, 110)), 0.14, flat=rng.random() < 0.3)
    soil = blend(canvas.soil_colour(), canvas.pick(((206, 172, 128), (196, 150, 112), (204, 186, 156))), 0.6)
    canvas.ground(soil, 14)
    canvas.scatter((blend(soil, (120, 104, 90), 0.6), blend(soil, (236, 222, 200), 0.5)), 70, 0.045)
    canvas.tufts(((160, 168, 98), (196, 180, 120)), int(70 * state.off_season), 0.15)
    grey = blend((122, 134, 100), (150, 132, 104), canvas.dry_share())
    for distance in np.geomspace(40.0, 4.6, 11).tolist():
        base, unit = canvas.y(distance), canvas.scale(distance)
        for x in canvas.columns(4 if distance > 12 else 2):
            tall = unit * min(max(state.height, 0.5), 1.6) * rng.uniform(0.6, 1.1)
            canvas.disc(x + tall * 0.4, base, tall * 0.9, blend(soil, (96, 76, 62), 0.45), 0.14)
            if rng.random() < 0.25 + 0.5 * canvas.dry_share():
                for lean in (-0.8, -0.45, -0.1, 0.2, 0.5, 0.85):
                    canvas.draw.line(
                        (x, base, x + lean * tall, base - tall * (1.1 - 0.4 * abs(lean))), fill=(116, 100, 84)
                    )
            else:
                canvas.dome(x, base, tall, tall * 1.7, grey)
                canvas.dome(x - tall * 0.3, base, tall * 0.7, tall * 0.8, blend(grey, (170, 176, 140), 0.4))
    canvas.scatter(((240, 210, 80), (230, 120, 150)), int(60 * state.flower), 0.03, 0.05)


def draw_desert(canvas: Canvas) -> None:
    """Draw a sea of dunes, a gravel plain or a rocky desert with mesas, under a clear sky."""
    size, rng = canvas.size, canvas.rng
    canvas.paint_sky(0.15 * rng.random())
    kind = rng.random()
    if kind < 0.4:
        _draw_dunes(canvas)
        return
    earth = canvas.shade(canvas.pick(((196, 160, 122), (176, 148, 124), (208, 180, 142), (186, 128, 96))), 8)
    if kind > 0.65 or rng.random() < 0.4:
        _draw_ridge(canvas, canvas.shade(blend(earth, (132, 86, 66), 0.55)), 0.2, flat=True)
    canvas.ground(earth, 14)
    stones = (blend(earth, (92, 78, 70), 0.6), blend(earth, (70, 62, 60), 0.7), blend(earth, (240, 226, 204), 0.5))
    canvas.scatter(stones, 240 if kind < 0.65 else 90, 0.04 if kind < 0.65 else 0.11, 0.02)
    if rng.random() < 0.3:
        # A dry wash.
        near = size * rng.uniform(0.2, 0.8)
        wash = [(canvas.vanish, canvas.horizon), (near - size * 0.16, size), (near + size * 0.16, size)]
        canvas.draw.polygon(wash, fill=blend(earth, (238, 222, 190), 0.45))


def _draw_dunes(canvas: Canvas) -> None:
    """Draw dunes one behind the other, each with a lit and a shaded side along a sharp crest, and wind ripples."""
    size, rng = canvas.size, canvas.rng
    sand = canvas.shade(canvas.pick(((226, 164, 92), (232, 190, 124), (214, 140, 84))), 6)
    canvas.ground(sand, 4)
    lit, shaded = blend(sand, (255, 226, 170), 0.35), blend(sand, (128, 74, 44), 0.5)
    for share in (0.0, 0.12, 0.3, 0.6):
        base, high = canvas.row(share + 0.15), size * (0.1 + 0.14 * share + 0.12 * rng.random())
        peak, half = canvas.columns(1)[0], size * rng.uniform(0.35, 0.7)
        ridge = peak + half * rng.uniform(-0.5, 0.5)
        canvas.draw.polygon([(peak - half, base), (peak, base - high), (peak + half, base)], fill=lit)
        canvas.draw.polygon([(peak, base - high), (ridge, base), (peak + half, base)], fill=shaded)
    canvas.draw.rectangle((0, canvas.row(0.78), size, size), fill=sand)
    for x, t in rng.random((26, 2)).tolist():
        y = canvas.row(0.7 + 0.3 * t)
        bow = (x * size, y, x * size + size * 0.06, y - 2, x * size + size * 0.14, y)
        canvas.draw.line(bow, fill=blend(sand, (140, 90, 54), 0.4))


def draw_tundra(canvas: Canvas) -> None:
    """Draw hummocks of moss, sedge and lichen with stones and pools, snow-streaked hills behind, not a tree."""
    state, rng, size = canvas.state, canvas.rng, canvas.size
    canvas.paint_sky(0.4 + 0.6 * rng.random())
    hills = canvas.shade((118, 122, 122))
    _draw_ridge(canvas, hills, 0.2, flat=False)
    for x, t, wide in rng.random((9, 3)).tolist():
        y = canvas.horizon - size * 0.1 * t
        canvas.draw.line((x * size, y, x * size + size * 0.12 * wide, y + size * 0.02), fill=(240, 244, 248), width=2)
    canvas.block(0, canvas.row(0.04), size, size * 0.03, blend(hills, (128, 126, 96), 0.6))
    turned = max(canvas.dry_share(), 0.75 - state.green)
    moss = blend((124, 136, 88), canvas.pick(((150, 112, 76), (166, 84, 56), (146, 128, 92))), turned)
    canvas.ground(moss, 10)
    tones = (moss, blend(moss, (90, 100, 66), 0.5), blend(moss, (206, 202, 170), 0.6), blend(moss, (150, 96, 66), 0.4))
    for distance in np.geomspace(26.0, 2.8, 12).tolist():
        base, unit = canvas.y(distance), canvas.scale(distance)
        for x in canvas.columns(5):
            tall = unit * (0.1 + min(state.height, 0.4) * 0.4) * rng.uniform(0.7, 1.2)
            canvas.dome(x, base, tall, tall * 4.5, canvas.pick(tones))
    canvas.scatter(((212, 210, 186), (150, 148, 142)), 40, 0.05)
    for t in rng.uniform(0.1, 0.7, int(rng.integers(0, 3))).tolist():
        canvas.disc(canvas.columns(1)[0], canvas.row(t), size * (0.06 + 0.15 * t), (128, 150, 168), 0.16)
    for t in rng.uniform(0.05, 0.5, 2 if rng.random() < 0.5 else 0).tolist():
        canvas.disc(canvas.columns(1)[0], canvas.row(t), size * (0.05 + 0.12 * t), (240, 243, 247), 0.16)
    canvas.scatter(((248, 248, 244), (200, 120, 180)), int(45 * state.flower), 0.03, 0.1)
