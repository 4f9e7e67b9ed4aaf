from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from timesenclip_hf.data.splits import (
    KM_PER_DEGREE,
    SHARES,
    block_of,
    blocked_split,
    check_blocks,
    random_split,
    read_manifest,
    split_rows,
    write_manifest,
)


def scattered(count=2_000, seed=0):
    """Points over Europe, ids and places."""
    rng = np.random.default_rng(seed)
    ids = [f"{number:08d}" for number in range(30_000_000, 30_000_000 + count)]
    return ids, rng.uniform(-10, 30, count), rng.uniform(36, 70, count)


places = st.lists(
    st.tuples(st.floats(-180, 180, allow_nan=False), st.floats(-90, 90, allow_nan=False)), min_size=1, max_size=60
)


def test_a_random_split_has_exact_sizes_and_repeats_with_its_seed():
    ids, *_ = scattered(1_000)
    splits = random_split(ids, seed=3)
    assert Counter(splits.values()) == {"train": 800, "validation": 100, "test": 100}
    assert random_split(ids, seed=3) == splits
    assert random_split(ids, seed=4) != splits


@given(count=st.integers(1, 200), seed=st.integers(0, 2**31), order=st.randoms(use_true_random=False))
def test_a_random_split_knows_no_order_of_rows_and_each_size_is_right_to_one_point(count, seed, order):
    ids = [f"p{number}" for number in range(count)]
    splits = random_split(ids, seed=seed)
    shuffled = ids + ids[: count // 2]
    order.shuffle(shuffled)
    assert random_split(shuffled, seed=seed) == splits
    sizes = Counter(splits.values())
    assert all(abs(sizes[name] - share * count) <= 1 for name, share in SHARES.items())


def test_blocks_are_as_large_as_they_say_anywhere():
    rng = np.random.default_rng(0)
    for latitude in (-60.0, 0.0, 45.0, 68.0):
        north = latitude + rng.uniform(0, 400, 200_000) / KM_PER_DEGREE
        east = 10 + rng.uniform(0, 400, 200_000) / (KM_PER_DEGREE * np.cos(np.deg2rad(north)))
        assert len(np.unique(block_of(east, north, 50))) == pytest.approx(64, abs=25)
        sizes = np.sort(np.unique(block_of(east, north, 50), return_counts=True)[1])
        # Whole blocks, the ones not cut by the edge, hold a 64th of the square's points each.
        assert np.median(sizes[-30:]) == pytest.approx(200_000 / 64, rel=0.05)


def test_the_antimeridian_cuts_no_block():
    assert block_of([180.0], [10.0], 50) == block_of([-180.0], [10.0], 50)


@settings(max_examples=60, deadline=None)
@given(places=places, block_km=st.floats(5, 2_000), seed=st.integers(0, 1_000))
def test_no_block_straddles_two_splits_wherever_the_points_lie(places, block_km, seed):
    east, north = np.asarray(places).T
    ids = [f"p{number}" for number in range(len(places))]
    assume(len(np.unique(block_of(east, north, block_km))) >= 2)
    splits = blocked_split(ids, east, north, {"a": 0.6, "b": 0.4}, block_km=block_km, seed=seed)
    assert check_blocks(splits, ids, east, north, block_km=block_km) >= 2
    for block in np.unique(block_of(east, north, block_km)):
        inside = np.flatnonzero(block_of(east, north, block_km) == block)
        assert len({splits[ids[place]] for place in inside}) == 1


def test_a_blocked_split_has_about_the_shares_that_were_asked_for():
    ids, east, north = scattered()
    sizes = Counter(blocked_split(ids, east, north, block_km=50).values())
    assert sizes["train"] / 2_000 == pytest.approx(0.8, abs=0.01)
    assert sizes["test"] / 2_000 == pytest.approx(0.1, abs=0.01)


def test_a_blocked_split_knows_no_order_of_rows():
    ids, east, north = scattered(300)
    order = np.random.default_rng(1).permutation(300)
    shuffled = blocked_split([ids[place] for place in order], east[order], north[order], seed=5)
    assert shuffled == blocked_split(ids, east, north, seed=5)


def test_a_point_of_several_years_lies_in_one_split_though_its_place_moved():
    splits = blocked_split(["1", "1", "2", "3"], [4.0, 4.9, 20.0, 0.0], [50.0, 50.0, 60.0, 40.0], {"a": 0.5, "b": 0.5})
    assert set(splits) == {"1", "2", "3"}
    assert blocked_split(["1", "1", "2", "3"], [4.9, 4.0, 20.0, 0.0], [50.0, 50.0, 60.0, 40.0], {"a": 0.5, "b": 0.5})


def test_a_straddling_block_is_named_with_its_points():
    with pytest.raises(ValueError, match="straddles two splits: it holds 1 of 'a' and 2 of 'b'"):
        check_blocks({"1": "a", "2": "b"}, ["1", "2"], [4.0, 4.001], [50.0, 50.001], block_km=50)
    with pytest.raises(ValueError, match="point 2 is in no split"):
        check_blocks({"1": "a"}, ["1", "2"], [4.0, 4.1], [50.0, 50.0], block_km=50)


def test_a_random_split_of_neighbours_is_caught_by_the_check():
    ids, east, north = scattered()
    with pytest.raises(ValueError, match="straddles"):
        check_blocks(random_split(ids), ids, east, north, block_km=500)


def test_a_manifest_reads_back_and_equal_splits_write_equal_files(tmp_path):
    splits = random_split([f"{number:08d}" for number in range(50)])
    write_manifest(tmp_path / "a" / "splits.csv", splits)
    write_manifest(tmp_path / "b.csv", dict(reversed(splits.items())))
    assert read_manifest(tmp_path / "b.csv") == splits
    assert (tmp_path / "a" / "splits.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,split\n1,train\n", "no manifest of splits"),
        ("point_id,split\n1,train\n1,test\n", "the point 1 in two splits"),
        ("point_id,split\n1\n", "Line 2"),
        ("", "no manifest of splits"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / "splits.csv")


def test_rows_of_a_split_keep_their_order_and_years_of_one_point_stay_together():
    splits = {"1": "train", "2": "test", "3": "train"}
    rows = split_rows(splits, ["3", "2", "1", "3"])
    assert rows["train"].tolist() == [0, 2, 3]
    assert rows["test"].tolist() == [1]
    with pytest.raises(ValueError, match="point 9 is in no split"):
        split_rows(splits, ["9"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shares": {"train": 0.5}}, "sum to 1"),
        ({"shares": {}}, "sum to 1"),
        ({"shares": {"train": 1.5, "test": -0.5}}, "positive"),
        ({"block_km": 0}, "block_km"),
        ({"block_km": 5_000}, "smaller blocks"),
        ({"longitude": [np.nan, 1.0]}, "Point 0 lies at longitude nan"),
        ({"latitude": [50.0, 91.0]}, "Point 1 lies at longitude 5.0, latitude 91.0"),
        ({"longitude": [1.0]}, "one place a point"),
        ({"point_ids": [], "longitude": [], "latitude": []}, "no points"),
    ],
)
def test_what_cannot_be_split_is_refused_in_one_line(arguments, message):
    given_arguments = {"point_ids": ["1", "2"], "longitude": [4.0, 5.0], "latitude": [50.0, 51.0], **arguments}
    with pytest.raises(ValueError, match=message):
        blocked_split(**given_arguments)
