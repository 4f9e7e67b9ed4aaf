"""Write small STAC collections over a cube, as the usual providers do, and serve them by an API on loopback."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import rasterio
import xarray as xr
from rasterio.warp import transform_bounds

from timesenclip_hf.maps.cubes.grids import Grid
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

# How Earth Search, Planetary Computer and the Copernicus Data Space call the assets.
EARTH_SEARCH = dict(
    zip(
        (*BANDS, "SCL"),
        ["blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22", "scl"],
        strict=True,
    )
)
PLANETARY_COMPUTER = {band: band for band in (*BANDS, "SCL")}
TWENTY_METRES = ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL")
DATA_SPACE = {band: f"{band}_{20 if band in TWENTY_METRES else 10}m" for band in (*BANDS, "SCL")}
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
]
COLLECTION = "sentinel-2-l2a"


def write_cog(path: Path, values: np.ndarray, y: np.ndarray, x: np.ndarray, crs: Any, nodata: float | None = 0) -> Path:
    """Write one band (y, x) as a cloud-optimised GeoTIFF."""
    transform = rasterio.Affine(*_transform(y, x))
    shape = {"height": len(y), "width": len(x), "count": 1, "dtype": values.dtype}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="COG", crs=crs, transform=transform, nodata=nodata, **shape) as raster:
        raster.write(values, 1)
    return path


def write_item(
    folder: Path,
    cube: xr.Dataset,
    index: int,
    *,
    name: str | None = None,
    names: dict[str, str] = PLANETARY_COMPUTER,
    window: tuple[slice, slice] = (slice(None), slice(None)),
    raised: int = 0,
    coarse: Sequence[str] = (),
    asset_fields: dict[str, Any] | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """Write one acquisition of an opened cube as an item with a COG a band; addresses are relative to the folder.

    Args:
        folder: of the collection.
        cube: from `open_cube`.
        index: of the acquisition along the cube's time axis.
        name: of the item.
        names: of the assets, for each band.
        window: rows and columns of the cube.
        raised: added to the numbers where there is data, as an offset.
        coarse: bands to write at 20 m, every other pixel of the cube's.
        asset_fields: of each reflectance asset.
        **properties: of the item; "__" stands for ":".
    """
    part = cube.isel(y=window[0], x=window[1])
    day = str(part["time"].values[index])[:19]
    name = name or f"S2_{day[:10].replace('-', '')}_{window[0].start or 0}_{window[1].start or 0}"
    y, x = part["y"].values, part["x"].values
    assets = {}
    for band in (*part["band"].values.tolist(), *(["SCL"] if "scl" in part else [])):
        source = part["scl"] if band == "SCL" else part["reflectance"].sel(band=band)
        values = source.values[index]
        if band != "SCL" and raised:
            values = np.where(values == 0, 0, values + raised).astype(values.dtype)
        half = np.s_[::2] if band in coarse else np.s_[:]
        centres = [axis[half] + (5 * np.sign(axis[1] - axis[0]) if band in coarse else 0) for axis in (y, x)]
        write_cog(folder / name / f"{band}.tif", values[half, half], *centres, cube.rio.crs)
        assets[names[band]] = {
            "href": f"./{name}/{band}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "proj:shape": [len(axis) for axis in centres],
            "proj:transform": _transform(*centres),
            **({} if band == "SCL" else asset_fields or {}),
        }
    west, south, east, north = transform_bounds(
        cube.rio.crs, "EPSG:4326", float(x[0]) - 5, float(y[-1]) - 5, float(x[-1]) + 5, float(y[0]) + 5
    )
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    fields = {key.replace("__", ":"): value for key, value in properties.items()}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": EXTENSIONS,
        "id": name,
        "collection": COLLECTION,
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": f"{day}Z", "proj:code": f"EPSG:{cube.rio.crs.to_epsg()}", **fields},
        "links": [],
        "assets": assets,
    }


def with_addresses(root: Path | str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give items full paths or addresses, as an API does."""

    def full(address: str) -> str:
        return f"{root}/{address.removeprefix('./')}"

    return [
        {**item, "assets": {key: {**asset, "href": full(asset["href"])} for key, asset in item["assets"].items()}}
        for item in items
    ]


