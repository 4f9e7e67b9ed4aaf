import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from tests.support.small_maps import LABELS, add_coarse, make_map
from timesenclip_hf.maps import reject, write_map
from timesenclip_hf.maps.files.pictures import LONGEST_SIDE
from timesenclip_hf.maps.files.preview import write_html


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
    start = words.index("maize")
    assert words[start : start + 6] == ["maize", "70%", "0.70 ha", LABELS[1], "30%", "0.30 ha"]
    assert "Model: you/model; Prompt: a photo of {}" in words


def test_what_is_written_is_drawn_from_the_overviews(tmp_path):
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


def test_nothing_that_is_typed_becomes_part_of_the_page(tmp_path):
    typed = '"><script>alert(1)</script>'
    mapped = make_map(labels=[typed, "b", "c"], model=typed, hypothesis_template=[typed], smoothing=typed, year=typed)
    write_html({typed: mapped}, tmp_path / "map.html")
    text = (tmp_path / "map.html").read_text()
    assert typed not in text
    page = Page(text)
    assert len(page.attributes("script")) == 1
    assert {"title", "h1", "h2", "th", "p"} <= {tag for tag, _ in page.tags}
    assert page.words.count(typed) == 2  # heading and legend
    assert f"Land cover {typed}" in page.words
    assert any(word.startswith(f"Model: {typed}; Prompt: {typed}; Smoothing: {typed}") for word in page.words)


def test_the_page_names_place_year_caveat_and_unknown_words(tmp_path):
    write_html({"": make_map(20, 20, unknown_words=["sorrel"], model_caveat="Made up.")}, tmp_path / "map.html")
    words = Page((tmp_path / "map.html").read_text()).words
    place = next(word for word in words if word.startswith("Centre "))
    assert "° N, 3.0014° E · EPSG:32631 (WGS 84 / UTM zone 31N) · pixels of 10 m · period 2018" in place
    told = next(word for word in words if word.startswith("Classes are named by words alone"))
    assert "Made up." in told
    assert "never read, so that their scores mean little: sorrel." in told
    assert "Contains modified Copernicus Sentinel-2 data 2018." in words


def test_the_only_script_that_runs_is_the_one_of_the_policy(tmp_path):
    write_html({"": make_map()}, tmp_path / "map.html")
    text = (tmp_path / "map.html").read_bytes().decode()
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (attrs for attrs in Page(text).attributes("meta") if attrs.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in policy["content"]
    assert "default-src 'none'" in policy["content"]


def test_classes_of_one_chosen_colour_can_still_be_told_by_the_page(tmp_path):
    mapped = make_map(20, 20).assign_attrs(class_colours=dict.fromkeys(LABELS, "#2f6fb5"))
    write_html({"": mapped}, tmp_path / "map.html")
    colours = [attrs["data-colour"] for attrs in Page((tmp_path / "map.html").read_text()).attributes("tr")]
    assert len(set(colours)) == len(colours) == 4
    assert all(colour.startswith("#2f6f") for colour in colours[:3])
