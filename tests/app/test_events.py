import asyncio

import gradio as gr
import pytest
from markupsafe import escape

from timesenclip_hf.app.events import APOLOGY, OTHERS, UPLOADS, choose_queue, in_sentences, one_sentence


def updates(answer, *inputs):
    """All updates of a call, and the error at its end if there is one."""

    async def collect():
        collected = []
        try:
            async for update in in_sentences(answer, 2, lambda *_: OTHERS)(*inputs):
                collected.append(update)
        except gr.Error as error:
            return collected, error
        return collected, None

    return asyncio.run(collect())


def fail_with(reason):
    def answer():
        raise reason

    return updates(answer)


@pytest.mark.parametrize("kind", [ValueError, FileNotFoundError])
def test_bad_input_is_said_in_the_field_and_in_the_note_and_leaves_the_rest_as_it_is(kind):
    [(field, *others)], error = fail_with(kind("No <b> in\n/tmp/gradio/12ab/cube.nc."))
    assert 'role="alert"' in field
    assert "No &lt;b&gt; in cube.nc." in field
    assert others == [gr.skip()] * 2
    assert error.message == "No &lt;b&gt; in cube.nc."


def test_anything_else_is_logged_and_the_visitor_reads_an_apology(caplog):
    [(field, *_)], error = fail_with(RuntimeError("secret detail"))
    assert "Sorry, this did not work" in field
    assert "secret" not in field
    assert "Sorry" in error.message
    assert str(escape(APOLOGY)) in field
    assert "secret detail" in caplog.text


def test_an_answer_clears_the_field():
    assert updates(lambda value: (value, 2), 1) == ([("", 1, 2)], None)


def test_uploads_wait_for_uploads_alone_and_what_is_kept_of_one_is_no_upload():
    with gr.Blocks():
        queue = choose_queue([gr.State(), gr.Textbox(), gr.File()])
    assert queue(None, "maize", "cube.nc") is UPLOADS
    assert queue("an event", None, "maize", ["cube.nc"]) is UPLOADS
    assert queue("kept", "maize", "cube.nc") is OTHERS
    assert queue(None, "maize", None) is OTHERS
    assert queue(None, "maize", []) is OTHERS


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "No such file: /tmp/gradio/a b/c.nc",
            "No such file: /tmp/gradio/a b/c.nc".replace("/tmp/gradio/a b/", "a b/"),
        ),
        ("'/home/u/x.csv' is empty", "'x.csv' is empty"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("wheat/maize/rye is odd", "wheat/maize/rye is odd"),
    ],
)
def test_folders_of_the_machine_are_left_out(text, sentence):
    assert one_sentence(ValueError(text)) == sentence
