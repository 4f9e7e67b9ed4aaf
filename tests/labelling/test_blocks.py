import numpy as np
import pytest

from timesenclip_hf.data.splits import block_of
from timesenclip_hf.labelling.blocks import BLOCK_SIDES, block_side, blocks_of, folds_of


def places(km, count=400):
    """Places in a square of so many km at 48 degrees north."""
    random = np.random.default_rng(0)
    return random.uniform(2, 2 + km / 74.5, count), random.uniform(48, 48 + km / 111.2, count)


@pytest.mark.parametrize(("km", "side"), [(600, 50), (90, 10), (12, 2), (4, 0.5), (0.7, 0.1)])
def test_a_small_area_is_cut_into_smaller_blocks(km, side):
    assert block_side(*places(km)) == side


def test_where_no_side_gives_enough_blocks_the_one_that_gives_most_is_taken():
    longitude, latitude = np.array([3.0, 3.0, 9.0]), np.array([50.0, 50.0, 50.0])
    assert len(np.unique(block_of(longitude, latitude, block_side(longitude, latitude)))) == 2


def test_blocks_are_those_of_the_splits_and_places_that_are_not_known_stand_alone():
    longitude, latitude = places(90)
    longitude[[3, 5]] = np.nan
    blocks, known = blocks_of(longitude, latitude), ~np.isnan(longitude)
    assert np.array_equal(blocks[known], block_of(longitude[known], latitude[known], 10.0))
    assert len({*blocks[[3, 5]], *blocks[known]}) == 2 + len(np.unique(blocks[known]))
    assert len(np.unique(blocks_of(np.full(4, np.nan), np.full(4, np.nan)))) == 4
    assert max(BLOCK_SIDES) == 50


def test_no_group_is_in_two_folds_and_the_folds_have_about_as_much_of_each_class():
    random = np.random.default_rng(1)
    groups, truth = random.integers(0, 60, 900), random.choice(3, 900, p=[0.7, 0.2, 0.1])
    folds = folds_of(truth, groups, 5)
    assert all(len(np.unique(folds[groups == group])) == 1 for group in range(60))
    counts = np.array([np.bincount(truth[folds == fold], minlength=3) for fold in range(5)])
    assert (counts / counts.sum(axis=0)).min() > 0.12
    assert np.array_equal(folds, folds_of(truth, groups, 5))


def test_there_are_no_more_folds_than_groups():
    truth = np.repeat([0, 1, 2], 10)
    assert set(folds_of(truth, np.tile([7, 9], 15), 5)) == {0, 1}
    assert set(folds_of(truth, np.zeros(30), 5)) == {0}


def test_single_examples_are_dealt_out_class_by_class():
    truth = np.repeat([0, 1, 2], [20, 5, 1])
    for groups in (None, np.arange(26)):
        folds = folds_of(truth, groups, 5)
        assert np.bincount(folds[truth == 0]).tolist() == [4] * 5
        assert np.bincount(folds[truth == 1]).tolist() == [1] * 5
    assert folds_of(truth[:1], None, 5).tolist() == [0]
