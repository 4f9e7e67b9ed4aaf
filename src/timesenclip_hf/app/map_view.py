"""Lay out the view of a small cube: its map, and the year of a pixel of it."""

import time
from functools import cache
from typing import Any

from ..extras import needs_extra
from ..models.timesenclip.offsets_timesenclip import BASELINE_OFFSET
from .cube_map import KeptCube, answer_pixel, keep_cube, relabel
from .events import Updates, bind, bind_texts
from .example_cubes import EXAMPLES, example_cube
from .fragments import chart, legend, render, scores
from .inputs import TEN, picture, upload_inputs, words_inputs
from .limits import CUBE_SUFFIXES, KEPT_SECONDS, MOST_PIXELS
from .page_model import PageModel
from .pictures import enlargement, map_image, marked, score_gradient, score_image
from .uploads import Uploads

with needs_extra("demo"):
    import gradio as gr

# Row and column of the example's pixel that is shown first.
FIRST_PIXEL = (24, 28)


class MapView:
    """Map a cube.

    Its calls take `kept`, the cube, or `None` where it was put away or not yet made; `source`, the name of an example
    or `None`, paths of files or `None`, and whether the digital numbers of these have an offset; `text`, class names
    between commas; and row and column of a pixel or `None`. They return what `answer` does.
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

    def show(self, example: str | None, files: list[str] | None, newer: bool, text: str) -> Updates:
        """Answer for the cube that is chosen, and no pixel of it."""
        self.model.words(text)  # a wrong word must not cost the embeddings of a cube
        return (*self.answer(self.keep(example, files, newer), text), None, None)

    def follow(self, kept: KeptCube | None, *chosen: Any) -> Updates:
        """Answer in other words (`chosen` is source, text, row and column), for the pixel too if there is one."""
        *source, text, row, column = chosen
        self.model.words(text)
        kept = kept or self.keep(*source)
        try:
            return self.answer(kept, text, row, column)
        except ValueError:
            return self.answer(kept, text)

    def pixel(self, kept: KeptCube | None, *chosen: Any) -> Updates:
        """Answer for a pixel that was asked for (`chosen` is source, text, row and column).

        Raises:
            ValueError: there is no such pixel.
        """
        *source, text, row, column = chosen
        if row is None or column is None:
            raise ValueError("There is no pixel: click one of the maps, or give a row and a column, counted from 0.")
        return self.answer(kept or self.keep(*source), text, row, column)

    def clicked(self, event: gr.SelectData, kept: KeptCube | None, *chosen: Any) -> Updates:
        """Answer for a click on a map (`chosen` is source and text), and return row and column too."""
        *source, text = chosen
        kept = kept or self.keep(*source)
        row, column = (position // enlargement(kept.height, kept.width) for position in reversed(event.index))
        return (*self.answer(kept, text, row, column), row, column)

    def answer(self, kept: KeptCube, text: str, row: float | None = None, column: float | None = None) -> Updates:
        """Return status, cube, map, legend, probability and entropy; and status, scores and chart of a pixel.

        The pixel of this row and column is marked on the map; without one the last three are empty.
        """
        started = time.monotonic()
        answer = relabel(self.model, kept, text)
        classes = map_image(answer.classes, len(answer.words.labels))
        images = [score_image(answer.probability), score_image(answer.entropy)]
        size, seconds = f"{kept.height} × {kept.width} pixels", time.monotonic() - started
        sentence = f"{size}, embedded once in {kept.seconds:.2f} s, named in these words in {seconds:.2f} s."
        shown = ("", "", "")
        if row is not None and column is not None:
            pixel = answer_pixel(self.model, kept, text, int(row), int(column))
            classes = marked(classes, int(row), int(column), enlargement(kept.height, kept.width))
            status = render("status", sentence=f"Row {int(row)}, column {int(column)}. {pixel.best}")
            shown = (status, scores(pixel), chart(pixel))
        status = render("status", sentence=sentence, notices=[*kept.notes, *answer.words.notices])
        return (status, kept, classes, legend(answer), *images, *shown)

    def layout(self) -> None:
        """Lay the view out, with its first map."""
        first = self.answer(self.keep(EXAMPLES[0], None, False), TEN, *FIRST_PIXEL)
        state = gr.State(None, time_to_live=KEPT_SECONDS)
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
            classes, below = picture("Land cover", first[2], first[3], "map-classes", "map-legend")
            scale = render("scale", stops=score_gradient())
            name = "Probability of that class"
            probability, _ = picture(name, first[4], scale, "map-probability", "map-probability-scale")
            entropy, _ = picture("Entropy: how undecided", first[5], scale, "map-entropy", "map-entropy-scale")
        button, position, fields = _pixel_fields(*first[6:])

        source = [example, file, newer]
        inputs = [state, *source, words, *position]
        outputs = [error, status, state, classes, below, probability, entropy, *fields]
        bind([run.click, newer.input], self.show, [*source, words], [*outputs, *position], "map_cube")
        bind([words.submit], self.follow, inputs, outputs, "relabel")
        bind_texts(sets, self.follow, inputs, outputs, words)

        # One of the two is chosen, an example or a file.
        def show_files(*chosen: Any) -> Updates:
            return (*self.show(None, *chosen), None)

        def show_example(name: str, text: str) -> Updates:
            return (*self.show(name, None, False, text), None)

        bind([file.upload], show_files, [file, newer, words], [*outputs, *position, example])
        bind([example.input], show_example, [example, words], [*outputs, *position, file])
        bind([button.click, *(field.submit for field in position)], self.pixel, inputs, outputs, "show_pixel")
        for image in (classes, probability, entropy):
            bind([image.select], self.clicked, [state, *source, words], [*outputs, *position])


def _pixel_fields(status: str, scores: str, chart: str) -> tuple[gr.Button, list[gr.Number], list[gr.HTML]]:
    """Make the button of a pixel, its row and column, and fields for what is said of it."""
    gr.HTML(render("pixel"), elem_id="map-pixel-heading")
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                position = [
                    # Gradio shows and sends 0 for a number that is empty from the start.
                    gr.Number(index, label=name, precision=0, min_width=90, elem_id=f"map-{name.lower()}")
                    for name, index in zip(("Row", "Column"), FIRST_PIXEL, strict=True)
                ]
            button = gr.Button("Show this pixel", elem_id="map-show")
            fields = [gr.HTML(status, elem_id="map-pixel-status"), gr.HTML(scores, elem_id="map-pixel-scores")]
        with gr.Column(scale=3, min_width=300):
            fields.append(gr.HTML(chart, elem_id="map-pixel-chart"))
    return button, position, fields
