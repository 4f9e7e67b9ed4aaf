import math

import numpy as np
import pytest
import torch
from torch import nn

from timesenclip_hf.models.senclip.pooling_senclip import PhotoPooling

METHODS = ["average", "attention_per_image", "attention_per_dimension"]


def pooled_by_numpy(method: str, photos: np.ndarray, mask: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    rows = []
    for row, present in zip(photos, mask, strict=True):
        seen = row[present]
        if method == "average":
            rows.append((seen / np.linalg.norm(seen, axis=1, keepdims=True)).mean(axis=0))
        else:
            scores = np.exp(seen @ weight.T)
            rows.append((scores / scores.sum(axis=0) * seen).sum(axis=0))
    return np.stack(rows)


@pytest.mark.parametrize("method", METHODS)
def test_photos_are_pooled_as_numpy_pools_them_one_place_at_a_time(method):
    pooling = PhotoPooling(method, 5).double()
    photos, mask = torch.randn(6, 4, 5), torch.rand(6, 4) < 0.6
    mask[:, 1] = True
    weight = None if method == "average" else pooling.score.weight.detach().float().numpy()
    expected = pooled_by_numpy(method, photos.numpy(), mask.numpy(), weight)
    photos[~mask] = math.nan
    np.testing.assert_allclose(pooling.float()(photos, mask).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_photo_leaves_no_trace_in_the_gradient(method):
    pooling = PhotoPooling(method, 5)
    photos = torch.randn(2, 3, 5)
    photos[0, 2] = math.nan
    photos.requires_grad_()
    mask = torch.tensor([[True, True, False], [True, True, True]])
    pooling(photos, mask).sum().backward()
    assert photos.grad[0, 2].eq(0).all()
    assert all(tensor.grad.isfinite().all() for tensor in [photos, *pooling.parameters()])


@pytest.mark.parametrize("method", METHODS)
def test_a_place_with_one_photo_is_that_photo(method):
    photos = nn.functional.normalize(torch.randn(3, 1, 5), dim=-1)
    torch.testing.assert_close(PhotoPooling(method, 5)(photos), photos[:, 0])


def test_a_place_without_a_photo_an_unknown_method_and_unlike_shapes_are_errors():
    with pytest.raises(ValueError, match="Row 1 of the batch has no photo"):
        PhotoPooling("average", 5)(torch.randn(2, 3, 5), torch.tensor([[True, True, True], [False, False, False]]))
    with pytest.raises(ValueError, match="got 'max'"):
        PhotoPooling("max", 5)
    with pytest.raises(ValueError, match=r"got \(2, 3, 5\) and \(3, 2\)"):
        PhotoPooling("average", 5)(torch.randn(2, 3, 5), torch.ones(3, 2, dtype=torch.bool))
