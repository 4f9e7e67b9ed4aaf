"""Find the STAC items that are asked for, in an API or in a saved file."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...extras import needs_extra
from ...files import first_line
from .selection import Box, boxes_touch, read_box, read_period

with needs_extra("map"):
    import pystac
    import pystac_client
    from pystac.stac_io import DefaultStacIO
    from pystac_client.exceptions import APIError

STAC_ERRORS = (pystac.STACError, pystac.STACTypeError)
# Name of the collection in Earth Search, in Planetary Computer and in the Copernicus Data Space.
DEFAULT_COLLECTION = "sentinel-2-l2a"


@dataclass(frozen=True)
class StacQuery:
    """Say which STAC items are wanted, and the grid of their cube.

    Attributes:
        bbox: west, south, east, north in degrees; what the items cover when left out, which an API does not allow.
        dates: "2021", "2021-04/2021-09" or "2021-04-15/2021-09-30"; an API must be told.
        crs: of the cube; the items' when left out, which must then be the same.
        resolution: of the cube, in the units of the CRS; the items' finest when left out.
        collection: to search, "sentinel-2-l2a" when left out; of a file, all.
        max_cloud_cover: leave out items with more per cent of cloud.
    """

    bbox: Box | str | None = None
    dates: str | None = None
    crs: str | None = None
    resolution: float | None = None
    collection: str | None = None
    max_cloud_cover: float | None = None

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Return the box as numbers; raise ValueError where it is none."""
        return None if self.bbox is None else read_box(self.bbox)

    @property
    def period(self) -> tuple[np.datetime64, np.datetime64] | None:
        """Return the first and the last day; raise ValueError where `dates` is no period."""
        return None if self.dates is None else read_period(self.dates)

    def accepts(self, item: pystac.Item) -> bool:
        """Tell whether an item is what is asked for."""
        if self.collection is not None and item.collection_id != self.collection:
            return False
        time = item.datetime or item.common_metadata.start_datetime
        if self.period is not None and time is not None:
            first, last = self.period
            if not first <= np.datetime64(time.date(), "D") <= last:
                return False
        box = item.bbox if item.bbox is None or len(item.bbox) == 4 else [*item.bbox[:2], *item.bbox[3:5]]
        if self.box is not None and box is not None and not boxes_touch(self.box, box):
            return False
        clouds = item.properties.get("eo:cloud_cover")
        return self.max_cloud_cover is None or clouds is None or float(clouds) <= self.max_cloud_cover


def find_items(source: str, query: StacQuery) -> tuple[list[pystac.Item], Path | str]:
    """Find items in an API, or read those of a file, and its address or folder, where relative addresses begin.

    Raises:
        FileNotFoundError: no such file.
        ConnectionError: the API does not answer.
        ValueError: the file is no STAC, an API is not told a box and dates, or nothing is found.
    """
    is_api = source.startswith(("http://", "https://"))
    items = _search(source, query) if is_api else _read(Path(source))
    base = source if is_api else Path(source).absolute().parent
    # What an API has found is tested again: not every API filters by all that it is asked.
    chosen = [item for item in items if query.accepts(item)]
    if not chosen:
        asked = [f"{name} {getattr(query, name)}" for name in ("bbox", "dates", "collection", "max_cloud_cover")]
        wanted = ", ".join(text for text in asked if not text.endswith(" None")) or "anything"
        raise ValueError(f"{source} has no item for {wanted} ({len(items)} were found): widen the search.")
    return chosen, base


class _LocalFiles(DefaultStacIO):
    """Read the files that a saved catalog names, and no addresses: whoever wrote it would choose what is fetched."""

    def read_text_from_href(self, href: str) -> str:
        """Read a file; raise ValueError of an address."""
        if not href.endswith(".json") or not Path(href).is_file():
            raise ValueError(f"it names {href[:60]!r}, which is no JSON file here: download the whole catalog")
        return super().read_text_from_href(href)


def _read(path: Path) -> list[pystac.Item]:
    if not path.is_file():
        raise FileNotFoundError(f"No such file: {path}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["type"] == "FeatureCollection":
            return list(pystac.ItemCollection.from_dict(content))
        if content["type"] == "Feature":
            return [pystac.Item.from_dict(content, href=str(path.absolute()))]
        return list(pystac.Catalog.from_file(str(path.absolute()), stac_io=_LocalFiles()).get_items(recursive=True))
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError, *STAC_ERRORS) as error:
        raise ValueError(
            f"{path.name} is no STAC item collection, item or catalog ({type(error).__name__}: {first_line(error)}): "
            "save the search with `ItemCollection.save_object`."
        ) from None


def _search(url: str, query: StacQuery) -> list[pystac.Item]:
    if query.box is None or query.period is None:
        raise ValueError(f"A search of {url} needs a place and a time: give `bbox` and `dates`.")
    first, last = query.period
    try:
        period, collections = f"{first}T00:00:00Z/{last}T23:59:59Z", [query.collection or DEFAULT_COLLECTION]
        search = pystac_client.Client.open(url).search(collections=collections, bbox=query.box, datetime=period)
        return list(search.items())
    except (APIError, ValueError, LookupError, *STAC_ERRORS) as error:
        reason = first_line(error)[:100]
        if isinstance(error, APIError):  # what requests says of a lost connection is a paragraph
            status = getattr(error, "status_code", None)
            reason = f"status {status}" if status else "no connection"
        raise ConnectionError(f"{url} does not answer as a STAC API ({reason}): check the address.") from None
