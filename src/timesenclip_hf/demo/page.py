"""The page: three views, laid out over the functions of this folder."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any

from transformers.utils import logging

from ..evaluation.search import SearchIndex
from ..extras import needs_extra
from ..models.timesenclip.radiometry_timesenclip import BASELINE_OFFSET
from ..taxonomies import load_taxonomy
from . import fragments
from .cube import KeptCube, answer_pixel, keep_cube, read_cube, relabel
from .landscape import EXAMPLES, example_cube
from .limits import (
    AT_ONCE,
    CUBE_SUFFIXES,
    KEPT_SECONDS,
    LARGEST_FILE_MB,
    MOST_CHARACTERS,
    MOST_PIXELS,
    SERIES_SUFFIXES,
)
from .pictures import enlargement, map_image, marked, score_image
from .reader import Reader
from .search import search_places
from .series import answer_series, choose_series, example_series, read_series

with needs_extra("demo"):
    import gradio as gr

logger = logging.get_logger(__name__)

TITLE = "TimeSenCLIP"
STYLE_FILE = Path(__file__).with_name("page.css")
APOLOGY = "Sorry, this did not work, and the fault is the page's, not yours. Try again, or with another file."
TEN = ", ".join(load_taxonomy("simulated_ten").names.values())
WORD_SETS = {
    "Ten covers": TEN,
    "Broad classes": "cropland, grassland, woodland, buildings, water",
    "Crops": "wheat, maize, rapeseed, sunflower, vines, other plants",
}
QUERIES = ["flooded rice paddy", "yellow flowers of rapeseed", "snow and ice", "rows of vines"]
# Seconds between two clearings of uploaded files, and their age then.
CLEARED = (300, 1800)
Updates = tuple[Any, ...]


def build_page(reader: Reader, index: SearchIndex) -> gr.Blocks:
    """The page over a checkpoint and an index of the same checkpoint."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CLEARED, fill_width=False) as page:
        gr.HTML(_heading(reader), elem_id="heading")
        with gr.Tabs(elem_id="views"):
            with gr.Tab("Series", id="series", elem_id="tab-series"):
                _series_view(reader, index)
            with gr.Tab("Map", id="map", elem_id="tab-map"):
                _map_view(reader)
            with gr.Tab("Search", id="search", elem_id="tab-search"):
                _search_view(index)
    return page


