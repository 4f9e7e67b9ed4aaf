"""Calendars of the simulated covers: what stands on the ground on any day of the year.

Days are days of the year at 48 degrees north in an average year; every degree further north delays them
by `Cover.delay` days. The numbers are our approximations from farming calendars and general knowledge of
European land covers; wherever a value is not plain from its name, the reason stands beside it.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

Range = tuple[float, float]
NEVER = (900.0, 900.0)


@dataclass(frozen=True)
class Cover:
    """One way in which a land cover lives through the year; pairs are (lowest, highest).

    Attributes:
        latitude: degrees north.
        delay: days later per degree north.
        cover: share of the ground under the main canopy's rows or crowns.
        lai: leaf area index at the season's height.
        winter_lai: leaf area index outside the season (winter crops in January, evergreens, dead reeds).
        leaf_on: day on which half of the season's leaf area is out, and `leaf_on_pace` its logistic scale.
        leaf_off: day on which half of the canopy is ripe or fallen, and `leaf_off_pace` its logistic scale.
        drop: share of leaf area lost in ripening; the rest stands dry (annuals).
        harvest: days from `leaf_off` to harvest; negative for crops taken green; NEVER for perennials.
        dead: share of brown leaves in the season, and `winter_dead` outside it.
        flower_day: days from `leaf_on` to full flower, `flower_span` its half-width, `flower` its strength.
        petals: key of `surfaces.PETALS`.
        height: metres at full growth.
        chlorophyll, leaf_water, dry_matter, layers, leaf_angle, leaf_size: see `simulated_canopy`.
        shade: share of light lost between crowns or clumps of needles.
        under_spring: leaf area of weeds, catch crop or regrowth standing in January.
        killed: days from `leaf_on` back to when that growth is ploughed or sprayed away.
        under_autumn: leaf area of what greens up after harvest, `under_delay` days later.
        under: leaf area below or between the canopy all year (grass in an orchard), and `under_dead`.
        drought: share that withers below and in the canopy at midsummer.
        cuts: number of mowings or grazings, `cut_depth` the leaf area that each takes.
        stubble: ground hidden by stalks after harvest; `tillage` days later they are turned under.
        bare_stubble: ground hidden by the previous crop's residue until the seedbed.
        flood: share of the ground under water, all year; `paddy` in May to July only.
        ground: key of `surfaces.GROUNDS`.
    """

    latitude: Range = (42, 56)
    delay: float = 3.0
    cover: Range = (0.97, 1.0)
    lai: Range = (2.5, 5.5)
    winter_lai: Range = (0.0, 0.0)
    leaf_on: Range = (120, 120)
    leaf_on_pace: Range = (7, 11)
    leaf_off: Range = (260, 260)
    leaf_off_pace: Range = (5, 10)
    drop: Range = (0.3, 0.7)
    harvest: Range = NEVER
    dead: Range = (0.0, 0.06)
    winter_dead: Range = (0.0, 0.1)
    flower_day: Range = (30, 40)
    flower_span: Range = (8, 14)
    flower: Range = (0.0, 0.0)
    petals: str = "white"
    height: Range = (0.5, 1.0)
    chlorophyll: Range = (30, 58)
    leaf_water: Range = (0.014, 0.028)
    dry_matter: Range = (0.004, 0.008)
    layers: Range = (1.3, 1.8)
    leaf_angle: Range = (48, 64)
    leaf_size: Range = (0.03, 0.3)
    shade: Range = (0.0, 0.05)
    under_spring: Range = (0.0, 0.0)
    killed: Range = (15, 60)
    under_autumn: Range = (0.0, 0.0)
    under_delay: Range = (15, 70)
    under: Range = (0.0, 0.15)
    under_dead: Range = (0.05, 0.3)
    drought: Range = (0.0, 0.2)
    cuts: Range = (0, 0)
    cut_depth: Range = (0.3, 0.8)
    stubble: Range = (0.2, 0.8)
    tillage: Range = (5, 120)
    bare_stubble: Range = (0.0, 0.3)
    flood: Range = (0.0, 0.0)
    paddy: Range = (0.0, 0.0)
    ground: str = "soil"


NUMERIC_FIELDS = tuple(field.name for field in fields(Cover) if field.name not in ("petals", "ground", "delay"))

# Winter cereals: leaves thick with water and chlorophyll in spring (B11 near .125), upright ears and stalks
# that stay standing dry until the combine comes two to three weeks after yellowing.
_WINTER_CEREAL = Cover(
    latitude=(40, 57),
    delay=4.0,
    lai=(3.0, 6.5),
    winter_lai=(0.3, 1.8),
    leaf_on=(84, 100),
    leaf_on_pace=(8, 14),
    leaf_off=(168, 184),
    leaf_off_pace=(4, 8),
    drop=(0.3, 0.6),
    harvest=(8, 26),
    height=(0.7, 1.0),
    leaf_water=(0.018, 0.034),
    leaf_angle=(54, 70),
    under_autumn=(0.0, 2.5),
    under_delay=(15, 90),
)
_SPRING_CEREAL = replace(
    _WINTER_CEREAL,
    winter_lai=(0.0, 0.0),
    leaf_on=(112, 128),
    leaf_on_pace=(7, 11),
    leaf_off=(183, 200),
    lai=(2.5, 5.0),
    under_spring=(0.0, 1.2),
    killed=(30, 65),
)
# Crops sown in spring on bare, often bright and dry seedbeds after a winter of weeds, volunteers or catch crop.
_ROW_CROP = Cover(
    delay=1.5,
    leaf_on=(160, 180),
    under_spring=(0.0, 2.6),
    killed=(25, 75),
    under_autumn=(0.0, 2.0),
)
_MAIZE = replace(
    _ROW_CROP,
    latitude=(40, 54),
    lai=(2.8, 5.5),
    leaf_on=(164, 182),
    leaf_off=(244, 270),
    leaf_off_pace=(6, 13),
    drop=(0.1, 0.5),
    harvest=(-18, 30),
    height=(1.9, 3.0),
    leaf_angle=(50, 64),
    chlorophyll=(35, 60),
    leaf_water=(0.018, 0.032),
    stubble=(0.2, 0.7),
)
_BEET = replace(
    _ROW_CROP,
    latitude=(45, 56),
    leaf_on=(158, 174),
    lai=(3.0, 5.5),
    leaf_off=(330, 350),
    drop=(0.1, 0.4),
    harvest=(-70, -20),  # lifted green from late September to November
    height=(0.4, 0.6),
    leaf_water=(0.026, 0.042),  # succulent leaves
    leaf_angle=(42, 55),
    stubble=(0.0, 0.25),
    under_autumn=(0.0, 0.5),
)
_PULSE = Cover(
    latitude=(42, 56),
    delay=3.0,
    lai=(2.5, 5.0),
    leaf_on=(112, 130),
    leaf_off=(172, 196),
    leaf_off_pace=(4, 8),
    drop=(0.4, 0.8),
    harvest=(5, 18),
    flower_day=(18, 34),
    flower=(0.02, 0.15),
    height=(0.5, 1.1),
    leaf_angle=(38, 55),
    under_spring=(0.0, 1.5),
    killed=(30, 60),
    under_autumn=(0.0, 3.0),
    under_delay=(5, 50),
)
# Permanent grass: never fully fresh, a quarter of standing dead matter, NIR peak in April and May.
_GRASS = Cover(
    latitude=(41, 60),
    delay=3.5,
    lai=(2.0, 5.0),
    winter_lai=(0.9, 2.6),
    leaf_on=(82, 104),
    leaf_on_pace=(8, 14),
    leaf_off=(285, 325),
    leaf_off_pace=(12, 22),
    dead=(0.05, 0.28),
    winter_dead=(0.06, 0.34),
    flower_day=(30, 60),
    flower=(0.0, 0.1),
    petals="mixed",
    height=(0.1, 0.5),
    chlorophyll=(28, 48),
    leaf_water=(0.012, 0.024),
    leaf_angle=(52, 70),
    drought=(0.0, 0.65),
    cuts=(0, 4),
    under=(0.1, 0.6),
)
_BROADLEAVED = Cover(
    latitude=(42, 60),
    delay=2.5,
    cover=(0.85, 1.0),
    lai=(3.5, 6.5),
    winter_lai=(0.1, 0.4),
    leaf_on=(106, 122),
    leaf_on_pace=(4, 7),
    leaf_off=(284, 304),
    leaf_off_pace=(6, 11),
    winter_dead=(0.85, 1.0),
    height=(10, 28),
    leaf_water=(0.009, 0.016),
    dry_matter=(0.005, 0.009),
    layers=(1.4, 1.9),
    leaf_angle=(36, 56),
    leaf_size=(0.01, 0.05),
    shade=(0.12, 0.38),  # rough crowns cast shadow into their own gaps
    under=(0.1, 1.0),
    drought=(0.0, 0.12),
    ground="litter",
)
_SPRUCE = replace(
    _BROADLEAVED,
    latitude=(45, 66),
    lai=(3.5, 6.5),
    winter_lai=(3.0, 6.0),
    dead=(0.03, 0.15),
    winter_dead=(0.05, 0.2),
    chlorophyll=(35, 60),
    leaf_water=(0.018, 0.035),
    dry_matter=(0.011, 0.022),  # needles are heavy
    layers=(1.6, 2.4),
    leaf_angle=(50, 62),
    shade=(0.4, 0.62),  # needles clump in shoots, crowns are pointed: conifers look dark
    under=(0.0, 0.5),
)
_PINE = replace(
    _SPRUCE,
    latitude=(38, 64),
    cover=(0.65, 0.95),
    lai=(1.8, 4.0),
    winter_lai=(1.5, 3.5),
    shade=(0.3, 0.52),
    under=(0.3, 1.8),
    under_dead=(0.1, 0.5),
    drought=(0.0, 0.3),
)
_SHRUB = Cover(
    latitude=(37, 60),
    cover=(0.55, 0.95),
    lai=(1.2, 3.2),
    winter_lai=(0.6, 2.2),
    leaf_on=(100, 130),
    leaf_off=(285, 315),
    leaf_off_pace=(12, 20),
    dead=(0.12, 0.4),
    winter_dead=(0.2, 0.6),
    flower=(0.0, 0.25),
    petals="mixed",
    height=(0.4, 2.5),
    chlorophyll=(25, 48),
    leaf_water=(0.009, 0.018),
    dry_matter=(0.008, 0.016),
    layers=(1.5, 2.2),
    shade=(0.1, 0.3),
    under=(0.2, 1.2),
    under_dead=(0.2, 0.6),
    drought=(0.0, 0.4),
)
_GROVE = Cover(
    delay=2.5,
    cover=(0.3, 0.7),
    lai=(1.8, 3.5),
    leaf_on=(100, 120),
    leaf_off=(295, 318),
    leaf_off_pace=(6, 12),
    winter_dead=(0.8, 1.0),
    height=(2.5, 5),
    leaf_water=(0.01, 0.018),
    dry_matter=(0.005, 0.009),
    shade=(0.08, 0.25),
    under_dead=(0.05, 0.35),
    drought=(0.0, 0.5),
)
_OPEN_GROUND = Cover(latitude=(37, 60), cover=(0.0, 0.03), lai=(0.5, 2.0), under=(0.0, 0.05), height=(0.0, 0.0))
# Lawns, trees and hedges between houses; roofs and walls cast shadow.
_TOWN = replace(
    _OPEN_GROUND,
    cover=(0.02, 0.45),
    lai=(1.5, 4.0),
    winter_lai=(0.6, 2.5),
    leaf_on=(95, 120),
    leaf_off=(285, 310),
    dead=(0.05, 0.3),
    winter_dead=(0.1, 0.5),
    height=(4, 12),
    shade=(0.05, 0.35),
    under=(0.0, 0.1),
    drought=(0.0, 0.45),
    ground="town",
)
_OPEN_WATER = replace(_OPEN_GROUND, cover=(0.0, 0.01), lai=(0.2, 1.0), under=(0.0, 0.0), shade=(0.0, 0.0))

# Every simulated class: its ways of life with their frequencies.
COVERS: dict[str, tuple[tuple[float, Cover], ...]] = {
    "buildings": ((1.0, _TOWN),),
    "greenhouses": (
        (1.0, replace(_TOWN, latitude=(36, 53), cover=(0.0, 0.3), shade=(0.0, 0.1), ground="greenhouse")),
    ),
    "roads": ((1.0, replace(_TOWN, cover=(0.0, 0.35), height=(0.0, 1.0), ground="road")),),
    "quarry": ((1.0, replace(_OPEN_GROUND, cover=(0.0, 0.12), shade=(0.0, 0.2), ground="quarry")),),
    "wheat": ((0.93, _WINTER_CEREAL), (0.07, _SPRING_CEREAL)),
    "barley": (
        # Winter barley ripens two to three weeks before wheat; awned ears turn it pale already in May.
        (0.6, replace(_WINTER_CEREAL, leaf_on=(76, 92), leaf_off=(148, 164), leaf_off_pace=(6, 11))),
        (0.4, replace(_SPRING_CEREAL, leaf_on=(108, 124), leaf_off=(176, 192), height=(0.6, 0.9))),
    ),
    "rye": (
        (
            1.0,
            replace(
                _WINTER_CEREAL,
                latitude=(44, 60),
                leaf_on=(74, 92),
                leaf_off=(172, 190),
                height=(1.2, 1.8),
                lai=(2.5, 5.0),
                chlorophyll=(28, 48),
            ),
        ),
    ),
    "oats": (
        (0.75, replace(_SPRING_CEREAL, latitude=(44, 61), leaf_off=(190, 208), height=(0.8, 1.2))),
        (0.25, replace(_WINTER_CEREAL, latitude=(37, 45), leaf_off=(176, 192))),
    ),
    "maize": (
        (0.75, _MAIZE),
        (0.25, replace(_MAIZE, latitude=(47, 55), harvest=(-22, 8), under_spring=(0.8, 4.0), killed=(20, 50))),
    ),
    "rice": (
        (
            1.0,
            replace(
                _ROW_CROP,
                latitude=(37, 46),
                leaf_on=(174, 194),
                leaf_on_pace=(8, 12),
                leaf_off=(246, 264),
                harvest=(8, 28),
                drop=(0.2, 0.5),
                height=(0.8, 1.1),
                leaf_angle=(58, 72),
                under_spring=(0.0, 0.8),
                killed=(50, 80),
                under_autumn=(0.0, 0.8),
                paddy=(0.75, 1.0),
            ),
        ),
    ),
    "potatoes": (
        (
            1.0,
            replace(
                _ROW_CROP,
                latitude=(42, 58),
                leaf_on=(146, 168),
                lai=(3.0, 6.0),
                leaf_off=(212, 252),  # natural dying-off or killed haulms
                leaf_off_pace=(4, 9),
                drop=(0.6, 0.95),
                harvest=(10, 32),
                flower_day=(18, 30),
                flower=(0.02, 0.12),
                height=(0.5, 0.8),
                leaf_angle=(38, 52),
                leaf_water=(0.02, 0.036),
                stubble=(0.0, 0.25),
            ),
        ),
    ),
    "sugar beet": ((1.0, _BEET),),
    "sunflower": (
        (
            1.0,
            replace(
                _ROW_CROP,
                latitude=(41, 50),
                leaf_on=(160, 182),
                lai=(2.0, 4.0),
                leaf_off=(228, 250),
                drop=(0.4, 0.8),
                harvest=(10, 34),
                flower_day=(24, 38),
                flower_span=(8, 14),
                flower=(0.12, 0.35),
                petals="yellow",
                height=(1.4, 2.0),
                chlorophyll=(26, 42),
                leaf_angle=(32, 48),  # broad leaves held flat
                under_spring=(0.0, 1.6),
                killed=(40, 90),
            ),
        ),
    ),
    "rapeseed": (
        (
            1.0,
            replace(
                _WINTER_CEREAL,
                latitude=(43, 58),
                lai=(3.0, 6.0),
                winter_lai=(0.8, 2.6),
                leaf_on=(72, 90),
                leaf_off=(166, 182),
                harvest=(10, 24),
                drop=(0.4, 0.7),
                flower_day=(24, 38),
                flower_span=(14, 24),  # flowers, then pale pods
                flower=(0.15, 0.5),
                petals="yellow",
                height=(1.3, 1.8),
                leaf_angle=(40, 58),
                leaf_water=(0.022, 0.038),
                under_autumn=(0.5, 3.5),  # volunteers sprout from lost seed
                under_delay=(8, 40),
            ),
        ),
    ),
    "soya": (
        (
            1.0,
            replace(
                _ROW_CROP,
                latitude=(41, 50),
                leaf_on=(174, 200),
                lai=(3.0, 6.0),
                leaf_off=(246, 268),
                leaf_off_pace=(4, 8),
                drop=(0.6, 0.95),
                harvest=(6, 20),
                height=(0.6, 1.0),
                leaf_angle=(36, 50),
                leaf_water=(0.012, 0.022),
                stubble=(0.05, 0.4),
            ),
        ),
    ),
    "cotton": (
        (
            1.0,
            replace(
                _ROW_CROP,
                latitude=(36, 42),
                leaf_on=(176, 196),
                lai=(1.8, 4.0),
                leaf_off=(262, 284),
                harvest=(12, 36),
                flower_day=(86, 104),  # open bolls, not petals
                flower=(0.15, 0.5),
                flower_span=(14, 24),
                height=(0.7, 1.1),
                leaf_angle=(36, 50),
            ),
        ),
    ),
    "flax": (
        (
            1.0,
            replace(
                _SPRING_CEREAL,
                latitude=(46, 56),
                leaf_on=(114, 130),
                lai=(2.2, 4.5),
                leaf_off=(180, 192),
                harvest=(2, 12),
                flower_day=(34, 46),
                flower_span=(6, 10),
                flower=(0.1, 0.4),
                petals="blue",
                height=(0.7, 1.0),
                stubble=(0.7, 1.0),  # pulled straw rets on the field for weeks
                tillage=(25, 70),
            ),
        ),
    ),
    "tobacco": (
        (
            1.0,
            replace(
                _ROW_CROP,
                latitude=(38, 48),
                leaf_on=(174, 194),
                lai=(2.0, 4.0),
                leaf_off=(262, 282),
                harvest=(-45, 0),
                height=(1.0, 1.8),
                chlorophyll=(20, 34),
                leaf_angle=(32, 46),
                leaf_water=(0.022, 0.038),
            ),
        ),
    ),
    "peas and beans": (
        (0.6, _PULSE),
        (0.2, replace(_PULSE, winter_lai=(0.2, 1.0), under_spring=(0.0, 0.0), leaf_on=(98, 116))),
        (0.2, replace(_PULSE, leaf_on=(165, 195), leaf_off=(232, 256), harvest=(-8, 10))),
    ),
    "vegetables": (
        (0.45, replace(_PULSE, leaf_on=(125, 175), leaf_off=(205, 250), harvest=(-20, 10), stubble=(0.0, 0.3))),
        (0.35, replace(_BEET, leaf_on=(185, 225), leaf_off=(340, 380), harvest=(-60, 0), lai=(2.0, 4.5))),
        (0.2, replace(_ROW_CROP, cover=(0.6, 0.9), lai=(1.0, 2.5), leaf_on=(135, 165), leaf_off=(215, 240))),
    ),
    "clover and lucerne": (
        (
            1.0,
            replace(
                _GRASS,
                latitude=(40, 57),
                lai=(3.0, 5.5),
                winter_lai=(0.5, 2.0),
                dead=(0.0, 0.08),
                winter_dead=(0.05, 0.3),
                drought=(0.0, 0.25),
                cuts=(2, 5),
                cut_depth=(0.6, 0.92),
                flower_day=(35, 70),
                flower=(0.0, 0.2),
                petals="blue",
                height=(0.4, 0.9),
                chlorophyll=(35, 58),
                leaf_water=(0.016, 0.03),
                leaf_angle=(38, 54),
                under=(0.0, 0.3),
            ),
        ),
    ),
    "temporary grassland": (
        (
            1.0,
            replace(
                _GRASS,
                lai=(2.5, 6.0),
                winter_lai=(1.0, 3.0),
                dead=(0.0, 0.12),
                winter_dead=(0.02, 0.2),
                chlorophyll=(32, 55),
                leaf_water=(0.015, 0.03),
                cuts=(2, 5),
                cut_depth=(0.5, 0.9),
                drought=(0.0, 0.45),
            ),
        ),
    ),
    "orchard": ((1.0, replace(_GROVE, latitude=(38, 53), flower_day=(-14, -4), flower=(0.1, 0.5), under=(0.4, 2.8))),),
    "citrus": (
        (
            1.0,
            replace(
                _GROVE,
                latitude=(36, 41),
                cover=(0.35, 0.8),
                winter_lai=(1.8, 3.5),
                winter_dead=(0.0, 0.08),
                lai=(2.2, 4.0),
                chlorophyll=(40, 65),
                dry_matter=(0.009, 0.014),
                under=(0.0, 1.2),
            ),
        ),
    ),
    "olive grove": (
        (
            1.0,
            replace(
                _GROVE,
                latitude=(36, 44),
                cover=(0.12, 0.5),
                winter_lai=(1.0, 2.5),
                winter_dead=(0.0, 0.15),
                lai=(1.2, 2.8),
                chlorophyll=(28, 48),
                leaf_water=(0.01, 0.018),
                dry_matter=(0.012, 0.02),
                layers=(1.8, 2.6),
                under=(0.0, 1.8),
                drought=(0.5, 1.0),
                height=(2.5, 6),
            ),
        ),
    ),
    "vineyard": (
        (
            1.0,
            replace(
                _GROVE,
                latitude=(38, 50),
                cover=(0.2, 0.5),
                leaf_on=(126, 146),
                leaf_off=(286, 306),
                lai=(1.5, 3.0),
                height=(1.2, 1.9),
                under=(0.0, 1.8),
                drought=(0.2, 0.8),
            ),
        ),
    ),
    "broadleaved woodland": (
        (0.85, _BROADLEAVED),
        (
            0.15,  # evergreen oaks of the south
            replace(
                _BROADLEAVED,
                latitude=(37, 44),
                lai=(2.0, 4.0),
                winter_lai=(1.8, 3.5),
                winter_dead=(0.02, 0.1),
                dry_matter=(0.011, 0.018),
                height=(4, 12),
                cover=(0.6, 0.95),
            ),
        ),
    ),
    "spruce woodland": ((1.0, _SPRUCE),),
    "pine woodland": ((1.0, _PINE),),
    "mixed woodland": (
        (
            1.0,
            replace(
                _BROADLEAVED,
                latitude=(44, 62),
                winter_lai=(1.0, 3.0),
                winter_dead=(0.05, 0.3),
                dry_matter=(0.007, 0.014),
                layers=(1.5, 2.1),
                shade=(0.25, 0.48),
            ),
        ),
    ),
    "shrubland": (
        (0.5, _SHRUB),
        (0.5, replace(_SHRUB, latitude=(36, 44), delay=1.5, drought=(0.1, 0.6), winter_lai=(1.0, 2.4))),
    ),
    "grassland": (
        (0.55, _GRASS),
        (0.25, replace(_GRASS, lai=(2.5, 5.5), cuts=(1, 3), cut_depth=(0.5, 0.85), height=(0.3, 0.9))),
        (
            0.2,  # poor, dry or mountain grass
            replace(_GRASS, lai=(1.2, 3.0), winter_lai=(0.4, 1.5), dead=(0.15, 0.4), winter_dead=(0.3, 0.7), cuts=(0, 1)),
        ),
    ),
    "fallow": (
        (
            1.0,
            replace(
                _GRASS,
                cover=(0.4, 0.9),
                lai=(0.8, 3.0),
                winter_lai=(0.2, 1.2),
                dead=(0.1, 0.4),
                winter_dead=(0.2, 0.6),
                drought=(0.2, 0.85),
                cuts=(0, 2),
                flower=(0.0, 0.25),
                height=(0.3, 1.0),
            ),
        ),
    ),
    "rocks": ((1.0, replace(_OPEN_GROUND, cover=(0.0, 0.2), winter_lai=(0.2, 1.0), shade=(0.0, 0.3), ground="rock")),),
    "sand": ((1.0, replace(_OPEN_GROUND, cover=(0.0, 0.1), ground="sand")),),
    "bare soil": ((1.0, replace(_OPEN_GROUND, cover=(0.0, 0.1), under=(0.0, 0.25))),),
    "lake": ((1.0, replace(_OPEN_WATER, ground="lake")),),
    "river": ((1.0, replace(_OPEN_WATER, cover=(0.0, 0.06), ground="river")),),
    "glacier": ((1.0, replace(_OPEN_WATER, latitude=(45, 68), ground="glacier")),),
    "marsh": (
        (
            1.0,
            replace(
                _GRASS,
                latitude=(40, 62),
                lai=(1.5, 4.5),
                winter_lai=(0.8, 2.2),
                leaf_on=(128, 150),
                leaf_off=(260, 290),
                dead=(0.08, 0.3),
                winter_dead=(0.75, 1.0),  # last year's reeds stand all winter
                height=(1.0, 2.8),
                cover=(0.6, 0.98),
                drought=(0.0, 0.1),
                cuts=(0, 0),
                flower=(0.0, 0.0),
                flood=(0.3, 0.9),
                under=(0.0, 0.3),
                ground="peat",
            ),
        ),
    ),
    "peatbog": (
        (
            1.0,
            replace(
                _SHRUB,
                latitude=(48, 66),
                cover=(0.7, 1.0),
                lai=(0.9, 2.4),
                winter_lai=(0.6, 1.6),
                dead=(0.25, 0.5),
                winter_dead=(0.4, 0.75),
                leaf_on=(130, 155),
                leaf_off=(255, 280),
                height=(0.1, 0.5),
                flood=(0.05, 0.4),
                drought=(0.0, 0.15),
                ground="peat",
            ),
        ),
    ),
    "salt flat": (
        (0.6, replace(_OPEN_GROUND, cover=(0.0, 0.15), flood=(0.05, 0.7), ground="salt")),
        (
            0.4,  # salt marsh: low fleshy plants over mud
            replace(
                _SHRUB,
                cover=(0.3, 0.9),
                lai=(0.6, 2.0),
                winter_lai=(0.3, 1.0),
                leaf_on=(120, 145),
                leaf_off=(265, 290),
                leaf_water=(0.03, 0.06),
                height=(0.1, 0.5),
                flood=(0.1, 0.6),
                under=(0.0, 0.1),
                ground="mud",
            ),
        ),
    ),
}


@dataclass(frozen=True)
class Calendar:
    """The drawn lives of N points: `Cover`'s numbers as (N,) arrays, dates moved to the point's climate."""

    values: dict[str, np.ndarray]
    cut_days: np.ndarray
    wetness: np.ndarray
    snow: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        """Returns a field of `Cover` as a column, (N, 1), ready to meet days, (N, D)."""
        return self.values[name][:, None]


@dataclass(frozen=True)
class Standing:
    """What stands on the ground on given days; every array is (N, D)."""

    lai: np.ndarray
    dead: np.ndarray
    flower: np.ndarray
    height: np.ndarray
    under_lai: np.ndarray
    under_dead: np.ndarray
    stubble: np.ndarray
    flood: np.ndarray
    wetness: np.ndarray
    snow: np.ndarray


def _rise(days: np.ndarray, middle: np.ndarray, pace: np.ndarray | float) -> np.ndarray:
    """Logistic curve that passes one half on day `middle`."""
    return np.asarray(1 / (1 + np.exp(np.clip((middle - days) / pace, -30, 30))))


def draw_calendar(covers: list[Cover], latitude: np.ndarray, rng: np.random.Generator) -> Calendar:
    """Draws the year of each point from its cover's ranges, its latitude and that year's weather."""
    num_points = len(covers)
    position = rng.random((num_points, len(NUMERIC_FIELDS)))
    low, high = (
        np.array([[getattr(cover, name)[end] for name in NUMERIC_FIELDS] for cover in covers]) for end in (0, 1)
    )
    drawn = low + position * (high - low)
    values = {name: drawn[:, column] for column, name in enumerate(NUMERIC_FIELDS)}
    shift = np.array([cover.delay for cover in covers]) * (latitude - 48)
    # Weather moves whole seasons by about a week from year to year, each stage by some days more.
    shift = shift + rng.normal(0, 6, num_points)
    # Autumn comes earlier to the north for plants that live for years; crops ripen later.
    perennial = values["harvest"] >= NEVER[0]
    values["leaf_on"] = values["leaf_on"] + shift + rng.normal(0, 4, num_points)
    values["leaf_off"] = values["leaf_off"] + np.where(perennial, -0.6 * shift, shift)
    values["leaf_off"] = values["leaf_off"] + rng.normal(0, 4, num_points)
    values["leaf_off"] = np.maximum(values["leaf_off"], values["leaf_on"] + 30)
    first_cut = values["leaf_on"] + rng.uniform(25, 60, num_points)
    cut_days = first_cut[:, None] + np.cumsum(np.pad(rng.uniform(28, 55, (num_points, 4)), ((0, 0), (1, 0))), axis=1)
    return Calendar(values, cut_days, _draw_wetness(latitude, rng), _draw_snow(latitude, rng))


def _draw_wetness(latitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws soil moisture per month, (N, 12): wet winters, dry summers, drier towards the south."""
    season = 0.36 * np.cos(2 * np.pi * (np.arange(12) - 0.2) / 12)
    level = 0.42 + 0.015 * (latitude - 48) + rng.normal(0, 0.12, len(latitude))
    return np.clip(level[:, None] + season + rng.normal(0, 0.16, (len(latitude), 12)), 0, 1)


