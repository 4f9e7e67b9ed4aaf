"""What people call the simulator's land covers: the names that captions draw from.

A cover has three lists: the plain names that most captions use; other names, among them every LUCAS 2018 LC1
class name of the cover (Eurostat, *LUCAS 2018 Technical reference document C3*), everyday synonyms and words of
the EUNIS habitat names; and words for the larger group that the cover belongs to, among them the LUCAS LC0 names.
"""

from dataclasses import dataclass

from .classes import SIMULATED_CLASSES


@dataclass(frozen=True)
class Names:
    """What people call one land cover.

    Attributes:
        plain: the commonest names, the first being the one for prompts.
        other: class names of nomenclatures, and synonyms.
        group: names of the larger group.
        is_crop: whether "a field of ..." fits.
    """

    plain: tuple[str, ...]
    other: tuple[str, ...]
    group: tuple[str, ...]
    is_crop: bool = False


_BUILT = ("artificial land", "artificial surfaces", "impervious surface", "developed land")
_CROPLAND = (
    "cropland",
    "temporary crops",
    "annual crop land",
    "agricultural land",
    "arable land",
    "crops",
    "farmland",
    "annual crops",
    "agricultural field",
    "crop field",
)
_CEREALS = (
    *_CROPLAND,
    "cereals",
    "cereal field",
    "grain",
    "cereals",
    "small grain cereals",
    "winter cereals",
)
_ROOTS = (*_CROPLAND, "root crops")
_OILSEEDS = (*_CROPLAND, "oilseeds", "industrial crops")
_INDUSTRIAL = (*_CROPLAND, "industrial crops", "fibre crops")
_PERMANENT = (
    "cropland",
    "permanent crop land",
    "permanent crops",
    "fruit trees",
    "plantation",
    "fruit trees and berries",
)
_WOOD = (
    "woodland",
    "woodlands",
    "forests",
    "forestry",
    "forest",
    "trees",
    "woods",
    "tree cover",
    "woodland",
    "forest",
)
_CONIFERS = (
    *_WOOD,
    "coniferous woodland",
    "coniferous forest",
    "conifers",
    "evergreen forest",
    "needleleaf forest",
)
_BARE = (
    "bare land",
    "bare or sparsely vegetated land",
    "bareland",
    "bare ground",
    "barren land",
    "sparsely vegetated land",
    "unvegetated land",
)
_WATER = (
    "water",
    "permanent water bodies",
    "open water",
    "water body",
    "surface water",
    "inland water",
    "waters",
)
_WET = ("wetland", "herbaceous wetland", "wetlands", "inland wetland", "swamp", "marshy ground")

