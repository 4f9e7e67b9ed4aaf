"""Words of strangers in every medium that we write."""

import csv
import io
import json
import logging
import warnings
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.support.nasty_words import ACTING, FORMULAS, NASTY
from timesenclip_hf.cli import app
from timesenclip_hf.files import write_json
from timesenclip_hf.words import (
    PrintableLog,
    PrintableStream,
    as_cell,
    damage_told,
    from_cell,
    in_figure,
    in_markdown,
    on_one_line,
    printable,
)

CODED = tuple(f"\\{code}" for code in ("x1b", "x07", "x9b", "x08", "x00", "u202e", "u2066"))


class _Tags(HTMLParser):
    """Collect the elements and attributes of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


@pytest.mark.parametrize("word", NASTY)
def test_nothing_acts_on_a_terminal_and_what_would_is_seen(word):
    assert not any(character in printable(word) for character in ACTING)
    assert "\n" not in on_one_line(word)
    acting = [character for character in word if character in ACTING]
    assert len(printable(word)) >= len(word) + len(acting)
    assert any(code in printable(word) for code in CODED) == bool(acting)


def test_words_of_all_languages_stay_as_they_are():
    for text in ("é ü 水 नमस्ते 🌽", "a\tb\nc", "ﬁeld – 10 °C"):
        assert printable(text) == text


@pytest.mark.parametrize("word", NASTY)
def test_a_cell_is_no_formula_and_reads_back(word):
    cell = as_cell(word)
    assert not cell.startswith(FORMULAS)
    assert from_cell(cell) == word


@pytest.mark.parametrize("number", ["-12", "+5", "-1.5", "-.5", "+1e-3", "-1,5", "12", "0012"])
def test_numbers_stay_numbers_in_cells(number):
    assert as_cell(number) == number


@given(text=st.text(alphabet="'=+-@\t\r1a.", max_size=6))
def test_every_cell_reads_back(text):
    assert from_cell(as_cell(text)) == text


def test_scores_and_splits_read_back_with_the_same_ids(tmp_path):
    from timesenclip_hf.data.sources.columns import name_rows
    from timesenclip_hf.data.sources.frames import read_frame
    from timesenclip_hf.data.sources.tables import write_scores
    from timesenclip_hf.data.splits import read_manifest, write_manifest

    ids = [word for word in NASTY if word == " ".join(word.split()) and printable(word) == word] + ["-12", "+5"]
    scores = np.tile([0.75, 0.25], (len(ids), 1))
    write_scores(tmp_path / "scores.csv", ids, ["=1+1", "maize"], scores)
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(FORMULAS) and cell not in ("-12", "+5")]
    assert name_rows(read_frame(tmp_path / "scores.csv"), "id").ids == ids
    splits = {name: "train" for name in NASTY if "\r" not in name and "\x00" not in name}
    write_manifest(tmp_path / "splits.csv", splits)
    assert read_manifest(tmp_path / "splits.csv") == splits


@pytest.mark.parametrize("word", NASTY)
def test_markdown_shows_words_as_they_are(word):
    text = in_markdown(word)
    assert "<" not in text
    assert "\n" not in text
    for sign in "`|[]*$#":
        assert text.count(sign) == text.count(f"\\{sign}")


def test_a_figure_draws_every_word_and_none_as_a_formula():
    figures = pytest.importorskip("matplotlib.figure")
    from matplotlib.cbook import is_math_text

    figure = figures.Figure()
    axes = figure.subplots()
    for row, word in enumerate(NASTY):
        axes.plot([0, 1], [row, row], label=in_figure(word))
        assert not is_math_text(in_figure(word))
    axes.set_title(in_figure(" ".join(NASTY)))
    assert len(axes.legend().get_texts()) == len(NASTY)
    with warnings.catch_warnings(action="ignore"):  # about letters that the font lacks
        figure.savefig(io.BytesIO(), format="png")


def test_the_files_of_a_map_name_such_classes_and_stay_well_formed(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    from tests.support.small_maps import make_map
    from timesenclip_hf.maps import write_map
    from timesenclip_hf.maps.files.preview import write_html

    mapped = make_map(labels=NASTY, model="<b>\x1b[31m")
    expected = [on_one_line(word) for word in NASTY]
    write_map(mapped, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as raster:
        tags = raster.tags()
    assert [tags[f"CLASS_{code}"] for code in range(1, len(NASTY) + 1)] == expected
    band = ElementTree.parse(tmp_path / "map.tif.aux.xml").find("PAMRasterBand")
    assert [name.text for name in band.findall("CategoryNames/Category")] == ["no data", *expected]
    stac = (tmp_path / "map_stac.json").read_text(encoding="utf-8")
    item = json.loads(stac, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert [entry["title"] for entry in item["assets"]["classes"]["classification:classes"][1:]] == expected
    assert (tmp_path / "map.png").exists()
    write_html({"": mapped}, tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    plain = tmp_path / "plain.html"
    write_html({"": make_map(labels=[f"class {index}" for index in range(len(NASTY))])}, plain)
    seen, usual = _Tags(page), _Tags(plain.read_text(encoding="utf-8"))
    assert set(seen.tags) == set(usual.tags)
    assert set(seen.attributes) == set(usual.attributes)
    assert not any(character in page + stac for character in ACTING)


def test_the_page_shows_every_word_as_text():
    from timesenclip_hf.app.fragments import render

    usual = _Tags(render("error", sentence="plain"))
    for word in NASTY:
        page = render("error", sentence=word)
        assert _Tags(page).tags == usual.tags
        assert not any(character in page for character in ACTING)


def test_json_holds_null_for_what_is_no_number(tmp_path):
    write_json(tmp_path / "a.json", {"a": [float("nan"), 1.0, (float("inf"),)], "b": "\x1b"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [None, 1.0, [None]], "b": "\x1b"}
    assert "NaN" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("word", [word for word in NASTY if "\x00" not in word and not word.startswith("-")])
def test_a_command_prints_no_word_that_acts(word):
    result = CliRunner().invoke(app, ["classify", f"/tmp/{word}.csv", "--labels", "maize"])
    assert result.exit_code == 1
    assert not any(character in result.output for character in ACTING)
    assert len(result.stderr.splitlines()) == 1


def test_streams_and_logs_print_no_word_that_acts():
    written, log = io.StringIO(), logging.getLogger("words of strangers")
    for word in NASTY:
        print(word, file=PrintableStream(written))
        record = log.makeRecord(log.name, logging.WARNING, "", 0, "read %s", (word,), None)
        assert PrintableLog().filter(record)
        assert not any(character in record.getMessage() for character in ACTING)
    assert not any(character in written.getvalue() for character in ACTING)
    assert PrintableStream(written).getvalue() == written.getvalue()
    with pytest.raises(TypeError, match="Text can be written here, got bytes"):
        PrintableStream(written).write(b"")  # Typer asks so whether a stream takes bytes


def test_damage_is_told_in_one_sentence():
    with pytest.raises(ValueError, match=r"^a\.nc is damaged \(KeyError\): fetch it again\.$"), damage_told("a.nc"):
        raise KeyError
    with pytest.raises(FileNotFoundError), damage_told("a.nc"):
        raise FileNotFoundError
