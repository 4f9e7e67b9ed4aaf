"""Captions of simulated ground photos, in varied plain words.

The names come from three lists a cover: the plain names that most captions use; other names, among them every
LUCAS 2018 LC1 class name of the cover (Eurostat, *LUCAS 2018 Technical reference document C3*), everyday
synonyms and words of the EUNIS habitat names; and words for the larger group that the cover belongs to, among
them the LUCAS LC0 names. Bare names without a frame are frequent, so that a text tower trained on the captions
depends little on the prompt template.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from timesenclip_hf.data.simulated_canvas import VisitState
from timesenclip_hf.data.simulated_classes import CLASS_NAMES, SIMULATED_CLASSES

BARE_SHARE = 0.4
"""Share of captions that are a name alone."""

STATE_SHARE = 0.25
"""Share of captions that say what the place looks like on the day, where there is something to say."""

NAME_SHARES = (0.6, 0.24, 0.16)
"""Shares of plain names, other names and group words."""


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
_CROPLAND = ("cropland", "arable land", "crops", "farmland", "annual crops", "agricultural field", "crop field")
_CEREALS = (*_CROPLAND, "cereals", "cereal field", "grain", "cereals", "small grain cereals", "winter cereals")
_ROOTS = (*_CROPLAND, "root crops")
_OILSEEDS = (*_CROPLAND, "oilseeds", "industrial crops")
_INDUSTRIAL = (*_CROPLAND, "industrial crops", "fibre crops")
_PERMANENT = ("cropland", "permanent crops", "fruit trees", "plantation", "fruit trees and berries")
_WOOD = ("woodland", "forest", "trees", "woods", "tree cover", "woodland", "forest")
_CONIFERS = (*_WOOD, "coniferous woodland", "coniferous forest", "conifers", "evergreen forest", "needleleaf forest")
_BARE = ("bare land", "bareland", "bare ground", "barren land", "sparsely vegetated land", "unvegetated land")
_WATER = ("water", "open water", "water body", "surface water", "inland water", "waters")
_WET = ("wetland", "wetlands", "inland wetland", "swamp", "marshy ground")

CAPTION_NAMES: dict[str, Names] = {
    "buildings": Names(
        ("buildings", "built-up", "houses", "built-up area", "town", "city", "urban area", "residential area"),
        (
            "buildings with one to three floors",
            "buildings with more than three floors",
            "village",
            "settlement",
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
        ("rice", "paddy", "paddy rice", "rice"), ("rice paddy", "flooded rice", "irrigated rice"), _CROPLAND, True
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
        ("rape", "colza", "rape and turnip rape", "winter rapeseed", "winter rape", "turnip rape", "rape seed"),
        _OILSEEDS,
        True,
    ),
    "soya": Names(
        ("soya", "soybean", "soybeans", "soy"), ("soya beans", "soy beans", "soya bean"), _OILSEEDS, True
    ),
    "cotton": Names(("cotton", "cotton"), ("cotton plants", "cotton bolls", "raw cotton"), _INDUSTRIAL, True),
    "flax": Names(
        ("flax", "linseed", "flax"),
        ("other fibre and oleaginous crops", "other non-permanent industrial crops", "fibre flax", "hemp", "linen"),
        _INDUSTRIAL,
        True,
    ),
    "tobacco": Names(
        ("tobacco", "tobacco"), ("tobacco plants", "tobacco leaves", "leaf tobacco"), _INDUSTRIAL, True
    ),
    "peas and beans": Names(
        ("peas", "beans", "dry pulses", "pulses", "legumes", "peas and beans"),
        ("field peas", "faba beans", "field beans", "broad beans", "chickpeas", "lentils", "grain legumes", "dry peas"),
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
        ("temporary grassland", "temporary grass", "ley", "temporary grassland"),
        ("sown grass", "grass ley", "ryegrass", "hay", "fodder grass", "mown grass", "arable land only pi"),
        ("grass", "cropland", "farmland", "fodder"),
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
        ("other citrus fruit", "lemon trees", "orange grove", "citrus grove", "citrus orchard", "mandarins", "lemons"),
        _PERMANENT,
    ),
    "olive grove": Names(
        ("olive grove", "olives", "olive trees", "olive groves"),
        ("permanent industrial crops", "olive plantation", "olive orchard", "olive"),
        _PERMANENT[:4],
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
        ("rocks and stones", "lichens and moss", "boulders", "bare rock", "cliffs", "rock outcrops", "mountain"),
        _BARE,
    ),
    "sand": Names(
        ("sand", "dunes", "beach", "sand dunes"),
        ("sandy shore", "coastal dunes and sandy shores", "desert", "sandy land", "dune"),
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
        ("glaciers, permanent snow", "snow and ice", "ice field", "eternal snow", "snow or ice-dominated habitats"),
        ("snow and ice", "frozen land", "bare land"),
    ),
    "marsh": Names(
        ("marsh", "reeds", "reedbed", "marshes"),
        ("inland marshes", "salt marshes", "salt marsh", "sedge and reedbeds", "fen", "cattails", "reed marsh"),
        _WET,
    ),
    "peatbog": Names(
        ("peatbog", "bog", "peat bog", "peatland"),
        ("peatbogs", "raised and blanket bogs", "mire", "raised bog", "peat", "moss and peat", "bogs"),
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

FRAMES: tuple[str, ...] = (
    "a photo of {}",
    "a photo of {}",
    "a photo of {}.",
    "this is {}",
    "land covered by {}",
    "a satellite pixel of {}",
    "a satellite image of {}",
    "a ground photo of {}",
    "a view of {}",
    "a picture of {}",
    "{} seen from the ground",
    "{} in the countryside",
    "the land cover is {}",
    "a place with {}",
    "an area of {}",
    "a sentinel-2 pixel of {}",
    "land cover class {}",
    "a landscape with {}",
)

FIELD_FRAMES: tuple[str, ...] = (
    "a field of {}",
    "a field of {}",
    "{} field",
    "a {} field",
    "fields of {}",
    "{} crop",
    "a photo of a {} field",
    "a photo of a field of {}",
    "{} growing in a field",
    "a field planted with {}",
    "a crop of {}",
    "a satellite pixel of a {} field",
    "farmland with {}",
    "cultivated {}",
)

STATE_FRAMES: dict[str, tuple[str, ...]] = {
    "flower": ("{} in flower", "flowering {}", "blooming {}", "{} in bloom", "a field of {} in flower"),
    "ripe": ("ripe {}", "a field of ripe {}", "dry {}", "{} ready for harvest", "mature {}"),
    "young": ("young {}", "{} seedlings", "emerging {}", "{} in spring"),
    "tall": ("green {}", "tall {}", "a dense field of {}", "{} in full growth", "{} in summer"),
    "stubble": ("{} stubble", "harvested {}", "stubble of {}", "{} after harvest", "stubble field"),
    "bare": ("a ploughed field for {}", "bare field before {}", "{} field in winter", "ploughed field"),
    "snow": ("{} under snow", "snowy {}", "{} in winter", "{} covered with snow"),
    "bloom": ("{} in blossom", "flowering {}", "{} in flower", "{} in bloom"),
    "autumn": ("{} in autumn", "autumn {}", "dry {}", "{} in a dry season"),
    "leafless": ("leafless {}", "{} in winter", "bare {}", "{} without leaves"),
    "lush": ("green {}", "{} in summer", "lush {}", "{} in spring"),
}

_WORD = re.compile(r"[a-z0-9]+")


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.random() * len(options))]


def _state_key(state: VisitState, is_crop: bool) -> str | None:
    """Name what is most striking about the day; none where nothing is."""
    if state.snow > 0.4:
        return "snow"
    if not is_crop:
        if state.flower > 0.3:
            return "bloom"
        return _vigour(state)
    if state.stubble > 0.4 and state.green < 0.2:
        return "stubble"
    if state.flower > 0.3:
        return "flower"
    if state.green + state.dry < 0.08:
        return "bare"
    if state.dry > max(state.green, 0.3):
        return "ripe"
    return "young" if state.green < 0.45 else "tall"


def _vigour(state: VisitState) -> str | None:
    if state.dry > max(state.green, 0.3):
        return "autumn"
    if state.green > 0.65:
        return "lush"
    return "leafless" if state.green + state.dry < 0.15 else None


_SEASONLESS = frozenset(
    {"buildings", "greenhouses", "roads", "quarry", "rocks", "sand", "bare soil", "lake", "river", "glacier", "salt flat"}
)
"""Covers whose plants say nothing about them: only snow is worth a word."""


def caption(cover: str, state: VisitState, rng: np.random.Generator) -> str:
    """Caption one photo in lower-case words.

    Args:
        cover: a name from `simulated_classes.CLASS_NAMES`.
        state: how the place looks on the day.
        rng: source of every random choice.

    Raises:
        ValueError: for a cover that the simulator does not know.
    """
    if cover not in CAPTION_NAMES:
        raise ValueError(f"cover must be one of simulated_classes.CLASS_NAMES, got {cover!r}")
    names = CAPTION_NAMES[cover]
    kind, frame = rng.random(2).tolist()
    if kind < NAME_SHARES[0] + NAME_SHARES[1]:
        name = _pick(names.plain if kind < NAME_SHARES[0] else names.other, rng)
    else:
        return _framed(_pick(names.group, rng), FRAMES, frame, rng)
    if frame > 1 - STATE_SHARE:
        key = _state_key(state, names.is_crop)
        if key is not None and (cover not in _SEASONLESS or key == "snow"):
            return _pick(STATE_FRAMES[key], rng).format(name)
    return _framed(name, FRAMES + FIELD_FRAMES if names.is_crop else FRAMES, frame, rng)


def _framed(name: str, frames: tuple[str, ...], chance: float, rng: np.random.Generator) -> str:
    return name if chance < BARE_SHARE else _pick(frames, rng).format(name)


def write_captions(
    class_index: npt.ArrayLike, states: npt.NDArray[np.float32], *, seed: int, first: int = 0
) -> list[list[str]]:
    """Caption every visit of many points; arguments as in `simulated_photos.draw_photos`."""
    texts = []
    for row, index in enumerate(np.asarray(class_index, dtype=np.int64).tolist()):
        rng = np.random.default_rng((seed, first + row))
        visits = [VisitState(*visit) for visit in states[row].tolist()]
        texts.append([caption(CLASS_NAMES[index], visit, rng) for visit in visits])
    return texts


def caption_words(text: str) -> list[str]:
    """Split a text to the lower-case words that `caption_vocabulary` lists."""
    return _WORD.findall(text.lower())


def caption_vocabulary() -> list[str]:
    """List every word that a caption can hold, sorted."""
    texts = [*FRAMES, *FIELD_FRAMES, *(frame for frames in STATE_FRAMES.values() for frame in frames)]
    for names in CAPTION_NAMES.values():
        texts.extend((*names.plain, *names.other, *names.group))
    return sorted({word for text in texts for word in caption_words(text)})


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
