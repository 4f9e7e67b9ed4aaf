import math

import pytest
import torch

from timesenclip_hf.objectives import CrossViewContrastiveLoss


def test_embeddings_that_tell_nothing_apart_cost_the_logarithm_of_the_batch():
    same = torch.ones(7, 4)
    torch.testing.assert_close(CrossViewContrastiveLoss()(same, same), torch.tensor(math.log(7)))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_orthogonal_identical_pairs_give_the_analytic_value(bidirectional):
    loss = CrossViewContrastiveLoss(bidirectional, logit_scale_init_value=math.log(5))
    pairs = 3 * torch.eye(6)
    # Each row: one cosine of 1 and five of 0 at inverse temperature 5.
    torch.testing.assert_close(loss(pairs, pairs), torch.tensor(math.log(1 + 5 * math.exp(-5))))


def test_two_by_two_by_hand():
    loss = CrossViewContrastiveLoss(logit_scale_init_value=math.log(2))
    anchors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    first = -math.log(math.exp(2 * 1.0) / (math.exp(2 * 1.0) + math.exp(2 * 0.6)))
    second = -math.log(math.exp(2 * 0.8) / (math.exp(2 * 0.0) + math.exp(2 * 0.8)))
    torch.testing.assert_close(loss(anchors, targets), torch.tensor((first + second) / 2))


def test_the_inverse_temperature_stops_at_one_hundred():
    hot, limit = (CrossViewContrastiveLoss(logit_scale_init_value=math.log(value)) for value in (1e6, 100))
    anchors, targets = torch.randn(4, 8), torch.randn(4, 8)
    torch.testing.assert_close(hot(anchors, targets), limit(anchors, targets))


def test_half_precision_embeddings_are_compared_in_float32():
    loss = CrossViewContrastiveLoss()
    assert loss(torch.randn(4, 8).bfloat16(), torch.randn(4, 8).bfloat16()).dtype == torch.float32
