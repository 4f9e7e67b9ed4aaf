"""A map to files: GeoTIFF with class names and colours, and a picture with a legend."""

import colorsys
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from ..cubes.sources import spacing
from ..extras import needs_extra
from .production import NO_CLASS

with needs_extra("map"):
    import rasterio
    import rioxarray  # noqa: F401 (gives xarray its `.rio`)
    import xarray as xr
    from rasterio.transform import Affine

# Okabe and Ito (2008), told apart by colour-blind readers too; green first, since maps of land start with plants.
# Their black is left out: it is too close to what lies outside a map.
COLOURS = ("#009E73", "#E69F00", "#56B4E9", "#D55E00", "#F0E442", "#0072B2", "#CC79A7")
# Each next hue is the golden section of the circle away, so that any number of classes is spread out.
GOLDEN_SECTION = 0.618034
BANDS = ("class", "probability", "entropy")
# About as many fit into the width of the picture, in matplotlib's own font and size.
LEGEND_CHARACTERS = 120
# A GeoTIFF has one data type for all its bands. Scores are stored in steps of 0.004, with 0 for no data, as scale and
# offset in the file say: 0 to 1 are 1 to 251.
SCORE_STEP = 0.004


def class_colours(count: int) -> list[tuple[int, int, int]]:
    """Red, green and blue of each class, the same for the same number in every file."""
    colours = [tuple(int(text[i : i + 2], 16) for i in (1, 3, 5)) for text in COLOURS[:count]]
    for index in range(len(colours), count):
        hue, dark = (index * GOLDEN_SECTION) % 1, index % 2
        shade = colorsys.hsv_to_rgb(hue, 0.45 + 0.35 * dark, 0.95 - 0.35 * dark)
        colours.append(tuple(round(255 * part) for part in shade))
    return [(red, green, blue) for red, green, blue in colours]


