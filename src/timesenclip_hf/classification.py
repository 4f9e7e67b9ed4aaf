"""Embed and classify many series at once: what the commands for tables and for maps share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from tqdm import tqdm
from transformers import pipeline

from .files import first_line
from .gate.checkpoints import admit_checkpoint
from .models.registration import register
from .models.timesenclip.compositing_timesenclip import count_months
from .models.timesenclip.encoding_timesenclip import encode
from .models.timesenclip.label_set_timesenclip import Labels, LabelSet, as_label_set, monthly_values
from .models.timesenclip.novelty_timesenclip import measure_novelty, warn_of_novelty
from .models.timesenclip.options_timesenclip import SeriesOptions, complete_options
from .models.timesenclip.pipeline_timesenclip import (
    JUDGED_TOGETHER,
    TASK,
    ZeroShotPixelClassificationPipeline,
    settle_unit,
)
from .models.timesenclip.zero_shot_timesenclip import read_labels
from .models.windows import share_window
from .runtimes.exported import load_tower
from .runtimes.options import DEFAULT_COMPUTE, ComputeOptions


class Embedded(NamedTuple):
    """Hold series as the pixel tower sees them."""

    embeds: torch.Tensor  # unit embeddings (observed series, projection_dim) float32
    observed: np.ndarray  # bool (series,), False where there is no observation
    clear_months: np.ndarray  # uint8 (series,), number of calendar months with an observation
    values: torch.Tensor | None = None  # monthly values (observed series, 12 * bands), where a label set reads them
    novelty: np.ndarray | None = None  # float32 (series,), NaN where nothing is observed, where the checkpoint knows


class Answers(NamedTuple):
    """Hold what a classifier says of a list of series."""

    probabilities: np.ndarray  # (series, classes) float32, NaN where nothing is observed
    novelty: np.ndarray | None  # (series,) float32, above 1 unlike any of the training; None where nobody can tell


class PixelEncoder:
    """Embed any number of series with a checkpoint; those without a single observation pass.

    Args:
        model: folder or Hub id of a checkpoint, or a pipeline already loaded; the embedded one when left out.
        compute: on what, in which precision and in which pieces; its `threads` are a runtime's, as those of torch
            belong to the process.

    Raises:
        OSError: the checkpoint, or the exported file, cannot be found.
        ValueError: the runtime does not go with its file, type or device.
        ImportError: the runtime is not installed.
    """

    def __init__(
        self,
        model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
        compute: ComputeOptions = DEFAULT_COMPUTE,
    ) -> None:
        is_loaded = isinstance(model, ZeroShotPixelClassificationPipeline)
        loaded: Any = model if is_loaded else load_pipeline(model, compute.device)
        self.model, self.processor = loaded.model, loaded.processor
        self.compute = compute
        self.tower = load_tower(self.model, compute)

    @property
    def knows_novelty(self) -> bool:
        """Tell whether the checkpoint has statistics of what it was trained on."""
        return getattr(self.model, "novelty", None) is not None

    def embed(
        self,
        series: Any,
        reading: SeriesOptions | None = None,
        *,
        judge: bool | Literal["part"] = True,
        first: int = 0,
        with_values: bool = False,
        with_novelty: bool = False,
    ) -> Embedded:
        """Embed series that fit in memory together.

        Args:
            series: an array (series, time, band[, height, width]), or a list of arrays or of dictionaries.
            reading: what their numbers mean.
            judge: refuse values that cannot be reflectance and warn of likely mistakes; "part" to refuse nothing, for a
                part of series whose unit was told.
            first: number of the first series in messages, where these are a part of more.
            with_values: return monthly values too, for a label set that reads them.
            with_novelty: return too how unlike those of the training the series are, where the checkpoint knows.

        Raises:
            ValueError: what is wrong with the series, in one sentence.
        """
        reading = reading or SeriesOptions()
        # Months are counted before a series with too few of them is given up.
        each = replace(reading, minimum_months=1)
        features = self.processor.feature_extractor(series, each, allow_empty=True, judge=judge, first=first)
        clear_months = count_months(features["months"], features["series_mask"])
        observed = clear_months >= reading.minimum_months
        seen = {name: values[observed] for name, values in features.items()}
        values = monthly_values(seen) if with_values else None
        novelty = None
        if with_novelty and (measured := measure_novelty(self.model, seen)) is not None:
            novelty = np.full(len(observed), np.nan, dtype=np.float32)
            novelty[observed] = measured.numpy()
        copies = None
        if self.compute.deduplicate and observed.any():
            originals, copies = _distinct(seen)
            seen = {name: values[originals] for name, values in seen.items()}
        size, dtype = self.compute.batch_size, self.compute.dtype
        embeds = encode(self.model, seen, batch_size=size, dtype=dtype, tower=self.tower)
        return Embedded(embeds if copies is None else embeds[copies], observed, clear_months, values, novelty)

    def embed_items(
        self,
        items: Sequence[Any],
        reading: SeriesOptions | None = None,
        *,
        with_values: bool = False,
        progress: bool = False,
    ) -> Embedded:
        """Embed a list of any length, whose embeddings fit in memory.

        Args:
            items: arrays (time, band[, height, width]), or dictionaries with "series" and any field of
                [`SeriesOptions`].
            reading: what the numbers mean that do not say so themselves.
            with_values: return monthly values too, for a label set that reads them.
            progress: show a progress bar.

        Raises:
            ValueError: what is wrong with the series, in one sentence.
        """
        parts = list(self._parts(items, reading, with_values=with_values, progress=progress))
        embeds = [part.embeds for part in parts] or [torch.empty(0, self.model.config.projection_dim)]
        values = [part.values for part in parts if part.values is not None]
        return Embedded(
            torch.cat(embeds),
            np.concatenate([np.empty(0, bool), *(part.observed for part in parts)]),
            np.concatenate([np.empty(0, np.uint8), *(part.clear_months for part in parts)]),
            torch.cat(values) if values else None,
        )

    def _parts(
        self,
        items: Sequence[Any],
        reading: SeriesOptions | None,
        *,
        with_values: bool,
        with_novelty: bool = False,
        progress: bool,
    ) -> Iterator[Embedded]:
        """Embed a list in parts whose series fit in memory together, all read in the same unit and window."""
        extractor = self.processor.feature_extractor
        items, reading = share_window(extractor, items, reading or SeriesOptions())
        settled = settle_unit(extractor, items, vars(reading))
        judge, reading = settled.pop("judge", True), replace(reading, **settled)
        with tqdm(total=len(items), unit=" series", disable=not progress) as bar:
            for start in range(0, len(items), JUDGED_TOGETHER):
                part = list(items[start : start + JUDGED_TOGETHER])
                also = {"with_values": with_values, "with_novelty": with_novelty}
                yield self.embed(part, reading, judge=judge, first=start, **also)
                bar.update(len(part))


class PixelClassifier(PixelEncoder):
    """Classify any number of series with a checkpoint and a label set, from words or fitted to examples.

    Unlike the pipeline it answers in arrays, and lets series without a single observation pass.

    Args:
        labels: a list of names, a string with commas, `{label: [phrases]}`, or a [`LabelSet`].
        model: folder or Hub id of a checkpoint, or a pipeline already loaded; the embedded one when left out.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        compute: on what, in which precision and in which pieces.

    Raises:
        ValueError: labels or templates cannot be used, or the runtime does not go with its file, type or device.
        OSError: the checkpoint, or the exported file, cannot be found.
        ImportError: the runtime is not installed.
    """

    def __init__(
        self,
        labels: Labels,
        model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
        *,
        hypothesis_template: str | Sequence[str] | None = None,
        compute: ComputeOptions = DEFAULT_COMPUTE,
    ) -> None:
        if not isinstance(labels, LabelSet):
            labels = read_labels(labels)  # before a checkpoint is loaded: a wrong label must not cost that
        super().__init__(model, compute)
        self.label_set = as_label_set(self.model, self.processor, labels, hypothesis_template)

    @property
    def labels(self) -> list[str]:
        """Return the names of the classes, in the order of the probabilities."""
        return self.label_set.labels

    def probabilities(
        self, series: Any, reading: SeriesOptions | None = None, **settings: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (series, classes) float32, NaN where nothing is observed, and observed months (series,).

        Args:
            series: an array (series, time, band[, height, width]), or a list, that fits in memory together.
            reading: what their numbers mean.
            **settings: fields of `reading` by name.

        Raises:
            ValueError: what is wrong with the series, in one sentence.
        """
        options = complete_options(reading, settings)
        embedded = self.embed(series, options, with_values=self.label_set.reads_values)
        return class_probabilities(embedded, self.label_set), embedded.clear_months

    def probabilities_of_items(
        self, items: Sequence[Any], reading: SeriesOptions | None = None, *, progress: bool = False
    ) -> np.ndarray:
        """Return the probabilities of [`answers_of_items`], (series, classes) float32, NaN where nothing is observed.

        Args and errors are those of it.
        """
        return self.answers_of_items(items, reading, progress=progress).probabilities

    def answers_of_items(
        self, items: Sequence[Any], reading: SeriesOptions | None = None, *, progress: bool = False
    ) -> Answers:
        """Return probabilities of a list of any length, and how unlike the training's it is; warn of what is unlike.

        Args:
            items: arrays (time, band[, height, width]), or dictionaries with "series" and any field of
                [`SeriesOptions`].
            reading: what the numbers mean that do not say so themselves.
            progress: show a progress bar.

        Raises:
            ValueError: what is wrong with the series, in one sentence.
        """
        also = {"with_values": self.label_set.reads_values, "with_novelty": True}
        probabilities = [np.empty((0, len(self.labels)), dtype=np.float32)]
        novelty = []
        for embedded in self._parts(items, reading, progress=progress, **also):
            probabilities.append(class_probabilities(embedded, self.label_set))
            novelty += [] if embedded.novelty is None else [embedded.novelty]
        measured = np.concatenate(novelty) if novelty else None
        if measured is not None:
            warn_of_novelty(measured)
        return Answers(np.concatenate(probabilities), measured)


