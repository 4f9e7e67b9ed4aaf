"""Calendars and canopies of the simulated covers that outlive a season: grass, groves, woods, towns, water.

The numbers are our approximations from general knowledge of European land covers; wherever a value is
not plain from its name, the reason stands beside it. Days hold at 48 degrees north in an average year.
"""

from dataclasses import replace

from .phenology import Cover

# Permanent grass: never fully fresh, a quarter of standing dead matter, NIR peak in April and May.
_GRASS = Cover(
    latitude=(41, 60),
    delay=3.5,
    lai=(3.0, 7.0),
    winter_lai=(0.8, 4.8),
    leaf_on=(82, 104),
    leaf_on_pace=(8, 14),
    leaf_off=(285, 325),
    leaf_off_pace=(12, 22),
    dead=(0.02, 0.2),
    winter_dead=(0.03, 0.3),
    flower_day=(30, 60),
    flower=(0.0, 0.1),
    petals="mixed",
    height=(0.1, 0.5),
    chlorophyll=(26, 50),
    leaf_water=(0.009, 0.023),
    leaf_angle=(38, 62),
    layers=(1.4, 2.1),
    drought=(0.0, 0.75),
    flush=(0.1, 0.55),
    cuts=(0, 4),
    shade=(0.0, 0.15),
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
    dead_brown=(0.6, 1.8),
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
    dead_brown=(0.6, 1.8),
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
    cover=(0.03, 0.55),
    lai=(1.5, 4.0),
    winter_lai=(0.6, 3.2),
    leaf_on=(95, 120),
    leaf_off=(285, 310),
    dead=(0.05, 0.3),
    winter_dead=(0.05, 0.4),
    height=(4, 12),
    shade=(0.1, 0.42),
    under=(0.0, 0.1),
    drought=(0.0, 0.7),
    ground="town",
)
_OPEN_WATER = replace(_OPEN_GROUND, cover=(0.0, 0.01), lai=(0.2, 1.0), under=(0.0, 0.0), shade=(0.0, 0.0))

# Every lasting cover: its ways of life with their frequencies.
LANDSCAPES: dict[str, tuple[tuple[float, Cover], ...]] = {
    "buildings": ((1.0, _TOWN),),
    "greenhouses": ((1.0, replace(_TOWN, latitude=(36, 53), cover=(0.0, 0.3), shade=(0.0, 0.1), ground="greenhouse")),),
    "roads": ((1.0, replace(_TOWN, cover=(0.0, 0.35), height=(0.0, 1.0), shade=(0.0, 0.15), ground="road")),),
    "quarry": ((1.0, replace(_OPEN_GROUND, cover=(0.0, 0.12), shade=(0.0, 0.2), ground="quarry")),),
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
                flush=(0.0, 0.3),
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
                lai=(3.0, 6.5),
                winter_lai=(1.2, 4.0),
                dead=(0.0, 0.16),
                winter_dead=(0.02, 0.25),
                chlorophyll=(28, 52),
                leaf_water=(0.01, 0.025),
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
                under=(0.0, 2.6),
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
        (0.47, _GRASS),
        (0.35, replace(_GRASS, drought=(0.15, 0.85), cuts=(1, 3), cut_depth=(0.5, 0.85), height=(0.3, 0.9))),
        (
            0.18,  # poor, dry or mountain grass
            replace(
                _GRASS,
                lai=(1.2, 3.0),
                winter_lai=(0.4, 1.5),
                dead=(0.15, 0.4),
                winter_dead=(0.3, 0.7),
                cuts=(0, 1),
            ),
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
    "rocks": (
        (
            1.0,
            replace(_OPEN_GROUND, cover=(0.0, 0.2), winter_lai=(0.2, 1.0), shade=(0.0, 0.3), ground="rock"),
        ),
    ),
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
                flush=(0.0, 0.0),
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
