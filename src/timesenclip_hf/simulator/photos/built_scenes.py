"""Draw simulated buildings, greenhouses, roads and quarries from the ground; sizes and colours are approximations."""

from itertools import product

from .canvas import NEAREST, RGB, Canvas, blend
from .grass_scenes import lay_grass
from .tree_scenes import draw_garden_tree

_HOUSE_WALLS: tuple[RGB, ...] = ((232, 222, 205), (205, 175, 145), (178, 98, 78), (240, 238, 232), (214, 206, 150))
_ROOFS: tuple[RGB, ...] = ((158, 70, 52), (98, 66, 56), (84, 88, 98), (186, 96, 66))
_MUD_WALLS: tuple[RGB, ...] = ((206, 172, 130), (190, 150, 110), (222, 196, 160), (236, 226, 206))
_BLOCK_WALLS: tuple[RGB, ...] = ((196, 192, 186), (172, 132, 110), (220, 214, 200), (150, 156, 166))
_CARS: tuple[RGB, ...] = ((180, 40, 40), (230, 230, 232), (50, 70, 120), (60, 60, 64))


def _windows(canvas: Canvas, left: float, top: float, wide: float, tall: float, columns: int, rows: int) -> None:
    pane: RGB = (58, 70, 92) if canvas.rng.random() < 0.7 else (120, 140, 160)
    for row, column in product(range(rows), range(columns)):
        x, y = left + wide * (column + 0.28) / columns, top + tall * (row + 0.22) / rows
        canvas.draw.rectangle((x, y, x + wide * 0.44 / columns, y + tall * 0.5 / rows), fill=pane)


def _house(canvas: Canvas, x: float, base: float, wide: float) -> None:
    rng = canvas.rng
    tall = wide * rng.uniform(0.5, 0.8)
    canvas.block(x, base, wide, tall, canvas.shade(canvas.pick(_HOUSE_WALLS)))
    ridge = base - tall - wide * rng.uniform(0.3, 0.5)
    roof = canvas.shade(canvas.pick(_ROOFS))
    top = [0.5] if rng.random() < 0.5 else [0.85, 0.15]
    eaves = [(x - wide * 0.07, base - tall), (x + wide * 1.07, base - tall)]
    canvas.draw.polygon([*eaves, *((x + wide * share, ridge) for share in top)], fill=roof)
    _windows(canvas, x, base - tall, wide, tall, 3, 2)
    canvas.draw.rectangle((x + wide * 0.42, base - tall * 0.42, x + wide * 0.58, base), fill=(96, 62, 44))


def _flat_house(canvas: Canvas, x: float, base: float, wide: float) -> None:
    """Draw a house of dry lands: mud brick or whitewash, a flat roof, few small windows, sometimes a second box."""
    rng = canvas.rng
    tall = wide * rng.uniform(0.45, 0.75)
    for left, width, high in ((x, wide, tall), (x + wide * rng.uniform(0, 0.5), wide * 0.5, tall * 1.6)):
        wall = canvas.shade(canvas.pick(_MUD_WALLS))
        canvas.block(left, base, width, high, wall)
        canvas.block(left, base - high * 0.94, width, high * 0.06, blend(wall, (110, 84, 62), 0.5))
        for share in (0.2, 0.7):
            pane = left + width * share
            canvas.block(pane, base - high * 0.6, width * 0.12, high * 0.16, (74, 60, 50))
        if rng.random() < 0.5:
            break
    canvas.block(x + wide * 0.42, base, wide * 0.14, tall * 0.5, canvas.pick(((70, 100, 130), (92, 64, 44))))


def draw_buildings(canvas: Canvas) -> None:
    """Draw houses or blocks of flats behind a street, a garden or a lawn; in dry lands flat roofs by a dusty road."""
    rng = canvas.rng
    canvas.far_strip((120, 110, 105))
    lay_grass(canvas)
    dusty = canvas.state.wetness < 0.15 and canvas.state.green + canvas.state.off_season < 0.15 and rng.random() < 0.8
    if dusty:
        canvas.ground(canvas.shade((198, 166, 128)), 12)
    elif rng.random() < 0.65:
        canvas.ground(canvas.shade((138, 136, 134)), 5)
        kerb = canvas.y(6.0)
        canvas.draw.rectangle((0, kerb, canvas.size, kerb + 2), fill=(186, 184, 180))
    tower = rng.random() < (0.15 if dusty else 0.35)
    for distance in (26.0, 15.0):
        base, x = canvas.y(distance), rng.uniform(-0.25, 0.05) * canvas.size
        while x < canvas.size:
            wide = canvas.scale(distance) * rng.uniform(6.0, 9.0)
            if tower:
                tall = canvas.scale(distance) * rng.uniform(7.0, 16.0)
                canvas.block(x, base, wide, tall, canvas.shade(canvas.pick(_BLOCK_WALLS)))
                _windows(canvas, x, base - tall, wide, tall, 4, max(int(tall / wide * 4), 3))
            else:
                (_flat_house if dusty else _house)(canvas, x, base, wide)
            x += wide * rng.uniform(1.1, 1.7)
    for x, height in rng.random((2, 2)).tolist():
        draw_garden_tree(canvas, x * canvas.size, canvas.y(11.0), canvas.size * (0.1 + 0.12 * height))


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
                arch = (x, base - tall, x + wide, base + tall)
                canvas.draw.pieslice(arch, 180, 360, fill=skin, outline=(160, 165, 165))
            for rib in range(1, 6):
                px = x + wide * rib / 6
                canvas.draw.line((px, base - tall * 0.6, px, base), fill=(166, 180, 184), width=1)
            x += wide * 1.05


