"""Write a page that shows maps and stands by itself."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ...words import on_a_page
from .geotiff import SCORES
from .legend import NO_CLASS, as_text, facts_of, legend_of
from .pictures import palette_of, share_of, thinned, title_of

with needs_extra("map"):
    import matplotlib
    import xarray as xr
    from PIL import Image


def write_html(maps: Mapping[str, xr.Dataset], path: Path) -> None:
    """Write one page with every map by its title, its scores and its legend; pictures are inside, nothing is fetched.

    The page names the class under the pointer, for more classes than colours can be told apart.

    Raises:
        ValueError: a map does not name its classes.
    """
    source = Path(__file__).with_name("preview.html").read_text(encoding="utf-8")
    templates = Environment(
        autoescape=True, finalize=on_a_page, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    sections = [_section(name, thinned(mapped)) for name, mapped in maps.items()]
    page = templates.from_string(source).render(title=title_of(next(iter(maps.values()))), sections=sections)
    path.write_text(page + "\n", encoding="utf-8")


def _section(name: str, mapped: xr.Dataset) -> dict[str, Any]:
    """Gather what the template shows of one map; `pixel_area` in km² is None where it is not known."""
    counts = mapped.attrs["counts"]
    entries = [(entry.code, entry.label, entry.hex_colour) for entry in legend_of(mapped)]
    if counts[NO_CLASS]:
        entries.append((NO_CLASS, "no clear month", "#ffffff"))
    viridis = (255 * matplotlib.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]).round().astype(np.uint8)
    shades = {
        name: _shades(mapped[name].values, {"clear_months": MONTHS_PER_YEAR, "novelty": 2}.get(name, 1))
        for name in SCORES
        if name in mapped
    }
    return {
        "name": name,
        "width": mapped.sizes["x"],
        "height": mapped.sizes["y"],
        "pictures": {
            "class": _data_address(mapped["class"].values, palette_of(mapped)),
            **{name: _data_address(values, viridis) for name, values in shades.items()},
        },
        "classes": [
            {"label": label, "colour": colour, "count": counts[code], "share": share_of(mapped, code)}
            for code, label, colour in entries
        ],
        "pixel_area": mapped.attrs["square_kilometres"],
        "facts": {name: as_text(fact) for name, fact in facts_of(mapped).items()},
    }


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
