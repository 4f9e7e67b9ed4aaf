"""Classify the series in a frame of pandas, keeping its columns."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from ..classification import PixelClassifier
from ..data.sources.frame_tables import table_from_frame
from ..data.sources.tables import free_names
from ..extras import needs_extra
from ..models.timesenclip.label_set_timesenclip import Labels
from ..models.timesenclip.options_timesenclip import SeriesOptions, take_steps
from ..models.timesenclip.pipeline_timesenclip import ZeroShotPixelClassificationPipeline
from ..runtimes.options import DEFAULT_COMPUTE, ComputeOptions

with needs_extra("data"):
    import pandas


def classify_dataframe(
    frame: pandas.DataFrame,
    labels: Labels,
    model: str | PathLike[str] | ZeroShotPixelClassificationPipeline | None = None,
    *,
    id_column: str | None = None,
    hypothesis_template: str | Sequence[str] | None = None,
    reading: SeriesOptions | None = None,
    compute: ComputeOptions = DEFAULT_COMPUTE,
) -> pandas.DataFrame:
    """Name the land cover of every series of a frame, in any layout that `timesenclip classify` reads.

    Args:
        frame: one row a series (`B02_2018-05-14`, ...), or one row a time step (`id`, `date`, `B02`, ...).
        labels: a list of names, a string with commas, `{label: [phrases]}`, or a [`LabelSet`].
        model: folder or Hub id of a checkpoint, or a pipeline already loaded; the embedded one when left out.
        id_column: column that names the series, where it is none of the usual ones.
        hypothesis_template: one template or several; the checkpoint's own when left out.
        reading: what the numbers mean.
        compute: on what, in which precision and in which pieces.

    Returns:
        Of one row a series the frame, with all its columns and its index. Of several rows a series a row for each, with
        its `id` and the columns in which its rows agree. Behind them `label`, `score`, the score of each label under
        its name, `novelty` where the checkpoint knows (above 1 a series is unlike its training), and `fitted` where the
        labels were fitted to examples. A name that the frame has already begins with `predicted_`. Where nothing was
        observed, the label is missing and the scores are NaN.

    Raises:
        ValueError: labels or series cannot be used; the sentence says why.
        ImportError: pandas is not installed.
    """
    steps, options = take_steps(reading or SeriesOptions())
    table = table_from_frame(frame, id_column=id_column, steps=steps)
    classifier = PixelClassifier(labels, model, hypothesis_template=hypothesis_template, compute=compute)
    scores, novelty = classifier.answers_of_items(table.series, options)
    if table.row_ids is None:
        kept = frame
    else:
        kept = pandas.DataFrame() if table.kept is None else table.kept.drop(columns="id", errors="ignore")
        kept = pandas.concat([pandas.DataFrame({"id": table.ids}), kept], axis=1)
    empty = np.isnan(scores).any(axis=1)
    best = np.where(empty[:, None], 0, scores).argmax(axis=1)
    names = np.asarray(classifier.labels, dtype=object)
    results: dict[str, Any] = {"label": np.where(empty, None, names[best]), "score": scores[np.arange(len(best)), best]}
    results |= dict(zip(classifier.labels, scores.T, strict=True))
    results |= {} if novelty is None else {"novelty": novelty}
    results |= {"fitted": True} if classifier.label_set.is_fitted else {}
    columns = free_names(list(results), list(kept.columns))
    added = pandas.DataFrame(dict(zip(columns, results.values(), strict=True)), index=kept.index)
    return pandas.concat([kept, added], axis=1)
