"""Thin maps out to what a picture can show, with the pixels of each code counted before."""

from pathlib import Path

import numpy as np

from ...extras import needs_extra
from ..cubes.grids import Grid, grid_of, locate
from .legend import legend_of

with needs_extra("map"):
    import rasterio
    import xarray as xr

# Pixels of a map along its longer side, from which on every second, third, ... is drawn.
LONGEST_SIDE = 1200


def read_overview(classes: Path, scores: Path | None, mapped: xr.Dataset, counts: np.ndarray) -> xr.Dataset:
    """Read a small map from the overviews of its files, with the pixels of each code in the attribute `counts`.

    Args:
        classes: GeoTIFF of the classes.
        scores: GeoTIFF of the scores, where there is one.
        mapped: the map, for what the files do not tell.
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
    transform = grid_of(mapped).transform
    down, across = transform.e * height / shape[0], transform.a * width / shape[1]
    y = transform.f + down * (np.arange(shape[0]) + 0.5)
    x = transform.c + across * (np.arange(shape[1]) + 0.5)
    small = xr.Dataset(layers, coords={"y": y, "x": x}, attrs=_counted(mapped, counts))
    return locate(small, mapped.rio.crs, Grid(y, x, (down, across)))


def thinned(mapped: xr.Dataset) -> xr.Dataset:
    """Return a map as [`read_overview`] does, from one in memory; one that is thinned out already as it is."""
    if "counts" in mapped.attrs:
        return mapped
    counts = np.bincount(mapped["class"].values.ravel(), minlength=256)
    step = -(-max(mapped.sizes["y"], mapped.sizes["x"]) // LONGEST_SIDE)
    small = mapped.isel(y=slice(None, None, step), x=slice(None, None, step))
    return small.assign_attrs(_counted(mapped, counts))


def title_of(mapped: xr.Dataset, name: str = "") -> str:
    """Return the title of a picture: the year, and the name of the label set where there are several."""
    title = f"Land cover {mapped.attrs.get('year', '')}".strip()
    return f"{title}: {name}" if name else title


def share_of(mapped: xr.Dataset, code: int) -> str:
    """Write the share of a code among the pixels of a thinned map, such as "34%" or "<1%"."""
    counts = mapped.attrs["counts"]
    share = counts[code] / sum(counts)
    return "0%" if not share else "<1%" if share < 0.01 else f"{share:.0%}"


def palette_of(mapped: xr.Dataset) -> np.ndarray:
    """Return colours (256, 3) uint8 by code; white where nothing was observed."""
    palette = np.full((256, 3), 255, dtype=np.uint8)
    for entry in legend_of(mapped):
        palette[entry.code] = entry.colour
    return palette


def _counted(mapped: xr.Dataset, counts: np.ndarray) -> dict[str, object]:
    """Add to a map's attributes the pixels of each code, and their size where the CRS is in metres."""
    crs, area = mapped.rio.crs, None
    if crs is not None and crs.is_projected and crs.linear_units_factor[1] == 1:
        grid = grid_of(mapped)
        area = abs(grid.across * grid.down) / 1e6
    return {**mapped.attrs, "counts": counts.tolist(), "square_kilometres": area}
