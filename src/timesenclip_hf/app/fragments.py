"""Parts of the page as HTML; whatever was typed or uploaded is escaped here."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from ..extras import needs_extra
from ..maps.files.legend import class_colours
from ..search import Hit
from .cube import MapAnswer
from .pictures import index_values, score_gradient, series_chart
from .series import SeriesAnswer

with needs_extra("demo"):
    from ..maps.files.codes import NO_CLASS

MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
PHOTO_SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
# Of a photo that goes into the page.
LARGEST_PHOTO = 2**20


def status(sentence: str, notices: Sequence[str] = ()) -> str:
    """What is shown, and what to know about it."""
    below = "".join(f'<p class="notice">{escape(notice)}</p>' for notice in notices)
    return f'<div role="status" class="status"><p>{escape(sentence)}</p>{below}</div>'


def error(sentence: str) -> str:
    """What went wrong."""
    return f'<div role="alert" class="failure">{escape(sentence)}</div>'


def scores(answer: SeriesAnswer) -> str:
    """The class names with their probabilities, the most probable first, in the colours of the map."""
    colours = class_colours(len(answer.words.labels))
    rows = []
    for place in np.argsort(-answer.probabilities, kind="stable"):
        label, value = escape(answer.words.labels[place]), float(answer.probabilities[place])
        rows.append(
            f'<li class="score" data-label="{label}" data-score="{value:.4f}"><span class="name">{label}</span>'
            f'<span class="value">{value:.0%}</span><span class="track"><span class="bar" style="width:'
            f'{100 * value:.1f}%;background:{_css(colours[place])}"></span></span></li>'
        )
    return f'<ol class="scores" aria-label="Probabilities of the class names">{"".join(rows)}</ol>'


def chart(answer: SeriesAnswer) -> str:
    """The year of the series, with a description for those who do not see it."""
    months = ", ".join(MONTH_NAMES[month] for month in answer.missing)
    below = f"No clear look in {months}." if months else "Every month has a clear look."
    data = base64.b64encode(series_chart(answer.looks)).decode()
    return (
        f'<figure class="chart"><img src="data:image/png;base64,{data}" alt="{escape(_described(answer))} {below}">'
        f"<figcaption>Above: reflectance of the bands by month. Below: NDVI (green leaf), NDMI (water in it) and NDWI "
        f"(open water). {below}</figcaption></figure>"
    )


def hits(found: Sequence[Hit]) -> str:
    """Places with their photos, the nearest first."""
    cards = []
    for hit in found:
        name = escape(hit["point_id"])
        photos = "".join(
            _photo(photo["link"], f"{photo['direction'] or 'ground'} photo of {hit['point_id']}")
            for photo in hit["photos"]
            if photo["link"]
        )
        where = [] if None in (hit["latitude"], hit["longitude"]) else [_place(hit["latitude"], hit["longitude"])]
        where += [] if hit["year"] is None else [str(hit["year"])]
        cards.append(
            f'<figure class="hit" data-point="{name}" data-score="{hit["score"]:.4f}"><div class="photos">'
            f"{photos or '<span>no photo</span>'}</div><figcaption><b>{name}</b><br>similarity "
            f"{hit['score']:.2f}{''.join(f'<br>{escape(one)}' for one in where)}</figcaption></figure>"
        )
    return f'<div class="hits">{"".join(cards)}</div>'


def nearest_photos(answer: SeriesAnswer) -> str:
    """The photos of the places whose year is most like the series; empty where there is no index."""
    if not answer.nearest:
        return ""
    return f"<h3>Ground photos of the places whose year is most like this one</h3>{hits(answer.nearest)}"


def legend(answer: MapAnswer) -> str:
    """Colours, class names and shares of a map."""
    labels, shares = answer.words.labels, answer.shares
    entries = [
        (label, share, _css(colour))
        for label, share, colour in zip(labels, shares[1:], class_colours(len(labels)), strict=True)
    ]
    if shares[NO_CLASS]:
        entries.append(("no clear month", shares[NO_CLASS], "#ffffff"))
    rows = "".join(
        f'<li class="legend-entry" data-label="{escape(label)}" data-share="{share:.4f}"><span class="swatch" '
        f'style="background:{colour}"></span><span>{escape(label)}</span> <span class="value">{_share(share)}</span>'
        "</li>"
        for label, share, colour in entries
    )
    return f'<ul class="legend" aria-label="Legend of the map">{rows}</ul>'


def score_scale() -> str:
    """What the colours of probability and entropy mean."""
    stops = ", ".join(score_gradient())
    return (
        f'<div class="scale" role="img" aria-label="Colours from dark blue, 0, to yellow, 1"><span>0</span><span '
        f'class="ramp" style="background:linear-gradient(to right, {stops})"></span><span>1</span></div>'
    )


def _place(latitude: float, longitude: float) -> str:
    return f"{abs(latitude):.2f}° {'NS'[latitude < 0]}, {abs(longitude):.2f}° {'EW'[longitude < 0]}"


def _described(answer: SeriesAnswer) -> str:
    best = int(answer.probabilities.argmax())
    ndvi = index_values(answer.looks).get("NDVI")
    sentence = f"Year of the series, most like {answer.words.labels[best]}."
    if ndvi is None or np.isnan(ndvi).all():
        return sentence
    month = MONTH_NAMES[int(np.rint(answer.looks.months[0][np.nanargmax(ndvi)])) % 12]
    return f"{sentence} NDVI from {np.nanmin(ndvi):.2f} to {np.nanmax(ndvi):.2f}, highest in {month}."


def _photo(link: str, text: str) -> str:
    """A photo on this machine as part of the page; of one elsewhere the address, which the visitor may follow."""
    file, alt = Path(link), escape(text)
    kind = PHOTO_SUFFIXES.get(file.suffix.lower())
    if link.startswith(("http://", "https://")):
        return f'<a href="{escape(link)}" target="_blank" rel="noopener noreferrer">{alt}</a>'
    if kind is None or not file.is_file() or file.stat().st_size > LARGEST_PHOTO:
        return ""
    return f'<img src="data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}" alt="{alt}">'


def _share(share: float) -> str:
    return "&lt;1%" if 0 < share < 0.005 else f"{share:.0%}"


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb({','.join(map(str, colour))})"
