import pytest
import torch

from timesenclip_hf.learning import EmbeddingMatchingLoss


def test_matching_costs_two_minus_two_cosines_whatever_the_lengths():
    anchors = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]], requires_grad=True)
    targets = torch.tensor([[0.5, 0.0], [4.0, 0.0], [-2.0, -2.0]])
    assert EmbeddingMatchingLoss()(anchors, targets).item() == pytest.approx((0 + 2 + 4) / 3)
    anchors, targets = torch.randn(16, 8), torch.randn(16, 8)
    cosines = torch.cosine_similarity(anchors, targets)
    assert EmbeddingMatchingLoss()(anchors, targets).item() == pytest.approx((2 - 2 * cosines).mean().item(), abs=1e-6)