def save_items(folder: Path, items: Sequence[dict[str, Any]]) -> Path:
    """Save an item collection."""
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    return path


@contextmanager
def file_server(folder: Path, *, stumbles: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Serve the files of a folder, in ranges; yield the address and the paths that are asked for.

    The first so many requests are answered by 503, as a store under load answers.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._send(with_body=False)

        def do_GET(self) -> None:
            self._send(with_body=True)

        def _send(self, with_body: bool) -> None:
            asked.append(self.path)
            path = folder / self.path.lstrip("/")
            if len(asked) <= stumbles or not path.is_file():
                self.send_response(503 if len(asked) <= stumbles else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = path.read_bytes()
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1 if last else None]
            self.send_response(206 if "Range" in self.headers else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(part)))
            if "Range" in self.headers:
                end = int(first) + len(part) - 1
                self.send_header("Content-Range", f"bytes {first}-{end}/{len(content)}")
            self.end_headers()
            if with_body:
                self.wfile.write(part)

    with _serving(Handler) as address:
        yield address, asked


@contextmanager
def stac_api(items: Sequence[dict[str, Any]], *, page: int = 2, broken: bool = False) -> Iterator[str]:
    """Serve the items as a STAC API, in pages; yield its address.

    It filters by collection and period, and by box, as `POST /search` and `GET /search` are specified.
    """

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            for key in ("collections", "bbox"):
                if key in query:
                    query[key] = query[key].split(",")  # type: ignore[assignment]
            self._answer(_landing_page(self._here()) if parts.path in ("", "/") else self._matching(query))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(self._matching(json.loads(content)))

        def _here(self) -> str:
            return f"http://{self.headers['Host']}"

        def _matching(self, query: dict[str, Any]) -> dict[str, Any]:
            chosen = [item for item in items if _matches(item, query)]
            start = int(query.get("token", 0))
            links = []
            if start + page < len(chosen):
                body = {**query, "token": str(start + page)}
                links = [{"rel": "next", "href": f"{self._here()}/search", "method": "POST", "body": body}]
            return {"type": "FeatureCollection", "features": chosen[start : start + page], "links": links}

        def _answer(self, content: dict[str, Any]) -> None:
            body = b"<html>gone</html>" if broken else json.dumps(content).encode()
            self.send_response(503 if broken else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with _serving(Handler) as address:
        yield address


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _transform(y: np.ndarray, x: np.ndarray) -> list[float]:
    return [float(number) for number in Grid(y, x).transform[:6]]


def _landing_page(address: str) -> dict[str, Any]:
    search = {"rel": "search", "href": f"{address}/search", "type": "application/geo+json"}
    return {
        "type": "Catalog",
        "id": "small",
        "stac_version": "1.0.0",
        "description": "A small STAC API.",
        "conformsTo": [
            "https://api.stacspec.org/v1.0.0/core",
            "https://api.stacspec.org/v1.0.0/item-search",
        ],
        "links": [
            {"rel": "self", "href": address, "type": "application/json"},
            {"rel": "root", "href": address, "type": "application/json"},
            {**search, "method": "GET"},
            {**search, "method": "POST"},
        ],
    }


def _matches(item: dict[str, Any], query: dict[str, Any]) -> bool:
    first, _, last = str(query.get("datetime", "0000/9999")).partition("/")
    west, south, east, north = (float(edge) for edge in query.get("bbox", (-180, -90, 180, 90)))
    box = item["bbox"]
    return (
        item["collection"] in query.get("collections", [item["collection"]])
        and first <= item["properties"]["datetime"] <= last
        and not (box[0] > east or box[2] < west or box[1] > north or box[3] < south)
    )
