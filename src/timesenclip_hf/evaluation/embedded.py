"""Embed a data set with a checkpoint, once for each number of composites and each set of missing months."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import chain

import numpy as np
import torch

from ..data.schema import UNKNOWN
from ..labelling.blocks import block_side
from ..models.timesenclip.label_set_timesenclip import LabelSet, check_weights
from ..models.timesenclip.weights_timesenclip import pixel_weights_hash
from ..models.timesenclip.zero_shot_timesenclip import embed_classes, score, words_not_in
from .probing import split_rows_by_place
from .protocol import Checkpoint, EvaluationSet, Protocol
from .tasks import Task

PHOTOS_AT_ONCE = 64

Encode = Callable[..., torch.Tensor]


class EmbeddedSet:
    """Hold a data set as one checkpoint embeds it, with its classes, its blocks of land and its halves.

    `notes` are those of the data set, and what was noticed on the way; `truth` is the class indices of each task, by
    name.
    """

    def __init__(self, checkpoint: Checkpoint, dataset: EvaluationSet, protocol: Protocol, encode: Encode) -> None:
        self.model, self.processor, self.name = checkpoint.model, checkpoint.processor, checkpoint.name
        self.dataset, self.samples, self.protocol, self._encode = dataset, dataset.samples, protocol, encode
        self.notes = list(dataset.notes)
        self.truth = {task.name: task.truth(dataset.samples) for task in dataset.tasks}
        self._classes: dict[tuple[str, str], torch.Tensor] = {}

    @cached_property
    def block_km(self) -> float | None:
        """Choose the side of blocks, as [`block_side`] does; None where a sample has no coordinates."""
        longitude, latitude = self.samples.longitude, self.samples.latitude
        if longitude is None or latitude is None or np.isnan(longitude + latitude).any():
            return None
        return block_side(longitude, latitude)

    @cached_property
    def _blocks(self) -> np.ndarray | None:
        return None if self.block_km is None else self.samples.blocks(self.block_km)

    def blocks_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the blocks of some rows to draw from; None where they are one only, which says nothing of others."""
        blocks = None if self._blocks is None else self._blocks[rows]
        return None if blocks is None or len(np.unique(blocks)) < 2 else blocks

    @cached_property
    def plain(self) -> tuple[torch.Tensor, np.ndarray]:
        """Embed all samples as they are; tell which of them have an observation."""
        return self.embed(self.samples.num_times)

    def embed(self, composites: int, months: Sequence[int] = ()) -> tuple[torch.Tensor, np.ndarray]:
        """Embed all samples, (samples, projection_dim), merged to so many composites and without some months.

        Booleans (samples,) beside them tell whether any observation is left.
        """
        features = self.samples.features(self.processor.feature_extractor, composites, months)
        return self.encode(features), features["series_mask"].any(dim=1).numpy()

    def encode(self, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Encode features into unit embeddings (series, projection_dim); refuse a checkpoint that gives NaN."""
        embeds = self._encode(self.model, features)
        wrong = ~torch.isfinite(embeds).all(dim=1)
        if wrong.any():
            first = int(wrong.int().argmax())
            raise ValueError(
                f"{self.name} gives NaN for {int(wrong.sum())} of {len(embeds)} series of {self.samples.name}, the "
                f"first at row {first}: its weights, or these series, are damaged."
            )
        return embeds

    def texts(self, task: Task, prompts: str) -> dict[str, list[str]]:
        """Return what the text tower reads of each class."""
        return task.prompts(prompts, self.processor.hypothesis_template)

    def class_embeds(self, task: Task, prompts: str) -> torch.Tensor:
        """Embed the classes of a task, (classes, projection_dim); words that training never saw are noted."""
        if task.label_set is not None:
            return torch.nn.functional.normalize(self._checked(task.label_set).class_embeds, dim=-1)
        key = (task.name, prompts)
        if key not in self._classes:
            texts = self.texts(task, prompts)
            known = self.processor.known_words
            if known and (unknown := words_not_in(list(chain.from_iterable(texts.values())), known)):
                # A line for the report in place of a warning for each of hundreds of words.
                self.notes.append(
                    f"{len(unknown)} words of the {prompts.replace('_', ' ')} prompts of {task.name!r} occur in none "
                    f"of the training captions of {self.name}, such as {', '.join(unknown[:5])}: their scores mean "
                    "little."
                )
            self._classes[key] = embed_classes(self.model, self.processor.tokenizer, texts).cpu()
        return self._classes[key]

    def logits(self, embeds: torch.Tensor, task: Task, prompts: str, centring: str = "none") -> torch.Tensor:
        """Score embeddings for the classes of a task, (samples, classes)."""
        if task.label_set is not None:
            return self._checked(task.label_set).logits(embeds, centring=centring)
        scale = self.model.score_scale.detach().float().cpu()
        return score(embeds, self.class_embeds(task, prompts), logit_scale=scale, centring=centring)

    def _checked(self, label_set: LabelSet) -> LabelSet:
        """Refuse a label set of other weights; note once to how many examples one was fitted."""
        check_weights(label_set, self.model)
        counts = ", ".join(label_set.counted_examples)
        note = (
            f"Classes were fitted to examples ({counts}): where these are among the samples here, or near them, scores "
            "say too much."
        )
        if label_set.is_fitted and note not in self.notes:
            self.notes.append(note)
        return label_set

    def label_set(self, task: Task) -> LabelSet:
        """Return the classes of a task as its label set, or as that of the words of its generic prompts."""
        if task.label_set is not None:
            return self._checked(task.label_set)
        template = self.processor.hypothesis_template
        return LabelSet(
            phrases=task.taxonomy.prompts,
            templates=[template] if isinstance(template, str) else list(template),
            class_embeds=self.class_embeds(task, "generic"),
            score_scale=float(self.model.score_scale.detach().float().cpu()),
            weights_hash=pixel_weights_hash(self.model),
        )

    def scored_rows(self, task: Task) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
        """Draw labelled rows with an observation; return them, their truth and their logits with generic prompts."""
        (embeds, observed), truth = self.plain, self.truth[task.name]
        rows = self.some_rows(np.flatnonzero((truth != UNKNOWN) & observed))
        return rows, truth[rows], self.logits(embeds[torch.from_numpy(rows)], task, "generic")

    def some_rows(self, rows: np.ndarray) -> np.ndarray:
        """Draw as many rows as the protocol takes, in their order."""
        if len(rows) <= self.protocol.most_samples:
            return rows
        random = np.random.default_rng(self.protocol.resampling.seed)
        return np.sort(random.choice(rows, self.protocol.most_samples, replace=False))

    def halves(self, rows: np.ndarray, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Split indices into `rows` in two, whole blocks to one half or the other, or raise ValueError.

        The seed is that of the protocol where none is named.
        """
        if len(rows) < 2:
            raise ValueError(f"{self.samples.name} has {len(rows)} labelled series, too few to fit on some of them.")
        some, seed = self.samples.select(rows), self.protocol.resampling.seed if seed is None else seed
        if self.block_km is None:
            return split_rows_by_place(some.point_ids, seed=seed)
        return split_rows_by_place(some.point_ids, some.longitude, some.latitude, block_km=self.block_km, seed=seed)

    @torch.no_grad()
    def photo_embeds(self, rows: np.ndarray) -> torch.Tensor | None:
        """Return one embedding a sample, of its photos: the dataset's own, or by the checkpoint's vision tower."""
        if self.samples.photo_embeds is not None:
            return self.samples.photo_embeds[torch.from_numpy(rows)]
        if self.dataset.photos is None or self.model.vision_model is None:
            return None
        means = []
        for start in range(0, len(rows), PHOTOS_AT_ONCE):
            photos = [list(self.dataset.photos(int(row))) for row in rows[start : start + PHOTOS_AT_ONCE]]
            inputs = self.processor.image_processor([photo for shown in photos for photo in shown], return_tensors="pt")
            output = self.model.get_image_features(pixel_values=inputs["pixel_values"].to(self.model.device))
            unit = torch.nn.functional.normalize(output.pooler_output.float().cpu(), dim=-1)
            means += [part.mean(dim=0) for part in torch.split(unit, [len(shown) for shown in photos])]
        return torch.nn.functional.normalize(torch.stack(means), dim=-1)
