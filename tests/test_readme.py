"""What README promises: its size, its links, its badges, and that what it prints runs."""

import re
import tomllib
from pathlib import Path

import pytest

from hub.filling import REPOSITORY
from tests.conftest import ROOT
from tests.support.readme import NOT_HERE, README, commands, offline_steps, run_offline

TEXT = README.read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(([^)\s]+)\)", TEXT)


def test_readme_has_at_most_ten_kilobytes():
    assert README.stat().st_size <= 10_000


def test_every_link_is_absolute_so_that_other_sites_show_it():
    assert [link for link in LINKS if not link.startswith("https://")] == []


def test_every_link_into_the_repository_leads_to_a_file_and_to_a_heading_of_it():
    inside = [link for link in LINKS if link.startswith(f"{REPOSITORY}/")]
    assert len(inside) > 15
    for link in inside:
        path, _, heading = re.sub(rf"^{re.escape(REPOSITORY)}/(blob|raw)/main/", "", link).partition("#")
        assert (ROOT / path).is_file(), link
        headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(encoding="utf-8"), re.M) if heading else []
        assert not heading or heading in [re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings], link


def test_the_badges_say_what_the_project_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    badges = re.findall(r"img\.shields\.io/badge/([^)]+)", TEXT)
    assert badges == [
        f"licence-{project['license']}-blue",
        f"python-{project['requires-python'].removeprefix('>=')}_or_newer-blue",
        "arXiv-2508.11919-b31b1b",
    ]
    assert "arxiv.org/abs/2508.11919" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_it_says_which_real_sets_were_looked_at_while_the_simulator_was_tuned():
    for place in ("Flanders", "France", "East Africa", "Digital Earth Africa", "Rondonia"):
        assert re.search(rf"{place}\b.*looked at while the simulator was tuned", TEXT)


def test_all_commands_but_those_that_need_a_network_or_set_the_checkout_up_are_run():
    left = [line for line in commands() if line.startswith(NOT_HERE)]
    assert [line.split()[:2] for line in left] == [["make", "demo"], ["make", "test"], ["timesenclip", "convert"]]
    assert len(offline_steps()) == len(commands()) - len(left) + 2
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert {"demo", "test", "docs"} <= set(targets)


@pytest.mark.slow
@pytest.mark.needs_extra("map")
def test_what_readme_prints_runs_as_it_stands(tmp_path: Path):
    assert run_offline(tmp_path) == []
    assert (tmp_path / "classes.csv").read_text().startswith("id,")
    assert {"map.tif", "map.html"} <= {path.name for path in tmp_path.iterdir()}
