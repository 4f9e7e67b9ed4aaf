from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from transformers import pipeline

from tests.support.browser.files import write_series
from tests.support.browser.views import choose, complaint, field, scores, source, unfold, upload, write
from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK
from timesenclip_hf.simulator import simulate

pytestmark = pytest.mark.browser

WORDS = ["maize", "woodland", "water"]


def test_new_class_names_bring_their_own_probabilities(page: Page):
    write(page, "series-words", ", ".join(WORDS))
    first = scores(page, "series-scores", WORDS)
    assert sum(first.values()) == pytest.approx(1, abs=0.001)
    assert list(first.values()) == sorted(first.values(), reverse=True)

    field(page, "series-words").fill("a field of wheat, water, houses, grass")
    page.locator("#series-run").click()
    second = scores(page, "series-scores", ["a field of wheat", "water", "houses", "grass"])
    assert sum(second.values()) == pytest.approx(1, abs=0.001)


def test_a_set_of_class_names_is_taken_with_one_click(page: Page):
    choose(page, "series-sets", "Broad classes")
    names = ["cropland", "grassland", "woodland", "buildings", "water"]
    scores(page, "series-scores", names)
    expect(field(page, "series-words")).to_have_value(", ".join(names))


def test_another_example_brings_another_year_and_other_photos(page: Page):
    write(page, "series-words", ", ".join(WORDS))
    first, year = scores(page, "series-scores", WORDS), source(page, "series-chart")
    places = page.locator("#series-photos .hit").evaluate_all("hits => hits.map(hit => hit.dataset.point)")
    choose(page, "series-example", "rapeseed")
    expect(page.locator("#series-chart img")).not_to_have_attribute("src", year)
    assert scores(page, "series-scores", WORDS) != first
    assert page.locator("#series-photos .hit").evaluate_all("hits => hits.map(hit => hit.dataset.point)") != places


def test_an_uploaded_series_gets_the_probabilities_that_the_pipeline_gives(unfolded: Page, tmp_path: Path):
    series = simulate(3, seed=5).series
    classify = pipeline(TASK, device="cpu")
    for index, pixel in enumerate(series):
        if index == 0:
            write(unfolded, "series-words", ", ".join(WORDS))
            upload(unfolded, "series", write_series(tmp_path / "places.npz", series))
        else:
            write(unfolded, "series-number", str(index + 1))
        expect(unfolded.locator("#series-status")).to_contain_text(f"Series {index + 1} of 3")
        expected = {entry["label"]: entry["score"] for entry in classify(pixel, candidate_labels=WORDS)}
        assert scores(unfolded, "series-scores", WORDS) == pytest.approx(expected, abs=1e-4)


def test_months_without_a_clear_observation_are_named_beside_the_year(unfolded: Page, tmp_path: Path):
    series = np.full((1, 12, 10), 0.2, dtype=np.float32)
    series[:, [0, 10, 11]] = np.nan
    upload(unfolded, "series", write_series(tmp_path / "winter.npz", series))
    expect(unfolded.locator("#series-chart figcaption")).to_contain_text("No clear observation in Jan, Nov, Dec.")


@pytest.fixture
def unfolded(page: Page) -> Page:
    unfold(page, "series")
    return page


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.csv", b"this,is\nnot,a table\n"),
        ("empty.npz", b""),
        ("broken.npz", b"PK\x03\x04 and nothing more"),
        ("page.nc", b"<html>an error page saved as a file</html>"),
    ],
)
def test_a_bad_file_is_answered_in_one_sentence(unfolded: Page, tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    upload(unfolded, "series", tmp_path / name)
    sentence = complaint(unfolded, "series")
    assert name in sentence
    assert "Sorry" not in sentence


def test_the_answer_after_an_error_takes_its_place(unfolded: Page, tmp_path: Path):
    (tmp_path / "table.csv").write_text("nothing\n", encoding="utf-8")
    upload(unfolded, "series", tmp_path / "table.csv")
    complaint(unfolded, "series")
    choose(unfolded, "series-example", "rapeseed")
    expect(unfolded.locator("#series-status")).to_contain_text("rapeseed")
    expect(unfolded.locator("#series-error").get_by_role("alert")).to_have_count(0)


def test_no_class_names_are_answered_in_one_sentence(page: Page):
    write(page, "series-words", " , ")
    assert "class names" in complaint(page, "series")


def test_what_is_typed_is_shown_as_text_and_never_run(page: Page):
    name = "<img src=x onerror=document.title=1>"
    write(page, "series-words", f"water, {name}")
    expect(page.locator("#series-scores .name").filter(has_text="onerror")).to_have_text(name)
    expect(page).to_have_title("TimeSenCLIP")
