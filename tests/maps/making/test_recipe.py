from timesenclip_hf.maps.making.recipe import read_hierarchy


def test_labels_of_a_hierarchy_keep_their_phrases_and_find_their_group():
    hierarchy = {"crops": {"maize": ["corn"]}, "rest": ["sea", "city"]}
    assert read_hierarchy(None, hierarchy) == (
        {"maize": ["corn"], "sea": ["sea"], "city": ["city"]},
        ["crops", "rest"],
        [0, 1, 1],
    )
    phrases, _, parents = read_hierarchy({"sea": "the sea", "maize": "corn", "city": "a town"}, hierarchy)
    assert (list(phrases), parents) == (["sea", "maize", "city"], [1, 0, 1])
