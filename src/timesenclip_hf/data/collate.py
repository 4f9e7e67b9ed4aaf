"""Turn rows of a dataset into what the pixel tower reads, whole batches at a time.

The columns are read as the Arrow arrays they are, without a Python object for any of their values, and stay 16-bit
integers until a batch is asked for: that is what makes shuffled batches as fast as training needs them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..extras import needs_extra
from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from .schema import MISSING, SERIES_COLUMNS, as_array, as_series

with needs_extra("data"):
    import pyarrow as pa
    from datasets import Dataset

Inputs = dict[str, torch.Tensor]


class SeriesRows(torch.utils.data.Dataset[Inputs]):
    """Hand out whole batches of a dataset of monthly composites, for a `DataLoader` in any order.

    It holds its columns in memory, some 300 bytes a row.

    ```python
    >>> rows = SeriesRows(load_dataset(folder, split="train"), extractor, columns=["land_cover"])
    >>> loader = DataLoader(rows, batch_size=1024, shuffle=True, collate_fn=lambda batch: batch)
    >>> next(iter(loader))["pixel_series"].shape
    torch.Size([1024, 12, 10])
    ```

    Args:
        dataset: of the schema, composites of one length.
        extractor: of the checkpoint that is trained or evaluated; its scaling is applied.
        columns: numbers to hand out too, such as class indices; as tensors of their own type.

    Raises:
        ValueError: a column is missing, or the series differ in length.
    """

    def __init__(self, dataset: Dataset, extractor: TimeSenCLIPFeatureExtractor, columns: Sequence[str] = ()) -> None:
        _check_columns(dataset, columns)
        self.extractor = extractor
        table = dataset.select_columns([*SERIES_COLUMNS, *columns]).with_format("arrow")[:]
        self.columns = _read_columns(table, extractor, columns)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.columns["series"])

    def __getitem__(self, row: int) -> Inputs:
        """Return a row, without the axis of the batch."""
        return {name: column[0] for name, column in self.__getitems__([row]).items()}

    def __getitems__(self, rows: Sequence[int]) -> Inputs:
        """Return rows as one batch."""
        index = np.asarray(rows)
        return _to_inputs({name: column[index] for name, column in self.columns.items()}, self.extractor)


def _to_inputs(columns: dict[str, np.ndarray], extractor: TimeSenCLIPFeatureExtractor) -> Inputs:
    """Scale `pixel_series` as the feature extractor does; add `series_mask`, `months` and the other columns."""
    values, observed, months = (columns.pop(name) for name in SERIES_COLUMNS)
    inputs = {name: torch.from_numpy(column) for name, column in columns.items()}
    if values.ndim == 3:
        # In numpy: a batch is too small for torch's threads, which would wait for each other at every operation.
        series = extractor.scale(values.astype(np.float32))
        series *= observed[:, :, None]
        read = {"pixel_series": series, "series_mask": observed, "months": months}
        return inputs | {name: torch.from_numpy(array) for name, array in read.items()}
    # Hidden pixels of a patch are filled from its clear ones, which the extractor knows how to do.
    dn = np.where((values == MISSING) | ~observed[:, :, None, None, None], np.nan, values.astype(np.float32))
    features = extractor(dn, months=months, units="dn", offset=0, allow_empty=True, return_tensors="pt")
    return inputs | dict(features)


def _read_columns(
    table: pa.Table, extractor: TimeSenCLIPFeatureExtractor, columns: Sequence[str]
) -> dict[str, np.ndarray]:
    times, length = (table.schema.field(name).type.list_size for name in ("observed", "series"))
    series = as_series(table, crop=int(np.sqrt(length // (times * len(BANDS)))))
    if extractor.band_names != list(BANDS):
        series = series[:, :, [BANDS.index(name) for name in extractor.band_names]]
    others = {name: as_array(table.column(name)) for name in ("observed", "months", *columns)}
    # Copies, because tensors want memory that may be written to.
    return {name: np.array(column) for name, column in {**others, "series": series}.items()}


def _check_columns(dataset: Any, columns: Sequence[str]) -> None:
    present = dataset.column_names or []
    absent = next((name for name in (*SERIES_COLUMNS, *columns) if name not in present), None)
    if absent is not None:
        raise ValueError(f"The dataset has no column {absent!r}: its columns are {', '.join(present) or 'not known'}.")
    if getattr(dataset.features["observed"], "length", -1) < 1:
        raise ValueError("The series differ in length: import them as composites, or collate rows one by one.")
