"""Read tables of series, as people keep them, into what the feature extractor takes.

Any form that [`read_frame`] reads is accepted (CSV and its kin, Excel, Parquet, vector files, several files as one
table), and NPZ, in these layouts. Bands go by any common spelling (`B02`, `b2`, `red`, `S2-L2A-B02`), SCL may stand
beside them:

- **Wide**: one row a series, one column a band and time step, the time a date or the number of a month:
  `B02_2018-05-14`, `2018-05-14_B02`, `B02_20180514`, `B02_2018-05`, or `B02_01` ... `B02_12`.
- **Long**: one row a time step with a column for the series (`id`), one for the time (`date`, `year` and `month`,
  `year` and `doy`, the id of an image, or `month` alone) and one a band: `id,date,B02,B03,...[,SCL]`; or one row a
  band, with the columns `band` and `value`. Beside them may stand the `processing_baseline` or `offset` of each row,
  and what says that it is clear: `clear`, `cloud`, `cloud_probability`, `cs_cdf`, `QA60`.
- **Nested** (Parquet): one row a series with a list column `series` (time, band), and any of `dates`, `months` (0 is
  January, as the feature extractor counts), `bands`, `scl`, `nodata`, `processing_baseline`, `offset`, `year`.
- **NPZ**: an array `series` or `X` (series, time, band), and any of the same names, shared or one for each series.

The series go by the first column that there is of [`spellings.ID_COLUMNS`], else by their row. Empty cells are missing.
"""

import csv
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...files import whole_file
from ...models.timesenclip.steps_timesenclip import Steps
from ...words import as_cell
from .npz_tables import SeriesTable, read_npz

if TYPE_CHECKING:
    from .frames import TableSource

__all__ = ["SeriesTable", "free_names", "read_table", "write_scores"]


def read_table(path: "TableSource", *, id_column: str | None = None, steps: Steps | None = None) -> SeriesTable:
    """Read a table in any of the layouts above.

    Args:
        path: a file, or several with the same columns, as a list or a folder: one a date or a tile. Files without a
            column for the time are of the date in their names.
        id_column: column that names the series, where it is none of the usual ones.
        steps: when numbered steps were.

    Raises:
        FileNotFoundError: no such file.
        ImportError: a library of the extra `data` is missing.
        ValueError: the file cannot be read or has none of the layouts.
    """
    if isinstance(path, (str, os.PathLike)) and Path(path).suffix.lower() == ".npz":
        return read_npz(Path(path), steps)
    from .frame_tables import read_frames  # what NPZ does not need: the extra `data`

    return read_frames(path, id_column, steps)


def write_scores(
    path: str | os.PathLike[str],
    ids: Sequence[str] | SeriesTable,
    labels: Sequence[str],
    probabilities: np.ndarray,
    *,
    top_k: int | None = None,
    novelty: np.ndarray | None = None,
    fitted: bool = False,
    overwrite: bool = False,
) -> None:
    """Write id, label and score of every series as CSV, and the scores of all labels.

    Ids and labels that a spreadsheet would compute, such as "=1+1", get an apostrophe before them, which [`read_table`]
    takes off ids again; numbers such as "-12" stay.

    Args:
        path: to write.
        ids: one for each series; or the table that they are of, whose other columns are written behind them.
        labels: one for each column of `probabilities`.
        probabilities: (series, labels), NaN rows where nothing was observed: their label stays empty.
        top_k: write the best labels with their scores instead of the scores of all.
        novelty: (series,), written in a column: above 1 a series is unlike what the checkpoint was trained on.
        fitted: say in a column that the label set was fitted to examples.
        overwrite: replace a file that is there.

    Raises:
        FileExistsError: a file is there already, and not to be replaced.
        ValueError: `top_k` is not positive.
    """
    if top_k is not None and top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
    order = np.argsort(-probabilities, axis=1, kind="stable")
    count = min(top_k or 1, len(labels))
    ranks = range(2, count + 1)
    header = ["id", "label", "score", *(f"{name}_{rank}" for rank in ranks for name in ("label", "score"))]
    header += [*(["novelty"] if novelty is not None else []), *(["fitted"] if fitted else [])]
    kept, ids = (ids.kept, ids.ids) if isinstance(ids, SeriesTable) else (None, ids)
    others = [] if kept is None else [column for column in kept.columns if column != "id"]
    header = ["id", *others, *free_names(header[1:], others)]
    cells: list[list[str]] = [[]] * len(ids)
    if kept is not None:
        texts = kept[others].astype(object).where(kept[others].notna(), "")
        cells = [[*map(as_cell, row)] for row in texts.to_numpy().tolist()]
    measured = [""] * len(ids) if novelty is None else [f"{value:.2f}" for value in novelty]
    with whole_file(path, overwrite=overwrite) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [as_cell(label) for label in labels]
        writer.writerow([*map(as_cell, header), *([] if top_k else map(as_cell, free_names(labels, others)))])
        for name, other, best, scores, unlike in zip(
            map(as_cell, ids), cells, order[:, :count], probabilities, measured, strict=True
        ):
            if np.isnan(scores).any():
                writer.writerow([name, *other])
                continue
            ranked = [cell for index in best for cell in (names[index], f"{scores[index]:.4f}")]
            ranked += [*([unlike] if unlike else []), *(["true"] if fitted else [])]
            writer.writerow([name, *other, *ranked, *([] if top_k else [f"{value:.4f}" for value in scores])])


def free_names(names: Sequence[str], taken: Collection[str]) -> list[str]:
    """Name columns of results beside those of a table: `label` is `predicted_label` where the table has a `label`."""
    return [f"predicted_{name}" if name in taken else name for name in names]
