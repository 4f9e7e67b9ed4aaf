"""Draw one plant of each simulated crop: leaves, ears, heads and pods, in the colours of `crop_appearances`."""

from collections.abc import Callable
from dataclasses import dataclass

from ..reading import read_record, read_table
from .canvas import RGB, Canvas, blend


@dataclass(frozen=True)
class CropAppearance:
    """Describe how one crop appears from the edge of its field; the table `crop_appearances` tells the fields."""

    plant: str
    spacing: float
    leaf: tuple[RGB, ...]
    ripe: tuple[RGB, ...]
    flowers: tuple[RGB, ...] = ()
    heads: tuple[RGB, ...] = ()
    width: float = 0.5
    flower_size: float = 0.04
    flower_show: float = 0.15


CROP_APPEARANCES: dict[str, CropAppearance] = {
    name: read_record(CropAppearance, entry, name) for name, entry in read_table("crop_appearances")["crops"].items()
}


def tone_of(canvas: Canvas, crop: CropAppearance) -> RGB:
    """Mix the colour of one plant between green and ripe, as the field's state has it."""
    pick = canvas.rng.random()
    leaf, ripe = (colours[int(pick * len(colours))] for colours in (crop.leaf, crop.ripe))
    return canvas.shade(blend(leaf, ripe, canvas.dry_share()), 9)