CAPTION_NAMES: dict[str, Names] = {
    "buildings": Names(
        (
            "buildings",
            "built-up",
            "houses",
            "built-up area",
            "town",
            "city",
            "urban area",
            "residential area",
        ),
        (
            "buildings with one to three floors",
            "buildings with more than three floors",
            "village",
            "settlement",
            "built area",
            "built-up surfaces",
            "urban",
            "urban land",
            "residential buildings",
            "buildings of cities, towns and villages",
            "low density buildings",
            "apartment blocks",
            "streets and houses",
            "industrial buildings",
            "suburb",
            "housing",
        ),
        (*_BUILT, "impervious", "artificial"),
    ),
    "greenhouses": Names(
        ("greenhouses", "greenhouse", "glasshouses"),
        ("plastic tunnels", "polytunnels", "crops under glass", "glasshouse", "hothouses"),
        _BUILT,
    ),
    "roads": Names(
        ("roads", "road", "car park", "asphalt"),
        (
            "non built-up area features",
            "non built-up linear features",
            "railway",
            "motorway",
            "highway or road",
            "highway",
            "transport networks and other constructed hard-surfaced areas",
            "street",
            "parking lot",
            "paved surface",
            "pavement",
        ),
        _BUILT,
    ),
    "quarry": Names(
        ("quarry", "mine", "open pit"),
        (
            "other artificial areas",
            "extractive industrial site",
            "mining and quarrying",
            "mining site",
            "construction site",
            "gravel pit",
            "waste deposits",
            "dump",
            "landfill",
        ),
        _BUILT,
    ),
    "wheat": Names(
        ("wheat", "winter wheat", "common wheat", "wheat"),
        ("durum wheat", "soft wheat", "spring wheat", "bread wheat", "spelt"),
        _CEREALS,
        True,
    ),
    "barley": Names(
        ("barley", "winter barley", "spring barley", "barley"),
        ("malting barley", "bearded barley", "barley grain"),
        _CEREALS,
        True,
    ),
    "rye": Names(
        ("rye", "triticale", "winter rye"),
        ("other cereals", "mix of cereals", "mixed cereals", "mixed grain", "winter triticale"),
        _CEREALS,
        True,
    ),
    "oats": Names(("oats", "oat"), ("spring oats", "winter oats", "oat grain"), _CEREALS, True),
    "maize": Names(
        ("maize", "corn", "grain maize", "maize"),
        ("silage maize", "sweetcorn", "sweet corn", "green maize", "fodder maize", "corn maize"),
        (*_CROPLAND, "row crops", "cereals"),
        True,
    ),
    "rice": Names(
        ("rice", "paddy", "paddy rice", "rice"),
        ("rice paddy", "flooded rice", "irrigated rice"),
        _CROPLAND,
        True,
    ),
    "potatoes": Names(
        ("potatoes", "potato", "potatoes"), ("potato plants", "ware potatoes", "seed potatoes"), _ROOTS, True
    ),
    "sugar beet": Names(
        ("sugar beet", "beet", "beets", "sugar beets"),
        ("other root crops", "fodder beet", "sugarbeet", "turnips", "carrots and turnips"),
        _ROOTS,
        True,
    ),
    "sunflower": Names(
        ("sunflower", "sunflowers", "sunflower"), ("sunflower seed", "sunflower heads"), _OILSEEDS, True
    ),
    "rapeseed": Names(
        ("rapeseed", "canola", "oilseed rape", "rapeseed"),
        (
            "rape",
            "colza",
            "rape and turnip rape",
            "winter rapeseed",
            "winter rape",
            "turnip rape",
            "rape seed",
        ),
        _OILSEEDS,
        True,
    ),
    "soya": Names(("soya", "soybean", "soybeans", "soy"), ("soya beans", "soy beans", "soya bean"), _OILSEEDS, True),
    "cotton": Names(("cotton", "cotton"), ("cotton plants", "cotton bolls", "raw cotton"), _INDUSTRIAL, True),
    "flax": Names(
        ("flax", "linseed", "flax"),
        (
            "other fibre and oleaginous crops",
            "other non-permanent industrial crops",
            "fibre flax",
            "hemp",
            "linen",
        ),
        _INDUSTRIAL,
        True,
    ),
    "tobacco": Names(("tobacco", "tobacco"), ("tobacco plants", "tobacco leaves", "leaf tobacco"), _INDUSTRIAL, True),
    "peas and beans": Names(
        ("peas", "beans", "dry pulses", "pulses", "legumes", "peas and beans"),
        (
            "field peas",
            "faba beans",
            "field beans",
            "broad beans",
            "chickpeas",
            "lentils",
            "grain legumes",
            "dry peas",
        ),
        _CROPLAND,
        True,
    ),
    "vegetables": Names(
        ("vegetables", "tomatoes", "cabbages", "fresh vegetables"),
        (
            "other fresh vegetables",
            "strawberries",
            "floriculture and ornamental plants",
            "lettuce",
            "onions",
            "market garden",
            "arable land and market gardens",
            "flowers",
            "horticulture",
            "carrots",
            "cabbage",
            "leafy vegetables",
        ),
        _CROPLAND,
        True,
    ),
    "clover and lucerne": Names(
        ("clover", "lucerne", "alfalfa", "fodder crops"),
        (
            "clovers",
            "other leguminous and mixtures for fodder",
            "fodder legumes",
            "red clover",
            "leguminous fodder",
            "forage",
        ),
        _CROPLAND,
        True,
    ),
    "temporary grassland": Names(
        ("temporary grassland", "temporary grass", "ley", "sown grassland", "temporary grassland"),
        ("sown grass", "grass ley", "ryegrass", "hay", "fodder grass", "mown grass", "arable land only pi"),
        # Whoever says grass without saying which means sown swards as well.
        ("grass", "grassland", "grasslands", "grassland", "pasture", "meadow", "mown meadow", "grass cover"),
    ),
    "orchard": Names(
        ("orchard", "fruit trees", "apple trees", "orchards"),
        (
            "apple fruit",
            "pear fruit",
            "cherry fruit",
            "nuts trees",
            "other fruit trees and berries",
            "nurseries",
            "permanent crops only pi",
            "apple orchard",
            "pear trees",
            "cherry trees",
            "nut trees",
            "apples",
            "tree nursery",
            "almond trees",
            "walnut trees",
            "berries",
        ),
        _PERMANENT,
    ),
    "citrus": Names(
        ("citrus", "orange trees", "oranges", "citrus trees"),
        (
            "other citrus fruit",
            "lemon trees",
            "orange grove",
            "citrus grove",
            "citrus orchard",
            "mandarins",
            "lemons",
        ),
        _PERMANENT,
    ),
    "olive grove": Names(
        ("olive grove", "olives", "olive trees", "olive groves"),
        ("permanent industrial crops", "olive plantation", "olive orchard", "olive"),
        ("cropland", "permanent crops", "permanent crop land", "plantation"),
    ),
    "vineyard": Names(
        ("vineyard", "vines", "grapevines", "vineyards"),
        ("grapes", "grape vines", "wine grapes", "vine rows", "wine growing"),
        ("cropland", "permanent crops", "plantation"),
    ),
    "broadleaved woodland": Names(
        ("broadleaved woodland", "broadleaved forest", "deciduous forest", "broadleaf forest"),
        (
            "broadleaved deciduous woodland",
            "deciduous woodland",
            "hardwood forest",
            "deciduous trees",
            "oak forest",
            "beech forest",
            "broadleaved trees",
            "hardwood",
            "broadleaf trees",
        ),
        _WOOD,
    ),
    "spruce woodland": Names(
        ("spruce", "spruce forest", "spruce woodland", "coniferous woodland", "coniferous forest"),
        (
            "spruce dominated coniferous woodland",
            "other coniferous woodland",
            "fir forest",
            "spruce trees",
            "fir trees",
            "larch forest",
        ),
        _CONIFERS,
    ),
    "pine woodland": Names(
        ("pine", "pine forest", "pine woodland", "pine trees", "coniferous forest"),
        ("pine dominated coniferous woodland", "pines", "scots pine", "maritime pine", "pine plantation"),
        _CONIFERS,
    ),
    "mixed woodland": Names(
        ("mixed woodland", "mixed forest", "mixed woods"),
        (
            "spruce dominated mixed woodland",
            "pine dominated mixed woodland",
            "other mixed woodland",
            "mixed deciduous and coniferous woodland",
            "mixed trees",
            "mixed deciduous and coniferous forest",
        ),
        _WOOD,
    ),
    "shrubland": Names(
        ("shrubland", "shrubs", "scrub", "heath", "moor", "scrubland"),
        (
            "shrubland with sparse tree cover",
            "shrubland without tree cover",
            "heathland",
            "temperate shrub heathland",
            "shrub and scrub",
            "alpine scrub",
            "tundra",
            "maquis",
            "garrigue",
            "moorland",
            "bushes",
            "heather and gorse",
            "spiny mediterranean heaths",
            "bush",
        ),
        ("semi-natural land", "natural vegetation", "shrub cover"),
    ),
    "grassland": Names(
        ("grassland", "meadow", "pasture", "permanent grassland", "grass", "grassland"),
        (
            "grassland with sparse tree shrub cover",
            "grassland without tree shrub cover",
            "meadows",
            "grazing land",
            "pasture land",
            "herbaceous vegetation land",
            "wooded grassland",
            "steppe",
            "mesic grassland",
            "dry grassland",
            "wet grassland",
            "alpine grassland",
            "permanent grass",
            "pastures",
            "herbaceous vegetation",
            "rangeland",
            "hay meadow",
            "permanent pasture",
        ),
        ("grass", "grassland", "grass cover", "grasslands"),
    ),
    "fallow": Names(
        ("fallow", "fallow land", "weeds"),
        (
            "spontaneously re-vegetated surfaces",
            "abandoned land",
            "set-aside land",
            "unused land",
            "abandoned field",
            "wasteland",
        ),
        ("semi-natural land", "grassland", "farmland"),
    ),
    "rocks": Names(
        ("rocks", "rock", "stones", "scree"),
        (
            "rocks and stones",
            "lichens and moss",
            "boulders",
            "bare rock",
            "screes",
            "rock pavements",
            "cliffs",
            "rock outcrops",
            "mountain",
        ),
        _BARE,
    ),
    "sand": Names(
        ("sand", "dunes", "beach", "sand dunes"),
        ("sandy shore", "coastal shingle", "coastal dunes and sandy shores", "desert", "sandy land", "dune"),
        _BARE,
    ),
    "bare soil": Names(
        ("bare soil", "soil", "bare ground", "bare land"),
        ("other bare soil", "earth", "open soil", "dirt", "bare earth", "clay soil", "burnt ground"),
        _BARE,
    ),
    "lake": Names(
        ("lake", "water", "open water", "lakes"),
        (
            "inland fresh water bodies",
            "inland salty water bodies",
            "transitional water bodies",
            "pond",
            "reservoir",
            "sea",
            "surface standing waters",
            "lagoon",
            "standing water",
            "sea or lake",
        ),
        _WATER,
    ),
    "river": Names(
        ("river", "stream", "running water", "rivers"),
        (
            "inland fresh running water",
            "inland salty running water",
            "canal",
            "surface running waters",
            "river bank",
            "creek",
        ),
        _WATER,
    ),
    "glacier": Names(
        ("glacier", "ice", "permanent snow", "glaciers"),
        (
            "glaciers, permanent snow",
            "snow and ice",
            "ice field",
            "eternal snow",
            "snow or ice-dominated habitats",
        ),
        ("snow and ice", "frozen land", "bare land"),
    ),
    "marsh": Names(
        ("marsh", "reeds", "reedbed", "marshes"),
        (
            "inland marshes",
            "salt marshes",
            "salt marsh",
            "sedge and reedbeds",
            "reedbeds",
            "flooded vegetation",
            "saline marshes",
            "riverine scrub",
            "fen",
            "cattails",
            "reed marsh",
        ),
        _WET,
    ),
    "peatbog": Names(
        ("peatbog", "bog", "peat bog", "peatland"),
        (
            "peatbogs",
            "raised and blanket bogs",
            "mires",
            "fens",
            "mire",
            "raised bog",
            "peat",
            "moss and peat",
            "bogs",
        ),
        _WET,
    ),
    "salt flat": Names(
        ("salt flat", "salines", "salt pan", "mudflat"),
        (
            "salines and other chemical deposits",
            "intertidal flats",
            "salt pans",
            "tidal flat",
            "mudflats",
            "salt works",
            "salt flats",
        ),
        _WET,
    ),
}

PLAIN_NAMES: dict[str, str] = {cover: names.plain[0] for cover, names in CAPTION_NAMES.items()}
"""One plain name a cover, as a user would type it."""


def names_of_code(code: str) -> tuple[str, ...]:
    """List the names that captions give to the cover of a LUCAS LC1 code.

    Raises:
        ValueError: for a code that no cover stands for.
    """
    for cover in SIMULATED_CLASSES:
        if code in cover.lc1:
            names = CAPTION_NAMES[cover.name]
            return names.plain + names.other
    raise ValueError(f"code must be a LUCAS 2018 LC1 code such as 'B11', got {code!r}")
