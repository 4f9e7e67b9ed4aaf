import pytest

from tests.support.small_maps import LABELS, make_map
from timesenclip_hf.maps import reject
from timesenclip_hf.maps.files.legend import MOST_CLASSES, UNCERTAIN_COLOUR, class_colours, legend_of


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
