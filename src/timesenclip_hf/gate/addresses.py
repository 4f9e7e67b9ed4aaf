"""Check what STAC items name: addresses of servers out in the open, and rasters on this machine where they may."""

import ipaddress
import socket
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .admission import admit
from .kinds import JPEG2000, TIFF
from .limits import PLAIN

# What GDAL reads without being told how: the web, and buckets of Amazon, Google and Azure.
SCHEMES = ("http", "https", "s3", "gs", "az")
RASTERS, SUFFIXES = (TIFF, JPEG2000), (".tif", ".tiff", ".jp2")
# Names that never leave a network (RFC 6761, RFC 6762, ICANN 2024).
_INNER_NAMES = ("localhost", "local", "internal", "home.arpa")


def admit_asset(address: str, item: str, base: Path | str | None) -> str:
    """Return the address of an asset, or the absolute path of its file, if it may be read.

    An item of a server names addresses only, of servers out in the open or of its own. An item saved as a file may name
    rasters on this machine too, wherever they lie, for people save searches of what they have; never anything else.

    Args:
        address: as the item has it, or absolute.
        item: what sentences call the item.
        base: the folder where relative addresses of a saved item begin, or the address of the server it came from.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the asset must not be read; the sentence says why.
    """
    parts = urlsplit(address)
    is_drive = len(parts.scheme) == 1 and parts.scheme.isalpha()
    if parts.scheme in ("", "file") or is_drive:
        return _admit_file(unquote(parts.path) if parts.scheme == "file" else address, item, base)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"The item {item} names {address[:60]!r}, which is neither a web address nor a raster file.")
    check_host(address, item, base if isinstance(base, str) else None)
    return address


def check_host(address: str, owner: str, source: str | None = None) -> None:
    """Raise `ValueError` where an address is inside this machine or its network, unless `source` is there, too.

    Args:
        address: of the web, or of a bucket.
        owner: what names it, for the sentence.
        source: the address that `owner` came from, which the user chose.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        return
    host = (parts.hostname or "").rstrip(".").lower()
    if source is not None and host == (urlsplit(source).hostname or "").rstrip(".").lower():
        return
    if not host or _is_inside(host):
        raise ValueError(
            f"{owner} names {host or address[:60]!r}, which is inside this machine or its network: if you know the "
            "server, open its own address."
        )


def _admit_file(name: str, item: str, base: Path | str | None) -> str:
    if not isinstance(base, Path):
        raise ValueError(f"The item {item} of a server names the file {name[:60]!r}: its assets must be web addresses.")
    if name.startswith("/vsi"):
        raise ValueError(f"The item {item} names {name[:60]!r}, which is GDAL's and no file: give the file or address.")
    path = base / name
    if path.resolve().suffix.lower() not in SUFFIXES:  # nothing else is even opened
        raise ValueError(f"The item {item} names {path.name}, which is no raster: give GeoTIFF or JPEG 2000.")
    if not path.is_file():
        raise FileNotFoundError(f"An asset of the item {item} is missing, there is no file {path}: fetch it again.")
    if (kind := admit(path, PLAIN)) not in RASTERS:
        raise ValueError(
            f"The item {item} names {path.name}, which is no raster but {kind}: give GeoTIFF or JPEG 2000."
        )
    return str(path.absolute())


@lru_cache(maxsize=1024)
def _is_inside(host: str) -> bool:
    """Tell whether a host is in this machine or network: by its number or its name, or by where the name leads."""
    if any(host == name or host.endswith(f".{name}") for name in _INNER_NAMES):
        return True
    try:
        numbers = [ipaddress.ip_address(host)]
    except ValueError:
        try:  # numbers in disguise: 2130706433, 0x7f.1, 127.1
            numbers = [ipaddress.ip_address(socket.inet_aton(host))]
        except OSError:
            return any(each.is_loopback or each.is_link_local or each.is_unspecified for each in _resolved(host))
    return not all(getattr(number, "ipv4_mapped", None) is None and number.is_global for number in numbers)


def _resolved(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Find the numbers of a name; none where nobody knows it.

    Names that lead into a private network are left alone: inside the clouds of providers, their public ones do.
    """
    try:
        return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in socket.getaddrinfo(host, None)]
    except (OSError, ValueError, UnicodeError):
        return []
