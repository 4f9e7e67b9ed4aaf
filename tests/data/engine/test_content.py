import numpy as np
from datasets import Dataset, concatenate_datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip_hf.data.engine.content import content_hash

ROWS = {
    "name": [f"é{place}" * (place % 3) if place % 5 else None for place in range(40)],
    "series": [list(range(place % 4)) if place % 7 else None for place in range(40)],
    "value": [float(place) if place % 3 else None for place in range(40)],
    "photos": [[{"url": f"u{place}", "bytes": b"\0x\0"}] * (place % 3) for place in range(40)],
    "clear": np.arange(40) % 2 == 0,
}
WHOLE = Dataset.from_dict(ROWS)


def hash_of(dataset: Dataset, size: int) -> str:
    return content_hash(dataset.with_format("arrow").iter(size))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 50), st.integers(1, 39))
def test_the_hash_does_not_depend_on_batches_or_pieces(size, cut):
    pieces = concatenate_datasets([WHOLE.select(range(cut)), WHOLE.select(range(cut, 40))])
    assert hash_of(pieces, size) == hash_of(WHOLE, 40)


def test_any_other_value_order_or_length_has_another_hash():
    changed = [
        WHOLE.select([1, 0, *range(2, 40)]),
        WHOLE.select(range(39)),
        WHOLE.rename_column("name", "title"),
        *(
            Dataset.from_dict({**ROWS, name: [*column[:39], other]})
            for (name, column), other in zip(
                ((name, list(column)) for name, column in ROWS.items()),
                ("z", [9], -1.0, [{"url": "v", "bytes": b""}], True),
                strict=True,
            )
        ),
    ]
    hashes = {hash_of(dataset, 40) for dataset in [WHOLE, *changed]}
    assert len(hashes) == len(changed) + 1


def test_parquet_keeps_the_hash(tmp_path):
    WHOLE.to_parquet(tmp_path / "whole.parquet", batch_size=7)
    read = Dataset.from_parquet(str(tmp_path / "whole.parquet"), cache_dir=str(tmp_path / "cache"))
    assert hash_of(read, 11) == hash_of(WHOLE, 40)
