import pytest
import torch
from typer.testing import CliRunner

from timesenclip_hf.app import serving
from timesenclip_hf.app.limits import LARGEST_FILE_MB, MOST_SESSIONS, MOST_WAITING
from timesenclip_hf.cli import app


def run(*arguments):
    return CliRunner().invoke(app, ["demo-app", *arguments])


def test_the_command_serves_the_page_until_it_is_stopped(monkeypatch, tmp_path):
    served = []
    monkeypatch.setattr(serving, "simulated_index", lambda page_model, folder: "places")
    monkeypatch.setattr(serving, "build_page", lambda page_model, places: served.append(places) or _Page())
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


def test_a_served_page_has_its_limits(page_model, index):
    page = serving.build_page(page_model, index)
    try:
        serving.serve(page, server_name="127.0.0.1")
        assert page.max_file_size == LARGEST_FILE_MB * 1024**2
        assert page.state_session_capacity == MOST_SESSIONS
        assert page._queue.max_size == MOST_WAITING
        assert torch.get_num_threads() == 1
        with pytest.raises(OSError, match=f"The port {page.server_port} is taken or not allowed: choose another with"):
            serving.serve(serving.build_page(page_model, index), server_name="127.0.0.1", server_port=page.server_port)
    finally:
        page.close()
