"""Write styles beside GeoTIFFs as QGIS writes them, which it opens by itself: `map.qml` beside `map.tif`.

The elements and attributes are those of QGIS 3's own files, as its `QgsPalettedRasterRenderer` and
`QgsSingleBandPseudoColorRenderer` read them.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from .legend import legend_of

with needs_extra("map"):
    import matplotlib
    import xarray as xr

# The oldest version whose elements are written here; newer ones read it.
VERSION = "3.16"
# Of a ramp between its ends.
STOPS = 9
# Largest value of the ramp of a score, where it is not 1.
LARGEST = {"clear_months": MONTHS_PER_YEAR, "novelty": 2}


def write_class_style(mapped: xr.Dataset, path: Path) -> None:
    """Write names and colours of a map's classes, as a paletted style of the first band.

    Raises:
        ValueError: the map does not name its classes.
    """
    root, renderer = _renderer("paletted")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for entry in legend_of(mapped):
        told = {"value": str(entry.code), "label": entry.label, "color": entry.hex_colour, "alpha": "255"}
        ElementTree.SubElement(palette, "paletteEntry", told)
    _write(root, path)


def write_score_style(name: str, path: Path) -> None:
    """Write a ramp from 0 to what the score of this name reaches, for the first band."""
    largest = LARGEST.get(name, 1)
    root, renderer = _renderer("singlebandpseudocolor", classificationMin="0", classificationMax=str(largest))
    ends = {"minimumValue": "0", "maximumValue": str(largest), "clip": "0"}
    how = {"colorRampType": "INTERPOLATED", "classificationMode": "1"}
    shader = ElementTree.SubElement(
        ElementTree.SubElement(renderer, "rastershader"), "colorrampshader", {**how, **ends}
    )
    for share in np.linspace(0, 1, STOPS):
        colour = matplotlib.colors.to_hex(matplotlib.colormaps["viridis"](share))
        value = f"{share * largest:g}"
        ElementTree.SubElement(shader, "item", value=value, label=value, color=colour, alpha="255")
    _write(root, path)


def _renderer(kind: str, **attributes: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Begin a style; return its root and its renderer."""
    root = ElementTree.Element("qgis", version=VERSION, styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    common = {"type": kind, "band": "1", "opacity": "1", "alphaBand": "-1", "nodataColor": ""}
    renderer = ElementTree.SubElement(pipe, "rasterrenderer", {**common, **attributes})
    ElementTree.SubElement(renderer, "rasterTransparency")
    ElementTree.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ElementTree.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    ElementTree.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ElementTree.SubElement(root, "blendMode").text = "0"
    return root, renderer


def _write(root: ElementTree.Element, path: Path) -> None:
    ElementTree.indent(root, " ")
    text = ElementTree.tostring(root, encoding="unicode")
    path.write_text(f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n", encoding="utf-8")
