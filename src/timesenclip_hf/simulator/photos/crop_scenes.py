"""How each simulated crop field looks from its edge: rows, leaves, ears, heads, flowers, stubble, bare soil.

Row distances are common agronomic ones (maize and sunflower 0.75 m, beet and soya 0.45 to 0.5 m); sowing lines
of cereals are drawn wider than they are, so that they can be seen at all. Colours are our approximation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .canvas import NEAREST, RGB, Canvas, blend

Plant = Callable[[Canvas, "CropLook", float, float, float], None]
"""Draws one plant: canvas, look, column, base row, height in pixels."""


@dataclass(frozen=True)
class CropLook:
    """What one crop looks like.

    Attributes:
        plant: draws one plant.
        spacing: distance between drawn rows in metres.
        leaf: colours of the green canopy.
        ripe: colours of the ripe canopy.
        flowers: colours of the flowers; none where they do not show.
        width: width of a plant over its height.
        flower_size: radius of a flower in metres.
        flower_show: share of the canopy's top that is the colour of the flowers in full bloom.
    """

    plant: Plant
    spacing: float
    leaf: tuple[RGB, ...]
    ripe: tuple[RGB, ...]
    flowers: tuple[RGB, ...] = ()
    width: float = 0.5
    flower_size: float = 0.04
    flower_show: float = 0.15


def _tone(canvas: Canvas, look: CropLook) -> RGB:
    """Colour of one plant between green and ripe, as the field's state has it."""
    state = canvas.state
    pick = canvas.rng.random()
    leaf = look.leaf[int(pick * len(look.leaf))]
    ripe = look.ripe[int(pick * len(look.ripe))]
    return canvas.shade(blend(leaf, ripe, state.dry / max(state.green + state.dry, 1e-3)), 9)


def _is_ripe(canvas: Canvas) -> bool:
    return canvas.state.dry > canvas.state.green


