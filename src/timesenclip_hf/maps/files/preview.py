"""Write a page that shows maps and stands by itself."""

import base64
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...extras import needs_extra
from ...files import whole_file
from .legend import NO_CLASS, as_text, facts_of, legend_of
from .overview import palette_of, share_of, thinned, title_of

with needs_extra("map"):
    import matplotlib
    import xarray as xr
    from PIL import Image

# Layers of the page beside the classes, in this order, with their captions.
PAGE_SCORES = {
    "probability": ("Probability", "of the class, 0 (dark) to 1 (bright)"),
    "probability_coarse": ("Probability", "of the coarse class, 0 (dark) to 1 (bright)"),
    "entropy": ("Entropy", "0 (dark) to 1 (bright): how evenly the probability is spread over all classes"),
    "margin": ("Margin", "of the class over the likeliest other, 0 (dark) to 1 (bright)"),
    "clear_months": ("Clear months", "0 (dark) to 12 (bright)"),
}
MOST_MONTHS = 12
# Facts at the foot of the page.
PAGE_FACTS = {
    "model": "Model",
    "hypothesis_template": "Prompt",
    "smoothing": "Smoothing",
    "reject_threshold": "Uncertain below",
    "failed_chunks": "Without data, because they could not be read",
}


def write_html(maps: Mapping[str, xr.Dataset], path: str | os.PathLike[str]) -> None:
    """Write one page with every map, its scores and its legend; pictures are inside, nothing is fetched.

    The page names the class under the pointer, for more classes than colours can be told apart.

    Args:
        maps: by title, "" for none.
        path: of the HTML file.

    Raises:
        ValueError: a map does not name its classes.
        OSError: the file cannot be written.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [_section(name, thinned(mapped)) for name, mapped in maps.items()]
    page = templates.get_template("preview.html").render(title=title_of(next(iter(maps.values()))), sections=sections)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(page + "\n", encoding="utf-8")


def _section(name: str, mapped: xr.Dataset) -> dict[str, Any]:
    """Gather what the template shows of one map."""
    height, width = mapped["class"].shape
    facts = facts_of(mapped)
    return {
        "name": name,
        "width": width,
        "height": height,
        "layers": list(_layers(mapped)),
        "classes": list(_classes(mapped)),
        "facts": "; ".join(f"{text}: {as_text(facts[key])}" for key, text in PAGE_FACTS.items() if key in facts),
    }


def _layers(mapped: xr.Dataset) -> Iterator[dict[str, str]]:
    classes = _data_address(mapped["class"].values, palette_of(mapped))
    yield {"key": "class", "title": "Classes", "note": "", "picture": classes}
    viridis = (255 * matplotlib.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]).round().astype(np.uint8)
    for key, (title, note) in PAGE_SCORES.items():
        if key in mapped:
            picture = _data_address(_shades(mapped[key].values, MOST_MONTHS if key == "clear_months" else 1), viridis)
            yield {"key": key, "title": title, "note": note, "picture": picture}


def _classes(mapped: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Give the rows of the legend; the area is None where the size of a pixel is not known in metres."""
    counts, area = mapped.attrs["counts"], mapped.attrs["square_kilometres"]
    entries = [(entry.code, entry.label, entry.hex_colour) for entry in legend_of(mapped)]
    if counts[NO_CLASS]:
        entries.append((NO_CLASS, "no clear month", "#ffffff"))
    for code, label, colour in entries:
        yield {
            "label": label,
            "colour": colour,
            "is_absent": not counts[code],
            "share": share_of(mapped, code),
            "area": None if area is None else _area(counts[code] * area),
        }


def _area(square_kilometres: float) -> str:
    return f"{square_kilometres:,.1f} km²" if square_kilometres >= 1 else f"{100 * square_kilometres:.2f} ha"


def _shades(values: np.ndarray, largest: float) -> np.ndarray:
    """Bring scores to 1 to 255, 0 for no data."""
    shades = 1 + np.rint(254 * np.nan_to_num(values).clip(0, largest) / largest)
    return np.where(np.isnan(values), 0, shades).astype(np.uint8)


def _data_address(codes: np.ndarray, palette: np.ndarray) -> str:
    """Write a PNG of at most 256 colours as an address; code 0 is transparent."""
    picture = Image.fromarray(codes)
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
