"""Draw simulated woods, orchards, groves and vineyards from the ground; sizes and colours are our approximation."""

from collections.abc import Callable

import numpy as np

from .canvas import NEAREST, RGB, Canvas, blend

SPRUCE: RGB = (34, 62, 48)
PINE: RGB = (66, 98, 62)


def foliage(canvas: Canvas) -> RGB:
    """Mix the colour of broadleaves on the day: fresh, dark, or turning when ``dry`` exceeds ``green``."""
    autumn = ((200, 130, 40), (180, 90, 35), (205, 170, 60))
    return blend((70, 130, 48), canvas.pick(autumn), canvas.dry_share())


def draw_garden_tree(canvas: Canvas, x: float, base: float, tall: float) -> None:
    """Draw a broadleaved tree on its own, bare where hardly anything is green."""
    canvas.broadleaf(x, base, tall, foliage(canvas), canvas.state.green if canvas.state.green > 0.15 else 0.0)


def _wood(canvas: Canvas, plant: Callable[[float, float, float], None]) -> None:
    """Draw a wall of trees from far to near, over its floor."""
    floor = blend((112, 96, 64), (92, 126, 62), canvas.state.green * 0.7)
    canvas.ground(floor)
    canvas.draw.rectangle((0, canvas.horizon - canvas.size * 0.12, canvas.size, canvas.horizon), fill=(64, 72, 60))
    for distance in (42.0, 30.0, 21.0):
        base, tall = canvas.y(distance), canvas.scale(distance) * 15
        step = canvas.size / (5.5 if distance > 25 else 4.0)
        x = canvas.rng.uniform(-0.5, 0.5) * step
        while x < canvas.size * 1.05:
            plant(x, base, tall * canvas.rng.uniform(0.75, 1.15))
            x += step * canvas.rng.uniform(0.5, 1.0)
    canvas.tufts((blend(floor, (60, 80, 40), 0.5), blend(floor, (160, 140, 90), 0.4)), 50, 0.2, 0.15)


def draw_broadleaved_woodland(canvas: Canvas) -> None:
    """Draw oaks and beeches: fresh, dark, turning or bare."""
    leaves = min(max(canvas.state.green + canvas.state.dry - 0.1, 0.0) * 1.3, 1.0)
    _wood(canvas, lambda x, base, tall: canvas.broadleaf(x, base, tall, foliage(canvas), leaves))


def draw_spruce_woodland(canvas: Canvas) -> None:
    """Draw spruces: dark cones."""
    _wood(canvas, lambda x, base, tall: canvas.cone(x, base, tall, SPRUCE))


def draw_pine_woodland(canvas: Canvas) -> None:
    """Draw pines: flat crowns on tall orange trunks."""
    _wood(canvas, lambda x, base, tall: canvas.pine(x, base, tall, PINE))


def draw_mixed_woodland(canvas: Canvas) -> None:
    """Draw broadleaves among spruces and pines."""
    leaves = min(max(canvas.state.green + canvas.state.dry - 0.1, 0.15) * 1.2, 1.0)

    def plant(x: float, base: float, tall: float) -> None:
        pick = canvas.rng.random()
        if pick < 0.5:
            canvas.broadleaf(x, base, tall, foliage(canvas), leaves)
        elif pick < 0.8:
            canvas.cone(x, base, tall, SPRUCE)
        else:
            canvas.pine(x, base, tall, PINE)

    _wood(canvas, plant)


def plant_grid(canvas: Canvas, spacing: float, tall: float, plant: Callable[[float, float, float], None]) -> None:
    """Draw trees on a grid over grass or bare soil, from far to near."""
    canvas.far_strip((72, 100, 66))
    grown = min(canvas.state.off_season + canvas.state.green * 0.5, 1.0)
    canvas.ground(blend(canvas.soil_colour(), (112, 150, 72), 0.3 + 0.5 * grown))
    for row in range(6, 0, -1):
        distance = 3.5 + spacing * (row - 0.5) * 0.8
        for x in canvas.lanes(distance, spacing, 0.5):
            if -0.3 * canvas.size < x < 1.3 * canvas.size:
                plant(x, canvas.y(distance), canvas.scale(distance) * tall * canvas.rng.uniform(0.85, 1.1))