def class_probabilities(embedded: Embedded, label_set: LabelSet) -> np.ndarray:
    """Turn embeddings into probabilities (series, classes) float32, NaN where nothing was observed.

    Args:
        embedded: with values, where the label set reads them.
        label_set: of the classes.
    """
    probabilities = np.full((len(embedded.observed), len(label_set.labels)), np.nan, dtype=np.float32)
    logits = label_set.logits(embedded.embeds, embedded.values)
    probabilities[embedded.observed] = logits.softmax(dim=-1).numpy()
    return probabilities


def load_pipeline(model: str | PathLike[str] | None, device: str | torch.device | None) -> Any:
    """Load the pipeline of a checkpoint, the embedded one for `None`.

    Raises:
        OSError: no checkpoint can be read there.
        ValueError: there is no such device, or the checkpoint is damaged, or names weights in another folder.
    """
    register()
    if device is not None:
        check_device(device)
    if model is not None and Path(model).is_dir():
        admit_checkpoint(Path(model))
    try:
        return pipeline(TASK, None if model is None else str(model), device=device, trust_remote_code=False)
    except OSError as error:  # of transformers, over several lines and without the name
        raise OSError(f"No checkpoint can be read from {model or 'the package'}: {first_line(error)}.") from None
    except ImportError:
        raise
    except Exception as error:  # transformers and tokenizers meet damage with almost any error, with tracebacks inside
        message = str(error).strip()
        reason = message.splitlines()[-1] if "Traceback" in message else first_line(error)
        raise ValueError(f"The checkpoint {model or 'of the package'} cannot be used: {reason.rstrip('.')}.") from None


def check_device(device: str | torch.device) -> None:
    """Refuse a device that PyTorch cannot compute on here.

    Raises:
        ValueError: there is no such device.
    """
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:  # of PyTorch, which asserts that it was built with CUDA
        raise ValueError(f"PyTorch cannot compute on {device} here: {first_line(error)}.") from None


def _distinct(features: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of each set of series whose features are the same bits, and the set of every series."""
    rows = [np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8) for values in features.values()]
    together = np.ascontiguousarray(np.concatenate(rows, axis=1))
    keys = together.view(np.dtype((np.void, together.shape[1])))[:, 0]
    _, first, copies = np.unique(keys, return_index=True, return_inverse=True)
    return first, copies
