import re

import numpy as np
import pytest

from timesenclip_hf.simulator.captions import caption, caption_vocabulary, write_captions
from timesenclip_hf.simulator.classes import CLASS_NAMES, SIMULATED_CLASSES
from timesenclip_hf.simulator.photos.canvas import VisitState
from timesenclip_hf.simulator.photos.drawing import STATE_NAMES

EVERYDAY_WORDS = (
    "maize corn sweetcorn rapeseed canola oilseed rape colza soya soybean buildings built up area houses town village "
    "city urban residential artificial land impervious woodland forest trees broadleaved deciduous hardwood coniferous "
    "evergreen needleleaf grassland meadow pasture permanent grass cropland arable cereals crops bare bareland barren "
    "ground wetland wetlands shrubland scrub heath moor orchard fruit vineyard grapevines lucerne alfalfa sugar beet "
    "beets potato potatoes winter common durum spring barley rye triticale dry pulses legumes field peas faba beans "
    "vegetables cabbages tomatoes water lake river"
)

# Of climates, forests, fields and legends outside Europe.
WORDS_OF_THE_WORLD = (
    "savanna savannah rainforest mangrove sugarcane sorghum millet oil palm cassava eucalyptus tea coffee desert "
    "tundra bog steppe paddy cotton date prairie rangeland pampas larch birch oak beech taiga boreal irrigated rainfed "
    "town village city settlement dune gravel plain salt rice groundnut groundnuts peanuts sesame cowpeas sweet yams "
    "manioc cocoa rubber tropical semi arid sparse vegetation mangroves moss lichen flooded natural non forest cleared "
    "deforestation burned oasis jungle miombo cerrado brachiaria monsoon prairie cultivated fallow plantation "
    "agriculture exposed forages flaxseed mixedwood marshland grasses banana"
)


def captions_of(cover: str, state: VisitState, count: int = 400) -> list[str]:
    rng = np.random.default_rng(0)
    return [caption(cover, state, rng) for _ in range(count)]


def test_the_vocabulary_holds_everyday_words_and_is_sorted() -> None:
    vocabulary = caption_vocabulary()
    assert vocabulary == sorted(set(vocabulary))
    assert not set(EVERYDAY_WORDS.split()) - set(vocabulary)
    assert not set(WORDS_OF_THE_WORLD.split()) - set(vocabulary)
    assert "airport" not in vocabulary


@pytest.mark.parametrize("cover", CLASS_NAMES)
def test_captions_use_words_of_the_vocabulary_only(cover: str) -> None:
    vocabulary = set(caption_vocabulary())
    for state in (VisitState(), VisitState(green=0.9, height=1.0, flower=0.8), VisitState(snow=1.0)):
        texts = captions_of(cover, state, 100)
        assert all(text == text.strip() and "{" not in text for text in texts)
        assert not {word for text in texts for word in re.findall("[a-z0-9]+", text)} - vocabulary


def test_plain_names_lead_and_bare_names_are_frequent() -> None:
    texts = captions_of("maize", VisitState(green=0.9, height=2.0))
    assert sum("maize" in text or "corn" in text for text in texts) > 0.7 * len(texts)
    assert sum(text in ("maize", "corn", "grain maize") for text in texts) > 0.15 * len(texts)
    assert len(set(texts)) > 80


def test_a_caption_can_say_in_what_state_the_field_is() -> None:
    assert any("in flower" in text for text in captions_of("rapeseed", VisitState(green=0.8, height=1, flower=0.9)))
    assert any("ripe" in text for text in captions_of("wheat", VisitState(dry=0.9, height=0.8)))
    assert any("stubble" in text for text in captions_of("wheat", VisitState(stubble=0.8)))
    assert not any(
        "flower" in text or "stubble" in text for text in captions_of("lake", VisitState(flower=1, stubble=1))
    )


@pytest.mark.parametrize(
    ("cover", "name"),
    [("savanna", "savanna"), ("cleared forest", "deforestation"), ("rice", "paddy"), ("tundra", "tundra")],
)
def test_what_people_call_a_cover_leads_to_it_and_to_no_other(cover: str, name: str) -> None:
    holders = {
        other.name
        for other in SIMULATED_CLASSES
        for text in (*other.plain, *other.other, *other.group)
        if name in text.split()
    }
    assert holders == {cover}


def test_group_words_are_used_now_and_then() -> None:
    texts = captions_of("wheat", VisitState(green=0.5, height=0.3))
    groups = sum(any(word in text for word in ("cereal", "crop", "arable", "farmland")) for text in texts)
    assert 0.05 * len(texts) < groups < 0.4 * len(texts)


def test_captions_of_a_point_depend_on_the_seed_and_its_number_only() -> None:
    states = np.zeros((3, 4, len(STATE_NAMES)), np.float32)
    covers = [0, 8, 30]
    texts = write_captions(covers, states, seed=1)
    assert [len(visits) for visits in texts] == [4, 4, 4]
    assert write_captions(covers[1:], states[1:], seed=1, first=1) == texts[1:]
    assert write_captions(covers, states, seed=2) != texts


def test_an_unknown_cover_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'lawn'"):
        caption("lawn", VisitState(), np.random.default_rng(0))
