"""Make the fields that the views share."""

from collections.abc import Mapping, Sequence

from ..extras import needs_extra
from ..models.timesenclip.offsets_timesenclip import BASELINE_OFFSET
from ..taxonomies import load_taxonomy
from .fragments import render
from .limits import LARGEST_FILE_MB, MOST_CHARACTERS

with needs_extra("demo"):
    import gradio as gr

TEN = ", ".join(load_taxonomy("simulated_ten").names.values())
WORD_SETS = {
    "Ten covers": TEN,
    "Broad classes": "cropland, grassland, woodland, buildings, water",
    "Crops": "wheat, maize, rapeseed, sunflower, vineyard, other plants",
}
PICTURE = {"show_label": False, "format": "png", "interactive": False, "buttons": [], "elem_classes": "map"}


def words_inputs(view: str) -> tuple[gr.Textbox, dict[str, gr.Button]]:
    """Make a field for class names, and buttons by the names that they put into it."""
    label = "Class names in any words, between commas, then Enter"
    # One line, so that Enter runs; it grows.
    words = gr.Textbox(TEN, label=label, lines=1, max_lines=6, max_length=MOST_CHARACTERS, elem_id=f"{view}-words")
    return words, ready_buttons(WORD_SETS, f"{view}-sets")


def ready_buttons(texts: Mapping[str, str], elem_id: str, min_width: int = 60) -> dict[str, gr.Button]:
    """Make buttons side by side from texts by name; return them by the text that each puts into a field."""
    with gr.Row(elem_id=elem_id):
        return {text: gr.Button(name, size="sm", min_width=min_width) for name, text in texts.items()}


def upload_inputs(
    view: str, what: str, suffixes: Sequence[str], *, several: bool
) -> tuple[gr.Accordion, gr.File, gr.Checkbox]:
    """Make fields for files of these suffixes and for the offset of their digital numbers, folded in an accordion."""
    label, count = f"{', '.join(suffixes)}; {LARGEST_FILE_MB} MB at most", "multiple" if several else "single"
    offset = f"It has an offset of {BASELINE_OFFSET:.0f} (processing baseline 04.00 or later)"
    with gr.Accordion(f"Or your own {what}", open=False, elem_id=f"{view}-own") as accordion:
        file = gr.File(label=label, file_types=list(suffixes), file_count=count, height=150, elem_id=f"{view}-file")
        newer = gr.Checkbox(False, label=offset, elem_id=f"{view}-offset")
    return accordion, file, newer


def picture(title: str, value: object, below: str, elem_id: str, below_id: str) -> tuple[gr.Image, gr.HTML]:
    """Show a map under its title, which as a label of Gradio's would lie on its corner, and HTML below it."""
    with gr.Column(min_width=260):
        gr.HTML(render("title", title=title))
        image = gr.Image(value, label=title, alt_text=title, elem_id=elem_id, **PICTURE)
        return image, gr.HTML(below, elem_id=below_id)