def one_sentence(reason: BaseException) -> str:
    """An error as a visitor reads it: on one line, without the folders of this machine."""
    return re.sub(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+", "", " ".join(str(reason).split()))


def _in_sentences(answer: Callable[..., Updates], outputs: int) -> Callable[..., Iterator[Updates]]:
    """Puts a field for what went wrong before the outputs; bad input is said there and in a passing note."""

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
        yield (fragments.error(sentence), *[gr.skip() for _ in range(outputs)])
        raise gr.Error(escape(sentence), print_exception=False)

    return run


def _on(
    triggers: Sequence[Any], answer: Callable[..., Updates], inputs: Sequence[Any], outputs: Sequence[Any], name: str
) -> None:
    """Binds a call to what starts it; the first output takes what went wrong."""
    gr.on(
        list(triggers),
        _in_sentences(answer, len(outputs) - 1),
        list(inputs),
        list(outputs),
        api_name=name,
        show_progress="minimal",
        trigger_mode="always_last",
        concurrency_limit=AT_ONCE,
        concurrency_id="compute",
    )


def _words_inputs(view: str) -> tuple[gr.Textbox, gr.Radio]:
    words = gr.Textbox(
        TEN,
        label="Class names, between commas",
        lines=2,
        max_lines=4,
        max_length=MOST_CHARACTERS,
        elem_id=f"{view}-words",
        info="Any words; press Enter.",
        submit_btn=False,
    )
    sets = gr.Radio(list(WORD_SETS), label="Or take these", elem_id=f"{view}-sets")
    return words, sets


def _upload_inputs(view: str, what: str, suffixes: Sequence[str], count: str) -> tuple[gr.File, gr.Checkbox]:
    file = gr.File(
        label=f"Or upload {what} ({', '.join(suffixes)}; at most {LARGEST_FILE_MB} MB)",
        file_types=list(suffixes),
        file_count="multiple" if count == "multiple" else "single",
        height=110,
        elem_id=f"{view}-file",
    )
    newer = gr.Checkbox(
        False,
        label=f"Upload has an offset of {BASELINE_OFFSET:.0f} (processing baseline 04.00 or later)",
        elem_id=f"{view}-offset",
    )
    return file, newer


def _series_view(reader: Reader, index: SearchIndex) -> None:
    names = list(example_series())

    def show(example: str | None, file: str | None, number: float | None, newer: bool, text: str) -> Updates:
        offset = BASELINE_OFFSET if newer else None
        if file is None:
            if example not in names:
                raise ValueError("There is no series: choose an example or upload a file.")
            answer = answer_series(reader, example_series()[example], text, index=index)
            said = f"Simulated as {example}."
        else:
            table = read_series(file)
            name, series = choose_series(table, number)
            answer = answer_series(reader, series, text, index=index, offset=offset)
            said = f"Series {int(number or 1)} of {len(table)}, {name}, of {Path(file).name}."
        best = answer.words.labels[int(answer.probabilities.argmax())]
        said += f" Of the class names, “{best}” fits best, with a probability of {answer.probabilities.max():.0%}."
        return (
            fragments.status(said, answer.words.notices),
            fragments.scores(answer),
            fragments.chart(answer),
            fragments.nearest_photos(answer),
        )

    first = show(names[0], None, None, False, TEN)
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            example = gr.Radio(names, value=names[0], label="A simulated pixel", elem_id="series-example")
            words, sets = _words_inputs("series")
            run = gr.Button("Name it", variant="primary", elem_id="series-run")
            file, newer = _upload_inputs("series", "your series", SERIES_SUFFIXES, "single")
            number = gr.Number(1, label="Which series of the file", precision=0, minimum=1, elem_id="series-number")
        with gr.Column(scale=3, min_width=300):
            failed = gr.HTML(elem_id="series-error")
            said = gr.HTML(first[0], elem_id="series-status")
            scores = gr.HTML(first[1], elem_id="series-scores")
            chart = gr.HTML(first[2], elem_id="series-chart")
    photos = gr.HTML(first[3], elem_id="series-photos")
    inputs, outputs = [example, file, number, newer, words], [failed, said, scores, chart, photos]
    triggers = [run.click, words.submit, file.upload, number.submit, newer.input]
    _on(triggers, show, inputs, outputs, "answer_series")
    _on(
        [example.input],
        lambda chosen, text: (*show(chosen, None, None, False, text), None, 1),
        [example, words],
        [*outputs, file, number],
        "answer_example",
    )
    _on(
        [sets.input],
        lambda name, *others: (*show(*others, WORD_SETS[name]), WORD_SETS[name]),
        [sets, *inputs[:-1]],
        [*outputs, words],
        "answer_series_in_set",
    )


def _map_view(reader: Reader) -> None:
    def keep(example: str | None, files: list[str] | None, newer: bool) -> KeptCube:
        if files:
            return keep_cube(reader, read_cube(files), offset=BASELINE_OFFSET if newer else None)
        if example is None:
            raise ValueError("There is no cube: choose an example or upload one.")
        return _kept_example(reader, example)

    def drawn(kept: KeptCube, text: str, started: float, how: str) -> Updates:
        answer = relabel(reader, kept, text)
        said = f"{kept.height} × {kept.width} pixels {how} in {time.monotonic() - started:.2f} s."
        return (
            kept,
            fragments.status(said, answer.words.notices),
            map_image(answer.classes, len(answer.words.labels)),
            fragments.legend(answer),
            score_image(answer.probability),
            score_image(answer.entropy),
        )

    def show(example: str | None, files: list[str] | None, newer: bool, text: str) -> Updates:
        started = time.monotonic()
        reader.words(text)  # a wrong word must not cost the embeddings of a cube
        return drawn(keep(example, files, newer), text, started, "mapped")

    def follow(kept: KeptCube | None, example: str | None, files: list[str] | None, newer: bool, text: str) -> Updates:
        if kept is None:  # put away, or not yet made
            return show(example, files, newer, text)
        return drawn(kept, text, time.monotonic(), "in other words, without encoding anything again,")

    def pixel(kept: KeptCube | None, example: str | None, files: list[str] | None, newer: bool, text: str, row: float | None, column: float | None) -> Updates:  # noqa: E501
        if kept is None:
            kept = keep(example, files, newer)
        row, column = int(row or 0), int(column or 0)
        answer = answer_pixel(reader, kept, text, row, column)
        picture = map_image(relabel(reader, kept, text).classes, len(answer.words.labels))
        factor = enlargement(kept.height, kept.width)
        return (
            kept,
            marked(picture, row, column, factor),
            fragments.status(f"The pixel in row {row}, column {column}, counted from 0."),
            fragments.scores(answer),
            fragments.chart(answer),
        )

    first = show(EXAMPLES[0], None, False, TEN)
    state = gr.State(None, time_to_live=KEPT_SECONDS)
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            example = gr.Radio(list(EXAMPLES), value=EXAMPLES[0], label="A simulated place", elem_id="map-example")
            words, sets = _words_inputs("map")
            run = gr.Button("Map it", variant="primary", elem_id="map-run")
            file, newer = _upload_inputs(
                "map", f"a small cube of at most {MOST_PIXELS:,} pixels", CUBE_SUFFIXES, "multiple"
            )
        with gr.Column(scale=3, min_width=300):
            failed = gr.HTML(elem_id="map-error")
            said = gr.HTML(first[1], elem_id="map-status")
            classes = _picture("Land cover; click a pixel to see its year", first[2], "map-classes")
            legend = gr.HTML(first[3], elem_id="map-legend")
            with gr.Row():
                probability = _picture("Probability of that class", first[4], "map-probability")
                entropy = _picture("Entropy: how undecided", first[5], "map-entropy")
            gr.HTML(fragments.score_scale(), elem_id="map-scale")
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            gr.HTML("<h3>One pixel</h3><p>Click any of the maps, or say which.</p>", elem_id="map-pixel-heading")
            with gr.Row():
                row = gr.Number(None, label="Row", precision=0, minimum=0, min_width=90, elem_id="map-row")
                column = gr.Number(None, label="Column", precision=0, minimum=0, min_width=90, elem_id="map-column")
            look = gr.Button("Show this pixel", elem_id="map-show")
        with gr.Column(scale=3, min_width=300):
            pixel_said = gr.HTML(elem_id="map-pixel-status")
            pixel_scores = gr.HTML(elem_id="map-pixel-scores")
            pixel_chart = gr.HTML(elem_id="map-pixel-chart")
    source = [example, file, newer, words]
    outputs = [failed, state, said, classes, legend, probability, entropy]
    _on([run.click, file.upload, newer.input], show, source, outputs, "map_cube")
    _on([words.submit], follow, [state, *source], outputs, "relabel")
    _on(
        [sets.input],
        lambda name, *others: (*follow(*others, WORD_SETS[name]), WORD_SETS[name]),
        [sets, state, *source[:-1]],
        [*outputs, words],
        "relabel_in_set",
    )
    _on(
        [example.input],
        lambda chosen, text: (*show(chosen, None, False, text), None),
        [example, words],
        [*outputs, file],
        "map_example",
    )
    shown = [failed, state, classes, pixel_said, pixel_scores, pixel_chart]
    _on([look.click, row.submit, column.submit], pixel, [state, *source, row, column], shown, "show_pixel")

    def clicked(event: gr.SelectData, kept: KeptCube | None, *given: Any) -> Updates:
        if kept is None:
            kept = keep(*given[:3])
        factor = enlargement(kept.height, kept.width)
        row, column = event.index[1] // factor, event.index[0] // factor
        return (*pixel(kept, *given, row, column), row, column)

    for picture in (classes, probability, entropy):
        _on([picture.select], clicked, [state, *source], [*shown, row, column], "click_pixel")


def _search_view(index: SearchIndex) -> None:
    def find(text: str) -> Updates:
        found = search_places(index, text)
        said = f"The {len(found)} of {len(index.points)} places whose year is most like “{' '.join(text.split())}”."
        return fragments.status(said), fragments.hits(found)

    first = find(QUERIES[0])
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=260):
            query = gr.Textbox(
                QUERIES[0],
                label="What to look for, in words",
                info="Any words; press Enter.",
                max_length=MOST_CHARACTERS,
                elem_id="search-query",
            )
        with gr.Column(scale=1, min_width=120):
            run = gr.Button("Search", variant="primary", elem_id="search-run")
    ready = gr.Radio(QUERIES, label="Or look for", elem_id="search-queries")
    failed = gr.HTML(elem_id="search-error")
    said = gr.HTML(first[0], elem_id="search-status")
    found = gr.HTML(first[1], elem_id="search-hits")
    outputs = [failed, said, found]
    _on([run.click, query.submit], find, [query], outputs, "search")
    _on([ready.input], lambda text: (*find(text), text), [ready], [*outputs, query], "search_ready")


def _picture(label: str, value: Any, elem_id: str) -> gr.Image:
    return gr.Image(
        value,
        label=label,
        alt_text=label,
        format="png",
        interactive=False,
        buttons=[],
        min_width=140,
        elem_id=elem_id,
        elem_classes="map",
    )


def _kept_example(reader: Reader, name: str) -> KeptCube:
    """An example is embedded once for all visitors."""
    kept: dict[str, KeptCube] = reader.__dict__.setdefault("examples", {})
    if name not in kept:
        kept[name] = keep_cube(reader, example_cube(name))
    return kept[name]


def _heading(reader: Reader) -> str:
    model = Path(str(reader.model.name_or_path)).name
    return (
        f"<h1>{TITLE}</h1><p>Name land-cover classes in words, get them back from a year of Sentinel-2 reflectance at "
        f"one pixel. The checkpoint is <b>{escape(model)}</b>; all examples are simulated.</p>"
    )
