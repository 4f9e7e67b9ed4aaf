"""The site of `docs/`: every page in its navigation, no dead link, nothing from elsewhere, every public name."""

import re
from pathlib import Path

import pytest
import yaml

from hub import docs_site
from hub.docs_links import dead_links, loaded_from_elsewhere, read_pages
from hub.docs_site import ROOT_PAGES, build_site, describe_commands
from tests.conftest import ROOT
from tests.support.public_names import not_shown, public_names

DOCS = ROOT / "docs"


def write(site: Path, **pages: str) -> Path:
    for name, text in pages.items():
        (site / f"{name}.html").write_text(text, encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("docs"))


def test_a_link_to_no_page_and_one_to_no_place_are_named_and_others_not(tmp_path: Path):
    write(tmp_path, a='<a href="b.html#here">x</a> <a href="b.html#gone">x</a> <img src="c.png"> <a href="#top">x</a>')
    write(tmp_path, b='<p id="here">x</p> <a href="https://example.org/gone">x</a> <a href="./">x</a>')
    assert sorted(dead_links(tmp_path)) == ["a.html: #top", "a.html: b.html#gone", "a.html: c.png", "b.html: ./"]


def test_scripts_styles_and_pictures_from_elsewhere_are_named_and_links_not(tmp_path: Path):
    write(
        tmp_path, a='<script src="https://cdn.example/x.js"></script><link rel="stylesheet" href="//cdn.example/x.css">'
    )
    write(tmp_path, b='<a href="https://example.org">x</a><link rel="canonical" href="https://example.org/b.html">')
    assert loaded_from_elsewhere(tmp_path) == {"https://cdn.example/x.js", "//cdn.example/x.css"}


def test_every_page_stands_once_in_the_navigation():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    listed = [page for section in nav for pages in section.values() for entry in pages for page in entry.values()]
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")] + [*ROOT_PAGES.values(), "commands.md"]
    assert sorted(listed) == sorted(pages)


def test_the_page_of_commands_holds_every_command_and_whole_sentences():
    text = describe_commands()
    for command in ("classify", "map", "fit", "areas", "import table"):
        assert f"## `timesenclip {command}`" in text
    assert "..." not in re.findall(r"^\* `classify`.*$", text, re.MULTILINE)[0]


def test_a_link_that_leads_nowhere_ends_the_build_in_a_sentence_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "install.md").write_text("# Install\n\n[gone](gone_page.md)\n", encoding="utf-8")
    monkeypatch.setattr(docs_site, "DOCS", tmp_path / "docs")
    with pytest.raises(ValueError, match=r"(?s)cannot be built.*gone_page\.md") as error:
        build_site(tmp_path / "site")
    assert "Traceback" not in str(error.value)


def test_the_site_has_no_dead_link_and_loads_nothing_from_elsewhere(site: Path):
    assert len(read_pages(site)) > 30
    assert list(dead_links(site)) == []
    assert loaded_from_elsewhere(site) == set()


def test_every_public_name_is_on_a_page_of_the_api(site: Path):
    assert len(public_names()) > 100
    assert not_shown(site) == []


def test_lists_and_tables_are_lists_and_tables_where_a_line_stands_just_above(site: Path):
    written = [path.name for path in site.rglob("*.html") if re.search(r"^(<p>)?([-*]|\|) ", path.read_text(), re.M)]
    assert written == []


def test_names_that_docstrings_mention_are_links(site: Path):
    text = (site / "api" / "labelling.html").read_text(encoding="utf-8")
    assert '<a href="../api/package.html#timesenclip_hf.LabelSet"><code>LabelSet</code></a>' in text
    assert "[<code>" not in text


def test_the_files_that_search_needs_without_a_server_are_there(site: Path):
    text = (site / "api" / "maps.html").read_text(encoding="utf-8")
    assert 'src="../javascripts/iframe-worker.js"' in text
    assert {"search.js", "javascripts/iframe-worker.js"} <= {p.relative_to(site).as_posix() for p in site.rglob("*.js")}
