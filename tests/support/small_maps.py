"""Make small maps, as `map_cube` returns them, for the tests of what is made of a map."""

import numpy as np
import rioxarray  # noqa: F401 (gives xarray its `.rio`)
import xarray as xr

from tests.support.small_cubes import CRS, grid

LABELS = ["maize", "broad-leaved woodland", "water"]


def make_map(height: int = 6, width: int = 5, labels=LABELS, seed: int = 0, **attributes) -> xr.Dataset:
    """Make random classes and scores; the first pixel has no data, the second is of the first class."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, len(labels) + 1, (height, width)).astype(np.uint8)
    classes.ravel()[:2] = 0, 1
    scores = {
        name: (("y", "x"), np.where(classes == 0, np.nan, random.uniform(0, 1, classes.shape)).astype(np.float32))
        for name in ("probability", "entropy", "margin")
    }
    months = np.where(classes == 0, 0, random.integers(1, 13, classes.shape)).astype(np.uint8)
    layers = {"class": (("y", "x"), classes), **scores, "clear_months": (("y", "x"), months)}
    mapped = xr.Dataset(layers, coords=grid(height, width), attrs={"labels": list(labels), "year": 2018, **attributes})
    return mapped.rio.write_crs(CRS)


def add_coarse(mapped: xr.Dataset) -> xr.Dataset:
    """Add a layer with the first two classes as the first of two coarse ones."""
    coarse = np.array([0, 1, 1, 2], dtype=np.uint8)[mapped["class"].values]
    layers = {"class_coarse": (("y", "x"), coarse), "probability_coarse": mapped["probability"].copy()}
    return mapped.assign(layers).assign_attrs(coarse_labels=["plants", "water"])
