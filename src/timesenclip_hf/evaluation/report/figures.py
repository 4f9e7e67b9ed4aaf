"""The report's pictures: each function takes plain numbers and gives a matplotlib figure.

Widths are those of a telephone held upright, so that text stays legible where the page is narrow; only large confusion
matrices are wider. Colours are Okabe and Ito's (2008) or run from light to dark, and never carry a meaning alone.
"""

import io
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR

with needs_extra("eval"):
    from matplotlib import colormaps, rc_context
    from matplotlib.axes import Axes
    from matplotlib.colors import to_hex
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

# Labels are written as they are: a dollar sign is no formula.
STYLE: Any = {
    "text.parse_math": False,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
}
WIDTH = 5.2
DPI = 144
_, ORANGE, SKY, GREEN, _, BLUE, VERMILLION, PURPLE = (to_hex(colormaps["okabe_ito"](place)) for place in range(8))
GREY = "0.45"
LINES = ((BLUE, "o"), (VERMILLION, "s"), (GREEN, "^"), (PURPLE, "D"), (ORANGE, "v"), (SKY, "P"))
SHOWN_BANDS = {
    "B03": (GREEN, "^", "green"),
    "B04": (VERMILLION, "s", "red"),
    "B08": (PURPLE, "o", "near infrared"),
    "B11": (ORANGE, "D", "short-wave infrared"),
}
MONTHS = "JFMAMJJASOND"
METHODS = {"knn": "nearest neighbours", "boosting": "boosting on the raw series"}
# Up to here a cell has room for its number, and up to here a column for its name.
MOST_NUMBERED_CELLS = 12
MOST_NAMED_COLUMNS = 20
LONGEST_LABEL = 40
# More points than this hide each other, so that the share of errors in cells is drawn instead.
MOST_POINTS = 3_000

Entries = Sequence[Mapping[str, Any]]


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.06, metadata={"Software": None})
    return buffer.getvalue()


def interval_of(metric: Any) -> tuple[float, float, float]:
    """Value, low and high of a metric; NaN where there is none.

    Args:
        metric: a number, or `value` with `low` and `high`, or with a `spread` to both sides.
    """
    if not isinstance(metric, Mapping):
        return _number(metric), float("nan"), float("nan")
    value, low, high, spread = (_number(metric.get(key)) for key in ("value", "low", "high", "spread"))
    return value, value - spread if np.isnan(low) else low, value + spread if np.isnan(high) else high


