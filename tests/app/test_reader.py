import numpy as np
import pytest
import torch

from timesenclip_hf.app.limits import MOST_CHARACTERS, MOST_CLASSES, MOST_KEPT_WORDS
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.simulator import simulate


def test_probabilities_are_those_of_the_classifier_for_every_form_of_series(reader):
    labels = ["maize", "woodland", "water"]
    simulated = simulate(20, seed=5).series
    dated = np.random.default_rng(0).integers(100, 4000, (6, 30, 10), dtype=np.uint16)
    dates = np.datetime64("2018-01-03") + 12 * np.arange(30)
    clouds = np.random.default_rng(1).choice([4, 9], (6, 30))
    for series, options in ((simulated, {}), (dated, {"dates": dates, "scl": clouds, "offset": 50})):
        looks = reader.look(series, **options)
        found = reader.probabilities(reader.embed(looks), reader.words(", ".join(labels)))
        expected, _ = PixelClassifier(labels).probabilities(series, SeriesOptions(**options))
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_series_without_a_clear_look_has_no_probability(reader):
    series = simulate(3, seed=5).series
    series[1] = np.nan
    looks = reader.look(series)
    probabilities = reader.probabilities(reader.embed(looks), reader.words("maize, water"))
    assert np.isnan(probabilities).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(looks.reflectance[1]).all()


def test_looks_are_shown_as_reflectance(reader):
    series = np.full((1, 12, 10), 3000, dtype=np.uint16)
    series[0, 4] = 65535
    looks = reader.look(series, offset=1000)
    np.testing.assert_allclose(np.delete(looks.reflectance[0], 4, axis=0), 0.2, atol=1e-6)
    assert np.isnan(looks.reflectance[0, 4]).all()


def test_words_are_embedded_once_and_a_bounded_number_of_them_is_kept(reader):
    first = reader.words("maize,  water")
    assert reader.words("maize\nwater ,") is first
    assert first.labels == ("maize", "water")
    torch.testing.assert_close(first.embeds.norm(dim=1), torch.ones(2))
    assert reader._words.cache_info().maxsize == MOST_KEPT_WORDS


def test_a_word_that_was_never_read_is_noticed_with_its_neighbours(reader):
    (notice,) = reader.words("maise, water").notices
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
def test_words_that_cannot_be_used_are_refused_in_a_sentence(reader, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        reader.words(text)


def test_a_patch_is_asked_to_become_a_pixel(reader):
    with pytest.raises(ValueError, match=r"Each series must be of one pixel, \(time, band\)"):
        reader.look(np.full((1, 12, 10, 3, 3), 0.2, dtype=np.float32))
