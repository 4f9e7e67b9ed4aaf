"""Bind the page's calls: the queues that they wait in, and what goes wrong as a sentence."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial, wraps
from html import escape
from typing import Any

from transformers.utils import logging

from ..extras import needs_extra
from .fragments import render
from .queues import Answered, Queue

with needs_extra("demo"):
    import gradio as gr

logger = logging.get_logger(__name__)

APOLOGY = "Sorry, this did not work, and the fault is the page's, not yours. Try again, or with another file."
Updates = tuple[Any, ...]
Answer = Callable[..., Updates]
Components = Sequence[Any]
# Uploads wait for each other, so that nobody else waits for them; all calls of a page share the two.
UPLOADS, OTHERS = Queue(), Queue()


def one_sentence(reason: BaseException) -> str:
    """Put an error as a visitor reads it: on one line, without the folders of this machine."""
    return re.sub(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+", "", " ".join(str(reason).split()))


def in_sentences(answer: Answer, outputs: int, queue: Callable[..., Queue]) -> Callable[..., AsyncIterator[Updates]]:
    """Put a field for what went wrong before the outputs of a call, which then stay as they are.

    The field also tells who waits how long. Bad input (`ValueError`, `OSError`) shows in that field and in a passing
    note, in a sentence; anything else is logged, and the visitor reads an apology.

    Args:
        answer: the call.
        outputs: how many it has.
        queue: chooses the queue by the inputs.
    """
    unchanged = [gr.skip() for _ in range(outputs)]

    @wraps(answer)
    async def run(*inputs: Any) -> AsyncIterator[Updates]:
        try:
            async with aclosing(queue(*inputs).run(answer, *inputs)) as turns:
                async for told in turns:
                    if isinstance(told, Answered):
                        yield ("", *told.answer)
                    else:
                        yield (render("waiting", sentence=told), *unchanged)
        except (ValueError, OSError) as reason:
            sentence = one_sentence(reason)
        except Exception:
            logger.exception("A visitor's call failed.")
            sentence = APOLOGY
        else:
            return
        yield (render("error", sentence=sentence), *unchanged)
        raise gr.Error(escape(sentence), print_exception=False)

    return run


def choose_queue(components: Components) -> Callable[..., Queue]:
    """Return what chooses the queue of a call with these inputs: an upload is read, unless what it gave is kept.

    A state that begins as None is of what an upload gave.
    """
    files = [index for index, component in enumerate(components) if isinstance(component, gr.File)]
    states = [
        index
        for index, component in enumerate(components)
        if isinstance(component, gr.State) and component.value is None
    ]

    def queue(*inputs: Any) -> Queue:
        # An event's own data comes before the inputs.
        values = inputs[len(inputs) - len(components) :]
        reads = any(values[index] for index in files) and not any(values[index] is not None for index in states)
        return UPLOADS if reads else OTHERS

    return queue


def bind(triggers: Components, answer: Answer, inputs: Components, outputs: Components, name: str = "") -> None:
    """Bind a call to what starts it.

    Args:
        triggers: listeners of components.
        answer: gives a value for each output but the first.
        inputs: components whose values it takes.
        outputs: components; the first is the field for what went wrong and for who waits, the second tells that the
            call is under way.
        name: of the call for programs, which do not see it when left out.
    """
    gr.on(
        triggers,
        in_sentences(answer, len(outputs) - 1, choose_queue(inputs)),
        inputs,
        outputs,
        api_name=name or None,
        api_visibility="public" if name else "private",
        show_progress="minimal",
        show_progress_on=[outputs[1]],
        trigger_mode="always_last",
        concurrency_limit=None,  # the queues limit
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
