"""Small datasets of simulated places whose photos carry embeddings, made as the documentation makes them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, load_dataset

from timesenclip_hf.data.joining import join_dataset
from timesenclip_hf.data.photos.pairing import pair_lucas
from timesenclip_hf.data.photos.upstream_embeddings import import_upstream_embeddings
from timesenclip_hf.data.schema import UNKNOWN, build_features, month_places, pack_series
from timesenclip_hf.data.splits import SplitOptions, write_manifest
from timesenclip_hf.simulator import simulate

FIRST_ID, YEAR, COUNTRY = 38_023_000, 2018, "BE"
LAND_COVERS = 8


def point_id(index: int) -> str:
    """Of the place with this number."""
    return str(FIRST_ID + index)


def write_series(num_places: int, *, crop: int = 1) -> Dataset:
    """Places with a year of reflectance and a land cover, in the schema, without photos."""
    series = np.repeat(simulate(num_places, seed=0).series[..., None], crop**2, axis=-1)
    # Pixels of a patch differ a little, so that a patch is more than its middle.
    series = series + 0.01 * np.random.default_rng(0).standard_normal(series.shape) * (crop > 1)
    packed = pack_series(series * 10_000)
    columns = {
        "point_id": [point_id(index) for index in range(num_places)],
        "year": [YEAR] * num_places,
        "longitude": np.linspace(2.6, 6.0, num_places),
        "latitude": [50.8] * num_places,
        "country": [COUNTRY] * num_places,
        "series": packed.reshape(num_places, -1),
        "observed": ~np.isnan(series).all(axis=(2, 3)),
        "months": [list(month_places())] * num_places,
        "lc1": [""] * num_places,
        "lu1": [""] * num_places,
        "land_cover": [index % LAND_COVERS for index in range(num_places)],
        **{name: [UNKNOWN] * num_places for name in ("land_use", "crop", "habitat", "bioregion")},
    }
    return Dataset.from_dict(columns, features=build_features(crop=crop, photos=False))


def write_paired(
    folder: Path,
    num_places: int,
    *,
    size: int,
    crop: int = 1,
    left_out: tuple[str, ...] = (),
    same: dict[int, int] | None = None,
) -> tuple[Path, Path]:
    """Places paired with references to photos, and the embeddings of these photos: two folders.

    Args:
        folder: to work in.
        num_places: of the dataset.
        size: of an embedding.
        crop: pixels along a side.
        left_out: photos without an embedding, such as `38023000N`.
        same: places with the embeddings of another.
    """
    pair_lucas(folder / "paired", series=write_series(num_places, crop=crop), workers=1, progress=False)
    drawn = torch.randn(num_places, 4, 1, size, generator=torch.Generator().manual_seed(0))
    for index, other in (same or {}).items():
        drawn[index] = drawn[other]
    vectors = {
        f"{COUNTRY}_{point_id(index)}{side}": drawn[index, number]
        for index in range(num_places)
        for number, side in enumerate("NESW")
        if f"{point_id(index)}{side}" not in left_out
    }
    torch.save(vectors, folder / "embeddings.pt")
    import_upstream_embeddings(folder / "embeddings.pt", folder / "embeddings", year=YEAR)
    return folder / "paired", folder / "embeddings"


def write_places(folder: Path, num_places: int, *, validation: int = 0, **options: Any) -> Path:
    """A folder of `DatasetDict.save_to_disk`, made by `join_dataset`.

    Args:
        folder: to work in.
        num_places: of all splits.
        validation: places, the last, that are the split `validation`.
        **options: of [`write_paired`].
    """
    paired, embeddings = write_paired(folder, num_places, **options)
    cut = num_places - validation
    write_manifest(
        folder / "splits.csv",
        {point_id(index): "train" if index < cut else "validation" for index in range(num_places)},
    )
    cache = str(folder / "cache")
    dataset = load_dataset(str(paired), split="train", cache_dir=cache)
    join_dataset(dataset, embeddings, folder / "places", SplitOptions(folder / "splits.csv"), cache_dir=cache)
    return folder / "places"
