"""Draw the year of a series, and maps as images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..evaluation.report.figures import MONTHS, STYLE, to_png
from ..extras import needs_extra
from ..maps.files.colours import class_colours
from .series_reading import EncodedSeries

with needs_extra("demo"):
    from matplotlib import colormaps, rc_context
    from matplotlib.colors import to_hex
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# Inches; the text has the size of the page's where the chart is as wide as a telephone held upright.
CHART_SIZE = (4.0, 4.2)
_STYLES = json.loads(Path(__file__).with_name("chart.json").read_text(encoding="utf-8"))
# Colour and marker of each band; bands, colour and marker of each normalised difference.
BANDS: dict[str, tuple[str, str]] = _STYLES["bands"]
INDICES: dict[str, tuple[str, str, str, str]] = _STYLES["indices"]
# Above its panel, as wide as the chart.
LEGEND: Any = {"ncols": 5, "fontsize": 8, "loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
LEGEND |= {"columnspacing": 1.2, "handlelength": 1.5}
# Maps are drawn about so many pixels wide, each of their own pixels as a square.
MAP_WIDTH = 576
NO_CLASS_COLOUR = (255, 255, 255)
SCORE_COLOURS = "viridis"
# Colours of the frame around a chosen pixel by the reach of each in the picture's pixels, the outer first.
FRAME = {5: (255, 255, 255), 3: (0, 0, 0)}
# Of pixels that a visitor named, which are many.
THIN_FRAME = {2: (0, 0, 0), 1: (255, 255, 255)}
# The settings of matplotlib are the process's, and several visitors are drawn for at once.
_DRAWING = Lock()


def index_values(series: EncodedSeries) -> dict[str, np.ndarray]:
    """Compute the normalised differences of the first series, (time,), NaN where missing, as far as its bands go."""
    year = dict(zip(series.bands, series.reflectance[0].T, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: (year[first] - year[second]) / (year[first] + year[second])
            for name, (first, second, _, _) in INDICES.items()
            if first in year and second in year
        }


def series_chart(series: EncodedSeries) -> bytes:
    """Draw the year of the first series as PNG: bands above, indices below, months without an observation hatched."""
    with _DRAWING, rc_context(STYLE):
        return to_png(_series_figure(series))


def map_image(classes: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Draw a map of classes, 0 where there is none, as RGB (height, width, 3), in the colours of `timesenclip map`."""
    colours = [each.colour for each in class_colours(labels)]
    palette = np.asarray([NO_CLASS_COLOUR, *colours], dtype=np.uint8)
    return enlarged(palette[classes])


def score_image(scores: np.ndarray) -> np.ndarray:
    """Draw scores 0 to 1 as RGB, white where NaN."""
    coloured = (colormaps[SCORE_COLOURS](np.nan_to_num(scores))[..., :3] * 255).round().astype(np.uint8)
    coloured[np.isnan(scores)] = NO_CLASS_COLOUR
    return enlarged(coloured)


def score_gradient() -> list[str]:
    """List the colours of the scores 0 to 1 in even steps, as `#rrggbb`."""
    return [to_hex(colour) for colour in colormaps[SCORE_COLOURS](np.linspace(0, 1, 9))]


def enlargement(height: int, width: int) -> int:
    """Count the pixels of the picture along a pixel of the map."""
    return max(1, MAP_WIDTH // max(height, width))


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """Draw each pixel as a square, so that a browser need not blur it."""
    factor = enlargement(*pixels.shape[:2])
    return np.asarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def marked(
    picture: np.ndarray, row: int, column: int, factor: int, frame: Mapping[int, tuple[int, int, int]] = FRAME
) -> np.ndarray:
    """Frame a pixel of the map, drawn `factor` times larger, in black and white; the pixel itself stays as it is."""
    framed = picture.copy()
    inside = slice(row * factor, (row + 1) * factor), slice(column * factor, (column + 1) * factor)
    for width, colour in frame.items():
        framed[tuple(slice(max(side.start - width, 0), side.stop + width) for side in inside)] = colour
    framed[inside] = picture[inside]
    return framed


def _series_figure(series: EncodedSeries) -> Figure:
    order = np.argsort(series.months[0])
    months = series.months[0][order]
    year = dict(zip(series.bands, series.reflectance[0][order].T, strict=True))
    missing = months[~series.observed[0][order]]
    figure = Figure(figsize=CHART_SIZE, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 1])
    for name, (colour, marker) in BANDS.items():
        if name in year:
            upper.plot(months, year[name], color=colour, marker=marker, markersize=3, linewidth=1.1, label=name)
    for name, values in index_values(series).items():
        *_, colour, marker = INDICES[name]
        lower.plot(months, values[order], color=colour, marker=marker, markersize=3, linewidth=1.2, label=name)
    half = 6 / max(len(months), 1)
    for axes in (upper, lower):
        for month in missing:
            axes.axvspan(month - half, month + half, facecolor="0.93", edgecolor="0.75", hatch="////", linewidth=0)
    highest = max((float(np.nanmax(values, initial=0)) for values in year.values()), default=0)
    upper.set(ylabel="reflectance", ylim=(0, max(1.08 * highest, 0.1)))
    lower.set(ylabel="index", ylim=(-1.05, 1.05), xlim=(-0.6, 11.6), xticks=range(12), xticklabels=list(MONTHS))
    lower.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    handles, _ = lower.get_legend_handles_labels()
    if len(missing):
        handles.append(Patch(facecolor="0.93", hatch="////", edgecolor="0.75", label="no clear observation"))
    upper.legend(**LEGEND)
    lower.legend(handles=handles, **LEGEND)
    return figure
