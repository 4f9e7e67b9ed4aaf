"""Turn rows of a dataset into what the pixel tower reads, whole batches at a time.

The columns are read as the Arrow arrays they are, without a Python object for any of their values, and stay 16-bit
integers until a batch is asked for: that is what makes shuffled batches as fast as training needs them.
"""

from collections.abc import Sequence

import numpy as np
import torch

from ..extras import needs_extra
from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from .schema import MISSING, SERIES_COLUMNS, as_array, as_series

with needs_extra("data"):
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
        absent = next((name for name in (*SERIES_COLUMNS, *columns) if name not in dataset.column_names), None)
        if absent is not None:
            raise ValueError(
                f"The dataset has no column {absent!r}: its columns are {', '.join(dataset.column_names)}."
            )
        times, length = (getattr(dataset.features[name], "length", -1) for name in ("observed", "series"))
        if times < 1:
            raise ValueError("The series differ in length: import them as composites, or collate rows one by one.")
        self.extractor = extractor
        table = dataset.select_columns([*SERIES_COLUMNS, *columns]).with_format("arrow")[:]
        series = as_series(table, crop=int(np.sqrt(length // (times * len(BANDS)))))
        if extractor.band_names != list(BANDS):
            series = series[:, :, [BANDS.index(name) for name in extractor.band_names]]
        others = {name: as_array(table.column(name)) for name in ("observed", "months", *columns)}
        # Copies, because tensors want memory that may be written to.
        self.columns = {name: np.array(column) for name, column in {**others, "series": series}.items()}

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.columns["series"])

    def __getitem__(self, row: int) -> Inputs:
        """Return a row, without the axis of the batch."""
        return {name: column[0] for name, column in self.__getitems__([row]).items()}

    def __getitems__(self, rows: Sequence[int]) -> Inputs:
        """Return rows as one batch: `pixel_series` scaled by the extractor, `series_mask`, `months`, other columns."""
        index = np.asarray(rows)
        columns = {name: column[index] for name, column in self.columns.items()}
        values, observed, months = (columns.pop(name) for name in SERIES_COLUMNS)
        inputs = {name: torch.from_numpy(column) for name, column in columns.items()}
        # A band that an observed step lacks has a stand-in, which the extractor knows.
        is_plain = values.ndim == 3 and not ((values == MISSING).any(axis=2) & observed).any()
        if is_plain and self.extractor.screen == "none":
            # In numpy: a batch is too small for torch's threads, which would wait for each other at every operation.
            series = self.extractor.scale(values.astype(np.float32))
            series *= observed[:, :, None]
            read = {"pixel_series": series, "series_mask": observed, "months": months}
            return inputs | {name: torch.from_numpy(array) for name, array in read.items()}
        # Hidden pixels of a patch are filled from its clear ones, and clouds are left out: the extractor knows how.
        hidden = ~observed.reshape(*observed.shape, *(1,) * (values.ndim - 2))
        dn = np.where((values == MISSING) | hidden, np.nan, values.astype(np.float32))
        features = self.extractor(dn, months=months, units="dn", offset=0, allow_empty=True, return_tensors="pt")
        return inputs | dict(features)
