"""Read Sentinel-2 L2A products in Zarr: ESA's EOPF, and the GeoZarr that is made of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ...extras import needs_extra
from ...gate import admit
from ...gate.kinds import ZARR
from ...models.timesenclip.bands_timesenclip import SCENE_CLASSES, canonical_band
from ...models.timesenclip.dates_timesenclip import read_times
from ...models.timesenclip.offsets_timesenclip import baseline_offset
from .datasets import dataset_layers, open_admitted
from .grids import dataset_crs
from .layers import Layer
from .naming import Naming

with needs_extra("map"):
    import xarray as xr
    import zarr

# Where a product has its bands and its scene classes, and the levels of both that are read: finest first. Coarser ones
# of GeoZarr (r120m to r720m) are overviews.
REFLECTANCE, CLASSES = "measurements/reflectance", "conditions/mask/l2a_classification"
LEVELS = ("r10m", "r20m", "r60m")
# "No data" of ESA's products.
PRODUCT_NODATA = 0
PROPERTIES = ("stac_discovery", "properties")
# When the acquisition began, in the name of a product; GeoZarr stores leave the attributes of their root empty.
_NAMED_TIME = re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?!\d)")
_SCALE = ("scale_factor", "add_offset")
_STORE = re.compile(r"(.*?\.zarr)(?=/|\\|$)", re.IGNORECASE)
# The product's type or name, where it is of the top of the atmosphere.
_L1C = re.compile(r"MSIL?L?1C|L1C", re.IGNORECASE)

# Gives the datasets of a product by the names of their groups, None for a group that it lacks.
Groups: TypeAlias = Callable[[str], xr.Dataset | None]


def store_of(address: str) -> str:
    """Return the Zarr store that an address lies in, or the address itself where it names none."""
    match = _STORE.match(address)
    return match[1] if match else address


def is_product(path: Path) -> bool:
    """Tell whether a Zarr store is a product of EOPF or GeoZarr."""
    return (path / REFLECTANCE).is_dir()


def product_layers(path: Path) -> list[Layer]:
    """Read the bands and scene classes of a product, each at the finest level that it is there in.

    Raises:
        ValueError: it is no L2A product, or its date or its bands are missing.
    """
    admit(path)
    attributes = dict(zarr.open_group(path, mode="r").attrs)
    return _layers(attributes, lambda group: _open_group(path, group), path.name)


def tree_layers(tree: xr.DataTree) -> list[Layer]:
    """Read a product that was opened by `xarray.open_datatree`, decoded or not, as [`product_layers`] does.

    Raises:
        ValueError: it is no L2A product, or its date or its bands are missing.
    """

    def group_of(name: str) -> xr.Dataset | None:
        try:
            node = tree[name]
        except KeyError:
            return None
        return node.to_dataset() if isinstance(node, xr.DataTree) else None

    return _layers({str(key): value for key, value in tree.attrs.items()}, group_of, tree.name or "the product")


def _open_group(path: Path, group: str) -> xr.Dataset | None:
    if not (path / group).is_dir():
        return None
    return open_admitted(path, ZARR, group)


def _layers(attributes: Mapping[str, Any], group_of: Groups, source: str) -> list[Layer]:
    facts = {**attributes, **_nested(attributes, PROPERTIES)}
    kind = " ".join(str(facts.get(key, "")) for key in ("product:type", "processing:level", "eopf:type"))
    if _L1C.search(f"{kind} {source}"):
        raise ValueError(f"{source} is reflectance at the top of the atmosphere (L1C): give the L2A product.")
    time, baseline = _time(facts, source), str(facts.get("eopf:baseline") or facts.get("processing:version") or "")
    crs = facts.get("proj:code") or _nested(attributes, ("other_metadata",)).get("horizontal_CRS_code")
    layers: dict[str, Layer] = {}
    for dataset in _groups(group_of):
        wanted = {
            name: band
            for name in dataset.data_vars
            if (band := _band(str(name))) is not None and band not in layers and dataset[name].ndim == 2
        }
        if wanted:
            part = _as_stored(dataset[list(wanted)]).assign_coords(time=time)
            if crs and dataset_crs(part) is None:
                part.attrs["proj:code"] = crs
            layers |= {layer.band: _with_offset(layer, baseline) for layer in dataset_layers(part, Naming(), source)}
    if not set(layers) - {SCENE_CLASSES}:
        raise ValueError(f"{source} has no Sentinel-2 band in {REFLECTANCE}: give a product of Sentinel-2 L2A.")
    return list(layers.values())


def _groups(group_of: Groups) -> Iterator[xr.Dataset]:
    """Give the groups that hold bands or scene classes, finest first."""
    for parent in (REFLECTANCE, CLASSES):
        for level in LEVELS:
            if (dataset := group_of(f"{parent}/{level}")) is not None:
                yield dataset


def _band(name: str) -> str | None:
    if name.upper() == SCENE_CLASSES:
        return SCENE_CLASSES
    try:
        return canonical_band(name) if re.fullmatch(r"b\d\d|b8a", name, re.IGNORECASE) else None
    except ValueError:
        return None


def _as_stored(dataset: xr.Dataset) -> xr.Dataset:
    """Name the scale of stored numbers as CF does, which some products keep in `_eopf_attrs` only; none of fractions.

    Fractions are reflectance: what was their scale has been applied, also where the attributes still tell it.
    """
    for variable in dataset.data_vars.values():
        told = variable.attrs.get("_eopf_attrs") or {}
        if variable.dtype.kind == "f":
            variable.attrs = {key: value for key, value in variable.attrs.items() if key not in _SCALE}
        else:
            variable.attrs = {**{key: told[key] for key in _SCALE if key in told}, **variable.attrs}
            variable.attrs.setdefault("_FillValue", PRODUCT_NODATA)
    return dataset


def _with_offset(layer: Layer, baseline: str) -> Layer:
    """Say why a layer has its offset; numbers without one of their own have that of the baseline."""
    if layer.band == SCENE_CLASSES or layer.dtype.kind == "f" or layer.scale is not None:
        return layer
    if layer.offset is not None:
        return replace(layer, reason=f"add_offset of the product, processing baseline {baseline or 'unknown'}")
    offset = baseline_offset(baseline or None)
    return layer if np.isnan(offset) else replace(layer, offset=offset, reason=f"processing baseline {baseline}")


def _time(facts: Mapping[str, Any], source: str) -> np.datetime64:
    """Read when the acquisition began: `datetime` of a product is null."""
    told = facts.get("datetime") or facts.get("start_datetime")
    if not told and (named := _NAMED_TIME.search(source)):
        told = "{}-{}-{}T{}:{}:{}".format(*named.groups())
    if not told:
        raise ValueError(
            f"{source} does not tell its date: its attributes lack stac_discovery's `start_datetime`, and its name is "
            "not the product's."
        )
    time: np.datetime64 = read_times([str(told)]).times[0]
    return time


def _nested(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    value: Any = attributes
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
