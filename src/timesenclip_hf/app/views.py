"""The three views, laid out over the functions of this folder."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..extras import needs_extra
from ..models.timesenclip.radiometry_timesenclip import BASELINE_OFFSET
from ..search import SearchIndex
from . import fragments
from .cube import KeptCube, answer_pixel, keep_cube, read_cube, relabel
from .events import Updates, bind
from .inputs import TEN, WORD_SETS, picture, ready_buttons, upload_inputs, words_inputs
from .landscape import EXAMPLES, example_cube
from .limits import CUBE_SUFFIXES, KEPT_SECONDS, MOST_CHARACTERS, MOST_PIXELS, SERIES_SUFFIXES
from .pictures import enlargement, map_image, marked, score_image
from .reader import PageModel
from .search import search_places
from .series import SeriesAnswer, answer_series, choose_series, example_series, read_series

with needs_extra("demo"):
    import gradio as gr

# Row and column of the example's pixel that is shown first.
FIRST_PIXEL = (24, 28)
QUERIES = ["flooded rice paddy", "yellow flowers of rapeseed", "snow and ice", "rows of vines"]


class SeriesView:
    """One series, its answer, its year and the photos of places like it.

    Args:
        reader: the checkpoint.
        index: places with photos, of the same checkpoint.
    """

    def __init__(self, reader: PageModel, index: SearchIndex) -> None:
        self.reader, self.index = reader, index

    def show(self, example: str | None, file: str | None, newer: bool, number: float | None, text: str) -> Updates:
        """Status, scores, chart and photos of the series that is chosen."""
        if file is None:
            series, said = _example(example), f"Simulated as {example}."
        else:
            table = read_series(file)
            name, series = choose_series(table, number)
            said = f"Series {int(number or 1)} of {len(table)}, {name}, of {Path(file).name}."
        offset = BASELINE_OFFSET if file is not None and newer else None
        answer = answer_series(self.reader, series, text, index=self.index, offset=offset)
        return (
            fragments.status(f"{said} {_best(answer)}", answer.words.notices),
            fragments.scores(answer),
            fragments.chart(answer),
            fragments.nearest_photos(answer),
        )

    def layout(self) -> None:
        """Lays the view out, with its first answer."""
        names = list(example_series())
        first = self.show(names[0], None, False, 1, TEN)
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                example = gr.Radio(names, value=names[0], label="A simulated pixel", elem_id="series-example")
                words, sets = words_inputs("series")
                run = gr.Button("Name it", variant="primary", elem_id="series-run")
                own, file, newer = upload_inputs("series", "series", SERIES_SUFFIXES, several=False)
                with own:
                    number = gr.Number(
                        1, label="Which series of the file", precision=0, minimum=1, elem_id="series-number"
                    )
            with gr.Column(scale=3, min_width=300):
                failed = gr.HTML(elem_id="series-error")
                said, scores, chart = (
                    gr.HTML(value, elem_id=f"series-{name}")
                    for name, value in zip(("status", "scores", "chart"), first, strict=False)
                )
        photos = gr.HTML(first[3], elem_id="series-photos")
        source, outputs = [example, file, newer, number], [failed, said, scores, chart, photos]
        bind(
            [run.click, words.submit, newer.input, number.submit], self.show, [*source, words], outputs, "answer_series"
        )
        # One of the two is chosen, an example or a file.
        bind(
            [file.upload],
            lambda *chosen: (*self.show(None, *chosen), None),
            [file, newer, number, words],
            [*outputs, example],
        )
        bind(
            [example.input],
            lambda chosen, text: (*self.show(chosen, None, False, 1, text), None, 1),
            [example, words],
            [*outputs, file, number],
        )
        for name, button in sets.items():
            bind([button.click], partial(_with_words, self.show, WORD_SETS[name]), source, [*outputs, words])


class MapView:
    """A small cube, its map, and the year of a pixel of it.

    Args:
        reader: the checkpoint.
    """

    def __init__(self, reader: PageModel) -> None:
        self.reader = reader
        # Examples are embedded once for all visitors.
        self.examples: dict[str, KeptCube] = {}

    def keep(self, example: str | None, files: list[str] | None, newer: bool) -> KeptCube:
        """The cube that is chosen, embedded."""
        if files:
            return keep_cube(self.reader, read_cube(files), offset=BASELINE_OFFSET if newer else None)
        if example is None:
            raise ValueError("There is no cube: choose an example or upload one.")
        if example not in self.examples:
            self.examples[example] = keep_cube(self.reader, example_cube(example))
        return self.examples[example]

    def show(self, example: str | None, files: list[str] | None, newer: bool, text: str) -> Updates:
        """What `answer` gives for the cube that is chosen, and no pixel of it."""
        self.reader.words(text)  # a wrong word must not cost the embeddings of a cube
        return (*self.answer(self.keep(example, files, newer), text), None, None)

    def follow(self, kept: KeptCube | None, *chosen: Any) -> Updates:
        """What `answer` gives in other words, for the pixel too if there is one to show.

        Args:
            kept: the cube, or `None` where it was put away, or not yet made.
            *chosen: example, files, newer, text, row and column.
        """
        *source, text, row, column = chosen
        self.reader.words(text)
        kept = kept or self.keep(*source)
        try:
            return self.answer(kept, text, row, column)
        except ValueError:
            return self.answer(kept, text)

    def pixel(self, kept: KeptCube | None, *chosen: Any) -> Updates:
        """The same for a pixel that was asked for."""
        *source, text, row, column = chosen
        if row is None or column is None:
            raise ValueError("There is no pixel: click one of the maps, or give a row and a column, counted from 0.")
        return self.answer(kept or self.keep(*source), text, row, column)

    def clicked(self, event: gr.SelectData, kept: KeptCube | None, *chosen: Any) -> Updates:
        """The same for a click on a map, with the row and column that were clicked."""
        *source, text = chosen
        kept = kept or self.keep(*source)
        row, column = (place // enlargement(kept.height, kept.width) for place in reversed(event.index))
        return (*self.answer(kept, text, row, column), row, column)

    def answer(self, kept: KeptCube, text: str, row: float | None = None, column: float | None = None) -> Updates:
        """Status, what is kept, maps and legend; and status, scores and chart of a pixel, which is marked."""
        started = time.monotonic()
        answer = relabel(self.reader, kept, text)
        classes = map_image(answer.classes, len(answer.words.labels))
        images = [score_image(answer.probability), score_image(answer.entropy)]
        said = (
            f"{kept.height} × {kept.width} pixels, embedded once in {kept.seconds:.2f} s, named in these words in "
            f"{time.monotonic() - started:.2f} s."
        )
        chosen = ("", "", "")
        if row is not None and column is not None:
            pixel = answer_pixel(self.reader, kept, text, int(row), int(column))
            classes = marked(classes, int(row), int(column), enlargement(kept.height, kept.width))
            chosen = (
                fragments.status(f"Row {int(row)}, column {int(column)}. {_best(pixel)}"),
                fragments.scores(pixel),
                fragments.chart(pixel),
            )
        drawn = (kept, classes, fragments.legend(answer), *images)
        return (fragments.status(said, answer.words.notices), *drawn, *chosen)

    def layout(self) -> None:
        """Lays the view out, with its first map."""
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
        failed = gr.HTML(elem_id="map-error")
        said = gr.HTML(first[0], elem_id="map-status")
        with gr.Row(equal_height=False):
            classes, legend = picture("Land cover", first[2], first[3], "map-classes", "map-legend")
            scale = fragments.score_scale()
            probability, _ = picture("Probability of that class", first[4], scale, "map-probability")
            entropy, _ = picture("Entropy: how undecided", first[5], scale, "map-entropy")
        look, row, column, *pixel = _pixel_fields(*first[6:])

        source, place = [example, file, newer], [row, column]
        outputs = [failed, said, state, classes, legend, probability, entropy, *pixel]
        bind([run.click, newer.input], self.show, [*source, words], [*outputs, *place], "map_cube")
        bind([words.submit], self.follow, [state, *source, words, *place], outputs, "relabel")
        for name, button in sets.items():
            bind(
                [button.click],
                partial(self._follow_in_set, WORD_SETS[name]),
                [state, *source, *place],
                [*outputs, words],
            )
        # One of the two is chosen, an example or a file.
        bind(
            [file.upload],
            lambda *chosen: (*self.show(None, *chosen), None),
            [file, newer, words],
            [*outputs, *place, example],
        )
        bind(
            [example.input],
            lambda chosen, text: (*self.show(chosen, None, False, text), None),
            [example, words],
            [*outputs, *place, file],
        )
        triggers = [look.click, row.submit, column.submit]
        bind(triggers, self.pixel, [state, *source, words, *place], outputs, "show_pixel")
        for shown in (classes, probability, entropy):
            bind([shown.select], self.clicked, [state, *source, words], [*outputs, *place])

    def _follow_in_set(self, text: str, kept: KeptCube | None, *chosen: Any) -> Updates:
        *source, row, column = chosen
        return (*self.follow(kept, *source, text, row, column), text)


class SearchView:
    """Words, and the places most like them.

    Args:
        index: the places.
    """

    def __init__(self, index: SearchIndex) -> None:
        self.index = index

    def show(self, text: str) -> Updates:
        """Status and places."""
        found = search_places(self.index, text)
        said = (
            f"The {len(found)} of {len(self.index.points)} places whose year is most like “{' '.join(text.split())}”."
        )
        return fragments.status(said), fragments.hits(found)

    def layout(self) -> None:
        """Lays the view out, with its first answer."""
        first = self.show(QUERIES[0])
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                query = gr.Textbox(
                    QUERIES[0],
                    label="What to look for, in any words, then Enter",
                    max_length=MOST_CHARACTERS,
                    elem_id="search-query",
                )
                run = gr.Button("Search", variant="primary", elem_id="search-run")
            with gr.Column(scale=2, min_width=300):
                ready = ready_buttons(QUERIES, "search-queries", min_width=140)
        failed = gr.HTML(elem_id="search-error")
        said = gr.HTML(first[0], elem_id="search-status")
        found = gr.HTML(first[1], elem_id="search-hits")
        outputs = [failed, said, found]
        bind([run.click, query.submit], self.show, [query], outputs, "search")
        for text, button in ready.items():
            bind([button.click], partial(_with_words, self.show, text), [], [*outputs, query])


def _pixel_fields(said: str, scores: str, chart: str) -> list[Any]:
    """The button, row and column of a pixel, and its status, scores and chart."""
    gr.HTML("<h3>The year of a pixel</h3><p>Click any of the maps, or say which.</p>", elem_id="map-pixel-heading")
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                row, column = (
                    # Gradio shows and sends 0 for a number that is empty from the start.
                    gr.Number(place, label=name, precision=0, min_width=90, elem_id=f"map-{name.lower()}")
                    for name, place in zip(("Row", "Column"), FIRST_PIXEL, strict=True)
                )
            look = gr.Button("Show this pixel", elem_id="map-show")
            fields = [gr.HTML(said, elem_id="map-pixel-status"), gr.HTML(scores, elem_id="map-pixel-scores")]
        with gr.Column(scale=3, min_width=300):
            fields.append(gr.HTML(chart, elem_id="map-pixel-chart"))
    return [look, row, column, *fields]


def _with_words(show: Callable[..., Updates], text: str, *chosen: Any) -> Updates:
    """What a view shows in words that a button has, and the words for their field."""
    return (*show(*chosen, text), text)


def _example(name: str | None) -> dict[str, Any]:
    examples = example_series()
    if name not in examples:
        raise ValueError("There is no series: choose an example or upload a file.")
    return examples[name]


def _best(answer: SeriesAnswer) -> str:
    best = int(answer.probabilities.argmax())
    return f"“{answer.words.labels[best]}” fits best, with a probability of {answer.probabilities[best]:.0%}."
