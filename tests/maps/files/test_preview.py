import base64
import io
import re
from html.parser import HTMLParser
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from tests.support.small_cubes import CRS
from tests.support.small_maps import LABELS, add_coarse, make_map
from timesenclip_hf.maps import reject, write_map, write_png
from timesenclip_hf.maps.files.legend import class_colours
from timesenclip_hf.maps.files.preview import LONGEST_SIDE, draw_map, write_html
from timesenclip_hf.taxonomies import load_taxonomy


def legend_boxes(figure):
    figure.draw_without_rendering()
    (legend,) = figure.legends
    return [(text.get_text(), text.get_window_extent()) for text in legend.get_texts()]


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_a_picture_shows_every_class_in_its_colour(tmp_path, crs):
    mapped = make_map().rio.write_crs(crs)
    write_png(mapped, tmp_path / "new" / "map.png")
    with Image.open(tmp_path / "new" / "map.png") as picture:
        assert picture.width > 1000
        counts = {colour[:3]: count for count, colour in picture.getcolors(maxcolors=1_000_000)}
    for code, colour in enumerate(class_colours(3), start=1):
        assert counts[colour] > 1000 * (mapped["class"] == code).sum()


@pytest.mark.parametrize("classes", [1, 3, 44, 120])
def test_no_name_in_the_legend_is_cut_off_or_lies_on_another(classes):
    habitats = load_taxonomy("eunis_level2").class_names
    labels = [f"{habitats[place % 44]} {place // 44 or ''}".strip() for place in range(classes)]
    figure = draw_map(make_map(30, 30, labels=labels))
    boxes = legend_boxes(figure)
    assert len(boxes) == classes + 1
    assert all(text.strip() for text, _ in boxes)
    page = figure.bbox
    axes = [one.get_tightbbox() for one in figure.axes]
    for _, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
        assert not any(box.overlaps(one) for one in axes)
    assert not any(one.overlaps(other) for (_, one), (_, other) in combinations(boxes, 2))
    assert figure.axes[0].get_window_extent().height > 300


def test_shares_are_of_all_pixels_also_where_a_large_map_is_thinned_out():
    mapped = make_map(1, 2 * LONGEST_SIDE + 7, labels=["land", "sea"])
    mapped["class"][:] = 1
    mapped["class"][0, 1::2] = 2  # every other pixel, of which none would be drawn
    texts = [text for text, _ in legend_boxes(draw_map(mapped.isel(y=[0] * 2)))]
    assert texts == ["land (50%)", "sea (50%)"]


def test_shares_below_a_percent_are_not_none():
    mapped = make_map(30, 30)
    mapped["class"][:] = 1
    mapped["class"][3, 4] = 2
    texts = [text for text, _ in legend_boxes(draw_map(mapped))]
    assert texts == ["maize (100%)", "broad-leaved woodland (<1%)", "water (0%)"]


def test_of_many_classes_those_without_a_pixel_are_counted_instead_of_shown():
    mapped = make_map(9, 9, labels=[f"class {place}" for place in range(1, 31)])
    mapped["class"][:] = 7
    mapped["class"][0, 0] = 30
    texts = [text for text, _ in legend_boxes(draw_map(mapped))]
    assert texts == ["class 7 (99%)", "class 30 (1%)", "28 classes without a pixel"]


@pytest.mark.parametrize("shape", [(4, 400), (400, 4)])
def test_a_strip_of_land_is_drawn_without_a_page_of_white(shape):
    figure = draw_map(make_map(*shape))
    figure.draw_without_rendering()
    assert 2 <= figure.get_figheight() <= 7
    assert figure.axes[0].get_window_extent().width > 3


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if data.strip() and self.open[-1] not in ("script", "style"):
            self.words.append(data.strip())

    def attributes(self, wanted):
        return [attrs for tag, attrs in self.tags if tag == wanted]


def test_the_page_stands_by_itself_and_shows_each_map_with_its_scores(tmp_path):
    maps = {"crops": reject(make_map(20, 30), 0.4), "<b>covers</b>": add_coarse(make_map(labels=["a & b", "x", "y"]))}
    write_html(maps, tmp_path / "map.html")
    text = (tmp_path / "map.html").read_text()
    page = Page(text)
    assert not re.search(r"https?://|<link|@import|src=\"(?!data:)", text)
    assert [*maps] == [word for word in page.words if word in maps]
    assert "a & b" in page.words
    layers = ["class", "probability", "entropy", "margin", "clear_months"]
    coarse = ["class", "probability", "probability_coarse", "entropy", "margin", "clear_months"]
    assert [image["class"] for image in page.attributes("img")] == [*layers, *coarse]
    picture = Image.open(io.BytesIO(base64.b64decode(page.attributes("img")[0]["src"].partition(",")[2])))
    pixels = np.asarray(picture.convert("RGBA"))
    classes = maps["crops"]["class"].values
    assert pixels.shape == (20, 30, 4)
    np.testing.assert_array_equal(pixels[..., 3] == 0, classes == 0)
    rows = {attrs["data-colour"] for attrs in page.attributes("tr")}
    shown = {"#" + bytes(colour).hex() for colour in pixels[classes != 0][:, :3]}
    assert shown <= rows


def test_the_page_tells_shares_areas_and_the_model(tmp_path):
    mapped = make_map(10, 10, model="you/model", hypothesis_template="a photo of {}")
    mapped["class"][:] = 1
    mapped["class"][:, :3] = 2
    write_html({"": mapped}, tmp_path / "map.html")
    words = Page((tmp_path / "map.html").read_text()).words
    place = words.index("maize")
    assert words[place : place + 6] == ["maize", "70%", "0.70 ha", LABELS[1], "30%", "0.30 ha"]
    assert "Model: you/model; Prompt: a photo of {}" in words


def test_what_is_exported_is_drawn_from_the_overviews(tmp_path):
    mapped = make_map(2 * LONGEST_SIDE, 40)
    mapped["class"][:] = 1
    mapped["class"][::2, ::2] = 2  # a quarter: no overview has it
    write_map(mapped, tmp_path / "map.tif")
    page = Page((tmp_path / "map.html").read_text())
    image = page.attributes("img")[0]
    assert (image["height"], image["width"]) == (str(LONGEST_SIDE), "20")
    picture = Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
    assert set(np.unique(np.asarray(picture))) == {1}
    assert page.words[page.words.index(LABELS[1]) + 1] == "25%"
