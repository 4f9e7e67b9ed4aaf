"""Lay out the view of one series: its answer, its year and the photos of places like it."""

from pathlib import Path

from ..extras import needs_extra
from ..models.timesenclip.offsets_timesenclip import BASELINE_OFFSET
from ..search import SearchIndex
from .events import Updates, bind, bind_texts
from .fragments import chart, nearest_photos, render, scores
from .inputs import TEN, upload_inputs, words_inputs
from .limits import SERIES_SUFFIXES
from .page_model import PageModel
from .series_answer import answer_series, example_series
from .uploads import Uploads

with needs_extra("demo"):
    import gradio as gr


class SeriesView:
    """Answer for one series, with photos of an index that the same checkpoint made."""

    def __init__(self, model: PageModel, index: SearchIndex, uploads: Uploads) -> None:
        self.model, self.index, self.uploads = model, index, uploads

    def show(self, example: str | None, file: str | None, newer: bool, number: float | None, text: str) -> Updates:
        """Return status, scores, chart and photos of the series that is chosen.

        Args:
            example: name of one, or `None` where a file is chosen.
            file: path of it.
            newer: its digital numbers have an offset.
            number: of the series in the file, the first is 1.
            text: class names between commas.

        Raises:
            ValueError: the words or the series cannot be used.
        """
        notes: list[str] = []
        if file is not None:
            number = 1 if number is None else int(number)
            reading = self.uploads.read_series(file, number, offset=BASELINE_OFFSET if newer else None)
            series, notes = reading.series, reading.notes
            origin = f"Series {number} of {reading.count}, {reading.name}, of {Path(file).name}."
        elif example in example_series():
            series, origin = self.model.reader.read([example_series()[example]]), f"Simulated as {example}."
        else:
            raise ValueError("There is no series: choose an example or upload a file.")
        answer = answer_series(self.model, series, text, index=self.index)
        status = render("status", sentence=f"{origin} {answer.best}", notices=[*notes, *answer.words.notices])
        return status, scores(answer), chart(answer), nearest_photos(answer)

    def layout(self) -> None:
        """Lay the view out, with its first answer."""
        names = list(example_series())
        first = self.show(names[0], None, False, 1, TEN)
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                example = gr.Radio(names, value=names[0], label="A simulated pixel", elem_id="series-example")
                words, sets = words_inputs("series")
                run = gr.Button("Name it", variant="primary", elem_id="series-run")
                upload, file, newer = upload_inputs("series", "series", SERIES_SUFFIXES, several=False)
                with upload:
                    label = "Which series of the file"
                    number = gr.Number(1, label=label, precision=0, minimum=1, elem_id="series-number")
            with gr.Column(scale=3, min_width=300):
                outputs = [gr.HTML(elem_id="series-error")]
                for name, value in zip(("status", "scores", "chart"), first, strict=False):
                    outputs.append(gr.HTML(value, elem_id=f"series-{name}"))
        outputs.append(gr.HTML(first[3], elem_id="series-photos"))
        inputs = [example, file, newer, number, words]
        bind([run.click, words.submit, newer.input, number.submit], self.show, inputs, outputs, "answer_series")
        bind_texts(sets, self.show, inputs, outputs, words)
        # One of the two is chosen, an example or a file.
        bind([file.upload], lambda *chosen: (*self.show(None, *chosen), None), inputs[1:], [*outputs, example])

        def show_example(name: str, text: str) -> Updates:
            return (*self.show(name, None, False, 1, text), None, 1)

        bind([example.input], show_example, [example, words], [*outputs, file, number])
