"""Tell what a fit to examples changed: as lines for a terminal, and as a page that stands by itself."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...files import whole_file
from ...labelling.fit_labels import FittedExamples
from ...labelling.matching import describe_left_out
from .figures import confusion_figure
from .fit_figures import change_figure, strength_figure
from .pictures import Picture
from .reading import NONE, figure
from .sample_figures import MOST_POINTS, error_map
from .writing import page_templates

HEAD = ("class", "examples", "words alone", "fitted", "most often taken for")
METRIC = "balanced_accuracy"


def describe_fit(fitted: FittedExamples) -> str:
    """Write a fit as lines: how many examples counted, each class with its recalls, and the mean of the classes."""
    rows = [HEAD, *class_rows(fitted)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([counted(fitted), *lines, *outcome(fitted)])


def counted(fitted: FittedExamples) -> str:
    """Say how many examples counted, and how many of which kind did not."""
    of_classes = sum(count > 0 for count in fitted.counts.values())
    left_out = f"; left out: {describe_left_out(fitted.left_out)}" if fitted.left_out else ""
    return f"{len(fitted.examples):,} examples of {of_classes} of {len(fitted.counts)} classes{left_out}."


def outcome(fitted: FittedExamples) -> list[str]:
    """Say what cross-validation measured, and what was chosen by it."""
    words, after = (figure(fitted.scores[name][METRIC], 2) for name in ("words", "fitted"))
    chosen = (
        "The words are left as they are: no fit was better in cross-validation."
        if fitted.penalty is None
        else f"Strength of the pull towards the words: {fitted.penalty:.3g}."
    )
    over = f"Balanced accuracy, cross-validated over {fitted.num_groups:,} {fitted.grouping.kind}"
    return [f"{over}: words alone {words}, fitted {after}.", chosen]


def class_rows(fitted: FittedExamples) -> list[tuple[str, ...]]:
    """Return a row for each class: name, examples, recall by words and fitted, and what it is most often taken for."""
    labels, matrix = fitted.label_set.labels, confusion(fitted, fitted.named)
    rows = []
    for index, label in enumerate(labels):
        recalls = (figure(fitted.scores[name]["recall"].get(label), 2) for name in ("words", "fitted"))
        wrong = np.where(np.arange(len(labels)) == index, 0, matrix[index])
        other = int(wrong.argmax())
        taken = f"{labels[other]} {wrong[other] / matrix[index].sum():.0%}" if wrong.any() else NONE
        rows.append((label, f"{fitted.counts[label]:,}", *recalls, taken))
    return rows


def confusion(fitted: FittedExamples, named: np.ndarray) -> np.ndarray:
    """Count the examples (classes, classes) by their class and the one that they were named."""
    size = len(fitted.label_set.labels)
    return np.bincount(fitted.truth * size + named, minlength=size**2).reshape(size, size)


def write_fit_page(fitted: FittedExamples, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write one page that stands by itself: pictures inside, no script, nothing fetched.

    Args:
        fitted: from [`fit_examples`].
        path: of the page.
        overwrite: replace a file that is there.

    Raises:
        OSError: the path cannot be written.
    """
    content: dict[str, Any] = {
        "title": "Label set fitted to examples",
        "body": "fit.j2",
        "label_set": fitted.label_set,
        "told": [counted(fitted), *fitted.notes],
        "outcome": outcome(fitted),
        "head": HEAD,
        "classes": class_rows(fitted),
        "pictures": {picture.name: picture for picture in draw_fit(fitted)},
        "folder": "",
    }
    page = page_templates().get_template("page.html").render(content, syntax="html.j2")
    with whole_file(path, overwrite=overwrite) as partial:
        partial.write_text(page, encoding="utf-8")


def draw_fit(fitted: FittedExamples) -> Iterator[Picture]:
    """Draw the pictures of a fit: recalls, confusions before and after, the strength, and a map of the examples."""
    scores, labels = fitted.scores, fitted.label_set.labels
    changed = change_figure(scores["words"]["recall"], scores["fitted"]["recall"], fitted.counts)
    caption = "Recall of each class, its examples in brackets, by words alone and fitted; bars are 95 % intervals."
    yield Picture.draw("change", changed, caption)
    for name, title, named in (("before", "Words alone", fitted.words_named), ("after", "Fitted", fitted.named)):
        drawn = confusion_figure(confusion(fitted, named).tolist(), labels)
        caption = f"{title}: where the examples of each class went, in per cent of the class. Grey: no example."
        yield Picture.draw(name, drawn, caption)
    if curve := scores.get("curve"):
        caption = "How likely held-out examples were to be named right (geometric mean); far right the words decide."
        yield Picture.draw("strength", strength_figure(curve, fitted.penalty), caption)
    longitude, latitude = fitted.examples.longitude, fitted.examples.latitude
    if longitude is None or latitude is None:
        return
    located = ~np.isnan(longitude + latitude)
    if located.any():
        right = (fitted.named == fitted.truth)[located]
        what = "the share named wrong in each cell" if located.sum() > MOST_POINTS else "and how each was named"
        caption = f"Where the examples lie, {what}, by a fit that had not seen their block; no map lies underneath."
        yield Picture.draw("map", error_map(longitude[located], latitude[located], right), caption)
