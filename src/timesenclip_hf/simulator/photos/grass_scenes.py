"""Draw simulated grassland, fallow and shrubland from the ground; sizes and colours are our approximation."""

import numpy as np

from .canvas import RGB, Canvas, blend
from .crop_scenes import draw_off_season, draw_stubble
from .tree_scenes import foliage

_CATTLE: tuple[RGB, ...] = ((40, 34, 32), (245, 242, 238), (140, 80, 50))
_BALES: tuple[RGB, ...] = ((235, 238, 235), (165, 205, 165), (205, 190, 130))


def lay_grass(canvas: Canvas, lush: RGB = (96, 158, 58), straw: RGB = (196, 180, 118)) -> RGB:
    """Lay grass whose colour follows green and dry shares; return the colour."""
    state = canvas.state
    colour = blend(lush, straw, canvas.dry_share())
    canvas.ground(blend(canvas.soil_colour(), colour, min(0.25 + state.green + state.dry, 1.0)))
    return colour


def draw_grassland(canvas: Canvas) -> None:
    """Draw permanent grass: uneven tufts, herbs in flower, now and then a fence, cattle, a single tree."""
    state, rng = canvas.state, canvas.rng
    canvas.far_strip((72, 104, 64), 0.8)
    colour = lay_grass(canvas, (92, 146, 62))
    if rng.random() < 0.35:
        x = canvas.columns(1)[0]
        canvas.broadleaf(x, canvas.y(18.0), canvas.scale(18.0) * 7, foliage(canvas), state.green)
    tones = (colour, blend(colour, (60, 96, 40), 0.5), blend(colour, (205, 195, 120), 0.45))
    canvas.tufts(tones, 170, 0.08 + 0.5 * state.height)
    herbs = ((250, 250, 250), (248, 214, 40), (190, 90, 180), (225, 60, 60))
    canvas.scatter(herbs, int(state.flower * 70), 0.025, 0.05)
    chance = rng.random()
    if chance < 0.35:
        for x in rng.uniform(0.05, 0.95, 3).tolist():
            left, y, u, hide = x * canvas.size, canvas.y(12.0), canvas.scale(12.0), canvas.pick(_CATTLE)
            canvas.draw.ellipse((left, y - 1.4 * u, left + 2.2 * u, y - 0.5 * u), fill=hide)
            canvas.draw.ellipse((left + 1.9 * u, y - 1.6 * u, left + 2.6 * u, y - 1.0 * u), fill=hide)
            for leg in (0.3, 1.8):
                canvas.draw.line((left + leg * u, y - 0.7 * u, left + leg * u, y), fill=hide)
    if 0.2 < chance < 0.65:
        y, u = canvas.y(7.0), canvas.scale(7.0)
        for x in canvas.lanes(7.0, 2.5, rng.random()):
            canvas.draw.line((x, y - 1.2 * u, x, y), fill=(104, 84, 64), width=2)
        for rise in (0.6, 1.05):
            canvas.draw.line((0, y - rise * u, canvas.size, y - rise * u), fill=(130, 120, 110))


def draw_temporary_grassland(canvas: Canvas) -> None:
    """Draw sown grass: an even, saturated sward with mowing stripes, after a cut swaths and wrapped bales."""
    state = canvas.state
    canvas.far_strip((72, 104, 64))
    colour = lay_grass(canvas, (62, 172, 48), (190, 196, 110))
    canvas.furrows(1.6, blend(colour, (30, 120, 30), 0.22), 1.0)
    draw_stubble(canvas, 1.2)
    canvas.scatter((blend(colour, (140, 220, 90), 0.4), blend(colour, (20, 110, 30), 0.3)), 90, 0.05)
    if state.height < 0.15 and canvas.rng.random() < 0.6:
        for x in canvas.columns(3):
            y, r = canvas.y(10.0), canvas.scale(10.0) * 0.65
            canvas.draw.ellipse((x - r, y - 2 * r, x + r, y), fill=canvas.pick(_BALES), outline=(140, 145, 130))
    canvas.scatter(((250, 250, 250),), int(20 * state.flower), 0.02)


def draw_fallow(canvas: Canvas) -> None:
    """Draw abandoned ground: patches of soil, tall thistles and dock, dead stalks, young bushes."""
    state = canvas.state
    canvas.far_strip((72, 104, 64))
    canvas.ground(blend(canvas.soil_colour(), (150, 140, 90), 0.35), 16)
    draw_off_season(canvas)
    weeds = (blend((108, 136, 70), (170, 140, 90), state.dry), blend((140, 150, 90), (120, 90, 60), state.dry))
    canvas.scatter(weeds, int(40 + 40 * state.green), 0.2)
    for x, t, tall in canvas.rng.random((26, 3)).tolist():
        distance = 3.2 + 14 * (1 - t)
        y, px = canvas.y(distance), x * canvas.size
        top = y - canvas.scale(distance) * (0.5 + 0.9 * tall)
        canvas.draw.line((px, y, px, top), fill=canvas.shade((128, 92, 62)), width=1)
        r = max(canvas.scale(distance) * 0.07, 0.8)
        head: RGB = (150, 75, 150) if state.flower > 0.1 and tall > 0.4 else (118, 78, 52)
        canvas.draw.ellipse((px - r, top - 2 * r, px + r, top + r), fill=head)
    for x in canvas.columns(2):
        canvas.dome(x, canvas.y(8.0), canvas.scale(8.0) * 1.2, canvas.scale(8.0) * 1.5, (92, 108, 62))


def draw_shrubland(canvas: Canvas) -> None:
    """Draw scrub and heath: domes of dark shrubs, heather and gorse in flower, stones between."""
    state, rng = canvas.state, canvas.rng
    canvas.far_strip((88, 98, 78), 0.8)
    canvas.ground(blend(canvas.soil_colour(), (150, 140, 95), 0.55))
    canvas.scatter(((170, 165, 158), (150, 146, 140)), 12, 0.1)
    for distance in np.geomspace(26.0, 4.2, 8).tolist():
        base, u = canvas.y(distance), canvas.scale(distance)
        for x in rng.uniform(-0.05, 1.05, 5).tolist():
            tall = u * (0.3 + 0.6 * max(state.height, 0.5)) * rng.uniform(0.6, 1.3)
            shrub = blend((78, 92, 54), (116, 104, 66), rng.random())
            canvas.dome(x * canvas.size, base, tall, tall * 2.0, shrub)
    bloom: RGB = (150, 84, 150) if rng.random() < 0.5 else (235, 200, 40)
    canvas.scatter((bloom,), int(12 + 90 * state.flower), 0.05)
