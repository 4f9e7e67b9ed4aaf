import base64
import re

import pytest

from timesenclip_hf.app import fragments
from timesenclip_hf.app.cube_map import relabel
from timesenclip_hf.app.series_answer import CLOUDED, answer_series, example_series
from timesenclip_hf.app.teaching import Example, Taught

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def answer(page_model, index):
    series = page_model.reader.read([example_series()[CLOUDED]])
    return answer_series(page_model, series, f"maize, water, {SCRIPT}", index=index)


def test_scores_are_listed_the_highest_first(answer):
    values = [float(value) for value in re.findall(r'data-score="([\d.]+)"', fragments.scores(answer))]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-3)


def test_what_was_typed_or_indexed_is_never_markup(page_model, kept, answer):
    taught = Taught().add(page_model, kept, "maize, water", Example(9, 9, SCRIPT)).fit(page_model, kept, "maize, water")
    hit = {**answer.nearest[0], "point_id": SCRIPT, "photos": [{"direction": SCRIPT, "link": f"https://x/{SCRIPT}"}]}
    parts = [
        fragments.scores(answer),
        fragments.chart(answer),
        fragments.hits([hit]),
        fragments.examples(taught, relabel(page_model, kept, taught.words)),
        fragments.legend(relabel(page_model, kept, page_model.words(f"maize, {SCRIPT}"))),
        fragments.render("status", sentence=SCRIPT, notices=[SCRIPT]),
        fragments.render("error", sentence=SCRIPT),
    ]
    assert all("<script" not in part for part in parts)
    assert all("script" in part for part in parts[:1] + parts[2:])


def test_a_chart_says_in_words_what_it_shows(answer):
    chart = fragments.chart(answer)
    alt = re.search(r'alt="([^"]+)"', chart).group(1)
    assert "NDVI from" in alt
    assert "No clear observation in Jan, Feb, Apr, Jun, Nov, Dec." in alt
    assert base64.b64decode(re.search(r"base64,([^\"]+)\"", chart).group(1)).startswith(b"\x89PNG")


def test_photos_are_part_of_the_page_and_those_elsewhere_are_links(answer, tmp_path):
    assert fragments.nearest_photos(answer).count('<img src="data:image/png;base64,') == 2 * len(answer.nearest)
    hit = answer.nearest[0]
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    photos = [{"direction": "N", "link": link} for link in ("https://example.org/a.jpg", str(secret), "gone.png")]
    shown = fragments.hits([{**hit, "photos": photos, "longitude": -3.5, "latitude": 40.0}])
    assert shown.count("<a href=") == 1
    assert "<img" not in shown
    assert "40.00° N, 3.50° W" in shown
    assert "no photo" in fragments.hits([{**hit, "photos": [], "latitude": None, "year": None}])


def test_a_legend_names_every_class_with_its_share_and_what_has_none(page_model, kept):
    shares = re.findall(
        r'data-label="([^"]+)" data-share="([\d.]+)"',
        fragments.legend(relabel(page_model, kept, page_model.words("maize, lake"))),
    )
    assert [label for label, _ in shares] == ["maize", "lake", "no clear month"]
    assert sum(float(share) for _, share in shares) == pytest.approx(1, abs=1e-3)
