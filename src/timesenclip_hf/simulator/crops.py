"""Calendars and canopies of the simulated annual crops.

The numbers are our approximations from farming calendars and field experience; wherever a value is
not plain from its name, the reason stands beside it. Days hold at 48 degrees north in an average year.
"""

from dataclasses import replace

from .phenology import Cover

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
    dead_brown=(0.05, 0.6),
    leaf_water=(0.02, 0.036),
    winter_dead=(0.02, 0.25),
    chlorophyll=(35, 62),
    leaf_angle=(54, 70),
    under_autumn=(0.0, 2.5),
    under_delay=(20, 110),
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
# Crops sown in spring on bare, often bright and dry seedbeds after a winter of weeds or catch crop.
_ROW_CROP = Cover(
    delay=1.5,
    leaf_on=(160, 180),
    under_spring=(0.0, 3.2),
    killed=(32, 95),
    under_autumn=(0.0, 2.5),
)
_MAIZE = replace(
    _ROW_CROP,
    latitude=(40, 54),
    lai=(2.8, 5.5),
    delay=0.8,
    leaf_on=(166, 188),
    leaf_off=(250, 278),
    leaf_off_pace=(6, 13),
    drop=(0.3, 0.7),
    harvest=(-18, 30),
    height=(1.9, 3.0),
    dead_brown=(0.5, 2.0),  # withering stalks stay moist and dark
    dead_water=(0.002, 0.012),
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
# Every annual crop: its ways of life with their frequencies.
CROPS: dict[str, tuple[tuple[float, Cover], ...]] = {
    "wheat": ((0.93, _WINTER_CEREAL), (0.07, _SPRING_CEREAL)),
    "barley": (
        # Winter barley ripens two to three weeks before wheat; awned ears turn it pale already in May.
        (0.6, replace(_WINTER_CEREAL, leaf_on=(76, 92), leaf_off=(145, 161), leaf_off_pace=(6, 11))),
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
        (
            0.25,
            replace(_MAIZE, latitude=(47, 55), harvest=(-22, 8), under_spring=(0.8, 4.0), killed=(20, 50)),
        ),
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
                leaf_on=(162, 194),
                lai=(2.0, 4.0),
                leaf_off=(218, 260),
                drop=(0.4, 0.85),
                harvest=(10, 34),
                flower_day=(24, 38),
                flower_span=(8, 14),
                flower=(0.08, 0.28),
                petals="yellow",
                height=(1.4, 2.0),
                chlorophyll=(26, 42),
                leaf_angle=(32, 48),  # broad leaves held flat
                dead_brown=(1.0, 2.8),
                dead_water=(0.002, 0.014),
                under_spring=(0.0, 2.8),
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
                flower_day=(28, 48),
                flower_span=(16, 30),  # flowers, then pale pods
                flower=(0.08, 0.36),
                petals="yellow",
                height=(1.3, 1.8),
                leaf_angle=(40, 58),
                leaf_water=(0.026, 0.045),
                under_autumn=(0.0, 4.0),  # volunteers sprout from lost seed
                under_delay=(8, 40),
                under_stay=(15, 120),
            ),
        ),
    ),
    "soya": (
        (
            1.0,
            replace(
                _ROW_CROP,
                latitude=(41, 50),
                leaf_on=(178, 206),
                lai=(3.0, 6.0),
                leaf_off=(246, 268),
                leaf_off_pace=(4, 8),
                drop=(0.6, 0.95),
                harvest=(6, 20),
                dead_brown=(0.5, 1.8),
                dead_water=(0.001, 0.008),
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
        (
            0.45,
            replace(_PULSE, leaf_on=(125, 175), leaf_off=(205, 250), harvest=(-20, 10), stubble=(0.0, 0.3)),
        ),
        (0.35, replace(_BEET, leaf_on=(185, 225), leaf_off=(340, 380), harvest=(-60, 0), lai=(2.0, 4.5))),
        (0.2, replace(_ROW_CROP, cover=(0.6, 0.9), lai=(1.0, 2.5), leaf_on=(135, 165), leaf_off=(215, 240))),
    ),
}
