"""Let a visitor teach the map: pixels whose class they know, and the label set that is fitted to them."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from ..labelling.fitting import fit_label_set
from ..labelling.label_set_files import LABEL_SET_SUFFIX, write_label_set
from .cube_map import KeptCube, check_pixel
from .limits import MOST_EXAMPLES, MOST_LETTERS
from .page_model import PageModel, Words

DOWNLOAD = f"page{LABEL_SET_SUFFIX}"


class Example(NamedTuple):
    """Hold a pixel by its row and column, and what the visitor says it is."""

    row: int
    column: int
    label: str


class Taught(NamedTuple):
    """Hold the examples that a visitor gave on a cube, and the words that they were last fitted with."""

    source: tuple[object, ...] = ()  # what the cube was read from; the examples count for no other
    examples: tuple[Example, ...] = ()
    text: str = ""
    words: Words | None = None  # fitted to the examples, beside the class names of the text

    def of(self, source: tuple[object, ...]) -> "Taught":
        """Return this where the cube is the same, else what is known of a new one: nothing."""
        return self if self.source == source else Taught(source)

    def add(self, model: PageModel, kept: KeptCube, text: str, example: Example) -> "Taught":
        """Add a pixel, in place of what was said of it before.

        Args:
            model: the checkpoint.
            kept: the cube.
            text: class names between commas.
            example: its label is one of these, in any capitals, or a new one.

        Raises:
            ValueError: there is no such pixel, its label cannot be used, or there are examples enough.
        """
        check_pixel(kept, example.row, example.column)
        name = " ".join(example.label.split())
        if not name or "," in name or len(name) > MOST_LETTERS:
            raise ValueError(
                f"What the pixel is must be one name without commas, of at most {MOST_LETTERS} letters, got {name!r}: "
                "name one class, such as sugar beet."
            )
        known = {label.casefold(): label for label in self.words_of(model, kept, text).labels}
        example = example._replace(label=known.get(name.casefold(), name))
        others = [other for other in self.examples if other[:2] != example[:2]]
        if len(others) >= MOST_EXAMPLES:
            raise ValueError(
                f"There are {MOST_EXAMPLES} examples already, all that this page takes: undo some, or use `timesenclip "
                "fit`."
            )
        return self._replace(examples=(*others, example), words=None)

    def undo(self) -> "Taught":
        """Take the last example back.

        Raises:
            ValueError: there is none.
        """
        if not self.examples:
            raise ValueError("There is nothing to undo: no pixel has been named yet.")
        return self._replace(examples=self.examples[:-1], words=None)

    def words_of(self, model: PageModel, kept: KeptCube, text: str) -> Words:
        """Return the class names of a text and of the examples, fitted to these where there are any.

        Raises:
            ValueError: the words cannot be used, or too few of them.
        """
        if self.words is not None and self.text == text:
            return self.words
        words = model.words(text, [example.label for example in self.examples])
        if not self.examples:
            return words
        pixels = [example.row * kept.width + example.column for example in self.examples]
        truth = np.asarray([words.labels.index(example.label) for example in self.examples])
        fitted = fit_label_set(kept.embeds[pixels], truth, words.label_set).label_set
        return words._replace(label_set=fitted)

    def fit(self, model: PageModel, kept: KeptCube, text: str) -> "Taught":
        """Fit to the examples, so that the same text is not fitted again."""
        return self._replace(text=text, words=self.words_of(model, kept, text))

    @property
    def counts(self) -> dict[str, int]:
        """Count the examples of each class, in the order in which the classes came."""
        counts: dict[str, int] = {}
        for example in self.examples:
            counts[example.label] = counts.get(example.label, 0) + 1
        return counts

    def file(self) -> bytes | None:
        """Return the fitted label set as `timesenclip fit` writes it, or None without examples."""
        if self.words is None or not self.words.label_set.is_fitted:
            return None
        with TemporaryDirectory(prefix="timesenclip-") as folder:
            path = Path(folder) / DOWNLOAD
            write_label_set(self.words.label_set, path)
            return path.read_bytes()