def _spike(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Wheat: an upright stem under a short, thick ear."""
    tone, top = _tone(canvas, look), base - tall
    canvas.draw.line((x, base, x, top), fill=tone, width=1)
    if canvas.state.height > 0.5 and tall > 3:
        ear = blend(tone, (150, 105, 50) if _is_ripe(canvas) else (160, 175, 105), 0.55)
        half = max(tall * 0.045, 0.8)
        canvas.draw.ellipse((x - half, top - tall * 0.04, x + half, top + tall * 0.17), fill=ear)


def _awn(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Barley: a bent ear with long, pale, silky awns that all lean one way."""
    tone, top = _tone(canvas, look), base - tall * 0.9
    canvas.draw.line((x, base, x, top), fill=tone, width=1)
    if canvas.state.height > 0.45 and tall > 3:
        silk = blend(tone, (250, 240, 195), 0.7)
        reach = tall * 0.42
        for rise in (0.25, 0.05, -0.15):
            canvas.draw.line((x, top, x + reach, top - reach * rise), fill=silk, width=1)


def _long_ear(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Rye: a slender, tall, bluish stem with a long nodding ear, cornflowers and poppies in between."""
    tone, top = _tone(canvas, look), base - tall
    canvas.draw.line((x, base, x - tall * 0.04, top), fill=tone, width=1)
    if canvas.state.height > 0.6 and tall > 3:
        ear = blend(tone, (120, 112, 95), 0.5)
        canvas.draw.line((x - tall * 0.04, top, x - tall * 0.16, top + tall * 0.16), fill=ear, width=2)
        if canvas.rng.random() < 0.12:
            r = max(tall * 0.04, 0.8)
            colour = (70, 90, 205) if canvas.rng.random() < 0.6 else (215, 45, 35)
            canvas.draw.ellipse((x - r, top + r * 3, x + r, top + r * 5), fill=colour)


def _panicle(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Oats: a loose panicle of hanging spikelets."""
    tone, top = _tone(canvas, look), base - tall
    canvas.draw.line((x, base, x, top), fill=tone, width=1)
    if canvas.state.height > 0.5 and tall > 3:
        grain = blend(tone, (245, 235, 205), 0.6)
        for dx, dy in ((-0.16, 0.12), (0.15, 0.09), (-0.1, 0.24), (0.12, 0.26), (0.03, 0.02), (-0.19, 0.3)):
            px, py, r = x + dx * tall, top + dy * tall, max(tall * 0.025, 0.6)
            canvas.draw.ellipse((px - r, py - r, px + r, py + 2 * r), fill=grain)


def _rice(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Rice: a fan of thin leaves; drooping golden ears when ripe."""
    tone = _tone(canvas, look)
    for lean in (-0.35, -0.12, 0.12, 0.35):
        canvas.draw.line((x, base, x + lean * tall, base - tall), fill=tone, width=1)
    if canvas.state.dry > 0.25 and tall > 3:
        arc = (x - tall * 0.3, base - tall * 1.05, x + tall * 0.3, base - tall * 0.55)
        canvas.draw.arc(arc, 180, 360, fill=(212, 168, 62), width=2)


def _maize(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Maize: a thick stalk, long arching leaves, a tassel, a yellow cob."""
    tone, top = _tone(canvas, look), base - tall
    wide = max(round(tall * 0.05), 1)
    canvas.draw.line((x, base, x, top), fill=blend(tone, (60, 80, 30), 0.3), width=wide)
    for level, side in ((0.25, 1), (0.4, -1), (0.55, 1), (0.7, -1), (0.85, 1)):
        y, reach = base - tall * level, tall * 0.3 * side
        canvas.draw.line((x, y, x + reach * 0.6, y - tall * 0.13, x + reach, y + tall * 0.03), fill=tone, width=wide)
    if canvas.state.height > 1.5 and (canvas.state.flower > 0.1 or canvas.state.dry > 0.2):
        for lean in (-0.07, 0.0, 0.07):
            canvas.draw.line((x, top, x + lean * tall, top - tall * 0.12), fill=(205, 175, 105), width=1)
        cob = (x, base - tall * 0.52, x + tall * 0.06, base - tall * 0.38)
        canvas.draw.ellipse(cob, fill=(228, 190, 70))


def _sunflower(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Sunflower: heart-shaped leaves and a disc, yellow in flower, brown and nodding when ripe."""
    tone, top = _tone(canvas, look), base - tall
    wide = max(round(tall * 0.05), 1)
    canvas.draw.line((x, base, x, top), fill=blend(tone, (110, 120, 70), 0.4), width=wide)
    leaf = tall * 0.17
    for level, side in ((0.3, 1), (0.45, -1), (0.6, 1), (0.75, -1)):
        cx, cy = x + side * leaf, base - tall * level
        canvas.draw.ellipse((cx - leaf, cy - leaf * 0.5, cx + leaf, cy + leaf * 0.7), fill=tone)
    if canvas.state.height < 0.8:
        return
    disc = max(tall * 0.15, 1.5)
    if _is_ripe(canvas):
        canvas.draw.ellipse((x - disc, top, x + disc, top + disc * 1.6), fill=canvas.shade((66, 48, 34)))
    elif canvas.state.flower > 0.15:
        canvas.draw.ellipse((x - disc, top - disc, x + disc, top + disc), fill=canvas.shade((250, 200, 25)))
        core = disc * 0.5
        canvas.draw.ellipse((x - core, top - core, x + core, top + core), fill=(90, 56, 24))


def _bush(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """A rounded leafy plant with its flowers on top."""
    half = tall * look.width / 2
    canvas.draw.ellipse((x - half, base - tall, x + half, base + tall * 0.1), fill=_tone(canvas, look))
    canvas.draw.ellipse((x - half * 0.6, base - tall, x + half * 0.2, base - tall * 0.5), fill=_tone(canvas, look))


def _branchy(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Rapeseed: a branched stem, a tangle of pods when ripe."""
    tone = _tone(canvas, look)
    for lean in (-0.3, -0.12, 0.1, 0.28):
        canvas.draw.line((x, base - tall * 0.3, x + lean * tall, base - tall), fill=tone, width=1)
    half = tall * look.width / 2
    if not _is_ripe(canvas):
        canvas.draw.ellipse((x - half, base - tall * 0.75, x + half, base), fill=tone)


def _rosette(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Sugar beet: broad, glossy, spreading leaves with pale ribs."""
    if tall < 5:
        canvas.draw.ellipse((x - tall, base - tall, x + tall, base), fill=_tone(canvas, look))
        return
    for lean in (-0.8, -0.4, 0.0, 0.4, 0.8):
        tip = (x + lean * tall * 1.1, base - tall * (1 - 0.4 * abs(lean)))
        cx, cy, r = (x + 2 * tip[0]) / 3, (base + 2 * tip[1]) / 3, tall * 0.3
        canvas.draw.ellipse((cx - r * 0.8, cy - r, cx + r * 0.8, cy + r), fill=_tone(canvas, look))
        canvas.draw.line((x, base, *tip), fill=(190, 205, 140), width=1)


def _thin(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Flax: very thin stems; brown round bolls when ripe."""
    tone, top = _tone(canvas, look), base - tall
    canvas.draw.line((x, base, x + tall * 0.04, top), fill=tone, width=1)
    if _is_ripe(canvas):
        canvas.draw.ellipse((x - 1, top - 1, x + 1.5, top + 1.5), fill=(122, 82, 40))


def _tall_leaves(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Tobacco: storeys of very large, pale leaves under a pink flower head."""
    if tall < 8:
        canvas.draw.ellipse((x - tall * 0.35, base - tall, x + tall * 0.35, base), fill=_tone(canvas, look))
        return
    for level in (0.12, 0.3, 0.48, 0.66, 0.84):
        y, reach = base - tall * level, tall * 0.36 * (1.15 - level)
        tone = _tone(canvas, look)
        canvas.draw.ellipse((x - reach, y - tall * 0.08, x, y + tall * 0.07), fill=tone)
        canvas.draw.ellipse((x, y - tall * 0.08, x + reach, y + tall * 0.07), fill=canvas.shade(tone, 12))
    if canvas.state.flower > 0.1:
        r = max(tall * 0.1, 1.0)
        canvas.draw.ellipse((x - r, base - tall - r, x + r, base - tall + r), fill=(240, 165, 190))


def _tangle(canvas: Canvas, look: CropLook, x: float, base: float, tall: float) -> None:
    """Peas and beans: tangled pale stems with tendrils and hanging pods."""
    half = tall * look.width / 2
    tone = _tone(canvas, look)
    canvas.draw.arc((x - half, base - tall, x + half, base), 150, 390, fill=tone, width=2)
    canvas.draw.arc((x - half * 0.5, base - tall * 1.1, x + half * 0.9, base - tall * 0.2), 0, 300, fill=tone)
    canvas.draw.ellipse((x - half, base - tall * 0.6, x + half * 0.3, base), fill=canvas.shade(tone, 12))


CROP_LOOKS: dict[str, CropLook] = {
    "wheat": CropLook(_spike, 0.3, ((74, 118, 62), (86, 128, 66)), ((212, 166, 78), (200, 150, 66))),
    "barley": CropLook(_awn, 0.3, ((128, 158, 74), (140, 168, 86)), ((232, 212, 150), (224, 200, 136))),
    "rye": CropLook(_long_ear, 0.3, ((98, 134, 112), (108, 140, 124)), ((198, 178, 134), (184, 168, 130))),
    "oats": CropLook(_panicle, 0.3, ((104, 150, 92), (122, 164, 100)), ((226, 206, 168), (216, 190, 146))),
    "rice": CropLook(_rice, 0.3, ((110, 175, 62), (130, 190, 70)), ((206, 186, 84), (190, 176, 74))),
    "maize": CropLook(_maize, 0.75, ((48, 108, 40), (62, 124, 44)), ((196, 170, 112), (178, 150, 96))),
    "sunflower": CropLook(_sunflower, 0.75, ((66, 116, 50), (82, 130, 58)), ((118, 98, 74), (98, 82, 64))),
    "potatoes": CropLook(
        _bush,
        0.75,
        ((40, 92, 42), (54, 104, 48)),
        ((150, 130, 90),),
        ((240, 238, 245), (176, 130, 205)),
        1.3,
        0.045,
    ),
    "sugar beet": CropLook(_rosette, 0.5, ((54, 126, 36), (72, 146, 46)), ((150, 150, 70),)),
    "rapeseed": CropLook(
        _branchy,
        0.3,
        ((84, 128, 100), (96, 140, 108)),
        ((202, 180, 140), (188, 166, 128)),
        ((250, 225, 20),),
        0.5,
        0.05,
        0.8,
    ),
    "soya": CropLook(_bush, 0.5, ((96, 158, 60), (112, 172, 70)), ((190, 150, 62), (150, 112, 60)), (), 0.8),
    "cotton": CropLook(
        _bush,
        0.95,
        ((78, 112, 66), (90, 120, 72)),
        ((122, 96, 76), (136, 108, 84)),
        ((250, 235, 190),),
        0.9,
        0.05,
    ),
    "flax": CropLook(
        _thin,
        0.2,
        ((128, 160, 112), (140, 172, 122)),
        ((186, 152, 92), (172, 136, 80)),
        ((110, 140, 235),),
        0.3,
        0.04,
        0.45,
    ),
    "tobacco": CropLook(_tall_leaves, 1.1, ((118, 164, 70), (134, 176, 84)), ((196, 180, 80),), (), 0.8),
    "peas and beans": CropLook(
        _tangle,
        0.25,
        ((128, 172, 130), (142, 182, 140)),
        ((190, 168, 118), (74, 62, 50)),
        ((250, 250, 250), (225, 175, 215)),
        0.9,
        0.045,
    ),
}


def draw_crop(canvas: Canvas, name: str) -> None:
    """Draw a field of one arable crop as its state has it: bare, sprouting, closed, ripe or cut."""
    look = CROP_LOOKS[name]
    canvas.state = replace(canvas.state, flower=_bloom(canvas, name))
    _draw_field_floor(canvas, name, look)
    if max(canvas.state.green, canvas.state.dry) > 0.04 and canvas.state.height > 0.02:
        _draw_stand(canvas, look)
    if name == "cotton" and canvas.state.dry > 0.2:
        _draw_bolls(canvas, 120)


def _bloom(canvas: Canvas, name: str) -> float:
    """Share of plants that show flowers to a visitor, who sees more of them than a satellite does.

    Rapeseed, whose flowers colour its pixels, blooms as its state says; the others while their stand is green.
    """
    state = canvas.state
    seen = min(2.5 * state.flower, 1.0)
    if name == "rapeseed" or state.green < 0.55 or state.dry > 0.5 * state.green:
        return seen
    return max(seen, float(canvas.rng.uniform(0.0, 0.6)))


def _draw_field_floor(canvas: Canvas, name: str, look: CropLook) -> None:
    """Draw soil, ridges, paddy water, stubble and what grows outside the crop's season."""
    state = canvas.state
    soil = canvas.soil_colour()
    canvas.far_strip((70, 96, 66))
    if name == "rice" and state.wetness > 0.6:
        canvas.flood()
        for t in (0.08, 0.3):
            y = canvas.horizon + (canvas.size - canvas.horizon) * t
            canvas.draw.rectangle((0, y, canvas.size, y + 1.5), fill=(96, 104, 60))
    else:
        canvas.ground(soil)
        canvas.furrows(look.spacing, blend(soil, (30, 24, 20), 0.28), 0.6 if name == "potatoes" else 0.3)
    if name == "potatoes" and state.stubble < 0.3 and state.height > 0.02:
        canvas.furrows(look.spacing, blend(soil, (225, 195, 160), 0.25), 0.35)
    draw_stubble(canvas, look.spacing)
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


def _draw_stand(canvas: Canvas, look: CropLook) -> None:
    """Draw the crop from far to near; where it has closed, each distance starts with a band of canopy."""
    state = canvas.state
    cover = min(state.green + state.dry, 1.0)
    tall = state.height
    nearest = max(NEAREST * 1.15, 1.1 + tall)
    for distance in np.geomspace(30.0, nearest, 9).tolist():
        base, size = canvas.y(distance), canvas.scale(distance) * tall
        if cover > 0.55 or distance > 14:
            band = blend(canvas.soil_colour(), _tone(canvas, look), min(cover * 1.2, 1.0))
            if look.flowers:
                band = blend(band, look.flowers[0], look.flower_show * state.flower)
            low = max(base, canvas.y(distance * 0.75, tall * 0.6))
            canvas.draw.rectangle((0, base - size * 0.82, canvas.size, low), fill=canvas.shade(band, 5))
        for x in _places(canvas, look, distance, cover):
            look.plant(canvas, look, x, base, size)
        if state.flower > 0.05 and look.flowers:
            _draw_flowers(canvas, look, base - size, size, distance)


def _places(canvas: Canvas, look: CropLook, distance: float, cover: float) -> Sequence[float]:
    """Columns of the plants of one distance: on rows where those can be told apart, at random beyond."""
    if canvas.scale(distance) * look.spacing > 3.5:
        jitter = canvas.rng.normal(0.0, 0.04 * canvas.scale(distance) * look.spacing)
        columns = np.array(canvas.lanes(distance, look.spacing)) + jitter
        keep = canvas.rng.random(len(columns)) < 0.4 + cover
        inside = (columns > -8) & (columns < canvas.size + 8)
        return list(columns[keep & inside].tolist())
    return list((canvas.rng.random(int(6 + 16 * cover)) * canvas.size).tolist())


def _draw_flowers(canvas: Canvas, look: CropLook, top: float, tall: float, distance: float) -> None:
    radius = max(canvas.scale(distance) * look.flower_size, 0.8)
    count = int(canvas.state.flower * min(14 + distance * 2.5, 36) * (1 + look.flower_show))
    for x, dy, pick in canvas.rng.random((count, 3)).tolist():
        px, py = x * canvas.size, top + dy * max(tall * 0.3, 1.5)
        colour = canvas.shade(look.flowers[int(pick * len(look.flowers))], 6)
        canvas.draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=colour)


def _draw_bolls(canvas: Canvas, count: int) -> None:
    canvas.scatter(((250, 250, 248), (238, 236, 230)), int(count * canvas.state.dry), 0.06, 0.03, 0.95)


def draw_vegetables(canvas: Canvas) -> None:
    """Draw a market garden: beds of round cabbages or lettuces, staked tomatoes, strawberries on film."""
    state = canvas.state
    canvas.far_strip((70, 96, 66))
    soil = canvas.soil_colour()
    canvas.ground(soil)
    canvas.furrows(0.9, blend(soil, (35, 28, 22), 0.35), 0.4)
    draw_stubble(canvas, 0.9)
    draw_off_season(canvas)
    size = 0.06 + 0.22 * min(state.green + state.dry, 1.0)
    if state.green + state.dry < 0.05:
        return
    beds = (
        ((120, 165, 140), (140, 180, 155)),
        ((150, 200, 80), (170, 215, 95)),
        ((130, 60, 105), (145, 75, 120)),
        ((70, 130, 60), (215, 55, 40)),
    )
    canvas.rows_of_dots(0.9, beds[canvas.rng.integers(len(beds))], size)
    canvas.vanish += canvas.scale(NEAREST) * 0.45
    canvas.rows_of_dots(0.9, beds[canvas.rng.integers(len(beds))], size)


def draw_fodder(canvas: Canvas) -> None:
    """Draw clover and lucerne: a dense, low, dark stand full of purple and pink heads."""
    state = canvas.state
    canvas.far_strip((70, 96, 66))
    soil = canvas.soil_colour()
    leaf = blend((44, 112, 62), (150, 130, 90), state.dry)
    canvas.ground(blend(soil, leaf, min(state.green * 1.3 + state.dry, 1.0)))
    draw_stubble(canvas, 0.4)
    draw_off_season(canvas)
    clumps = (leaf, blend(leaf, (90, 165, 95), 0.4), blend(leaf, (20, 60, 40), 0.4))
    canvas.scatter(clumps, int(150 * state.green), 0.05 + 0.08 * min(state.height, 1.0))
    heads = ((130, 70, 170), (205, 105, 165), (150, 90, 190))
    canvas.scatter(heads, int(20 * state.green + 130 * state.flower), 0.03)
