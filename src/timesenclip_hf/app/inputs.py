"""The fields that the views share."""

from collections.abc import Sequence

from ..extras import needs_extra
from ..models.timesenclip.radiometry_timesenclip import BASELINE_OFFSET
from ..taxonomies import load_taxonomy
from .limits import LARGEST_FILE_MB, MOST_CHARACTERS

with needs_extra("demo"):
    import gradio as gr

TEN = ", ".join(load_taxonomy("simulated_ten").names.values())
WORD_SETS = {
    "Ten covers": TEN,
    "Broad classes": "cropland, grassland, woodland, buildings, water",
    "Crops": "wheat, maize, rapeseed, sunflower, vineyard, other plants",
}


def words_inputs(view: str) -> tuple[gr.Textbox, dict[str, gr.Button]]:
    """Class names to type, and buttons that take `WORD_SETS`."""
    words = gr.Textbox(
        TEN,
        label="Class names in any words, between commas, then Enter",
        # One line, so that Enter runs; it grows.
        lines=1,
        max_lines=6,
        max_length=MOST_CHARACTERS,
        elem_id=f"{view}-words",
    )
    return words, ready_buttons(list(WORD_SETS), f"{view}-sets")


def ready_buttons(texts: Sequence[str], elem_id: str, min_width: int = 60) -> dict[str, gr.Button]:
    """A button for each text, side by side."""
    with gr.Row(elem_id=elem_id):
        return {text: gr.Button(text, size="sm", min_width=min_width) for text in texts}


def upload_inputs(
    view: str, what: str, suffixes: Sequence[str], *, several: bool
) -> tuple[gr.Accordion, gr.File, gr.Checkbox]:
    """Files, and whether their digital numbers have an offset, folded away in an accordion."""
    with gr.Accordion(f"Or your own {what}", open=False, elem_id=f"{view}-own") as own:
        file = gr.File(
            label=f"{', '.join(suffixes)}; {LARGEST_FILE_MB} MB at most",
            file_types=list(suffixes),
            file_count="multiple" if several else "single",
            height=150,
            elem_id=f"{view}-file",
        )
        newer = gr.Checkbox(
            False,
            label=f"It has an offset of {BASELINE_OFFSET:.0f} (processing baseline 04.00 or later)",
            elem_id=f"{view}-offset",
        )
    return own, file, newer


def picture(
    title: str, value: object, below: str, elem_id: str, below_id: str | None = None
) -> tuple[gr.Image, gr.HTML]:
    """A map under its title, which as a label of Gradio's would lie on its corner, and what its colours mean below."""
    with gr.Column(min_width=260):
        gr.HTML(f"<h3>{title}</h3>")
        image = gr.Image(
            value,
            label=title,
            alt_text=title,
            show_label=False,
            format="png",
            interactive=False,
            buttons=[],
            elem_id=elem_id,
            elem_classes="map",
        )
        return image, gr.HTML(below, elem_id=below_id or f"{elem_id}-scale")
