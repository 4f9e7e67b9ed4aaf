"""Split points by their ids: seeded random, or spatially blocked so that neighbours never lie in two splits.

Nearby points resemble each other, so that a random split measures interpolation; blocks of a grid in km measure what
happens in a landscape that was not trained on. A point that was surveyed in several years is one point: it goes by its
id, into one split. The result depends on the ids, the places and the seed only, never on the order of the rows.

Written by hand: scikit-learn's splitters draw by the order of the rows, and know no blocks of land.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..files import whole_file
from ..words import as_cell, from_cell

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
# Length of one degree of latitude on a sphere of the Earth's mean radius, 6371.0088 km (IUGG); a grid needs no more.
KM_PER_DEGREE = 6371.0088 * np.pi / 180
MANIFEST_COLUMNS = ("point_id", "split")
Degrees: TypeAlias = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class SplitOptions:
    """Say how the points of a dataset are split.

    Attributes:
        manifest: CSV of point ids and their splits, as [`write_manifest`] writes it, in place of a draw.
        block_km: side of the blocks that go whole into a split; None draws single points, as the paper did.
        shares: of the splits by name, summing to 1; `SHARES` when left out.
        seed: of the draw.
    """

    manifest: str | os.PathLike[str] | None = None
    block_km: float | None = 50.0
    shares: Mapping[str, float] | None = None
    seed: int = 0


def split_points(columns: Mapping[str, Any], options: SplitOptions = SplitOptions()) -> dict[str, str]:
    """Give each point of a dataset its split, by a manifest, by blocks, or single.

    Args:
        columns: `point_id`, and `longitude` and `latitude` (WGS84 degrees) for blocks; a `Dataset` is such a mapping.
        options: which of these.

    Raises:
        FileNotFoundError: no such manifest.
        ValueError: the points cannot be split so.
    """
    if options.manifest is not None:
        return read_manifest(options.manifest)
    ids = columns["point_id"][:]
    if options.block_km is None:
        return random_split(ids, options.shares, seed=options.seed)
    longitude, latitude = columns["longitude"][:], columns["latitude"][:]
    return blocked_split(ids, longitude, latitude, options.shares, block_km=options.block_km, seed=options.seed)


def random_split(
    point_ids: Sequence[str], shares: Mapping[str, float] | None = None, *, seed: int = 0
) -> dict[str, str]:
    """Draw the split of each point id at random; the sizes are exact to one point.

    Args:
        point_ids: a repeated one counts once.
        shares: of the splits by name, summing to 1; `SHARES` when left out.
        seed: of the draw.

    Raises:
        ValueError: no points, or shares that do not sum to 1.
    """
    shares = _check_shares(shares)
    ids = sorted({str(point) for point in point_ids})
    if not ids:
        raise ValueError("There are no points to split.")
    bounds = np.rint(np.cumsum(list(shares.values())) * len(ids)).astype(int)
    drawn = np.searchsorted(bounds, np.random.default_rng(seed).permutation(len(ids)), side="right")
    names = list(shares)
    return {point: names[index] for point, index in zip(ids, drawn.tolist(), strict=True)}


def blocked_split(
    point_ids: Sequence[str],
    longitude: Degrees,
    latitude: Degrees,
    shares: Mapping[str, float] | None = None,
    *,
    block_km: float = 50.0,
    seed: int = 0,
) -> dict[str, str]:
    """Give whole blocks of a grid to the splits; return the split of each point id.

    Blocks are shuffled, and each goes to the split that then lacks most points, so that the sizes are right to
    about one block.

    Args:
        point_ids: a repeated one goes where its first place by longitude and latitude lies.
        longitude: WGS84 degrees, one for each id.
        latitude: WGS84 degrees, one for each id.
        shares: of the splits by name, summing to 1; `SHARES` when left out.
        block_km: side of a block.
        seed: of the shuffle.

    Raises:
        ValueError: places that are none, shares that do not sum to 1, or fewer blocks than splits.
    """
    shares = _check_shares(shares)
    ids, blocks = _blocks_of_points(point_ids, longitude, latitude, block_km)
    numbers, block_of_point, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    if len(numbers) < len(shares):
        places = f"{len(ids)} points lie in {len(numbers)} blocks of {block_km:g} km"
        raise ValueError(f"{places}, too few for {len(shares)} splits: use smaller blocks.")
    wanted = np.asarray(list(shares.values())) * len(ids)
    filled = np.zeros(len(shares))
    split_of_block = np.empty(len(numbers), dtype=np.int64)
    for done, block in enumerate(np.random.default_rng(seed).permutation(len(numbers))):
        need = wanted - filled
        if len(numbers) - done == np.count_nonzero(filled == 0):
            need[filled > 0] = -np.inf  # the blocks that are left are one for each split without any
        split_of_block[block] = neediest = int(need.argmax())
        filled[neediest] += sizes[block]
    names = list(shares)
    return {point: names[split_of_block[block]] for point, block in zip(ids, block_of_point, strict=True)}


def block_of(longitude: Degrees, latitude: Degrees, block_km: float) -> np.ndarray:
    """Find the block that each place lies in, as int64 numbers.

    The grid has rows of equal height in latitude, each cut in as many equal blocks as its middle parallel is long,
    so that a block has the same area anywhere (to rounding, and to the curvature within a row), and the
    antimeridian cuts none.

    Raises:
        ValueError: a place that is none, or a side that is not positive.
    """
    if not 0 < block_km < 10_000:
        raise ValueError(f"`block_km` must be between 0 and 10,000 km, got {block_km}.")
    east, north = np.asarray(longitude, dtype=np.float64), np.asarray(latitude, dtype=np.float64)
    if east.ndim != 1 or east.shape != north.shape:
        raise ValueError(f"Give one longitude and one latitude a point, got {east.shape} and {north.shape}.")
    wrong = ~((np.abs(east) <= 180) & (np.abs(north) <= 90))
    if wrong.any():
        index = int(wrong.argmax())
        point = f"Point {index} lies at longitude {east[index]}, latitude {north[index]}"
        raise ValueError(f"{point}, which is no place: give WGS84 degrees, or leave the point out.")
    num_rows = max(round(180 * KM_PER_DEGREE / block_km), 1)
    row = np.minimum((north + 90) / 180 * num_rows, num_rows - 1).astype(np.int64)
    middle = np.deg2rad((row + 0.5) / num_rows * 180 - 90)
    num_columns = np.maximum(np.rint(360 * KM_PER_DEGREE * np.cos(middle) / block_km), 1).astype(np.int64)
    column = ((east + 180) / 360 * num_columns).astype(np.int64) % num_columns
    # No row has more columns than the equator has blocks.
    return row * (2 * num_rows + 1) + column


def check_blocks(
    splits: Mapping[str, str], point_ids: Sequence[str], longitude: Degrees, latitude: Degrees, *, block_km: float
) -> int:
    """Check that no block straddles two splits; return the number of blocks.

    Args:
        splits: the split of each point id.
        point_ids: of the points to check.
        longitude: WGS84 degrees, one for each id.
        latitude: WGS84 degrees, one for each id.
        block_km: side of a block.

    Raises:
        ValueError: a point without a split, or a block with points of two splits; both are named.
    """
    ids, blocks = _blocks_of_points(point_ids, longitude, latitude, block_km)
    first: dict[int, str] = {}
    for point, block in zip(ids, blocks.tolist(), strict=True):
        if point not in splits:
            raise ValueError(f"The point {point} is in no split.")
        other = first.setdefault(block, point)
        if splits[other] != splits[point]:
            points = f"{other} of {splits[other]!r} and {point} of {splits[point]!r}"
            raise ValueError(f"A block of {block_km:g} km straddles two splits: it holds {points}.")
    return len(first)


def split_rows(splits: Mapping[str, str], point_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """List the rows of each split in order, as `Dataset.select` takes them; raise `ValueError` where one has none."""
    missing = next((point for point in point_ids if str(point) not in splits), None)
    if missing is not None:
        raise ValueError(f"The point {missing} is in no split: split again, or use the manifest of these points.")
    names = np.asarray([splits[str(point)] for point in point_ids])
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(splits.values())}


def write_manifest(path: str | os.PathLike[str], splits: Mapping[str, str], *, overwrite: bool = False) -> None:
    """Write point id and split as CSV, sorted by id, so that equal splits give equal files.

    Raises:
        FileExistsError: a file is there already, and not to be replaced.
    """
    with whole_file(path, overwrite=overwrite) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        rows = (map(as_cell, row) for row in sorted(splits.items()))
        csv.writer(file, lineterminator="\n").writerows([MANIFEST_COLUMNS, *rows])


def read_manifest(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read what [`write_manifest`] wrote; raise `ValueError` for other columns, or a point with two splits."""
    splits: dict[str, str] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        if tuple(next(reader, [])) != MANIFEST_COLUMNS:
            raise ValueError(f"{path} is no manifest of splits: its columns must be {', '.join(MANIFEST_COLUMNS)}.")
        for row in reader:
            if len(row) != len(MANIFEST_COLUMNS):
                raise ValueError(f"Line {reader.line_num} of {path} must be a point id and its split, got {row}.")
            point, split = map(from_cell, row)
            if splits.setdefault(point, split) != split:
                raise ValueError(f"{path} has the point {point} in two splits, {splits[point]!r} and {split!r}.")
    return splits


def _check_shares(shares: Mapping[str, float] | None) -> Mapping[str, float]:
    shares = SHARES if shares is None else shares
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"`shares` must be positive and sum to 1, got {dict(shares)}.")
    return shares


def _blocks_of_points(
    point_ids: Sequence[str], longitude: Degrees, latitude: Degrees, block_km: float
) -> tuple[list[str], np.ndarray]:
    """List unique ids, sorted, and the block of each; a point with several places goes by the first of them, sorted."""
    if len(point_ids) != len(longitude):
        raise ValueError(f"Give one place a point, got {len(point_ids)} ids and {len(longitude)} longitudes.")
    if not len(point_ids):
        raise ValueError("There are no points to split.")
    blocks = block_of(longitude, latitude, block_km)
    names = np.asarray([str(point) for point in point_ids], dtype=np.str_)
    order = np.lexsort((np.asarray(latitude), np.asarray(longitude), names))
    rows = order[np.unique(names[order], return_index=True)[1]]
    return names[rows].tolist(), blocks[rows]
