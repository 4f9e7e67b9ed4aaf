"""Write a page that shows maps and stands by itself."""

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ...words import on_a_page
from ..cubes.grids import grid_of
from .cartography import ground_of, node_degrees
from .colours import NO_DATA_COLOUR
from .geotiff import SCORES
from .legend import NO_CLASS, LegendEntry, as_text, facts_of, legend_of, notes_of_colours
from .pictures import place_of, share_of, source_of, thinned, title_of

with needs_extra("map"):
    import matplotlib
    import xarray as xr
    from PIL import Image


def write_html(maps: Mapping[str, xr.Dataset], path: Path) -> None:
    """Write one page with every map by its title, its scores and its legend; pictures are inside, nothing is fetched.

    Maps are zoomed and moved by wheel, fingers and keys; the page tells class, probability and coordinates of a pixel,
    and hides classes. Its policy lets it load nothing and run no script but its own; without scripts it shows pictures.

    Raises:
        ValueError: a map does not name its classes.
    """
    templates = Environment(
        autoescape=True, finalize=on_a_page, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script, style = (_read(f"preview.{kind}") for kind in ("js", "css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = templates.from_string(_read("preview.html")).render(
        title=title_of(next(iter(maps.values()))),
        sections=[_section(name, thinned(mapped)) for name, mapped in maps.items()],
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        style=Markup(style),
        ramp=json.dumps([f"#{bytes(colour).hex()}" for colour in _ramp().tolist()]),
    )
    path.write_text(page + "\n", encoding="utf-8", newline="\n")  # the digest is of these line ends


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _ramp() -> np.ndarray:
    """Return the colours (256, 3) of scores, no two the same, so that the page can tell the score of a colour."""
    ramp = (255 * matplotlib.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]).round().astype(np.uint8)
    return np.asarray(_told_apart([(red, green, blue) for red, green, blue in ramp.tolist()]), dtype=np.uint8)


def _told_apart(colours: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Change each colour that occurs before by a shade of blue that nobody sees."""
    apart: dict[tuple[int, int, int], None] = {}
    for red, green, blue in colours:
        nearest = sorted(range(256), key=lambda value: abs(value - blue))
        apart[next(each for value in nearest if (each := (red, green, value)) not in apart)] = None
    return list(apart)


def _section(name: str, mapped: xr.Dataset) -> dict[str, Any]:
    """Gather what the template shows of one map; `pixel_area` in km² is None where it is not known."""
    counts = mapped.attrs["counts"]
    entries = legend_of(mapped)
    if counts[NO_CLASS]:
        entries.append(LegendEntry(NO_CLASS, "no clear month", NO_DATA_COLOUR))
    colours = _told_apart([entry.colour for entry in entries])
    palette = np.full((256, 3), 255, dtype=np.uint8)
    palette[[entry.code for entry in entries]] = colours
    shades = {
        name: _shades(mapped[name].values, {"clear_months": MONTHS_PER_YEAR, "novelty": 2}.get(name, 1))
        for name in SCORES
        if name in mapped
    }
    data = _data(mapped)
    return {
        "name": name,
        "width": mapped.sizes["x"],
        "height": mapped.sizes["y"],
        "ratio": mapped.sizes["x"] / mapped.sizes["y"] / data["stretch"],
        "pictures": {
            "class": _data_address(mapped["class"].values, palette),
            **{name: _data_address(values, _ramp()) for name, values in shades.items()},
        },
        "classes": [
            {
                "label": entry.label,
                "colour": f"#{bytes(colour).hex()}",
                "count": counts[entry.code],
                "share": share_of(mapped, entry.code),
                "is_empty": entry.code == NO_CLASS,
            }
            for entry, colour in zip(entries, colours, strict=True)
        ],
        "pixel_area": mapped.attrs["square_kilometres"],
        "total_area": (mapped.attrs["square_kilometres"] or 0) * sum(counts),
        "facts": {name: as_text(fact) for name, fact in facts_of(mapped).items()},
        "notes": notes_of_colours(mapped),
        "place": " · ".join(place_of(mapped)),
        "source": source_of(mapped),
        "data": json.dumps(data, allow_nan=False),
    }


def _data(mapped: xr.Dataset) -> dict[str, Any]:
    """Return what the script knows of a map's place."""
    ground, grid, affine, crs = ground_of(mapped), grid_of(mapped), grid_of(mapped).transform, mapped.rio.crs
    geographic = crs is not None and crs.is_geographic
    return {
        "origin": [affine.c, affine.f],
        "pixel": [affine.a, affine.e],
        "stretch": abs(grid.down) * ground.down / (abs(grid.across) * ground.across) if ground else 1.0,
        "metres": abs(grid.across) * ground.across if ground else None,
        "north": ground.north if ground else None,
        "nodes": node_degrees(mapped),
        "names": ["longitude", "latitude"] if geographic else ["easting", "northing"],
        "unit": "°" if geographic else "",
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
