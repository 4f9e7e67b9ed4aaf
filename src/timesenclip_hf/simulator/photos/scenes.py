"""Draw every simulated land cover by its name."""

from collections.abc import Callable

from .bare_scenes import draw_bare_soil, draw_glacier, draw_rocks, draw_salt_flat, draw_sand
from .built_scenes import draw_buildings, draw_greenhouses, draw_quarry, draw_roads
from .canvas import Canvas
from .crop_plants import CROP_APPEARANCES
from .crop_scenes import draw_crop, draw_fodder, draw_vegetables
from .grass_scenes import draw_fallow, draw_grassland, draw_shrubland, draw_temporary_grassland
from .tree_scenes import (
    draw_broadleaved,
    draw_citrus,
    draw_mixed,
    draw_olives,
    draw_orchard,
    draw_pine,
    draw_spruce,
    draw_vineyard,
)
from .water_scenes import draw_lake, draw_marsh, draw_peatbog, draw_river

SCENES: dict[str, Callable[[Canvas], None]] = {
    "buildings": draw_buildings,
    "greenhouses": draw_greenhouses,
    "roads": draw_roads,
    "quarry": draw_quarry,
    "vegetables": draw_vegetables,
    "clover and lucerne": draw_fodder,
    "temporary grassland": draw_temporary_grassland,
    "orchard": draw_orchard,
    "citrus": draw_citrus,
    "olive grove": draw_olives,
    "vineyard": draw_vineyard,
    "broadleaved woodland": draw_broadleaved,
    "spruce woodland": draw_spruce,
    "pine woodland": draw_pine,
    "mixed woodland": draw_mixed,
    "shrubland": draw_shrubland,
    "grassland": draw_grassland,
    "fallow": draw_fallow,
    "rocks": draw_rocks,
    "sand": draw_sand,
    "bare soil": draw_bare_soil,
    "lake": draw_lake,
    "river": draw_river,
    "glacier": draw_glacier,
    "marsh": draw_marsh,
    "peatbog": draw_peatbog,
    "salt flat": draw_salt_flat,
}


def draw_scene(canvas: Canvas, cover: str) -> None:
    """Draw one land cover of ``classes`` on a canvas."""
    if cover in CROP_APPEARANCES:
        draw_crop(canvas, cover)
    else:
        SCENES[cover](canvas)