def write_geotiff(mapped: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Writes class, probability and entropy as the three bands of one GeoTIFF.

    Names and colours of the classes are in the metadata (`CLASS_1=maize`, `COLOUR_1=#009e73`) and, as category names
    and colour table, in the `.aux.xml` beside the file, where GDAL and what is built on it look for them. Probability
    and entropy have a scale and an offset. No data is 0 everywhere.

    Raises:
        ValueError: the map has no CRS.
        OSError: the file cannot be written.
    """
    if mapped.rio.crs is None:
        raise ValueError(
            'The map has no coordinate reference system: write one with `mapped.rio.write_crs("EPSG:...")`.'
        )
    labels = list(mapped.attrs["labels"])
    colours = class_colours(len(labels))
    _make_folder(path)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=mapped.sizes["y"],
        width=mapped.sizes["x"],
        count=len(BANDS),
        dtype="uint8",
        crs=mapped.rio.crs,
        transform=grid_transform(mapped),
        nodata=NO_CLASS,
        compress="deflate",
        tiled=True,
        blockxsize=256,
        blockysize=256,
        interleave="band",
        photometric="MINISBLACK",
    ) as raster:
        raster.write(mapped["class"].values, 1)
        for band, name in enumerate(BANDS[1:], start=2):
            raster.write(_stored(mapped[name].values), band)
        raster.descriptions = BANDS
        raster.scales = (1.0, SCORE_STEP, SCORE_STEP)
        raster.offsets = (0.0, -SCORE_STEP, -SCORE_STEP)
        names = {f"CLASS_{code}": label for code, label in enumerate(labels, start=1)}
        year = {"YEAR": mapped.attrs["year"]} if "year" in mapped.attrs else {}
        raster.update_tags(**names, **year, PIXELS_WITHOUT_DATA=mapped.attrs["pixels_without_data"])
        raster.update_tags(1, **names)
        raster.update_tags(
            1, **{f"COLOUR_{code}": f"#{r:02x}{g:02x}{b:02x}" for code, (r, g, b) in enumerate(colours, 1)}
        )
    _write_categories(Path(path), ["no data", *labels], [(0, 0, 0, 0), *((*colour, 255) for colour in colours)])


def grid_transform(mapped: xr.Dataset) -> Affine:
    """Affine transform of a grid given by the centres of its pixels."""
    x, y = mapped["x"].values, mapped["y"].values
    # Rows run from north to south unless the coordinates say otherwise.
    across, down = spacing(x, y), spacing(y, x) if len(y) > 1 else -abs(spacing(y, x))
    return Affine(across, 0, x[0] - across / 2, 0, down, y[0] - down / 2)


def write_png(mapped: xr.Dataset, path: str | os.PathLike[str], title: str | None = None) -> None:
    """Draws the map with a legend of its classes and their shares, and the probability beside it.

    Raises:
        OSError: the file cannot be written.
    """
    with needs_extra("map"):
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch

    labels = list(mapped.attrs["labels"])
    codes = mapped["class"].values
    shares = np.bincount(codes.ravel(), minlength=len(labels) + 1) / codes.size
    palette = np.asarray([(255, 255, 255), *class_colours(len(labels))], dtype=np.uint8)
    columns = max(1, min(len(labels), LEGEND_CHARACTERS // (max(map(len, labels)) + 12)))
    rows = -(-(len(labels) + 1) // columns)
    figure = Figure(figsize=(11, 5.4 + 0.21 * rows), dpi=130)
    figure.set_layout_engine("constrained", h_pad=0.1, w_pad=0.1)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    extent, unit = _extent(mapped)
    left.imshow(palette[codes], extent=extent, interpolation="nearest")
    left.set_title(title or "Land cover" + (f" {mapped.attrs['year']}" if "year" in mapped.attrs else ""))
    handles = [
        Patch(facecolor=palette[code] / 255, edgecolor="0.3", label=f"{label} ({shares[code]:.0%})")
        for code, label in enumerate(labels, start=1)
    ]
    if shares[NO_CLASS]:
        handles.append(Patch(facecolor="white", edgecolor="0.3", label=f"no clear month ({shares[NO_CLASS]:.0%})"))
    image = right.imshow(
        mapped["probability"].values, extent=extent, vmin=0, vmax=1, cmap="viridis", interpolation="nearest"
    )
    right.set_title("Probability of that class")
    figure.colorbar(image, ax=right, shrink=0.8)
    for axes in (left, right):
        axes.set_xlabel(f"Easting ({unit})" if unit != "°" else "Longitude (°)")
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.locator_params(nbins=5)
    left.set_ylabel(f"Northing ({unit})" if unit != "°" else "Latitude (°)")
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    _make_folder(path)
    figure.savefig(path)


def _extent(mapped: xr.Dataset) -> tuple[tuple[float, float, float, float], str]:
    """Left, right, bottom, top as matplotlib wants them, in kilometres where the CRS is in metres."""
    transform = grid_transform(mapped)
    right = transform.c + transform.a * mapped.sizes["x"]
    bottom = transform.f + transform.e * mapped.sizes["y"]
    geographic = mapped.rio.crs is not None and mapped.rio.crs.is_geographic
    factor = 1.0 if geographic else 1e-3
    extent = (transform.c * factor, right * factor, bottom * factor, transform.f * factor)
    return extent, "°" if geographic else "km"


def _stored(scores: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(scores), NO_CLASS, np.rint(np.nan_to_num(scores) / SCORE_STEP) + 1).astype(np.uint8)


def _write_categories(path: Path, names: list[str], colours: list[tuple[int, int, int, int]]) -> None:
    """Names and colours beside the file: a TIFF itself holds a colour table only where it has a single band."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    ElementTree.SubElement(band, "ColorInterp").text = "Palette"
    table = ElementTree.SubElement(band, "ColorTable")
    for colour in colours:
        ElementTree.SubElement(table, "Entry", {f"c{place}": str(part) for place, part in enumerate(colour, start=1)})
    categories = ElementTree.SubElement(band, "CategoryNames")
    for name in names:
        ElementTree.SubElement(categories, "Category").text = name
    ElementTree.ElementTree(root).write(path.with_name(f"{path.name}.aux.xml"), encoding="utf-8")


def _make_folder(path: str | os.PathLike[str]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
