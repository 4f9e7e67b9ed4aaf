"""Draw each simulated crop field from its edge: rows, plants, flowers, stubble, bare soil."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .canvas import NEAREST, Canvas, blend
from .crop_plants import CROP_APPEARANCES, PLANTS, CropAppearance, tone_of


def draw_crop(canvas: Canvas, name: str) -> None:
    """Draw a field of one arable crop as its state has it: bare, sprouting, closed, ripe or cut."""
    crop = CROP_APPEARANCES[name]
    if crop.heads:
        crop = replace(crop, heads=(canvas.pick(crop.heads),))
    canvas.state = replace(canvas.state, flower=_bloom(canvas, name))
    _draw_field_floor(canvas, name, crop)
    if max(canvas.state.green, canvas.state.dry) > 0.04 and canvas.state.height > 0.02:
        _draw_stand(canvas, crop)
    if name == "cotton" and canvas.state.dry > 0.2:
        canvas.scatter(((250, 250, 248), (238, 236, 230)), int(120 * canvas.state.dry), 0.06, 0.03, 0.95)


def _bloom(canvas: Canvas, name: str) -> float:
    """Compute the share of plants that show flowers to a visitor, who sees more of them than a satellite does.

    Rapeseed, whose flowers colour its pixels, blooms as its state says; the others while their stand is green.
    """
    state = canvas.state
    seen = min(2.5 * state.flower, 1.0)
    if name == "rapeseed" or state.green < 0.55 or state.dry > 0.5 * state.green:
        return seen
    return max(seen, float(canvas.rng.uniform(0.0, 0.6)))


def _draw_field_floor(canvas: Canvas, name: str, crop: CropAppearance) -> None:
    """Draw soil, ridges, paddy water, stubble and what grows outside the crop's season."""
    state, soil = canvas.state, canvas.soil_colour()
    canvas.far_strip((70, 96, 66))
    if name == "rice" and state.wetness > 0.6:
        # Shallow water that mirrors the sky, and the dams around it.
        canvas.ground((120, 140, 160), 4)
        canvas.ripples((165, 182, 200), 8)
        for t in (0.08, 0.3):
            y = canvas.row(t)
            canvas.draw.rectangle((0, y, canvas.size, y + 1.5), fill=(96, 104, 60))
    else:
        canvas.ground(soil)
        canvas.furrows(crop.spacing, blend(soil, (30, 24, 20), 0.28), 0.6 if name == "potatoes" else 0.3)
    if name == "potatoes" and state.stubble < 0.3 and state.height > 0.02:
        canvas.furrows(crop.spacing, blend(soil, (225, 195, 160), 0.25), 0.35)
    draw_stubble(canvas, crop.spacing)
    draw_off_season(canvas)


def draw_stubble(canvas: Canvas, spacing: float) -> None:
    """Draw cut stems in rows, and straw between them."""
    share = canvas.state.stubble
    if share < 0.1:
        return
    straw = ((222, 198, 140), (206, 180, 118), (190, 162, 104))
    canvas.tufts(straw, int(130 * share), 0.15)
    canvas.furrows(max(spacing, 0.3), blend(canvas.soil_colour(), straw[0], 0.5 + 0.3 * share), 0.45)
    canvas.tufts(straw, int(90 * share), 0.15)


def draw_off_season(canvas: Canvas) -> None:
    """Draw weeds, volunteers or a catch crop, in patches without rows."""
    share = canvas.state.off_season
    if share < 0.05:
        return
    greens = ((92, 138, 60), (112, 152, 74), (128, 160, 84))
    canvas.scatter(greens, int(70 * share), 0.28)
    canvas.tufts(greens, int(110 * share), 0.18)


