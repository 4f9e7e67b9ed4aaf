"""Draw single trees of warm climates: palms, umbrella trees, gums, stilt-rooted and leafless ones."""

import numpy as np

from .canvas import RGB, Canvas, blend


def draw_palm(canvas: Canvas, x: float, base: float, tall: float, crown: float, colour: RGB, *, stiff: bool) -> None:
    """Draw a palm: a bare trunk under a crown of fronds.

    Args:
        canvas: to draw on.
        x: column of the trunk.
        base: row of its foot.
        tall: pixels from the foot to the crown's heart.
        crown: length of a frond in pixels.
        colour: of the fronds.
        stiff: whether fronds stand out straight, as a date palm's, or arch, as an oil palm's.
    """
    trunk, bark = max(crown * (0.05 if stiff else 0.085), 0.8), canvas.shade((128, 104, 78) if stiff else (82, 68, 52))
    top = base - tall
    canvas.draw.rectangle((x - trunk, top, x + trunk, base), fill=bark)
    for notch in np.arange(top, base, max(crown * 0.2, 4.0)).tolist():
        canvas.draw.line((x - trunk, notch, x + trunk, notch), fill=blend(bark, (30, 24, 18), 0.5))
    reach = crown * (0.85 if stiff else 1.0)
    turns = np.linspace(-0.35 * np.pi, 1.35 * np.pi, 13 if stiff else 11)
    turns = turns + canvas.rng.normal(0.0, 0.08, len(turns))
    thick = max(round(crown * (0.09 if stiff else 0.14)), 1)
    for dx, dy in (np.stack([np.cos(turns), -np.sin(turns)], axis=1) * reach).tolist():
        tone = canvas.shade(colour, 12)
        if stiff:
            canvas.draw.line((x, top, x + dx, top + dy), fill=tone, width=thick)
        else:
            bend, tip = (x + dx * 0.6, top + dy * 0.75 - crown * 0.12), (x + dx, top + dy * 0.55 + crown * 0.3)
            canvas.draw.line((x, top, *bend, *tip), fill=tone, width=thick)


def draw_umbrella_tree(canvas: Canvas, x: float, base: float, tall: float, colour: RGB, leaves: float) -> None:
    """Draw an acacia: a forked trunk under a wide, flat crown, sparse where ``leaves`` is low."""
    bark, top = canvas.shade((84, 68, 54)), base - tall * 0.82
    trunk = max(round(tall * 0.05), 1)
    canvas.draw.line((x, base, x, base - tall * 0.4), fill=bark, width=trunk)
    for lean in (-0.42, -0.16, 0.14, 0.4):
        canvas.draw.line((x, base - tall * 0.38, x + lean * tall, top), fill=bark, width=max(trunk // 2, 1))
    for dx in np.linspace(-0.42, 0.42, 5).tolist() if leaves > 0.08 else ():
        rise = top - tall * (0.06 - 0.12 * abs(dx)) + canvas.rng.normal(0.0, 0.02) * tall
        canvas.disc(x + dx * tall, rise, tall * (0.1 + 0.12 * min(leaves, 1.0)), canvas.shade(colour, 8), 0.45)


def draw_gum(canvas: Canvas, x: float, base: float, tall: float, colour: RGB) -> None:
    """Draw a eucalyptus: a tall, thin, pale trunk with peeling bark under small, loose, high clumps of leaves."""
    half, pale = max(tall * 0.011, 0.7), canvas.shade((214, 206, 190))
    canvas.draw.rectangle((x - half, base - tall * 0.95, x + half, base), fill=pale)
    canvas.draw.line((x + half, base - tall * 0.9, x + half, base), fill=blend(pale, (120, 104, 88), 0.6))
    for level in canvas.rng.uniform(0.05, 0.6, 2).tolist():
        canvas.draw.line((x, base - tall * level, x, base - tall * (level - 0.07)), fill=(150, 112, 84))
    for lean, level in canvas.rng.uniform((-1.0, 0.62), (1.0, 0.97), (4 if tall < 36 else 7, 2)).tolist():
        tip = x + lean * tall * 0.09
        canvas.draw.line((x, base - tall * (level - 0.08), tip, base - tall * level), fill=pale)
        canvas.disc(tip, base - tall * level, tall * (0.11 if tall < 36 else 0.085), canvas.shade(colour, 9), 0.7)


def draw_stilt_tree(canvas: Canvas, x: float, base: float, tall: float, colour: RGB) -> None:
    """Draw a mangrove: a dense glossy crown on a short trunk over arching stilt roots."""
    bark, foot = canvas.shade((98, 76, 60), 6), base - tall * 0.34
    canvas.draw.line((x, foot, x, base - tall * 0.6), fill=bark, width=max(round(tall * 0.04), 1))
    for reach in (-0.36, -0.22, -0.09, 0.1, 0.24, 0.37):
        bend = (x + reach * tall * 0.75, foot + tall * 0.08)
        canvas.draw.line((x, foot, *bend, x + reach * tall, base), fill=bark, width=max(round(tall * 0.025), 1))
    for dx, dy in canvas.rng.uniform(-1.0, 1.0, (8, 2)).tolist():
        tone = canvas.shade(blend(colour, (20, 40, 20), 0.25 + 0.25 * dy), 8)
        canvas.disc(x + dx * tall * 0.32, base - tall * (0.68 - 0.16 * dy), tall * 0.17, tone, 0.75)


def draw_crooked_tree(canvas: Canvas, x: float, base: float, tall: float, colour: RGB, leaves: float) -> None:
    """Draw a small tree of dry forest: several crooked grey stems, leafless where ``leaves`` is low."""
    bark = canvas.shade((152, 138, 122), 12)
    for lean in canvas.rng.uniform(-1.0, 1.0, 3).tolist():
        knee = (x + lean * tall * 0.05, base - tall * 0.35)
        fork = (x + lean * tall * 0.16, base - tall * 0.62)
        canvas.draw.line((x, base, *knee, *fork), fill=bark, width=max(round(tall * 0.025), 1))
        for side in (-0.14, 0.02, 0.15):
            canvas.draw.line((*fork, fork[0] + side * tall, base - tall * 0.95), fill=bark)
    for dx, dy in canvas.rng.uniform(-1.0, 1.0, (int(11 * leaves + 0.5), 2)).tolist():
        canvas.disc(x + dx * tall * 0.28, base - tall * (0.78 + 0.17 * dy), tall * 0.085, canvas.shade(colour, 12), 0.7)
