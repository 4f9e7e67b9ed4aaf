from datetime import date

import pytest

from tests.support.small_maps import LABELS, make_map
from timesenclip_hf.maps import reject
from timesenclip_hf.maps.files.legend import caveats_of, facts_of, legend_of, notes_of_colours, period_of


def test_a_map_with_a_threshold_has_one_class_more():
    mapped = make_map()
    assert [(entry.code, entry.label) for entry in legend_of(mapped)] == list(enumerate(LABELS, start=1))
    assert legend_of(reject(mapped, 0.5))[:-1] == legend_of(mapped)
    assert (legend_of(reject(mapped, 0.5))[-1].code, legend_of(reject(mapped, 0.5))[-1].label) == (255, "uncertain")
    assert legend_of(mapped)[0].hex_colour == "#eab500"


def test_a_map_without_names_is_refused():
    with pytest.raises(ValueError, match="does not name its classes"):
        legend_of(make_map().drop_attrs())


def test_a_map_is_of_a_year_of_a_season_or_of_neither():
    mapped = make_map()
    assert period_of(mapped.assign_attrs(year=2018)) == ("2018", date(2018, 1, 1), date(2018, 12, 31))
    season = mapped.assign_attrs(year=2020, season="2019-07")
    assert period_of(season) == ("2019-07 to 2020-06", date(2019, 7, 1), date(2020, 6, 30))
    assert period_of(mapped.drop_attrs()) is None
    assert period_of(mapped.assign_attrs(year="?")) is None


def test_a_map_says_what_to_know_before_trusting_it():
    mapped = make_map()
    plain = "Classes are named by words alone, without samples of this place."
    uncalibrated = "Probabilities are not calibrated: they rank pixels, and are no chances of being right."
    assert caveats_of(mapped) == [plain, uncalibrated]
    told = mapped.assign_attrs(unknown_words=["tillage", "sorrel"], model_caveat="Made\nup.", calibration_temperature=2)
    assert caveats_of(told)[1:] == [
        "Probabilities were calibrated where the checkpoint was tested, not at this place.",
        "Made up.",
        "Words that the checkpoint never read, so that their scores mean little: tillage, sorrel.",
    ]
    fitted = told.assign_attrs(fitted_to_examples=["maize 3"])
    assert caveats_of(fitted)[:2] == ["Classes are named by a model fitted to examples.", uncalibrated]
    assert facts_of(mapped)["caveat"] == f"{plain} {uncalibrated}"


def test_a_colour_that_moved_is_said_with_its_reason():
    mapped = make_map(labels=["maize", "corn", "water"])
    assert notes_of_colours(make_map()) == []
    (note,) = notes_of_colours(mapped)
    assert note.startswith("corn: in another colour than elsewhere, as its own cannot be told from that of maize")
    chosen = mapped.assign_attrs(class_colours={"corn": "#123456"})
    assert [entry.hex_colour for entry in legend_of(chosen)] == ["#eab500", "#123456", "#2f6fb5"]
    assert notes_of_colours(chosen) == []
