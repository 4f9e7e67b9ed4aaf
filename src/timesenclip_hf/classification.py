"""Many series at once to class probabilities: what the commands for tables and for maps share."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import pipeline

from .models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from .models.timesenclip.encoding_timesenclip import DEFAULT_BATCH_SIZE, encode
from .models.timesenclip.pipeline_timesenclip import TASK, ZeroShotPixelClassificationPipeline
from .models.timesenclip.zero_shot_timesenclip import Labels, embed_labels, read_labels, score

# Series a chunk: some tens of megabytes of reflectance for a year of native dates.
DEFAULT_CHUNK_SIZE = 8192


class PixelClassifier:
    """A checkpoint and a set of class names, ready for any number of series.

    Unlike the pipeline, which builds a list of results for each series, it answers in arrays and lets series
    without a clear look pass.

    Args:
        labels: as the pipeline takes them: a list, a string with commas, or `{label: [phrases]}`.
        model: folder or Hub id of a checkpoint, or a pipeline already loaded; the embedded one when left out.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        device: where to compute, such as "cuda".
        batch_size: series the encoder takes at once.

    Raises:
        ValueError: labels or templates cannot be used.
        OSError: the checkpoint cannot be found.
    """

    def __init__(
        self,
        labels: Labels,
        model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
        *,
        hypothesis_template: str | Sequence[str] | None = None,
        device: str | torch.device | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        phrases = read_labels(labels)  # before a checkpoint is loaded: a wrong label must not cost that
        loaded: Any = model
        if not isinstance(model, ZeroShotPixelClassificationPipeline):
            loaded = load_pipeline(model, device)
        self.model, self.processor = loaded.model, loaded.processor
        self.batch_size = batch_size
        self.labels, self._class_embeds = embed_labels(self.model, self.processor, phrases, hypothesis_template)

    def probabilities(self, series: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """Classifies series that fit in memory together.

        Args:
            series: as the feature extractor takes them.
            **options: the feature extractor's (`bands`, `dates`, `scl`, ...).

        Returns:
            Probabilities (series, classes) float32, NaN where no look is clear; and the number of calendar months
            with a clear look (series,).
        """
        features = self.processor.feature_extractor(series, allow_empty=True, **options)
        mask = features["series_mask"]
        observed = mask.any(axis=1)
        probabilities = np.full((len(mask), len(self.labels)), np.nan, dtype=np.float32)
        if observed.any():
            seen = {name: values[observed] for name, values in features.items()}
            embeds = encode(self.model, seen, batch_size=self.batch_size)
            scale = self.model.score_scale.detach().float().cpu()
            logits = score(embeds, self._class_embeds, logit_scale=scale)
            probabilities[observed] = logits.softmax(dim=-1).numpy()
        return probabilities, _clear_months(features["months"], mask)

    def probabilities_of_items(
        self,
        items: Sequence[Any],
        *,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        progress: bool = False,
        **options: Any,
    ) -> np.ndarray:
        """The same for a list of any length, a chunk at a time; probabilities alone."""
        parts = [np.empty((0, len(self.labels)), dtype=np.float32)]
        with tqdm(total=len(items), unit=" series", disable=not progress) as bar:
            for start in range(0, len(items), chunk_size):
                parts.append(self.probabilities(list(items[start : start + chunk_size]), **options)[0])
                bar.update(len(parts[-1]))
        return np.concatenate(parts)


def load_pipeline(model: str | PathLike[str] | None, device: str | torch.device | None) -> Any:
    """A checkpoint as a pipeline, with its model and processor; the embedded one where none is named.

    Raises:
        OSError: the checkpoint cannot be read; in one line that names it.
    """
    try:
        return pipeline(TASK, model=None if model is None else str(model), device=device)
    except OSError as error:  # of transformers, over several lines and without the name
        reason = str(error).splitlines()[0]
        raise OSError(f"No checkpoint can be read from {model or 'the package'}: {reason}") from None


def _clear_months(places: np.ndarray, mask: np.ndarray) -> np.ndarray:
    months = np.rint(places).astype(np.int64) % MONTHS_PER_YEAR
    seen = [((months == month) & mask).any(axis=1) for month in range(MONTHS_PER_YEAR)]
    return np.asarray(np.sum(seen, axis=0, dtype=np.uint8))
