import pytest
from PIL import Image

from timesenclip_hf.app.limits import MOST_CHARACTERS
from timesenclip_hf.app.place_index import open_index, search_places, simulated_index


def test_words_find_simulated_places_with_their_photos(index):
    hits = search_places(index, "open  water\n", top_k=3)
    assert hits == index.search("open water", top_k=3)
    assert hits[0]["point_id"].split(",")[0] in ("simulated lake", "simulated river")
    for photo in hits[0]["photos"]:
        assert photo["direction"] in ("spring", "summer")
        with Image.open(photo["link"]) as picture:
            assert picture.size == (64, 64)


def test_the_same_checkpoint_makes_the_same_index(page_model, index, tmp_path):
    again = simulated_index(page_model, tmp_path, num_points=150)
    first, second = (search_places(places, "wheat") for places in (index, again))
    assert [hit["point_id"] for hit in first] == [hit["point_id"] for hit in second]
    assert len(open_index(tmp_path / "index", page_model).points) == len(again.points)


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
        search_places(index, text)