def _draw_stand(canvas: Canvas, crop: CropAppearance) -> None:
    """Draw the crop from far to near; where it has closed, each distance starts with a band of canopy."""
    state = canvas.state
    cover = min(state.green + state.dry, 1.0)
    tall = state.height
    nearest = max(NEAREST * 1.15, 1.1 + tall)
    for distance in np.geomspace(30.0, nearest, 9).tolist():
        base, size = canvas.y(distance), canvas.scale(distance) * tall
        if cover > 0.55 or distance > 14:
            band = blend(canvas.soil_colour(), tone_of(canvas, crop), min(cover * 1.2, 1.0))
            if crop.flowers:
                band = blend(band, crop.flowers[0], crop.flower_show * state.flower)
            low = max(base, canvas.y(distance * 0.75, tall * 0.6))
            canvas.draw.rectangle((0, base - size * 0.82, canvas.size, low), fill=canvas.shade(band, 5))
        for x in _plant_columns(canvas, crop, distance, cover):
            PLANTS[crop.plant](canvas, crop, x, base, size)
        if state.flower > 0.05 and crop.flowers:
            radius = max(canvas.scale(distance) * crop.flower_size, 0.8)
            count = int(state.flower * min(14 + distance * 2.5, 36) * (1 + crop.flower_show))
            for x, dy, pick in canvas.rng.random((count, 3)).tolist():
                colour = canvas.shade(crop.flowers[int(pick * len(crop.flowers))], 6)
                canvas.disc(x * canvas.size, base - size + dy * max(size * 0.3, 1.5), radius, colour)


def _plant_columns(canvas: Canvas, crop: CropAppearance, distance: float, cover: float) -> Sequence[float]:
    """List the columns of the plants of one distance: on rows where those can be told apart, at random beyond."""
    if canvas.scale(distance) * crop.spacing > 3.5:
        jitter = canvas.rng.normal(0.0, 0.04 * canvas.scale(distance) * crop.spacing)
        columns = np.array(canvas.lanes(distance, crop.spacing)) + jitter
        keep = canvas.rng.random(len(columns)) < 0.4 + cover
        inside = (columns > -8) & (columns < canvas.size + 8)
        return list(columns[keep & inside].tolist())
    return list((canvas.rng.random(int(6 + 16 * cover)) * canvas.size).tolist())


def draw_vegetables(canvas: Canvas) -> None:
    """Draw a market garden: beds of round cabbages or lettuces, staked tomatoes, strawberries on film."""
    state, soil = canvas.state, canvas.soil_colour()
    canvas.far_strip((70, 96, 66))
    canvas.ground(soil)
    canvas.furrows(0.9, blend(soil, (35, 28, 22), 0.35), 0.4)
    draw_stubble(canvas, 0.9)
    draw_off_season(canvas)
    if state.green + state.dry < 0.05:
        return
    size = 0.06 + 0.22 * min(state.green + state.dry, 1.0)
    cabbages, lettuces = ((120, 165, 140), (140, 180, 155)), ((150, 200, 80), (170, 215, 95))
    red_lettuces, tomatoes = ((130, 60, 105), (145, 75, 120)), ((70, 130, 60), (215, 55, 40))
    beds = (cabbages, lettuces, red_lettuces, tomatoes)
    canvas.rows_of_dots(0.9, canvas.pick(beds), size)
    canvas.vanish += canvas.scale(NEAREST) * 0.45
    canvas.rows_of_dots(0.9, canvas.pick(beds), size)


def draw_clover_and_lucerne(canvas: Canvas) -> None:
    """Draw clover and lucerne: a dense, low, dark stand full of purple and pink heads."""
    state = canvas.state
    canvas.far_strip((70, 96, 66))
    leaf = blend((44, 112, 62), (150, 130, 90), state.dry)
    canvas.ground(blend(canvas.soil_colour(), leaf, min(state.green * 1.3 + state.dry, 1.0)))
    draw_stubble(canvas, 0.4)
    draw_off_season(canvas)
    clumps = (leaf, blend(leaf, (90, 165, 95), 0.4), blend(leaf, (20, 60, 40), 0.4))
    canvas.scatter(clumps, int(150 * state.green), 0.05 + 0.08 * min(state.height, 1.0))
    heads = ((130, 70, 170), (205, 105, 165), (150, 90, 190))
    canvas.scatter(heads, int(20 * state.green + 130 * state.flower), 0.03)