def _spike(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw wheat: an upright stem under a short, thick ear."""
    tone, top = tone_of(canvas, crop), base - tall
    canvas.draw.line((x, base, x, top), fill=tone, width=1)
    if canvas.state.height > 0.5 and tall > 3:
        ear = blend(tone, (150, 105, 50) if canvas.state.dry > canvas.state.green else (160, 175, 105), 0.55)
        half = max(tall * 0.045, 0.8)
        canvas.draw.ellipse((x - half, top - tall * 0.04, x + half, top + tall * 0.17), fill=ear)


def _awn(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw barley: a bent ear with long, pale, silky awns that all lean one way."""
    tone, top = tone_of(canvas, crop), base - tall * 0.9
    canvas.draw.line((x, base, x, top), fill=tone, width=1)
    if canvas.state.height > 0.45 and tall > 3:
        silk = blend(tone, (250, 240, 195), 0.7)
        reach = tall * 0.42
        for rise in (0.25, 0.05, -0.15):
            canvas.draw.line((x, top, x + reach, top - reach * rise), fill=silk, width=1)


def _long_ear(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw rye: a slender, tall, bluish stem with a long nodding ear, cornflowers and poppies in between."""
    tone, top = tone_of(canvas, crop), base - tall
    canvas.draw.line((x, base, x - tall * 0.04, top), fill=tone, width=1)
    if canvas.state.height > 0.6 and tall > 3:
        ear = blend(tone, (120, 112, 95), 0.5)
        canvas.draw.line((x - tall * 0.04, top, x - tall * 0.16, top + tall * 0.16), fill=ear, width=2)
        if canvas.rng.random() < 0.12:
            r = max(tall * 0.04, 0.8)
            colour = (70, 90, 205) if canvas.rng.random() < 0.6 else (215, 45, 35)
            canvas.draw.ellipse((x - r, top + r * 3, x + r, top + r * 5), fill=colour)


def _panicle(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw oats: a loose panicle of hanging spikelets."""
    tone, top = tone_of(canvas, crop), base - tall
    canvas.draw.line((x, base, x, top), fill=tone, width=1)
    if canvas.state.height > 0.5 and tall > 3:
        grain = blend(tone, (245, 235, 205), 0.6)
        for dx, dy in ((-0.16, 0.12), (0.15, 0.09), (-0.1, 0.24), (0.12, 0.26), (0.03, 0.02), (-0.19, 0.3)):
            px, py, r = x + dx * tall, top + dy * tall, max(tall * 0.025, 0.6)
            canvas.draw.ellipse((px - r, py - r, px + r, py + 2 * r), fill=grain)


def _rice(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw rice: a fan of thin leaves; drooping golden ears when ripe."""
    tone = tone_of(canvas, crop)
    for lean in (-0.35, -0.12, 0.12, 0.35):
        canvas.draw.line((x, base, x + lean * tall, base - tall), fill=tone, width=1)
    if canvas.state.dry > 0.25 and tall > 3:
        arc = (x - tall * 0.3, base - tall * 1.05, x + tall * 0.3, base - tall * 0.55)
        canvas.draw.arc(arc, 180, 360, fill=(212, 168, 62), width=2)


def _maize(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw maize: a thick stalk, long arching leaves, a tassel, a yellow cob."""
    tone, top = tone_of(canvas, crop), base - tall
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


def _sunflower(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw sunflower: heart-shaped leaves and a disc, yellow in flower, brown and nodding when ripe."""
    tone, top = tone_of(canvas, crop), base - tall
    wide = max(round(tall * 0.05), 1)
    canvas.draw.line((x, base, x, top), fill=blend(tone, (110, 120, 70), 0.4), width=wide)
    leaf = tall * 0.17
    for level, side in ((0.3, 1), (0.45, -1), (0.6, 1), (0.75, -1)):
        cx, cy = x + side * leaf, base - tall * level
        canvas.draw.ellipse((cx - leaf, cy - leaf * 0.5, cx + leaf, cy + leaf * 0.7), fill=tone)
    if canvas.state.height < 0.8:
        return
    disc = max(tall * 0.15, 1.5)
    if canvas.state.dry > canvas.state.green:
        canvas.draw.ellipse((x - disc, top, x + disc, top + disc * 1.6), fill=canvas.shade((66, 48, 34)))
    elif canvas.state.flower > 0.15:
        canvas.disc(x, top, disc, canvas.shade((250, 200, 25)))
        canvas.disc(x, top, disc * 0.5, (90, 56, 24))


def _bush(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw a rounded leafy plant."""
    half = tall * crop.width / 2
    canvas.draw.ellipse((x - half, base - tall, x + half, base + tall * 0.1), fill=tone_of(canvas, crop))
    canvas.draw.ellipse((x - half * 0.6, base - tall, x + half * 0.2, base - tall * 0.5), fill=tone_of(canvas, crop))


def _branchy(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw rapeseed: a branched stem, a tangle of pods when ripe."""
    tone = tone_of(canvas, crop)
    for lean in (-0.3, -0.12, 0.1, 0.28):
        canvas.draw.line((x, base - tall * 0.3, x + lean * tall, base - tall), fill=tone, width=1)
    half = tall * crop.width / 2
    if canvas.state.dry <= canvas.state.green:
        canvas.draw.ellipse((x - half, base - tall * 0.75, x + half, base), fill=tone)


def _rosette(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw sugar beet: broad, glossy, spreading leaves with pale ribs."""
    if tall < 5:
        canvas.draw.ellipse((x - tall, base - tall, x + tall, base), fill=tone_of(canvas, crop))
        return
    for lean in (-0.8, -0.4, 0.0, 0.4, 0.8):
        tip = (x + lean * tall * 1.1, base - tall * (1 - 0.4 * abs(lean)))
        cx, cy, r = (x + 2 * tip[0]) / 3, (base + 2 * tip[1]) / 3, tall * 0.3
        canvas.draw.ellipse((cx - r * 0.8, cy - r, cx + r * 0.8, cy + r), fill=tone_of(canvas, crop))
        canvas.draw.line((x, base, *tip), fill=(190, 205, 140), width=1)


def _thin(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw flax: very thin stems; brown round bolls when ripe."""
    tone, top = tone_of(canvas, crop), base - tall
    canvas.draw.line((x, base, x + tall * 0.04, top), fill=tone, width=1)
    if canvas.state.dry > canvas.state.green:
        canvas.draw.ellipse((x - 1, top - 1, x + 1.5, top + 1.5), fill=(122, 82, 40))


def _tall_leaves(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw tobacco: storeys of very large, pale leaves under a pink flower head."""
    if tall < 8:
        canvas.draw.ellipse((x - tall * 0.35, base - tall, x + tall * 0.35, base), fill=tone_of(canvas, crop))
        return
    for level in (0.12, 0.3, 0.48, 0.66, 0.84):
        y, reach = base - tall * level, tall * 0.36 * (1.15 - level)
        tone = tone_of(canvas, crop)
        canvas.draw.ellipse((x - reach, y - tall * 0.08, x, y + tall * 0.07), fill=tone)
        canvas.draw.ellipse((x, y - tall * 0.08, x + reach, y + tall * 0.07), fill=canvas.shade(tone, 12))
    if canvas.state.flower > 0.1:
        canvas.disc(x, base - tall, max(tall * 0.1, 1.0), (240, 165, 190))


def _tangle(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw peas and beans: tangled pale stems with tendrils and hanging pods."""
    half, tone = tall * crop.width / 2, tone_of(canvas, crop)
    canvas.draw.arc((x - half, base - tall, x + half, base), 150, 390, fill=tone, width=2)
    canvas.draw.arc((x - half * 0.5, base - tall * 1.1, x + half * 0.9, base - tall * 0.2), 0, 300, fill=tone)
    canvas.draw.ellipse((x - half, base - tall * 0.6, x + half * 0.3, base), fill=canvas.shade(tone, 12))


_CANES: tuple[RGB, ...] = ((150, 142, 74), (122, 88, 92), (168, 158, 92))


def _cane(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw sugarcane: purple and yellow stalks in a clump under long arching leaves, silver plumes in flower."""
    for dx in canvas.rng.uniform(-0.16, 0.16, 1 if tall < 40 else 3).tolist():
        tone, foot, reach = tone_of(canvas, crop), x + dx * tall, tall * 0.28
        stalk, thick = canvas.pick(_CANES), max(round(tall * 0.03), 1)
        canvas.draw.line((foot, base, foot + dx * tall * 0.2, base - tall * 0.7), fill=stalk, width=thick)
        for level in (0.5, 0.64, 0.78):
            y = base - tall * level
            left, right = (foot - reach, y - tall * 0.06), (foot + reach, y - tall * 0.02)
            bends = (foot - reach / 2, y - tall * 0.2), (foot + reach / 2, y - tall * 0.17)
            canvas.draw.line((*left, *bends[0], foot, y, *bends[1], *right), fill=tone)
    if canvas.state.flower > 0.1 and canvas.state.height > 1.0:
        canvas.block(x, base - tall, max(tall * 0.03, 0.5), tall * 0.12, (222, 214, 214))


def _red_head(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw sorghum: a leafy stalk under a thick, compact head, red-brown or cream."""
    tone, top, wide = tone_of(canvas, crop), base - tall, max(round(tall * 0.04), 1)
    canvas.draw.line((x, base, x, top), fill=tone, width=wide)
    for level, side in ((0.2, 1), (0.35, -1), (0.5, 1), (0.65, -1)):
        y, reach = base - tall * level, tall * 0.3 * side
        canvas.draw.line((x, y, x + reach * 0.6, y - tall * 0.1, x + reach, y + tall * 0.06), fill=tone, width=wide)
    if _heads_out(canvas, tall):
        half, head = max(tall * 0.06, 1.2), canvas.shade(crop.heads[0], 12)
        canvas.draw.ellipse((x - half, top - tall * 0.12, x + half, top + tall * 0.16), fill=head)


def _candle(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw pearl millet: several thin stems, each with a long, upright, pale candle of grain."""
    for lean in (-0.14, 0.02, 0.15):
        tone, tip, top = tone_of(canvas, crop), x + lean * tall, base - tall * (0.92 - 0.5 * abs(lean))
        canvas.draw.line((x, base, tip, top), fill=tone, width=max(round(tall * 0.02), 1))
        for level, side in ((0.3, 1), (0.55, -1)):
            y, reach = base - tall * level, tall * 0.22 * side
            canvas.draw.line((x, y, x + reach * 0.6, y - tall * 0.08, x + reach, y + tall * 0.04), fill=tone)
        if _heads_out(canvas, tall):
            spike = canvas.shade(crop.heads[0], 12)
            canvas.draw.line(
                (tip, top + tall * 0.1, tip + lean * tall * 0.1, top - tall * 0.24),
                fill=spike,
                width=max(round(tall * 0.065), 2),
            )


def _heads_out(canvas: Canvas, tall: float) -> bool:
    """Tell whether a tall cereal of the tropics has shot its heads, and stands near enough to show them."""
    state = canvas.state
    return tall > 3 and state.height > 0.7 and (state.height > 1.3 or state.flower > 0.05 or state.dry > 0.08)


def _palmate(canvas: Canvas, crop: CropAppearance, x: float, base: float, tall: float) -> None:
    """Draw cassava: knobbly reddish stems, at their ends stars of narrow leaflets, which fall in the dry season."""
    leafy = min(0.35 + 0.75 * (canvas.state.green + 0.5 * canvas.state.dry), 1.0)
    for lean, rise in ((-0.3, 0.8), (0.05, 0.95), (0.32, 0.72)):
        tip, top = x + lean * tall, base - tall * rise
        canvas.draw.line((x, base, x + lean * tall * 0.4, base - tall * 0.3, tip, top), fill=(152, 106, 84))
        if canvas.rng.random() > leafy:
            continue
        tone, thick = tone_of(canvas, crop), max(round(tall * 0.055), 1)
        if tall < 22:
            canvas.disc(tip, top, tall * 0.16, tone, 0.7)
            continue
        for dx, dy in ((0.2, 0.05), (0.13, -0.13), (-0.13, -0.13), (0.0, 0.16)):
            ends = (tip - dx * tall, top - dy * tall * 0.6, tip + dx * tall, top + dy * tall)
            canvas.draw.line(ends, fill=tone, width=thick)


# Draws one plant: canvas, crop, column of the stem, row of the ground, height in pixels.
Plant = Callable[[Canvas, CropAppearance, float, float, float], None]
_CEREALS: tuple[Plant, ...] = (_spike, _awn, _long_ear, _panicle, _rice, _maize, _cane, _red_head, _candle)
_BROAD_LEAVED: tuple[Plant, ...] = (_sunflower, _bush, _branchy, _rosette, _thin, _tall_leaves, _tangle, _palmate)
PLANTS: dict[str, Plant] = {plant.__name__.removeprefix("_"): plant for plant in (*_CEREALS, *_BROAD_LEAVED)}
