"""Draw every simulated land cover by its name."""

from collections.abc import Callable

from . import bare_scenes, built_scenes, crop_scenes, grass_scenes, tree_scenes, water_scenes
from .canvas import Canvas
from .crop_plants import CROP_APPEARANCES

SCENES: dict[str, Callable[[Canvas], None]] = {
    "buildings": built_scenes.draw_buildings,
    "greenhouses": built_scenes.draw_greenhouses,
    "roads": built_scenes.draw_roads,
    "quarry": built_scenes.draw_quarry,
    "vegetables": crop_scenes.draw_vegetables,
    "clover and lucerne": crop_scenes.draw_fodder,
    "temporary grassland": grass_scenes.draw_temporary_grassland,
    "orchard": tree_scenes.draw_orchard,
    "citrus": tree_scenes.draw_citrus,
    "olive grove": tree_scenes.draw_olives,
    "vineyard": tree_scenes.draw_vineyard,
    "broadleaved woodland": tree_scenes.draw_broadleaved,
    "spruce woodland": tree_scenes.draw_spruce,
    "pine woodland": tree_scenes.draw_pine,
    "mixed woodland": tree_scenes.draw_mixed,
    "shrubland": grass_scenes.draw_shrubland,
    "grassland": grass_scenes.draw_grassland,
    "fallow": grass_scenes.draw_fallow,
    "rocks": bare_scenes.draw_rocks,
    "sand": bare_scenes.draw_sand,
    "bare soil": bare_scenes.draw_bare_soil,
    "lake": water_scenes.draw_lake,
    "river": water_scenes.draw_river,
    "glacier": bare_scenes.draw_glacier,
    "marsh": water_scenes.draw_marsh,
    "peatbog": water_scenes.draw_peatbog,
    "salt flat": bare_scenes.draw_salt_flat,
}


def draw_scene(canvas: Canvas, cover: str) -> None:
    """Draw one land cover of ``classes`` on a canvas."""
    if cover in CROP_APPEARANCES:
        crop_scenes.draw_crop(canvas, cover)
    else:
        SCENES[cover](canvas)
