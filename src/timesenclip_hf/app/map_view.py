"""Lay out the view of a small cube: its map, the year of a pixel of it, and what a visitor knows of its pixels."""

import time
from functools import cache
from typing import Any, NamedTuple

from ..extras import needs_extra
from ..models.timesenclip.offsets_timesenclip import BASELINE_OFFSET
from .cube_map import KeptCube, answer_pixel, keep_cube, relabel
from .events import Updates, bind, bind_texts
from .example_cubes import EXAMPLES, example_cube
from .fragments import chart, examples, legend, render, scores
from .inputs import TEN, picture, upload_inputs, words_inputs
from .limits import CUBE_SUFFIXES, KEPT_SECONDS, MOST_LETTERS, MOST_PIXELS
from .page_model import PageModel
from .pictures import THIN_FRAME, enlargement, map_image, marked, score_gradient, score_image
from .teaching import Example, Taught
from .uploads import Uploads

with needs_extra("demo"):
    import gradio as gr

# Row and column of the example's pixel that is shown first.
FIRST_PIXEL = (24, 28)


class MapView:
    """Map a cube.

    Its calls take `kept`, the cube, or `None` where it was put away or not yet made; `taught`, what the visitor said of
    its pixels; `source`, the name of an example or `None`, paths of files or `None`, and whether the digital numbers of
    these have an offset; `text`, class names between commas; and row and column of a pixel or `None`. They return what
    `answer` does.
    """

    def __init__(self, model: PageModel, uploads: Uploads) -> None:
        self.model, self.uploads = model, uploads
        # Examples are embedded once for all visitors.
        self.keep_example = cache(lambda name: keep_cube(model, model.reader.read_cube(example_cube(name))))

    def keep(self, example: str | None, files: list[str] | None, newer: bool) -> KeptCube:
        """Embed the cube that is chosen.

        Raises:
            ValueError: there is none, or it cannot be used.
        """
        if files:
            started = time.monotonic()
            reading = self.uploads.read_cube(files, offset=BASELINE_OFFSET if newer else None)
            return keep_cube(self.model, reading, seconds=time.monotonic() - started)
        if example is None:
            raise ValueError("There is no cube: choose an example or upload one.")
        return self.keep_example(example)

    def again(self, kept: KeptCube | None, taught: Taught, source: list[Any]) -> tuple[KeptCube, Taught]:
        """Return the cube, embedded again where it was put away, with what was said of its pixels."""
        return (self.keep(*source), taught.of(_key(*source))) if kept is None else (kept, taught)

    def show(self, taught: Taught, *chosen: Any) -> Updates:
        """Answer for the cube that is chosen, and no pixel of it (`chosen` is source and text)."""
        *source, text = chosen
        taught = taught.of(_key(*source))
        self.model.words(text)  # a wrong word must not cost the embeddings of a cube
        return (*self.answer(self.keep(*source), taught, text), None, None)

    def follow(self, kept: KeptCube | None, taught: Taught, *chosen: Any) -> Updates:
        """Answer in other words (`chosen` is source, text, row and column), for the pixel too if there is one."""
        *source, text, row, column = chosen
        self.model.words(text)
        kept, taught = self.again(kept, taught, source)
        try:
            return self.answer(kept, taught, text, row, column)
        except ValueError:
            return self.answer(kept, taught, text)

    def pixel(self, kept: KeptCube | None, taught: Taught, *chosen: Any) -> Updates:
        """Answer for a pixel that was asked for (`chosen` is source, text, row and column).

        Raises:
            ValueError: there is no such pixel.
        """
        *source, text, row, column = chosen
        return self.answer(*self.again(kept, taught, source), text, *_position(row, column))

    def clicked(self, event: gr.SelectData, kept: KeptCube | None, taught: Taught, *chosen: Any) -> Updates:
        """Answer for a click on a map (`chosen` is source and text), and return row and column too."""
        *source, text = chosen
        kept, taught = self.again(kept, taught, source)
        row, column = (position // enlargement(kept.height, kept.width) for position in reversed(event.index))
        return (*self.answer(kept, taught, text, row, column), row, column)

    def teach(self, label: str | None, kept: KeptCube | None, taught: Taught, *chosen: Any) -> Updates:
        """Answer with what the visitor says of a pixel (`chosen` is source, text, row and column), and empty its field.

        Raises:
            ValueError: there is no such pixel, or its label cannot be used.
        """
        *source, text, row, column = chosen
        kept, taught = self.again(kept, taught, source)
        taught = taught.add(self.model, kept, text, Example(*_position(row, column), label or ""))
        return (*self.answer(kept, taught, text, row, column), "")

    def undo(self, kept: KeptCube | None, taught: Taught, *chosen: Any) -> Updates:
        """Answer without the last thing that the visitor said; `chosen` and errors as of `follow` and `Taught.undo`."""
        return self.follow(kept, taught.undo(), *chosen)

    def forget(self, kept: KeptCube | None, taught: Taught, *chosen: Any) -> Updates:
        """Answer in words alone; `chosen` as of `follow`."""
        return self.follow(kept, Taught(taught.source), *chosen)

    def answer(
        self, kept: KeptCube, taught: Taught, text: str, row: float | None = None, column: float | None = None
    ) -> Updates:
        """Return status, cube, what is taught, map, legend, probability and entropy, and what is said of a pixel.

        That is status, scores and chart, empty without row and column; the choices of what it may be; and what the
        visitor named so far.
        """
        started = time.monotonic()
        taught = taught.fit(self.model, kept, text)
        words = taught.words_of(self.model, kept, text)
        answer = relabel(self.model, kept, words)
        factor = enlargement(kept.height, kept.width)
        classes = map_image(answer.classes, words.labels)
        for example in taught.examples:
            classes = marked(classes, example.row, example.column, factor, THIN_FRAME)
        images = [score_image(answer.probability), score_image(answer.entropy)]
        size, seconds = f"{kept.height} × {kept.width} pixels", time.monotonic() - started
        how = "in these words and by your pixels" if taught.examples else "in these words"
        sentence = f"{size}, embedded once in {kept.seconds:.2f} s, named {how} in {seconds:.2f} s."
        shown = ("", "", "")
        if row is not None and column is not None:
            pixel = answer_pixel(self.model, kept, words, int(row), int(column))
            classes = marked(classes, int(row), int(column), factor)
            status = render("status", sentence=f"Row {int(row)}, column {int(column)}. {pixel.best}")
            shown = (status, scores(pixel), chart(pixel))
        status = render("status", sentence=sentence, notices=[*kept.notes, *words.notices])
        choices = gr.update(choices=list(words.labels), value=None)
        return (status, kept, taught, classes, legend(answer), *images, *shown, choices, examples(taught, answer))

    def layout(self) -> None:
        """Lay the view out, with its first map."""
        nothing = Taught(_key(EXAMPLES[0], None, False))
        first = self.answer(self.keep(EXAMPLES[0], None, False), nothing, TEN, *FIRST_PIXEL)
        state, taught = gr.State(None, time_to_live=KEPT_SECONDS), gr.State(nothing)
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                example = gr.Radio(list(EXAMPLES), value=EXAMPLES[0], label="A simulated place", elem_id="map-example")
                what = f"small cube (at most {MOST_PIXELS:,} pixels)"
                _, file, newer = upload_inputs("map", what, CUBE_SUFFIXES, several=True)
            with gr.Column(min_width=300):
                words, sets = words_inputs("map")
                run = gr.Button("Map it", variant="primary", elem_id="map-run")
        error, status = gr.HTML(elem_id="map-error"), gr.HTML(first[0], elem_id="map-status")
        with gr.Row(equal_height=False):
            classes, below = picture("Land cover", first[3], first[4], "map-classes", "map-legend")
            fields = _pixel_fields(first)
        with gr.Row(equal_height=False):
            scale = render("scale", stops=score_gradient())
            name = "Probability of that class"
            probability, _ = picture(name, first[5], scale, "map-probability", "map-probability-scale")
            entropy, _ = picture("Entropy: how undecided", first[6], scale, "map-entropy", "map-entropy-scale")
            with gr.Column(min_width=260):
                year = gr.HTML(first[9], elem_id="map-pixel-chart")

        source, position = [example, file, newer], [fields.row, fields.column]
        inputs = [state, taught, *source, words, *position]
        shown = [fields.status, fields.scores, year, fields.truth, fields.examples]
        outputs = [error, status, state, taught, classes, below, probability, entropy, *shown]
        bind([run.click, newer.input], self.show, [taught, *source, words], [*outputs, *position], "map_cube")
        bind([words.submit], self.follow, inputs, outputs, "relabel")
        bind_texts(sets, self.follow, inputs, outputs, words)

        # One of the two is chosen, an example or a file.
        def show_files(taught: Taught, *chosen: Any) -> Updates:
            return (*self.show(taught, None, *chosen), None)

        def show_example(taught: Taught, name: str, text: str) -> Updates:
            return (*self.show(taught, name, None, False, text), None)

        bind([file.upload], show_files, [taught, file, newer, words], [*outputs, *position, example])
        bind([example.input], show_example, [taught, example, words], [*outputs, *position, file])
        bind([fields.button.click, *(field.submit for field in position)], self.pixel, inputs, outputs, "show_pixel")
        for image in (classes, probability, entropy):
            bind([image.select], self.clicked, [state, taught, *source, words], [*outputs, *position])
        bind([fields.truth.input], self.teach, [fields.truth, *inputs], [*outputs, fields.new])
        bind([fields.new.submit, fields.add.click], self.teach, [fields.new, *inputs], [*outputs, fields.new])
        bind([fields.undo.click], self.undo, inputs, outputs)
        bind([fields.forget.click], self.forget, inputs, outputs)


class PixelFields(NamedTuple):
    """Hold what a pixel is chosen and named by, and what is said of it."""

    row: gr.Number
    column: gr.Number
    button: gr.Button
    status: gr.HTML
    truth: gr.Radio
    new: gr.Textbox
    add: gr.Button
    undo: gr.Button
    forget: gr.Button
    examples: gr.HTML
    scores: gr.HTML


def _pixel_fields(first: Updates) -> PixelFields:
    """Make the fields of a pixel, with what the first answer says of it."""
    with gr.Column(min_width=260):
        gr.HTML(render("pixel"), elem_id="map-pixel-heading")
        with gr.Row():
            # Gradio shows and sends 0 for a number that is empty from the start.
            row, column = (
                gr.Number(index, label=name, precision=0, min_width=90, elem_id=f"map-{name.lower()}")
                for name, index in zip(("Row", "Column"), FIRST_PIXEL, strict=True)
            )
            button = gr.Button("Show this pixel", elem_id="map-show", min_width=120)
        status = gr.HTML(first[7], elem_id="map-pixel-status")
        truth = gr.Radio(first[10]["choices"], value=None, label="This pixel is, as you know", elem_id="map-truth")
        with gr.Row(equal_height=True):
            label = "Or something new, then Enter"
            new = gr.Textbox(label=label, lines=1, max_lines=1, max_length=MOST_LETTERS, elem_id="map-new", scale=3)
            add = gr.Button("Add", elem_id="map-add", min_width=70, scale=1)
        named = gr.HTML(first[11], elem_id="map-examples")
        with gr.Row():
            undo = gr.Button("Undo", elem_id="map-undo", min_width=90)
            forget = gr.Button("Start over", elem_id="map-forget", min_width=90)
        probabilities = gr.HTML(first[8], elem_id="map-pixel-scores")
    return PixelFields(row, column, button, status, truth, new, add, undo, forget, named, probabilities)


def _key(example: str | None, files: list[str] | None, newer: bool) -> tuple[object, ...]:
    """Tell a cube from others by what it is read from."""
    return (tuple(files), newer) if files else (example,)


def _position(row: float | None, column: float | None) -> tuple[int, int]:
    """Return row and column of a pixel; raise `ValueError` where one is missing."""
    if row is None or column is None:
        raise ValueError("There is no pixel: click one of the maps, or give a row and a column, counted from 0.")
    return int(row), int(column)
