"""Check that README, cards and Spaces say the same of the same thing."""

import re

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from jinja2 import UndefinedError

from tests.conftest import ROOT
from timesenclip_hf import DEFAULT_CHECKPOINT

CARDS = sorted(path for path in (ROOT / "hub" / "cards").glob("*.md"))
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]


@pytest.fixture
def filling(script):
    return script("filling")


def test_the_papers_are_those_of_the_citation_file_each_with_its_doi(filling):
    listing = filling.citation()
    assert listing.count("@") == len(CITED)
    for paper in CITED:
        assert paper["doi"] in listing
        assert paper["url"] in listing
        assert f"pages = {{{paper['start']}--{paper['end']}}}" in listing


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.stem)
def test_no_card_types_what_is_written_elsewhere(card):
    text = card.read_text()
    assert "@article" not in text
    assert not re.search(r"^license:|^tags:", text, re.MULTILINE)
    numbers = {paper["url"].split("/")[-1] for paper in CITED}
    assert set(re.findall(r"arXiv (\d{4}\.\d{5})", text)) <= numbers


CARD = "---\n{{ card_data }}\n---\n{{ this }} and {{ that }}, {{ license }}, under {{ this }}"


def test_a_card_is_its_head_and_its_filled_template(filling, tmp_path):
    (tmp_path / "card.md").write_text(CARD)
    data = ModelCardData(license="mit", tags=["a"])
    text = filling.fill(ModelCard, tmp_path / "card.md", data, {"this": "<1> & $x", "that": ""})
    assert text == "---\nlicense: mit\ntags:\n- a\n---\n<1> & $x and , mit, under <1> & $x\n"


@pytest.mark.parametrize("values", [{"this": 1}, {"this": 1, "that": None}])
def test_a_slot_for_which_there_is_nothing_is_named(filling, tmp_path, values):
    (tmp_path / "card.md").write_text(CARD)
    with pytest.raises(ValueError, match=r"card\.md has the slot 'that'"):
        filling.fill(ModelCard, tmp_path / "card.md", ModelCardData(license="mit"), values)


def test_what_goes_into_a_page_is_escaped_and_what_goes_into_a_card_is_not(filling):
    metadata = {"title": "<b>", "description": "&"}
    page = filling.fill_part("metric_page.html", metadata=metadata, repo_id="a/'b'")
    assert "<h1>&lt;b&gt;</h1>\n<p>&amp;</p>" in page
    assert "evaluate.load(&#34;" not in page.split("<pre>")[0]
    assert "`<b>`" in filling.fill_part("metric_needs.md", package="<b>", repo_id="a/b")
    with pytest.raises(UndefinedError, match="repo_id"):
        filling.fill_part("metric_needs.md", package="p")


def test_the_embedded_model_and_the_page_have_one_name_everywhere():
    name = DEFAULT_CHECKPOINT.split("/")[-1]
    assert f"# {name}\n" in (ROOT / "model_card.md").read_text()
    space = (ROOT / "hub" / "space" / "README.md").read_text()
    (title,) = re.findall(r"^title: (.+)$", space, re.MULTILINE)
    assert f"# {title}\n" in space
    assert "{{ model_name }}" in space
    assert name not in space
    assert title in (ROOT / "README.md").read_text()
