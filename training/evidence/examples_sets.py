"""Hold the real sets as the evidence of examples asks about them: classes with enough pixels in different blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.evaluation.embedded import EmbeddedSet
from timesenclip_hf.evaluation.probing import Words
from timesenclip_hf.evaluation.protocol import Checkpoint, Protocol
from timesenclip_hf.evaluation.tasks import Task
from timesenclip_hf.models.timesenclip.encoding_timesenclip import encode
from training.real_sets import real_data_folder, real_sets

# Classes with fewer pixels, or within one block, are left out; and so are sets of fewer than two classes.
FEWEST = 20
# Pixels that judge, at most, drawn at random from the half of the land that no example is from; for the time they take.
MOST_JUDGES = 1_000


@dataclass(frozen=True)
class RealTask:
    """Hold a task of a real set; `halves` splits its rows by a seed into those to fit on and those to judge on."""

    name: str
    words: Words
    embeds: torch.Tensor
    series: np.ndarray
    truth: np.ndarray
    halves: Callable[[int], tuple[np.ndarray, np.ndarray]]


def real_tasks() -> Iterator[RealTask]:
    """Embed the real sets by the embedded default; tasks that ask about the same pixels are taken once."""
    checkpoint, protocol = Checkpoint.load(DEFAULT_CHECKPOINT), Protocol()
    for dataset in real_sets(real_data_folder()):
        embedded, asked = EmbeddedSet(checkpoint, dataset, protocol, encode), set()
        for task in dataset.tasks:
            known = np.flatnonzero((embedded.truth[task.name] >= 0) & embedded.plain[1])
            blocks, truth = embedded.blocks_of(known), embedded.truth[task.name][known]
            classes = [label for label in np.unique(truth).tolist() if _is_enough(truth == label, blocks)]
            rows = known[np.isin(truth, classes)]
            if len(classes) > 1 and rows.tobytes() not in asked:
                asked.add(rows.tobytes())
                yield _real_task(embedded, task, classes, rows)


def _is_enough(members: np.ndarray, blocks: np.ndarray | None) -> bool:
    return bool(np.count_nonzero(members) >= FEWEST) and (blocks is None or len(np.unique(blocks[members])) > 1)


def _real_task(embedded: EmbeddedSet, task: Task, classes: list[int], rows: np.ndarray) -> RealTask:
    words, truth = embedded.label_set(task), np.searchsorted(classes, embedded.truth[task.name][rows])
    phrases = {words.labels[label]: words.phrases[words.labels[label]] for label in classes}
    chosen = replace(words, phrases=phrases, class_embeds=words.class_embeds[classes])

    def halves(seed: int) -> tuple[np.ndarray, np.ndarray]:
        # Small classes of few blocks may fall to one half: the next split is tried, a hundred at most.
        for attempt in range(100):
            fit, judge = embedded.halves(rows, 100 * seed + attempt)
            if len(np.unique(truth[fit])) == len(np.unique(truth[judge])) == len(classes):
                return fit, np.sort(np.random.default_rng(seed).permutation(judge)[:MOST_JUDGES])
        raise ValueError(f"No split of the blocks of {embedded.samples.name} has all classes in both halves.")

    return RealTask(
        f"{embedded.samples.name}, {task.name}",
        Words(chosen, embedded.blocks_of(rows)),
        embedded.plain[0][torch.from_numpy(rows)],
        embedded.samples.series[rows],
        truth,
        halves,
    )
