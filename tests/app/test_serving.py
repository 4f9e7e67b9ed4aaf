"""Start the page as its command does, and call it as programs do: served on loopback, as the browser calls it."""

import json
import re

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from typer.testing import CliRunner

from tests.support.small_cubes import small_cube
from timesenclip_hf.app import serving
from timesenclip_hf.app.example_cubes import EXAMPLES
from timesenclip_hf.app.limits import LARGEST_FILE_MB, MOST_SESSIONS, MOST_WAITING
from timesenclip_hf.app.search_view import NUM_HITS
from timesenclip_hf.cli import app

FIELDS = {
    "series": "example words sets run own file offset number error status scores chart photos",
    "map": "example words sets run own file offset error status classes legend probability entropy truth new add "
    "examples undo forget",
    "map-pixel": "heading status scores chart",
    "search": "query run queries error status hits",
    "tab": "series map search",
}
IDS = [f"{view}-{field}" for view, fields in FIELDS.items() for field in fields.split()]
IDS += ["heading", "views", "map-probability-scale", "map-entropy-scale", "map-row", "map-column", "map-show"]


def run(*arguments):
    return CliRunner().invoke(app, ["demo-app", *arguments])


def test_the_command_serves_the_page_until_it_is_stopped(monkeypatch, tmp_path):
    served = []
    monkeypatch.setattr(serving, "simulated_index", lambda page_model, folder: "places")
    monkeypatch.setattr(serving, "build_page", lambda page_model, places, uploads: served.append(places) or _Page())
    monkeypatch.setattr(serving, "serve", lambda page, **options: served.append(options))
    result = run("--host", "127.0.0.1", "--port", "7999")
    assert result.exit_code == 0, result.output
    assert "The page is at http://127.0.0.1:7999/ and stops with Ctrl+C." in result.stdout
    assert served == ["places", {"server_name": "127.0.0.1", "server_port": 7999, "inbrowser": False}]


class _Page:
    local_url = "http://127.0.0.1:7999/"

    def block_thread(self):
        pass


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--index", "nowhere"], "The index in nowhere does not exist; `timesenclip index DATASET"),
        (["--model", "nowhere/none"], "No checkpoint can be read from nowhere/none"),
    ],
)
def test_a_wrong_index_or_checkpoint_ends_in_one_line(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_served_page_has_its_limits(page_model, index, uploads):
    page = serving.build_page(page_model, index, uploads)
    try:
        serving.serve(page, server_name="127.0.0.1")
        assert page.max_file_size == LARGEST_FILE_MB * 1024**2
        assert page.state_session_capacity == MOST_SESSIONS
        assert page._queue.max_size == MOST_WAITING
        assert torch.get_num_threads() == 1
        second = serving.build_page(page_model, index, uploads)
        with pytest.raises(OSError, match=f"The port {page.server_port} is taken or not allowed: choose another with"):
            serving.serve(second, server_name="127.0.0.1", server_port=page.server_port)
    finally:
        page.close()


@pytest.fixture(scope="module")
def page(page_model, index, uploads):
    page = serving.build_page(page_model, index, uploads)
    serving.serve(page, server_name="127.0.0.1")
    yield page
    page.close()


@pytest.fixture(scope="module")
def client(page):
    return Client(page.local_url, verbose=False)


def text_of(parts):
    return " ".join(part if isinstance(part, str) else json.dumps(part) for part in parts)


def test_every_part_has_its_id_once(page):
    ids = [component["props"].get("elem_id") for component in page.config["components"]]
    assert [name for name in IDS if ids.count(name) != 1] == []


def test_programs_see_the_five_calls(client):
    calls = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(calls) == ["/answer_series", "/map_cube", "/relabel", "/search", "/show_pixel"]


def test_a_series_is_answered_and_a_wrong_word_is_said_in_a_sentence(client):
    answer = client.predict("maize", None, False, 1, "maize, water", api_name="/answer_series")
    assert 'data-label="maize"' in text_of(answer)
    with pytest.raises(AppError, match="There are no class names"):
        client.predict("maize", None, False, 1, " ", api_name="/answer_series")


def test_a_table_is_uploaded_and_a_bad_one_named(client, tmp_path):
    np.savez(tmp_path / "two.npz", series=np.full((2, 12, 10), 0.2, dtype=np.float32))
    answer = client.predict(
        None, handle_file(tmp_path / "two.npz"), False, 2, "maize, water", api_name="/answer_series"
    )
    assert "Series 2 of 2, 1, of two.npz" in text_of(answer)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(AppError, match=r"^bad.csv has no column for a band"):
        client.predict(None, handle_file(tmp_path / "bad.csv"), False, 1, "maize", api_name="/answer_series")


def test_a_map_follows_the_words_and_a_pixel_answers(client, tmp_path):
    small_cube(6, 5).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    chosen = (None, [handle_file(tmp_path / "cube.nc")], False)
    first = text_of(client.predict(*chosen, "maize, water", api_name="/map_cube"))
    once = re.search(r"6 × 5 pixels, embedded once in [\d.]+ s", first)[0]
    gone = (EXAMPLES[0], None, False)  # what was kept is used, not what is chosen
    anew = text_of(client.predict(*gone, "trees, lake", None, None, api_name="/relabel"))
    assert once in anew
    assert 'data-label="trees"' in anew
    assert 'class="score"' not in anew
    with_pixel = client.predict(*gone, "trees, lake, river", 5, 4, api_name="/relabel")
    assert text_of(with_pixel).count('class="score" data-label="river"') == 1
    without = client.predict(*gone, "trees, lake, river", 99, 4, api_name="/relabel")
    assert 'class="score"' not in text_of(without)
    assert "Row 2, column 3" in text_of(client.predict(*chosen, "trees, lake", 2, 3, api_name="/show_pixel"))
    with pytest.raises(AppError, match="no pixel in row 9"):
        client.predict(*chosen, "trees, lake", 9, 3, api_name="/show_pixel")


def test_what_was_put_away_is_mapped_again(page):
    visitor = Client(page.local_url, verbose=False)
    answer = text_of(visitor.predict(EXAMPLES[0], None, False, "maize, water", None, None, api_name="/relabel"))
    assert "64 × 64 pixels, embedded once" in answer


def test_places_are_found(client):
    assert text_of(client.predict("open water", api_name="/search")).count('data-point="simulated') == NUM_HITS


def test_nothing_is_fetched_from_elsewhere_nor_reported(page):
    assert not page.analytics_enabled
    assert not page.share
    assert "http" not in page.theme_css.replace("http://www.w3.org", "")
