"""Read STAC items whose assets are groups of Zarr stores: products of EOPF and GeoZarr on this machine."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...extras import needs_extra
from ...gate.kinds import is_zarr
from .eopf import is_product, product_layers, store_of
from .layers import Layer

with needs_extra("map"):
    import pystac

MEDIA_TYPE = "application/vnd+zarr"


def has_zarr(item: pystac.Item) -> bool:
    """Tell whether an item has its bands in a Zarr store."""
    return _address(item) is not None


def zarr_layers(items: Sequence[pystac.Item], base: Path | str) -> list[Layer]:
    """Read the products of items, whose relative addresses begin at the folder `base`.

    Raises:
        FileNotFoundError: a store is not there.
        ValueError: an item has no store on this machine, or it is no product of Sentinel-2 L2A.
    """
    stores: dict[Path, None] = {}
    for item in items:
        address = _address(item)
        if address is None:
            raise ValueError(
                f"The item {item.id} has rasters and others have Zarr stores: give items of one collection."
            )
        parts = urlsplit(address)
        is_file = parts.scheme in ("", "file") or (len(parts.scheme) == 1 and parts.scheme.isalpha())
        if not is_file or not isinstance(base, Path):
            raise ValueError(
                f"The item {item.id} has its bands in a Zarr store at {address[:80]}: fetch the products, and give the "
                "folder that they lie in."
            )
        path = base / store_of(unquote(parts.path) if parts.scheme == "file" else address)
        if not path.exists():
            raise FileNotFoundError(
                f"An asset of the item {item.id} is missing, there is no store {path}: fetch it again."
            )
        if not (is_zarr(path) and is_product(path)):
            raise ValueError(f"{path.name} of the item {item.id} is no product of EOPF: give Sentinel-2 L2A.")
        stores[path] = None
    return [layer for path in stores for layer in product_layers(path)]


def _address(item: pystac.Item) -> str | None:
    """Return the address of the first asset in a Zarr store."""
    for asset in item.assets.values():
        address = asset.get_absolute_href() or asset.href
        if (asset.media_type or "").startswith(MEDIA_TYPE) or store_of(address) != address or address.endswith(".zarr"):
            return address
    return None
