import pickle
from threading import Thread

import pytest

from timesenclip_hf.maps.making import recipe as module
from timesenclip_hf.maps.making.recipe import Smoothing, find_model, read_hierarchy


def test_a_checkpoint_is_loaded_once_however_many_threads_ask(tiny_checkpoint, monkeypatch):
    source, _ = find_model(tiny_checkpoint, batch_size=17)
    source = pickle.loads(pickle.dumps(source))
    monkeypatch.setattr(module, "_encoders", {})
    loaded, load = [], module.PixelEncoder
    monkeypatch.setattr(module, "PixelEncoder", lambda *given, **options: loaded.append(1) or load(*given, **options))
    found = []
    threads = [Thread(target=lambda: found.append(source.encoder())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    assert len({id(one) for one in found}) == 1
    assert found[0].batch_size == 17


def test_another_checkpoint_under_the_same_name_is_refused(tiny_checkpoint, monkeypatch):
    source, _ = find_model(tiny_checkpoint, batch_size=8)
    monkeypatch.setattr(module, "_encoders", {})
    object.__setattr__(source, "weights", "0" * 16)
    with pytest.raises(ValueError, match="has other weights on this worker"):
        source.encoder()


def test_a_loaded_pipeline_is_used_as_it_is(tiny_pipeline):
    source, encoder = find_model(tiny_pipeline, batch_size=8)
    assert source.encoder() is encoder
    assert encoder.model is tiny_pipeline.model


@pytest.mark.parametrize(
    ("text", "method", "amount", "halo", "shown"),
    [
        ("majority", "majority", 3, 1, "majority 3 x 3"),
        ("majority:7", "majority", 7, 3, "majority 7 x 7"),
        ("potts:1.5", "potts", 1.5, 5, "Potts 1.5"),
    ],
)
def test_smoothing_is_read_from_a_word(text, method, amount, halo, shown):
    smoothing = Smoothing.parse(text)
    assert (smoothing.method, smoothing.amount, smoothing.halo, str(smoothing)) == (method, amount, halo, shown)


@pytest.mark.parametrize("text", ["majority:2", "majority:x", "potts:0", "potts:-1", "mode", "", "majority:3.5"])
def test_other_smoothing_is_refused(text):
    with pytest.raises(ValueError, match="must look like"):
        Smoothing.parse(text)


def test_labels_of_a_hierarchy_keep_their_phrases_and_find_their_group():
    hierarchy = {"crops": {"maize": ["corn"]}, "rest": ["sea", "city"]}
    assert read_hierarchy(None, hierarchy) == (
        {"maize": ["corn"], "sea": ["sea"], "city": ["city"]},
        ["crops", "rest"],
        [0, 1, 1],
    )
    phrases, _, parents = read_hierarchy({"sea": "the sea", "maize": "corn", "city": "a town"}, hierarchy)
    assert (list(phrases), parents) == (["sea", "maize", "city"], [1, 0, 1])