def draw_roads(canvas: Canvas) -> None:
    """Draw a road with markings, a railway, or a car park."""
    canvas.far_strip((76, 98, 70))
    lay_grass(canvas, (110, 142, 74))
    kind = canvas.rng.random()
    canvas.vanish = canvas.size * canvas.rng.uniform(0.35, 0.65)
    middle = canvas.size * canvas.rng.uniform(0.35, 0.65)
    asphalt = canvas.shade((104, 105, 110))
    if kind >= 0.2:
        _track(canvas, middle, asphalt if kind < 0.75 else None)
        return
    canvas.ground(asphalt, 5)
    for near in canvas.lanes(NEAREST, 1.6):
        canvas.draw.line((canvas.vanish, canvas.horizon, near, canvas.size), fill=(225, 225, 222), width=1)
    wide = canvas.size * 0.13
    for x in canvas.columns(4):
        car = (x, canvas.horizon - 2, x + wide, canvas.horizon + wide * 0.4)
        canvas.draw.rectangle(car, fill=canvas.pick(_CARS))


def _track(canvas: Canvas, middle: float, asphalt: RGB | None) -> None:
    """Draw what runs to the vanishing point: a road of some asphalt, or a railway."""
    size, horizon, vanish = canvas.size, canvas.horizon, canvas.vanish
    wide = size * (0.42 if asphalt else 0.28)
    for share, colour in ((1.25, canvas.shade((160, 150, 135))), (1.0, asphalt or (122, 112, 104))):
        half = wide * share
        far = [(vanish - 1, horizon), (vanish + 1, horizon)]
        canvas.draw.polygon([*far, (middle + half, size), (middle - half, size)], fill=colour)
    for step in range(9):
        t, end = 0.78**step, 0.78 ** (step + 0.5)
        x, y = vanish + (middle - vanish) * t, canvas.row(t)
        if asphalt:
            dash = (x, y, vanish + (middle - vanish) * end, canvas.row(end))
            canvas.draw.line(dash, fill=(245, 245, 240), width=max(int(3 * t), 1))
        else:
            sleeper = (x - wide * t * 0.8, y, x + wide * t * 0.8, y)
            canvas.draw.line(sleeper, fill=(82, 64, 50), width=max(int(4 * t), 1))
    reach, colour, width = (0.88, (240, 240, 236), 1) if asphalt else (0.5, (178, 184, 192), 2)
    for side in (-1, 1):
        canvas.draw.line((vanish, horizon, middle + side * wide * reach, size), fill=colour, width=width)


def draw_quarry(canvas: Canvas) -> None:
    """Draw the terraced face of an open pit, spoil heaps and an excavator."""
    stone = canvas.shade(canvas.pick(((206, 192, 160), (176, 172, 168), (196, 160, 124))))
    canvas.ground(blend(stone, (150, 135, 115), 0.4))
    step = canvas.size * canvas.rng.uniform(0.05, 0.075)
    for level in range(4, 0, -1):
        y = canvas.horizon - step * (level - 1)
        canvas.block(0, y, canvas.size, step, canvas.shade(blend(stone, (110, 100, 90), 0.12 * level)))
        canvas.draw.line((0, y - step, canvas.size, y - step), fill=(235, 228, 210), width=2)
        for x in canvas.columns(9):
            canvas.draw.line((x, y - step, x + 2, y), fill=blend(stone, (70, 62, 55), 0.5))
    heap = blend(stone, (250, 245, 235), 0.2)
    for distance in (16.0, 9.0, 6.0):
        tall = canvas.scale(distance) * 1.6
        canvas.dome(canvas.columns(1)[0], canvas.y(distance), tall, tall * 3, heap)
    if canvas.rng.random() < 0.7:
        x, y, u = canvas.rng.uniform(0.2, 0.7) * canvas.size, canvas.y(9.0), canvas.scale(9.0)
        canvas.draw.rectangle((x, y - u, x + 1.8 * u, y - 0.3 * u), fill=(238, 180, 20))
        canvas.draw.rectangle((x, y - 0.3 * u, x + 1.8 * u, y), fill=(45, 45, 48))
        arm = (x + 1.8 * u, y - u, x + 2.7 * u, y - 1.9 * u, x + 3.3 * u, y - 0.4 * u)
        canvas.draw.line(arm, fill=(238, 180, 20), width=2)
