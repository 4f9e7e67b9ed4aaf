"""Hash what a dataset says, whatever files, row groups or batches it is cut into."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...extras import needs_extra

with needs_extra("data"):
    import pyarrow as pa
    import pyarrow.compute as pc


def content_hash(tables: Iterable[pa.Table | pa.RecordBatch]) -> str:
    """Hash the rows in their order by SHA-256: two datasets have one hash when all their values are the same.

    Args:
        tables: the dataset in pieces, such as `dataset.with_format("arrow").iter(1000)`, or batches of Parquet files.
    """
    digests: defaultdict[str, Any] = defaultdict(hashlib.sha256)
    rows = 0
    for table in tables:
        rows += table.num_rows
        for name, column in zip(table.schema.names, table.columns, strict=True):
            for array in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                _feed(digests, name, array)
    total = hashlib.sha256(str(rows).encode())
    for name in sorted(digests):
        total.update(f"{name}:{digests[name].hexdigest()}".encode())
    return total.hexdigest()


def _feed(digests: defaultdict[str, Any], name: str, array: pa.Array) -> None:
    """Keep digests for every leaf of a column, so that it does not matter where a batch ends."""

    def update(leaf: str, values: np.ndarray) -> None:
        digests[leaf].update(np.ascontiguousarray(values).view(np.uint8))

    kind = array.type
    update(f"{name}/present", np.asarray(array.is_valid()))
    if pa.types.is_struct(kind):
        for index, child in enumerate(array.flatten()):
            _feed(digests, f"{name}/{kind.field(index).name}", child)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        update(f"{name}/lengths", pc.list_value_length(array).fill_null(0).to_numpy().astype(np.int64))
        _feed(digests, f"{name}/items", array.flatten())
    elif pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        update(f"{name}/lengths", pc.binary_length(array).fill_null(0).to_numpy().astype(np.int64))
        digests[name].update(b"".join(value.as_buffer() for value in array if value.is_valid))
    else:
        update(name, array.drop_null().to_numpy(zero_copy_only=False))
