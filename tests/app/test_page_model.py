import numpy as np
import pytest
import torch

from timesenclip_hf.app.limits import MOST_CHARACTERS, MOST_CLASSES, MOST_KEPT_WORDS
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.simulator import simulate


def test_probabilities_are_those_of_the_classifier_for_every_form_of_series(page_model):
    labels = ["maize", "woodland", "water"]
    simulated = simulate(20, seed=5).series
    dated = np.random.default_rng(0).integers(100, 4000, (6, 30, 10), dtype=np.uint16)
    dates = np.datetime64("2018-01-03") + 12 * np.arange(30)
    clouds = np.random.default_rng(1).choice([4, 9], (6, 30))
    for series, options in ((simulated, {}), (dated, {"dates": dates, "scl": clouds, "offset": 50})):
        encoded = page_model.reader.read(series, **options)
        probabilities = page_model.probabilities(page_model.embed(encoded), page_model.words(", ".join(labels)))
        expected, _ = PixelClassifier(labels).probabilities(series, SeriesOptions(**options))
        np.testing.assert_allclose(probabilities, expected, atol=2e-5)


def test_a_series_without_a_clear_observation_has_no_probability(page_model):
    series = simulate(3, seed=5).series
    series[1] = np.nan
    encoded = page_model.reader.read(series)
    probabilities = page_model.probabilities(page_model.embed(encoded), page_model.words("maize, water"))
    assert np.isnan(probabilities).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(encoded.reflectance[1]).all()


def test_series_are_shown_as_reflectance(page_model):
    series = np.full((1, 12, 10), 3000, dtype=np.uint16)
    series[0, 4] = 65535
    encoded = page_model.reader.read(series, offset=1000)
    np.testing.assert_allclose(np.delete(encoded.reflectance[0], 4, axis=0), 0.2, atol=1e-6)
    assert np.isnan(encoded.reflectance[0, 4]).all()


def test_words_are_embedded_once_and_a_bounded_number_of_them_is_kept(page_model):
    first = page_model.words("maize,  water")
    assert page_model.words("maize\nwater ,") is first
    assert first.labels == ["maize", "water"]
    assert page_model.words("maize", ["water", "maize", "water"]) is first
    torch.testing.assert_close(first.label_set.class_embeds.norm(dim=1), torch.ones(2))
    assert page_model._words.cache_info().maxsize == MOST_KEPT_WORDS


def test_a_word_that_was_never_read_is_noticed_with_its_neighbours(page_model):
    (notice,) = page_model.words("maise, water").notices
    assert "“maise” occurs in none of the captions" in notice
    assert "maize" in notice


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" ,\n", "There are no class names: type at least one"),
        ("maize, maize", "'maize' is given twice"),
        (",".join(map(str, range(MOST_CLASSES + 1))), f"{MOST_CLASSES + 1} class names are too many"),
        ("x" * (MOST_CHARACTERS + 1), f"at most {MOST_CHARACTERS} are read"),
    ],
)
def test_words_that_cannot_be_used_are_refused_in_a_sentence(page_model, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        page_model.words(text)


def test_a_patch_is_asked_to_become_a_pixel(page_model):
    with pytest.raises(ValueError, match=r"Each series must be of one pixel, \(time, band\)"):
        page_model.reader.read(np.full((1, 12, 10, 3, 3), 0.2, dtype=np.float32))
