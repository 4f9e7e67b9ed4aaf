"""Bind the page's calls: one queue for two cores, and what goes wrong as a sentence."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from html import escape
from typing import Any

from transformers.utils import logging

from ..extras import needs_extra
from .fragments import render
from .limits import AT_ONCE

with needs_extra("demo"):
    import gradio as gr

logger = logging.get_logger(__name__)

APOLOGY = "Sorry, this did not work, and the fault is the page's, not yours. Try again, or with another file."
Updates = tuple[Any, ...]
Answer = Callable[..., Updates]
Components = Sequence[Any]


def one_sentence(reason: BaseException) -> str:
    """Put an error as a visitor reads it: on one line, without the folders of this machine."""
    return re.sub(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+", "", " ".join(str(reason).split()))


def in_sentences(answer: Answer, outputs: int) -> Callable[..., Iterator[Updates]]:
    """Put a field for what went wrong before the so many outputs of a call, which then stay as they are.

    Bad input (`ValueError`, `OSError`) shows in that field and in a passing note, in a sentence; anything else is
    logged, and the visitor reads an apology.
    """

    @wraps(answer)
    def run(*inputs: Any) -> Iterator[Updates]:
        try:
            results = answer(*inputs)
        except (ValueError, OSError) as reason:
            sentence = one_sentence(reason)
        except Exception:
            logger.exception("A visitor's call failed.")
            sentence = APOLOGY
        else:
            yield ("", *results)
            return
        yield (render("error", sentence=sentence), *[gr.skip() for _ in range(outputs)])
        raise gr.Error(escape(sentence), print_exception=False)

    return run


def bind(triggers: Components, answer: Answer, inputs: Components, outputs: Components, name: str = "") -> None:
    """Bind a call to what starts it.

    Args:
        triggers: listeners of components.
        answer: gives a value for each output but the first.
        inputs: components whose values it takes.
        outputs: components; the first is the field for what went wrong, the second tells that the call is under way.
        name: of the call for programs, which do not see it when left out.
    """
    gr.on(
        triggers,
        in_sentences(answer, len(outputs) - 1),
        inputs,
        outputs,
        api_name=name or None,
        api_visibility="public" if name else "private",
        show_progress="minimal",
        show_progress_on=[outputs[1]],
        trigger_mode="always_last",
        concurrency_limit=AT_ONCE,
        concurrency_id="compute",
    )


def bind_texts(
    buttons: Mapping[str, gr.Button], answer: Answer, inputs: Components, outputs: Components, field: gr.Textbox
) -> None:
    """Bind buttons that each put their text into a field, which is one of the inputs, and call with it."""
    index = list(inputs).index(field)

    def with_text(text: str, *values: Any) -> Updates:
        return (*answer(*values[:index], text, *values[index + 1 :]), text)

    for text, button in buttons.items():
        bind([button.click], partial(with_text, text), inputs, [*outputs, field])
