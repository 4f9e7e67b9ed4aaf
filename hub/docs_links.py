"""Find links of a built site that lead nowhere, and what its pages would load from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that hold an address, and the tags whose address is loaded with the page.
ADDRESSES = ("href", "src")
LOADED = ("script", "img", "iframe", "source")
# Kinds of `<link>` that only name an address.
NAMED = {"canonical", "next", "prev", "edit", "alternate"}


@dataclass
class Page(HTMLParser):
    """Collect the links of a page, what it loads, and the places in it that links may lead to."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the addresses and the name of a tag."""
        values = {name: value for name, value in attrs if value is not None}
        self.places |= {values[name] for name in ("id", "name") if name in values}
        addresses = [values[name] for name in ADDRESSES if name in values]
        self.links += addresses
        if tag in LOADED or (tag == "link" and values.get("rel") not in NAMED):
            self.loaded += addresses


def read_pages(site: Path) -> dict[Path, Page]:
    """Read every page of a site but the one that stands in for those that are not there."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":
            pages[path.resolve()] = Page()
            pages[path.resolve()].feed(path.read_text(encoding="utf-8"))
    return pages


def dead_links(site: Path) -> Iterator[str]:
    """Name each link within a site whose file or place is not there; addresses elsewhere are not tried."""
    pages = read_pages(site)
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            in_page = pages.get(target)
            if not target.is_file() or (parts.fragment and in_page and unquote(parts.fragment) not in in_page.places):
                yield f"{path.relative_to(site.resolve())}: {link}"


def loaded_from_elsewhere(site: Path) -> set[str]:
    """Name the addresses elsewhere that pages would load when they are opened."""
    addresses = {address for page in read_pages(site).values() for address in page.loaded}
    return {address for address in addresses if urlsplit(address).netloc}


def elsewhere(site: Path) -> set[str]:
    """Name the addresses elsewhere that pages link to."""
    return {link for page in read_pages(site).values() for link in page.links if urlsplit(link).scheme[:4] == "http"}
