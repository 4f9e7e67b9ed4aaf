"""Write STAC items and catalogs that point elsewhere."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .aims import SIDE, Aim, Hostile
from .rasters import vrt_of_bytes


def stac_item(href: str, **properties: Any) -> dict[str, Any]:
    """Return a STAC item with one band."""
    ring = [[3, 50], [3.1, 50], [3.1, 50.1], [3, 50.1], [3, 50]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": "S2A_20180615",
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [3, 50, 3.1, 50.1],
        "properties": {"datetime": "2018-06-15T10:50:00Z", "proj:epsg": 32631, **properties},
        "links": [],
        "assets": {
            "B04": {
                "href": href,
                "roles": ["data"],
                "proj:transform": [10, 0, 500_000, 0, -10, 5_600_000],
                "proj:shape": [SIDE, SIDE],
                "raster:bands": [{"data_type": "uint16", "nodata": 0}],
            }
        },
    }


def _collection(aim: Aim, item: dict[str, Any]) -> Path:
    path = aim.folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}), encoding="utf-8")
    return path


def _port(aim: Aim) -> str:
    return aim.address.rpartition(":")[2]


def _linked_asset(aim: Aim) -> str:
    os.symlink(aim.secret, aim.folder / "B04.tif")
    return "B04.tif"


def _virtual_asset(aim: Aim) -> str:
    (aim.folder / "B04.tif").write_text(vrt_of_bytes(aim), encoding="utf-8")
    return "B04.tif"


def _catalog(href: Callable[[Aim], str], kind: str) -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        link = {"rel": kind, "href": href(aim), "type": "application/json"}
        content = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "c", "links": [link]}
        path = aim.folder / "catalog.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


def _asset(href: Callable[[Aim], str]) -> Callable[[Aim], Path]:
    return lambda aim: _collection(aim, stac_item(href(aim)))


STAC_ITEMS = [
    *(
        Hostile(f"STAC asset that is {name}", "stac", _asset(href))
        for name, href in {
            "a file address": lambda aim: f"file://{aim.secret}",
            "an absolute path": lambda aim: str(aim.secret),
            "a path above": lambda aim: "../secret.txt",
            "a link": _linked_asset,
            "a VRT": _virtual_asset,
            "a curl path of GDAL": lambda aim: f"/vsicurl/{aim.address}/B04.tif",
            "a zip path of GDAL": lambda aim: f"/vsizip/{aim.secret}/B04.tif",
            "a stream of GDAL": lambda aim: "/vsistdin/",
            "a VRT in a name": lambda aim: f"vrt://{aim.secret}?bands=1",
            "an archive at an address": lambda aim: f"zip+{aim.address}/a.zip!B04.tif",
            "an FTP address": lambda aim: f"ftp://127.0.0.1:{_port(aim)}/B04.tif",
            "on this machine": lambda aim: f"{aim.address}/B04.tif",
            "on this machine by name": lambda aim: f"http://localhost:{_port(aim)}/B04.tif",
            "on this machine by one number": lambda aim: f"http://2130706433:{_port(aim)}/B04.tif",
            "on this machine in hexadecimal": lambda aim: f"http://0x7f.1:{_port(aim)}/B04.tif",
            "on this machine by IPv6": lambda aim: f"http://[::1]:{_port(aim)}/B04.tif",
            "on this machine by IPv4 in IPv6": lambda aim: f"http://[::ffff:127.0.0.1]:{_port(aim)}/B04.tif",
            "on any address": lambda aim: f"http://0.0.0.0:{_port(aim)}/B04.tif",
            "the keys of a cloud": lambda aim: "http://169.254.169.254/latest/meta-data/B04.tif",
            "a server in the network": lambda aim: "http://10.0.0.1/B04.tif",
        }.items()
    ),
    Hostile("STAC catalog of an address", "stac", _catalog(lambda aim: f"{aim.address}/catalog.json", "child")),
    Hostile("STAC catalog of an item at an address", "stac", _catalog(lambda aim: f"{aim.address}/item.json", "item")),
    Hostile("STAC catalog of a file", "stac", _catalog(lambda aim: str(aim.secret), "item")),
    *(
        Hostile(f"STAC item whose {key} is an address", "stac", lambda aim, key=key: _collection(
            aim, stac_item("B04.tif", **{"proj:epsg": None, key: f"{aim.address}/wkt"})
        ))
        for key in ("proj:code", "proj:wkt2")
    ),
]  # fmt: skip
