"""A map to look at: a picture with its legend, and a page that stands by itself."""

import base64
import html
import io
import os
from collections.abc import Mapping
from pathlib import Path
from string import Template
from textwrap import shorten

import numpy as np

from ...extras import needs_extra
from .codes import NO_CLASS
from .georeference import grid_transform, square_kilometres
from .legend import as_text, facts_of, legend_of

with needs_extra("map"):
    import matplotlib
    import rasterio
    import xarray as xr
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from PIL import Image

_PAGE = Path(__file__).with_name("preview.html")
# Pixels of a map along its longer side, from which on every second, third, ... is drawn.
LONGEST_SIDE = 1200
# About as many fit into the width of the picture, in matplotlib's own font and size, beside the colours.
LEGEND_CHARACTERS = 132
# Of a label in the picture; the page has the whole.
LONGEST_LABEL = 44
# What a patch and its gaps take of a column of the legend.
PATCH_CHARACTERS = 7
# Of more classes than these the picture's legend leaves out those without a pixel.
FEW_CLASSES = 12
# Inches of each of the two maps: about what half of the width leaves, and how high they may be.
PANEL_WIDTH, PANEL_HEIGHTS = 4.3, (1.2, 4.4)
# Layers of the page beside the classes, in this order.
PAGE_SCORES = {
    "probability": ("Probability", "of the class, 0 (dark) to 1 (bright)"),
    "probability_coarse": ("Probability", "of the coarse class, 0 (dark) to 1 (bright)"),
    "entropy": ("Entropy", "0 (dark) to 1 (bright): how evenly the probability is spread over all classes"),
    "margin": ("Margin", "between the two likeliest classes, 0 (dark) to 1 (bright)"),
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


def read_preview(classes: Path, scores: Path | None, mapped: xr.Dataset, counts: np.ndarray) -> xr.Dataset:
    """A small map from the overviews of its files, with the pixels of each code in the attribute `counts`.

    Args:
        classes: GeoTIFF of the classes.
        scores: GeoTIFF of the scores, where there is one.
        mapped: the map, for what the files do not say.
        counts: pixels of each code, (256,).
    """
    height, width = mapped.sizes["y"], mapped.sizes["x"]
    factor = max(1, max(height, width) / LONGEST_SIDE)
    shape = max(1, round(height / factor)), max(1, round(width / factor))
    layers = {}
    with rasterio.open(classes) as raster:
        layers["class"] = ("y", "x"), raster.read(1, out_shape=shape)
    if scores is not None:
        with rasterio.open(scores) as raster:
            for band, name in enumerate(raster.descriptions, start=1):
                stored = raster.read(band, out_shape=shape, masked=True).astype(np.float32)
                values = stored * raster.scales[band - 1] + raster.offsets[band - 1]
                layers[name] = ("y", "x"), values.filled(np.nan)
    transform = grid_transform(mapped)
    down, across = height / shape[0], width / shape[1]
    small = xr.Dataset(
        layers,
        coords={
            "y": transform.f + transform.e * down * (np.arange(shape[0]) + 0.5),
            "x": transform.c + transform.a * across * (np.arange(shape[1]) + 0.5),
        },
        attrs={**mapped.attrs, "counts": counts.tolist(), "square_kilometres": square_kilometres(mapped)},
    )
    located: xr.Dataset = small.rio.write_crs(mapped.rio.crs)
    return located


def write_png(mapped: xr.Dataset, path: str | os.PathLike[str], title: str | None = None) -> None:
    """Draws a map with a legend of its classes and their shares, and the probability beside it.

    A map with a longer side than 1,200 pixels is thinned out first; shares are counted before.

    Raises:
        ValueError: the map does not name its classes.
        OSError: the file cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    draw_map(mapped, title).savefig(path)


def draw_map(mapped: xr.Dataset, title: str | None = None) -> Figure:
    """The picture of [`write_png`] as a figure."""
    mapped = _small(mapped)
    patches = _patches(mapped)
    columns = max(1, LEGEND_CHARACTERS // (max(len(str(patch.get_label())) for patch in patches) + PATCH_CHARACTERS))
    columns = min(columns, len(patches))
    rows = -(-len(patches) // columns)
    panel = np.clip(PANEL_WIDTH * mapped.sizes["y"] / mapped.sizes["x"], *PANEL_HEIGHTS)
    figure = Figure(figsize=(11, 1.2 + panel + 0.21 * rows), dpi=130)
    figure.set_layout_engine("constrained", h_pad=0.1, w_pad=0.1)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    extent, unit = _extent(mapped)
    left.imshow(_palette(mapped)[mapped["class"].values], extent=extent, interpolation="nearest")
    left.set_title(title or title_of(mapped))
    if "probability" in mapped:
        image = right.imshow(
            mapped["probability"].values, extent=extent, vmin=0, vmax=1, cmap="viridis", interpolation="nearest"
        )
        right.set_title("Probability of that class")
        figure.colorbar(image, ax=right, shrink=0.8)
    else:
        right.remove()
    for axes in figure.axes[:2]:
        axes.set_xlabel(f"Easting ({unit})" if unit != "°" else "Longitude (°)")
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.locator_params(nbins=5)
    left.set_ylabel(f"Northing ({unit})" if unit != "°" else "Latitude (°)")
    figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _patches(mapped: xr.Dataset) -> list[Patch]:
    """The legend: every class with its share, of many classes those that occur."""
    entries, counts = legend_of(mapped), np.asarray(mapped.attrs["counts"])
    shown = [entry for entry in entries if len(entries) <= FEW_CLASSES or counts[entry.code]]
    patches = []
    for entry in shown:
        label = f"{shorten(entry.label, LONGEST_LABEL, placeholder=' …')} ({_share(counts, entry.code)})"
        patches.append(Patch(facecolor=entry.hex_colour, edgecolor="0.3", label=label))
    if counts[NO_CLASS]:
        label = f"no clear month ({_share(counts, NO_CLASS)})"
        patches.append(Patch(facecolor="white", edgecolor="0.3", label=label))
    if len(shown) < len(entries):
        label = f"{len(entries) - len(shown)} classes without a pixel"
        patches.append(Patch(facecolor="none", edgecolor="none", label=label))
    return patches


def write_html(maps: Mapping[str, xr.Dataset], path: str | os.PathLike[str]) -> None:
    """Writes one page with every map, its scores and its legend; pictures are inside, nothing is fetched.

    The page names the class under the pointer, for more classes than colours can be told apart.

    Args:
        maps: by title, "" for none.
        path: of the HTML file.

    Raises:
        ValueError: a map does not name its classes.
        OSError: the file cannot be written.
    """
    sections = "\n".join(_section(place, name, _small(one)) for place, (name, one) in enumerate(maps.items()))
    title = title_of(next(iter(maps.values())))
    page = Template(_PAGE.read_text(encoding="utf-8")).substitute(title=html.escape(title), body=sections)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(page, encoding="utf-8")


def _section(place: int, name: str, mapped: xr.Dataset) -> str:
    scores = [layer for layer in PAGE_SCORES if layer in mapped]
    buttons = [("class", "Classes", "")] + [(layer, *PAGE_SCORES[layer]) for layer in scores]
    choices = "".join(_choice(place, layer, text) for layer, text, _ in buttons)
    notes = "".join(f'<span class="{layer}">{html.escape(note)}</span>' for layer, _, note in buttons)
    height, width = mapped["class"].shape
    viridis = (255 * matplotlib.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]).round().astype(np.uint8)
    pictures = [("class", mapped["class"].values, _palette(mapped))]
    pictures += [(layer, _shades(layer, mapped[layer].values), viridis) for layer in scores]
    images = "".join(
        f'<img class="{layer}" alt="{layer}" width="{width}" height="{height}" src="{_data_address(codes, palette)}">'
        for layer, codes, palette in pictures
    )
    heading = f"<h2>{html.escape(name)}</h2>\n" if name else ""
    return (
        f'<section>\n{heading}<p class="layers">{choices}</p>\n<div class="map">\n'
        f'<figure style="--ratio: {width / height:.5f}">{images}\n'
        f"<figcaption><output></output>{notes}</figcaption></figure>\n"
        f"{_legend_table(mapped)}\n</div>\n{_facts(mapped)}\n</section>"
    )


def _choice(place: int, layer: str, text: str) -> str:
    checked = " checked" if layer == "class" else ""
    return f'<label><input type="radio" name="layer{place}" value="{layer}"{checked}> {text}</label>'


def _legend_table(mapped: xr.Dataset) -> str:
    counts, area = np.asarray(mapped.attrs["counts"]), mapped.attrs["square_kilometres"]
    entries = [(entry.code, entry.label, entry.hex_colour) for entry in legend_of(mapped)]
    if counts[NO_CLASS]:
        entries.append((NO_CLASS, "no clear month", "#ffffff"))
    rows = []
    for code, label, colour in entries:
        size = "" if area is None else f"<td>{_area(counts[code] * area)}</td>"
        absent = "" if counts[code] else ' class="absent"'
        swatch = f'<i style="background: {colour}"></i>'
        rows.append(
            f'<tr data-colour="{colour}"{absent}><td>{swatch}</td><th>{html.escape(label)}</th>'
            f"<td>{_share(counts, code)}</td>{size}</tr>"
        )
    return f'<div class="legend"><table>{"".join(rows)}</table></div>'


def _facts(mapped: xr.Dataset) -> str:
    facts = facts_of(mapped)
    told = [f"{text}: {as_text(facts[name])}" for name, text in PAGE_FACTS.items() if name in facts]
    return f"<p>{html.escape('; '.join(told))}</p>" if told else ""


def _area(square_kilometres: float) -> str:
    return f"{square_kilometres:,.1f} km²" if square_kilometres >= 1 else f"{100 * square_kilometres:.2f} ha"


def _small(mapped: xr.Dataset) -> xr.Dataset:
    """A map with its counts, thinned out to what a picture can show; one from `read_preview` as it is."""
    if "counts" in mapped.attrs:
        return mapped
    counts = np.bincount(mapped["class"].values.ravel(), minlength=256)
    step = -(-max(mapped.sizes["y"], mapped.sizes["x"]) // LONGEST_SIDE)
    thinned = mapped.isel(y=slice(None, None, step), x=slice(None, None, step))
    return thinned.assign_attrs(counts=counts.tolist(), square_kilometres=square_kilometres(mapped))


def _palette(mapped: xr.Dataset) -> np.ndarray:
    """Colours (256, 3) uint8 by code; white where nothing was observed."""
    palette = np.full((256, 3), 255, dtype=np.uint8)
    for entry in legend_of(mapped):
        palette[entry.code] = entry.colour
    return palette


def _shades(layer: str, values: np.ndarray) -> np.ndarray:
    """Scores as 1 to 255, 0 for no data."""
    largest = MOST_MONTHS if layer == "clear_months" else 1
    shades = 1 + np.rint(254 * np.nan_to_num(values).clip(0, largest) / largest)
    return np.where(np.isnan(values), 0, shades).astype(np.uint8)


def _data_address(codes: np.ndarray, palette: np.ndarray) -> str:
    """A PNG of at most 256 colours as an address; code 0 is transparent."""
    picture = Image.fromarray(codes)
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def title_of(mapped: xr.Dataset, name: str = "") -> str:
    """What a picture is headed: the year, and the name of the label set where there are several."""
    title = f"Land cover {mapped.attrs.get('year', '')}".strip()
    return f"{title}: {name}" if name else title


def _share(counts: np.ndarray, code: int) -> str:
    share = counts[code] / counts.sum()
    return "0%" if not share else "<1%" if share < 0.01 else f"{share:.0%}"


def _extent(mapped: xr.Dataset) -> tuple[tuple[float, float, float, float], str]:
    """Left, right, bottom, top as matplotlib wants them, in kilometres where the CRS is in metres."""
    transform = grid_transform(mapped)
    right = transform.c + transform.a * mapped.sizes["x"]
    bottom = transform.f + transform.e * mapped.sizes["y"]
    geographic = mapped.rio.crs is not None and mapped.rio.crs.is_geographic
    factor = 1.0 if geographic else 1e-3
    extent = (transform.c * factor, right * factor, bottom * factor, transform.f * factor)
    return extent, "°" if geographic else "km"
