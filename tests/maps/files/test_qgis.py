from xml.etree import ElementTree

import pytest

from tests.support.nasty_words import NASTY
from tests.support.small_maps import LABELS, add_coarse, make_map
from timesenclip_hf.maps import reject, write_map
from timesenclip_hf.maps.files.legend import legend_of
from timesenclip_hf.maps.files.qgis import write_class_style, write_score_style
from timesenclip_hf.words import on_one_line

# What QGIS 3.16 to 3.40 write of every renderer of a raster, in files of theirs.
COMMON = {"type", "band", "opacity", "alphaBand", "nodataColor"}


def renderer_of(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis version=")
    renderer = ElementTree.fromstring(text).find("pipe/rasterrenderer")
    assert set(renderer.attrib) >= COMMON
    return renderer


def test_classes_have_their_names_and_colours(tmp_path):
    mapped = reject(add_coarse(make_map()), 0.4)
    write_map(mapped, tmp_path / "map.tif")
    renderer = renderer_of(tmp_path / "map.qml")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [dict(entry.attrib) for entry in renderer.findall("colorPalette/paletteEntry")]
    assert entries == [
        {"value": str(each.code), "label": each.label, "color": each.hex_colour, "alpha": "255"}
        for each in legend_of(mapped)
    ]
    assert [entry["label"] for entry in entries] == [*LABELS, "uncertain"]
    coarse = renderer_of(tmp_path / "map_coarse.qml").findall("colorPalette/paletteEntry")
    assert [entry.get("label") for entry in coarse] == ["plants", "water", "uncertain"]


@pytest.mark.parametrize(("name", "largest"), [("probability", 1), ("clear_months", 12), ("novelty", 2)])
def test_scores_have_a_ramp_to_their_largest_value(tmp_path, name, largest):
    write_score_style(name, tmp_path / "scores.qml")
    renderer = renderer_of(tmp_path / "scores.qml")
    assert (renderer.get("type"), renderer.get("classificationMax")) == ("singlebandpseudocolor", str(largest))
    shader = renderer.find("rastershader/colorrampshader")
    assert shader.get("colorRampType") == "INTERPOLATED"
    values = [float(item.get("value")) for item in shader.findall("item")]
    assert (values[0], values[-1], sorted(values)) == (0, largest, values)
    assert (shader.findall("item")[0].get("color"), shader.findall("item")[-1].get("color")) == ("#440154", "#fde725")


def test_words_of_strangers_stay_words(tmp_path):
    write_class_style(make_map(labels=NASTY), tmp_path / "map.qml")
    entries = renderer_of(tmp_path / "map.qml").findall("colorPalette/paletteEntry")
    assert [entry.get("label") for entry in entries] == [on_one_line(word) for word in NASTY]