def _draw_snow(latitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws the share of ground under snow per month, (N, 12)."""
    coldness = np.clip((latitude - 44) / 18, 0, 1) ** 1.5 + 0.5 * (rng.random(len(latitude)) < 0.08)
    month = np.array([1.0, 0.9, 0.5, 0.15, 0, 0, 0, 0, 0, 0.05, 0.3, 0.75])
    lies = rng.random((len(latitude), 12)) < 0.45 * coldness[:, None] * month
    return np.where(lies, rng.uniform(0.1, 1.0, (len(latitude), 12)), 0.0)


def standing_at(calendar: Calendar, days: np.ndarray) -> Standing:
    """Evaluates what stands on each point on its days, (N, D)."""
    c = calendar
    months = np.clip((days - 1) * 12 // 365, 0, 11).astype(np.int64)
    harvest_day = c["leaf_off"] + c["harvest"]
    annual = c["harvest"] < NEVER[0]
    grown = _rise(days, c["leaf_on"], c["leaf_on_pace"])
    aged = _rise(days, c["leaf_off"], c["leaf_off_pace"])
    standing = np.where(annual, _rise(harvest_day, days, 0.7), 1.0)
    season = np.where(annual, grown, grown * (1 - aged))

    drought = c["drought"] * np.exp(-(((days - 212) / 38) ** 2))
    lai = (c["winter_lai"] + (c["lai"] - c["winter_lai"]) * season) * (1 - 0.45 * drought)
    lai = lai * np.where(annual, 1 - c["drop"] * aged, 1.0) * standing * _after_cuts(c, days)
    dead_of_annual = c["dead"] + (1 - c["dead"]) * aged
    # Leaves turn before they fall: a short pulse around the fall of what is green only in season.
    turning = 0.6 * np.exp(-(((days - c["leaf_off"]) / 12) ** 2)) * (c["winter_dead"] > 0.7)
    dead_of_perennial = c["winter_dead"] + (c["dead"] - c["winter_dead"]) * season + turning
    dead = np.where(annual, dead_of_annual, dead_of_perennial)
    dead = np.clip(dead + (1 - dead) * drought, 0, 1)

    flower = c["flower"] * np.exp(-(((days - c["leaf_on"] - c["flower_day"]) / c["flower_span"]) ** 2)) * standing
    tall = np.where(annual, 0.05 + 0.95 * grown, 1.0)
    height = np.where(standing > 0.5, c["height"] * tall, 0.12 * annual)
    under_lai, under_dead = _undergrowth(c, days, harvest_day, annual, drought)
    since = days - harvest_day
    tilled = c["leaf_on"] - c["killed"]
    stubble = np.where(since > 0, c["stubble"] * _rise(c["tillage"], since, 2.0), 0.0) * annual
    stubble = stubble + c["bare_stubble"] * _rise(tilled, days, 3.0) * annual * (c["winter_lai"] < 0.2)
    flood = c["flood"] + c["paddy"] * _rise(days, c["leaf_on"] - 55, 3.0) * _rise(c["leaf_off"] - 20, days, 4.0)
    wetness, snow = (np.take_along_axis(field, months, axis=1) for field in (c.wetness, c.snow))
    wetness = np.where(annual & (flood > 0.3), 1.0, np.maximum(wetness, flood))
    return Standing(lai, dead, flower, height, under_lai, under_dead, stubble, np.clip(flood, 0, 1), wetness, snow)


def _after_cuts(calendar: Calendar, days: np.ndarray) -> np.ndarray:
    """Share of leaf area left by mowing and grazing, which grows back within about a month."""
    left = np.ones(days.shape)
    for index in range(calendar.cut_days.shape[1]):
        since = days - calendar.cut_days[:, index : index + 1]
        happens = (since >= 0) & (index < np.round(calendar["cuts"]))
        left *= 1 - np.where(happens, calendar["cut_depth"] * np.exp(-np.maximum(since, 0) / 20), 0)
    return left


def _undergrowth(
    c: Calendar, days: np.ndarray, harvest_day: np.ndarray, annual: np.ndarray, drought: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Leaf area and dead share of weeds, catch crops, volunteers and of grass below or between the canopy."""
    spring = c["under_spring"] * (0.55 + 0.45 * _rise(days, np.float64(85), 12))
    spring = spring * _rise(c["leaf_on"] - c["killed"], days, 2.0)
    # Sprouts need moisture and warmth: they come up to full height within about two months.
    autumn = c["under_autumn"] * _rise(days, harvest_day + c["under_delay"], 8.0) * annual
    all_year = c["under"] * (0.75 + 0.25 * np.sin(2 * np.pi * (days - 60) / 365)) * (1 - 0.4 * drought)
    total = spring + autumn + all_year
    fresh = (spring + autumn + 1e-6) / (total + 1e-6)
    dead = np.clip(c["under_dead"] + (1 - c["under_dead"]) * drought, 0, 1)
    return total, dead * (1 - 0.7 * fresh)