@rc_context(STYLE)
def confusion_figure(confusion: Sequence[Sequence[float]], labels: Sequence[str]) -> Figure:
    """Where the samples of each class went, as shares of the class.

    Args:
        confusion: counts (classes, classes), rows the truth.
        labels: names of the classes.
    """
    counts = np.asarray(confusion, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    number = len(labels)
    names = [_short(label) for label in labels]
    cell = 0.4 if number <= MOST_NUMBERED_CELLS else 0.28 if number <= MOST_NAMED_COLUMNS else 0.19
    margin = 0.35 + 0.07 * max(map(len, names))
    above = 0.3 if number > MOST_NAMED_COLUMNS else margin
    figure = Figure(figsize=(max(number * cell + margin + 0.9, 3.6), number * cell + above + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.spines[:].set_visible(True)
    colours = colormaps["Blues"].with_extremes(bad="0.88")
    image = axes.imshow(shares, vmin=0, vmax=1, cmap=colours, interpolation="nearest")
    places, small = range(number), 8 if number <= MOST_NAMED_COLUMNS else 7
    if number > MOST_NAMED_COLUMNS:
        numbered = [f"{name}  {place}" for place, name in enumerate(names, start=1)]
        axes.set_xticks(places, [str(place + 1) for place in places], fontsize=6, rotation=90)
        axes.set_yticks(places, numbered, fontsize=small)
        axes.tick_params(labeltop=True, top=True, labelright=False)
        axes.set_xticks(np.arange(number + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(number + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="0.9", linewidth=0.4)
        axes.tick_params(which="minor", length=0)
    else:
        axes.set_xticks(
            places, names, fontsize=small, rotation=90 if number > 5 else 40, ha="center" if number > 5 else "right"
        )
        axes.set_yticks(places, names, fontsize=small)
    if number <= MOST_NUMBERED_CELLS:
        for row, column in np.argwhere(shares >= 0.005):
            dark = shares[row, column] > 0.55
            text = f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set(xlabel="named as", ylabel="truth")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=25, pad=0.02)
    bar.set_label("share of the class's samples" if number > 5 else "share")
    return figure


@rc_context(STYLE)
def class_bars(
    recall: Mapping[str, float], support: Mapping[str, float], *, mean: float | None = None, chance: float | None = None
) -> Figure:
    """Recall of each class with its number of samples, the best on top.

    Args:
        recall: by label, of the classes that occur.
        support: samples of each.
        mean: of the recalls, drawn as a line.
        chance: recall of a blind guess, drawn as a line.
    """
    ranked = sorted(recall, key=lambda label: recall[label])
    figure = Figure(figsize=(WIDTH, 0.75 + 0.21 * len(ranked)), layout="constrained")
    axes = figure.subplots()
    places = range(len(ranked))
    axes.barh(places, [recall[label] for label in ranked], color=SKY, edgecolor=BLUE, linewidth=0.6, height=0.72)
    axes.set_yticks(places, [_short(label, 32) for label in ranked])
    beside = axes.secondary_yaxis("right")
    counts = [f" of {support[label]:,.0f}" if label in support else "" for label in ranked]
    beside.set_yticks(places, [f"{recall[label]:.2f}{count}" for label, count in zip(ranked, counts, strict=True)])
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)
    axes.set(xlim=(0, 1.0), ylim=(-0.6, len(ranked) - 0.4), xlabel="recall")
    for value, style, name in ((mean, "-", "mean of the classes"), (chance, ":", "blind guess")):
        if value is not None:
            axes.axvline(value, color="black", linestyle=style, linewidth=1, label=f"{name} {value:.2f}")
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


@rc_context(STYLE)
def robustness_figure(entries: Entries, metric: str, *, chance: float | None = None) -> Figure:
    """A metric against the strength of each kind of damage, one panel a kind.

    Args:
        entries: `perturbation`, `level` (a number, or a name such as that of a band), `metrics`, and optionally
            `unit` of the level.
        metric: key of `metrics`.
        chance: of a blind guess, drawn as a line.
    """
    kinds = list(dict.fromkeys(str(entry["perturbation"]) for entry in entries))
    rows = -(-len(kinds) // 2)
    figure = Figure(figsize=(WIDTH, 0.45 + 1.75 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, sharey=True, squeeze=False)
    for axes, kind in zip(panels.flat, kinds, strict=False):
        own = [entry for entry in entries if str(entry["perturbation"]) == kind]
        _draw_curve(axes, own, metric)
        axes.set_title(_words(kind), loc="left")
        axes.set_xlabel(str(own[0].get("unit", "level")), fontsize=8)
        if chance is not None:
            axes.axhline(chance, color="black", linestyle=":", linewidth=1)
    for axes in panels.flat[len(kinds) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel(_words(metric), fontsize=8)
    highest = np.nan_to_num([interval_of(entry["metrics"].get(metric)) for entry in entries]).max()
    panels[0, 0].set_ylim(0, min(1.02, 1.12 * highest) if highest > 0 else 1)
    if chance is not None:
        line = Line2D([], [], color="black", linestyle=":", linewidth=1, label=f"blind guess {chance:.2f}")
        figure.legend(handles=[line], loc="outside lower center", fontsize=8)
    return figure


@rc_context(STYLE)
def few_shot_figure(entries: Entries, metric: str, *, zero_shot: float | None = None) -> Figure:
    """A metric against the labelled samples of a class, one line a method.

    Args:
        entries: `method`, `shots` (a number or "all"), `metrics`.
        metric: key of `metrics`.
        zero_shot: the same metric without any label, drawn as a line.
    """
    shots = sorted({str(entry["shots"]) for entry in entries}, key=lambda shot: (not shot.isdigit(), shot.zfill(9)))
    methods = list(dict.fromkeys(str(entry["method"]) for entry in entries))
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for turn, method in enumerate(methods):
        colour, marker = LINES[turn % len(LINES)]
        own = sorted((e for e in entries if str(e["method"]) == method), key=lambda e: shots.index(str(e["shots"])))
        values = np.array([interval_of(entry["metrics"].get(metric)) for entry in own])
        # Side by side, so that the intervals of two methods do not hide each other.
        places = np.array([shots.index(str(entry["shots"])) for entry in own]) + 0.06 * (turn - len(methods) / 2 + 0.5)
        style = "-" if turn < len(LINES) else "--"
        axes.errorbar(
            places, values[:, 0], yerr=_reach(values), color=colour, marker=marker, linestyle=style,
            markersize=4.5, linewidth=1.3, capsize=2, elinewidth=0.8, label=METHODS.get(method, _words(method)),
        )  # fmt: skip
    if zero_shot is not None:
        axes.axhline(zero_shot, color="black", linestyle="--", linewidth=1, label=f"zero-shot {zero_shot:.2f}")
    axes.set_xticks(range(len(shots)), shots)
    axes.set(xlabel="labelled samples of a class", ylabel=_words(metric), ylim=(0, 1.02))
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


@rc_context(STYLE)
def reliability_figure(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Figure:
    """How often answers are right that the model is so sure of; on the diagonal it is as sure as it is right.

    Args:
        confidence: probability of each answer, (samples,).
        right: whether it was, (samples,).
        bins: of equal width, as in the expected calibration error.
    """
    edges = np.linspace(0, 1, bins + 1)
    # A bin holds its upper edge, as in `metrics.expected_calibration_error`.
    places = np.searchsorted(edges[1:-1], confidence)
    counts = np.bincount(places, minlength=bins)
    filled = counts > 0
    means, shares = (
        np.bincount(places, weights=w, minlength=bins)[filled] / counts[filled] for w in (confidence, right)
    )
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.plot((0, 1), (0, 1), color=GREY, linestyle="--", linewidth=1, label="as sure as right")
    upper.vlines(
        means, np.minimum(means, shares), np.maximum(means, shares), color=VERMILLION, linewidth=1, label="gap"
    )
    upper.plot(means, shares, color=BLUE, marker="o", markersize=5, linewidth=1.3, label="this checkpoint")
    upper.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1.02))
    upper.legend(fontsize=8, loc="upper left")
    lower.bar(edges[:-1], counts, width=1 / bins, align="edge", color=SKY, edgecolor="white")
    lower.set(xlabel="confidence", ylabel="samples")
    return figure


@rc_context(STYLE)
def error_map(longitude: np.ndarray, latitude: np.ndarray, right: np.ndarray) -> Figure:
    """Where the samples lie, and which of them are named wrong.

    Args:
        longitude: degrees east, (samples,).
        latitude: degrees north, (samples,).
        right: whether each is named right.
    """
    wide, high = max(float(np.ptp(longitude)), 1e-4), max(float(np.ptp(latitude)), 1e-4)
    stretch = 1 / max(np.cos(np.radians(np.mean(latitude))), 0.1)
    shape = min(max(high * stretch / wide, 0.5), 1.4)
    figure = Figure(figsize=(WIDTH, WIDTH * shape + 0.6), layout="constrained")
    axes = figure.subplots()
    if len(right) > MOST_POINTS:
        cells = axes.hexbin(
            longitude, latitude, C=1.0 - right, reduce_C_function=np.mean, gridsize=30, cmap="YlOrBr", vmin=0, vmax=1
        )
        figure.colorbar(cells, ax=axes, shrink=0.7, label="share named wrong")
    else:
        size = 14 if len(right) > 500 else 24
        good, bad = int(right.sum()), int((~right).sum())
        axes.scatter(
            longitude[right], latitude[right], s=size, color=BLUE, alpha=0.55, linewidths=0, label=f"right ({good:,})"
        )
        axes.scatter(
            longitude[~right],
            latitude[~right],
            s=size,
            color=VERMILLION,
            marker="x",
            linewidths=1,
            label=f"wrong ({bad:,})",
        )
        figure.legend(loc="outside lower center", ncols=2)
    axes.set(xlabel="longitude (° east)", ylabel="latitude (° north)")
    axes.set_aspect(stretch, adjustable="datalim")
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(nbins=5)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


@rc_context(STYLE)
def series_figure(
    reflectance: np.ndarray,
    months: np.ndarray,
    band_names: Sequence[str],
    title: str,
    photos: Sequence[np.ndarray] = (),
) -> Figure:
    """A year of one pixel: four bands, NDVI, what is missing, and photos of the place.

    Args:
        reflectance: (time, band) 0 to 1, NaN where missing.
        months: place of each look in the year, (time,), 0 = January.
        band_names: of the band axis.
        title: what the place is, and is named.
        photos: up to four pictures (height, width, 3).
    """
    order = np.argsort(months)
    values, places = reflectance[order], np.asarray(months)[order]
    columns = {name: values[:, list(band_names).index(name)] for name in SHOWN_BANDS if name in band_names}
    shown = np.stack([*columns.values()], axis=1) if columns else values
    missing = np.isnan(shown).any(axis=1)
    ratios = [2.2, 1.2] + [1.5] * bool(photos)
    figure = Figure(figsize=(WIDTH, 3.9 + 1.45 * bool(photos)), layout="constrained")
    figure.suptitle(_short(title, 80), fontsize=9, x=0.02, ha="left")
    grid = figure.add_gridspec(len(ratios), 1, height_ratios=ratios)
    upper = figure.add_subplot(grid[0])
    lower = figure.add_subplot(grid[1], sharex=upper)
    for name, column in columns.items():
        colour, marker, words = SHOWN_BANDS[name]
        upper.plot(places, column, color=colour, marker=marker, markersize=3.5, linewidth=1.2, label=f"{name} {words}")
    if {"B04", "B08"} <= columns.keys():
        red, near = columns["B04"], columns["B08"]
        with np.errstate(invalid="ignore", divide="ignore"):
            lower.plot(places, (near - red) / (near + red), color="black", marker="o", markersize=3.5, linewidth=1.2)
    _shade_missing((upper, lower), places[missing], MONTHS_PER_YEAR / max(len(places), 1))
    highest = np.nanmax(shown, initial=0.0)
    upper.set(ylabel="reflectance", ylim=(0, max(1.1 * highest, 0.1)))
    lower.set(ylabel="NDVI", ylim=(-0.35, 1.0), xlim=(-0.6, 11.6), xticks=range(12), xticklabels=list(MONTHS))
    lower.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    upper.tick_params(labelbottom=False)
    handles, _ = upper.get_legend_handles_labels()
    if missing.any():
        handles.append(Patch(facecolor="0.93", hatch="////", edgecolor="0.75", label="missing"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    if photos:
        below: Any = grid[2].subgridspec(1, 4).subplots()
        for axes in below:
            axes.set_axis_off()
        for axes, photo in zip(below, photos, strict=False):
            axes.imshow(photo)
    return figure


def _draw_curve(axes: Axes, entries: Entries, metric: str) -> None:
    """Numbers as a line with its interval; names as points side by side."""
    values = np.array([interval_of(entry["metrics"].get(metric)) for entry in entries])
    levels = [entry["level"] for entry in entries]
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    if all(isinstance(level, Real) for level in levels):
        order = np.argsort(levels)
        places, values = np.asarray(levels)[order], values[order]
        axes.plot(places, values[:, 0], color=BLUE, marker="o", markersize=3.5, linewidth=1.2)
        axes.xaxis.set_major_locator(
            MaxNLocator(4, steps=[1, 2, 5, 10], integer=all(isinstance(level, Integral) for level in levels))
        )
        axes.fill_between(places, values[:, 1], values[:, 2], color=BLUE, alpha=0.18, linewidth=0)
        return
    axes.errorbar(
        range(len(levels)), values[:, 0], yerr=_reach(values), color=BLUE, fmt="o", markersize=3.5, elinewidth=0.8
    )
    axes.set_xticks(
        range(len(levels)), ["none" if level == 0 else str(level) for level in levels], rotation=90, fontsize=7
    )


def _shade_missing(panels: Sequence[Axes], places: np.ndarray, width: float) -> None:
    for axes in panels:
        for place in places:
            axes.axvspan(
                place - width / 2,
                place + width / 2,
                facecolor="0.93",
                edgecolor="0.75",
                hatch="////",
                linewidth=0,
                zorder=0,
            )


def _reach(values: np.ndarray) -> np.ndarray:
    """Interval (entries, 3) as matplotlib wants it: below and above the value, nothing where there is none."""
    reach = np.stack([values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]])
    return np.asarray(np.maximum(np.nan_to_num(reach), 0))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _short(label: str, longest: int = LONGEST_LABEL) -> str:
    text = " ".join(str(label).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _words(name: str) -> str:
    return name.replace("_", " ")
