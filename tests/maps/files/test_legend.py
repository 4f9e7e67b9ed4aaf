from datetime import date

import pytest

from tests.support.small_maps import LABELS, make_map
from timesenclip_hf.maps import reject
from timesenclip_hf.maps.files.legend import MOST_CLASSES, UNCERTAIN_COLOUR, class_colours, legend_of, period_of


def test_any_number_of_classes_has_as_many_colours():
    colours = class_colours(MOST_CLASSES)
    assert len({*colours, UNCERTAIN_COLOUR, (255, 255, 255)}) == MOST_CLASSES + 2
    assert colours[:5] == class_colours(5)


def test_a_map_with_a_threshold_has_one_class_more():
    mapped = make_map()
    assert [(entry.code, entry.label) for entry in legend_of(mapped)] == list(enumerate(LABELS, start=1))
    assert legend_of(reject(mapped, 0.5))[:-1] == legend_of(mapped)
    assert (legend_of(reject(mapped, 0.5))[-1].code, legend_of(reject(mapped, 0.5))[-1].label) == (255, "uncertain")
    assert legend_of(mapped)[0].hex_colour == "#009e73"


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
