import re

import pytest
from PIL import Image

from timesenclip_hf.app.limits import MOST_CHARACTERS
from timesenclip_hf.app.search_view import NUM_HITS, SearchView, simulated_index


def test_words_find_simulated_places_with_their_photos(index):
    hits = index.search("open water", top_k=NUM_HITS)
    status, shown = SearchView(index).show("open  water\n")
    assert f"The {NUM_HITS} of {len(index.points)} places whose year is most like “open water”." in status
    assert re.findall('data-point="([^"]+)"', shown) == [hit["point_id"] for hit in hits]
    assert hits[0]["point_id"].split(",")[0] in ("simulated lake", "simulated river")
    for photo in hits[0]["photos"]:
        assert photo["direction"] in ("spring", "summer")
        with Image.open(photo["link"]) as picture:
            assert picture.size == (64, 64)


def test_the_same_checkpoint_makes_the_same_index(page_model, index, tmp_path):
    again = simulated_index(page_model, tmp_path, num_points=150)
    first, second = (places.search("wheat") for places in (index, again))
    assert [hit["point_id"] for hit in first] == [hit["point_id"] for hit in second]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  ", "There is nothing to search for"),
        ("xyzzy", "No word of 'xyzzy' occurs in this checkpoint's training captions"),
        ("lake " * MOST_CHARACTERS, f"at most {MOST_CHARACTERS} are read"),
    ],
)
def test_words_that_find_nothing_are_refused_in_a_sentence(index, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        SearchView(index).show(text)
