import gradio as gr
import pytest
from markupsafe import escape

from timesenclip_hf.app.events import APOLOGY, in_sentences, one_sentence


def fail_with(reason):
    def answer():
        raise reason

    return in_sentences(answer, 2)()


@pytest.mark.parametrize("kind", [ValueError, FileNotFoundError])
def test_bad_input_is_said_in_the_field_and_in_the_note_and_leaves_the_rest_as_it_is(kind):
    call = fail_with(kind("No <b> in\n/tmp/gradio/12ab/cube.nc."))
    field, *others = next(call)
    assert 'role="alert"' in field
    assert "No &lt;b&gt; in cube.nc." in field
    assert others == [gr.skip()] * 2
    with pytest.raises(gr.Error) as raised:
        next(call)
    assert raised.value.message == "No &lt;b&gt; in cube.nc."


def test_anything_else_is_logged_and_the_visitor_reads_an_apology(caplog):
    call = fail_with(RuntimeError("secret detail"))
    field, *_ = next(call)
    assert "Sorry, this did not work" in field
    assert "secret" not in field
    with pytest.raises(gr.Error, match="Sorry"):
        next(call)
    assert str(escape(APOLOGY)) in field
    assert "secret detail" in caplog.text


def test_an_answer_clears_the_field():
    assert list(in_sentences(lambda value: (value, 2), 2)(1)) == [("", 1, 2)]


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
