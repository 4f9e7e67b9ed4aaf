"""Render parts of the page as HTML; the templates escape whatever was typed, uploaded or indexed."""

import base64
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..maps.files.colours import class_colours
from ..maps.files.legend import NO_CLASS
from ..search import Hit
from ..words import on_a_page
from .cube_map import MapAnswer
from .pictures import NO_CLASS_COLOUR, index_values, series_chart
from .series_answer import SeriesAnswer
from .teaching import DOWNLOAD, Taught

MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
PHOTO_TYPES = ("image/png", "image/jpeg", "image/webp")
# Of a photo that goes into the page.
LARGEST_PHOTO = 2**20
_FOLDER = FileSystemLoader(Path(__file__).with_name("templates"))
TEMPLATES = Environment(
    loader=_FOLDER,
    autoescape=True,
    finalize=on_a_page,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Render the template of this name, such as `error`, `heading` or `status`, with the values that it shows."""
    return TEMPLATES.get_template(f"{template}.html").render(values).strip()


def scores(answer: SeriesAnswer) -> str:
    """Render the class names with their probabilities, the most probable first, in the colours of the map."""
    labels = answer.words.labels
    colours = [each.colour for each in class_colours(labels)]
    order = np.argsort(-answer.probabilities, kind="stable")
    rows = [(labels[index], float(answer.probabilities[index]), colours[index]) for index in order]
    return render("scores", rows=rows)


def chart(answer: SeriesAnswer) -> str:
    """Render the year of the series, with a description for those who do not see it."""
    missing = ", ".join(MONTH_NAMES[month] for month in answer.series.missing_months)
    below = f"No clear observation in {missing}." if missing else "Every month has a clear observation."
    described = f"Year of the series, most like {answer.words.labels[int(answer.probabilities.argmax())]}."
    ndvi = index_values(answer.series).get("NDVI")
    if ndvi is not None and not np.isnan(ndvi).all():
        month = MONTH_NAMES[int(np.rint(answer.series.months[0][np.nanargmax(ndvi)])) % len(MONTH_NAMES)]
        described += f" NDVI from {np.nanmin(ndvi):.2f} to {np.nanmax(ndvi):.2f}, highest in {month}."
    return render("chart", picture=_as_address(series_chart(answer.series)), described=described, below=below)


def hits(nearest: Sequence[Hit]) -> str:
    """Render places with their photos, the nearest first."""
    photos = [[_photo(photo, hit["point_id"]) for photo in hit["photos"] if photo["link"]] for hit in nearest]
    positions = [_position(hit["latitude"], hit["longitude"]) for hit in nearest]
    return render("hits", places=zip(nearest, positions, photos, strict=True))


def nearest_photos(answer: SeriesAnswer) -> str:
    """Render the photos of the places whose year is most like the series; nothing where there is no index."""
    return render("nearest", hits=hits(answer.nearest)) if answer.nearest else ""


def legend(answer: MapAnswer) -> str:
    """Render colours, class names and shares of a map."""
    labels, shares = answer.words.labels, answer.shares
    colours = [each.colour for each in class_colours(labels)]
    entries = list(zip(labels, shares[1:], colours, strict=True))
    if shares[NO_CLASS]:
        entries.append(("no clear month", shares[NO_CLASS], NO_CLASS_COLOUR))
    return render("legend", entries=entries)


def examples(taught: Taught, answer: MapAnswer) -> str:
    """Render how many pixels a visitor named as what, what came of it, and the fitted label set to take away."""
    content = taught.file()
    if content is None:
        return render("examples", counts={})
    named = [answer.words.labels[answer.classes[row, column] - 1] == label for row, column, label in taught.examples]
    fit = answer.words.label_set.fit
    values = {"counts": taught.counts, "agreed": sum(named), "kept_words": fit is not None and fit.penalty is None}
    return render("examples", **values, address=_as_address(content, "application/octet-stream"), name=DOWNLOAD)


def _position(latitude: float | None, longitude: float | None) -> str | None:
    if latitude is None or longitude is None:
        return None
    return f"{abs(latitude):.2f}° {'NS'[latitude < 0]}, {abs(longitude):.2f}° {'EW'[longitude < 0]}"


def _photo(photo: dict[str, Any], point: str) -> dict[str, str | None]:
    """Describe a photo: part of the page where it is on this machine, else an address that the visitor may follow."""
    link, file = photo["link"], Path(photo["link"])
    kind, _ = mimetypes.guess_type(file.name)
    remote = link.startswith(("http://", "https://"))
    shown = not remote and kind in PHOTO_TYPES and file.is_file() and file.stat().st_size <= LARGEST_PHOTO
    return {
        "text": f"{photo['direction'] or 'ground'} photo of {point}",
        "link": link if remote else None,
        "picture": _as_address(file.read_bytes(), kind) if shown else None,
    }


def _as_address(content: bytes, kind: str | None = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