def dot_crown(canvas: Canvas, x: float, base: float, tall: float, colour: RGB, count: int, radius: float) -> None:
    """Dot a tree's crown with fruit or blossom, of a radius as a share of its height."""
    for dx, dy in canvas.rng.uniform(-1, 1, (count, 2)).tolist():
        canvas.disc(x + dx * tall * 0.32, base - tall * (0.62 + dy * 0.3), max(tall * radius, 0.9), colour)


def draw_orchard(canvas: Canvas) -> None:
    """Draw fruit trees in rows: in blossom, in leaf, with apples, or bare."""
    state = canvas.state
    fruit = canvas.pick(((200, 45, 40), (215, 190, 60), (150, 30, 60)))
    blossom = canvas.pick(((252, 236, 242), (248, 200, 220)))

    def plant(x: float, base: float, tall: float) -> None:
        canvas.broadleaf(x, base, tall, blend((96, 142, 58), (205, 160, 60), state.dry), min(state.green * 1.2, 1.0))
        if state.flower > 0.1:
            dot_crown(canvas, x, base, tall, blossom, int(34 * state.flower), 0.07)
        elif state.green > 0.4:
            dot_crown(canvas, x, base, tall, fruit, 7, 0.04)

    plant_grid(canvas, 4.0, 3.6, plant)


def draw_citrus(canvas: Canvas) -> None:
    """Draw orange and lemon trees: round, dark, glossy, with bright fruit."""
    fruit: RGB = (245, 140, 20) if canvas.rng.random() < 0.7 else (250, 220, 50)

    def plant(x: float, base: float, tall: float) -> None:
        canvas.round_tree(x, base, tall, tall * 1.05, (30, 92, 40))
        dot_crown(canvas, x, base, tall, fruit, 12, 0.055)

    plant_grid(canvas, 5.0, 3.4, plant)


def draw_olive_grove(canvas: Canvas) -> None:
    """Draw olive trees: round grey-green crowns wide apart on pale soil."""
    plant_grid(canvas, 7.0, 4.2, lambda x, y, tall: canvas.round_tree(x, y, tall, tall * 1.15, (142, 156, 128)))


def draw_vineyard(canvas: Canvas) -> None:
    """Draw vines on posts and wires: walls of leaves between strips of soil or grass, bare stems in winter."""
    state = canvas.state
    canvas.far_strip((84, 104, 74), 0.8)
    canvas.ground(blend(canvas.soil_colour(), (110, 150, 70), 0.15 + 0.6 * state.off_season))
    leaf = blend((92, 148, 52), canvas.pick(((206, 160, 40), (190, 80, 40))), state.dry)
    horizon, size, rise = canvas.horizon, canvas.size, canvas.scale(NEAREST)
    top, low, cover = size - 1.7 * rise, size - 0.7 * rise, state.green + state.dry
    lanes = [x for x in canvas.lanes(NEAREST, 2.0, 0.5) if abs(x - canvas.vanish) <= 2.5 * size]
    for near in sorted(lanes, key=lambda x: -abs(x - canvas.vanish)):
        if cover > 0.12:
            edge = top + (low - top) * (1 - min(cover * 1.4, 1.0))
            canvas.draw.polygon([(canvas.vanish, horizon), (near, edge), (near, low)], fill=canvas.shade(leaf))
        for height in (0.7, 1.2, 1.65):
            canvas.draw.line((canvas.vanish, horizon, near, size - height * rise), fill=(136, 126, 112))
        for distance in np.geomspace(16.0, NEAREST, 9).tolist():
            x = canvas.vanish + (near - canvas.vanish) * NEAREST / distance
            u, y = canvas.scale(distance), canvas.y(distance)
            canvas.draw.line((x, y, x, y - 1.8 * u), fill=(150, 128, 100), width=max(int(0.06 * u), 1))
            vine = x + 0.3 * (near - canvas.vanish) * NEAREST / distance * 0.2
            canvas.draw.line((vine, y, vine, y - 0.8 * u), fill=(74, 54, 44), width=max(int(0.09 * u), 1))
            for dx, dy in canvas.rng.uniform(-0.3, 0.3, (2 if cover > 0.12 else 0, 2)).tolist():
                r = 0.25 * u * min(cover + 0.3, 1.0)
                canvas.disc(x + dx * u, y - (1.2 + dy) * u, r, canvas.shade(leaf, 14))
