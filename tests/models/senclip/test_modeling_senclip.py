import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, CLIPModel

from timesenclip_hf import SenCLIPConfig, SenCLIPModel
from timesenclip_hf.models.senclip.modeling_senclip import PhotoPooling

IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
PHOTOS = torch.randn(4, 3, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def senclip(tiny_clip: Path):
    """A model on the CLIP of two blocks of width 32, in training."""

    def _make(**options: Any) -> SenCLIPModel:
        torch.manual_seed(0)
        return SenCLIPModel.from_clip(str(tiny_clip), **options).train()

    return _make


def contrast(model: SenCLIPModel, **photos: torch.Tensor) -> torch.Tensor:
    views = model(IMAGES, **(photos or {"photo_embeds": PHOTOS}))
    units = [nn.functional.normalize(view, dim=-1) for view in (views.image_embeds, views.photo_embeds)]
    return nn.functional.cross_entropy(units[0] @ units[1].T / 0.07, torch.arange(len(IMAGES)))


def learning(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.grad is not None}


def assert_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal but for the order of sums, which follows where in memory equal weights lie."""
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


ALWAYS = ("vision_model.post_layernorm.", "visual_projection.", "pooling.", "projection_head.")


@pytest.mark.parametrize(
    ("blocks", "prefixes"),
    [
        (0, ALWAYS),
        (1, (*ALWAYS, "vision_model.encoder.layers.1.")),
        (2, (*ALWAYS, "vision_model.encoder.layers.")),
        (None, (*ALWAYS, "vision_model.")),
    ],
)
def test_the_gradient_reaches_exactly_the_chosen_blocks(blocks, prefixes, senclip, tmp_path):
    model = senclip(trainable_blocks=blocks, pooling="attention_per_image")
    model.save_pretrained(tmp_path)
    for each in (model, AutoModel.from_pretrained(tmp_path).train()):
        contrast(each).backward()
        expected = {name for name, _ in each.named_parameters() if name.startswith(prefixes)}
        assert learning(each) == expected


@torch.no_grad()
def test_it_starts_as_the_clip_it_was_made_from(senclip, tiny_clip):
    model, clip = senclip(), CLIPModel.from_pretrained(tiny_clip)
    texts = torch.tensor([[512, 5, 6, 513]])
    expected = clip.get_image_features(IMAGES).pooler_output
    assert_same(model.get_image_features(IMAGES).pooler_output, expected)
    assert_same(model.get_text_features(texts).pooler_output, clip.get_text_features(texts).pooler_output)
    # The head's linear layers start at zero: what is left of it is the LayerNorm.
    for linear in (model.projection_head.fc1, model.projection_head.fc2):
        assert not linear.weight.any()
        assert not linear.bias.any()
    views = model.eval()(IMAGES)
    torch.testing.assert_close(views.image_embeds, nn.functional.layer_norm(expected, (32,)))
    assert views.photo_embeds is None


def test_the_head_is_two_linear_layers_with_a_residual_of_each_and_a_norm(senclip):
    head = senclip().projection_head.eval()
    for parameter in head.parameters():
        nn.init.normal_(parameter, std=0.3)
    embeds = PHOTOS[:, 0]
    hidden = embeds @ head.fc1.weight.T + head.fc1.bias
    gelu = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    total = embeds + hidden + gelu @ head.fc2.weight.T + head.fc2.bias
    normed = (total - total.mean(-1, keepdim=True)) / (total.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(head(embeds), normed * head.layer_norm.weight + head.layer_norm.bias)


@pytest.mark.parametrize("pooling", ["average", "attention_per_image", "attention_per_dimension"])
def test_after_training_the_clip_inside_has_the_trained_features_and_what_was_frozen_is_unchanged(
    pooling, senclip, tiny_clip, tmp_path
):
    model, before = senclip(pooling=pooling), CLIPModel.from_pretrained(tiny_clip)
    optimizer = torch.optim.AdamW([values for values in model.parameters() if values.requires_grad], lr=1e-2)
    losses = []
    for _ in range(8):
        loss = contrast(model)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    clip = model.to_clip()
    assert type(clip) is CLIPModel
    clip.save_pretrained(tmp_path)
    texts = torch.tensor([[512, 5, 6, 513]])
    with torch.no_grad():
        trained = model.eval().get_image_features(IMAGES).pooler_output
        assert not torch.allclose(trained, before.get_image_features(IMAGES).pooler_output, atol=1e-2)
        for each in (clip, CLIPModel.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)):
            assert_same(each.get_image_features(IMAGES).pooler_output, trained)
            assert_same(each.get_text_features(texts).pooler_output, before.get_text_features(texts).pooler_output)
    frozen = "vision_model.encoder.layers.0.", "vision_model.embeddings.", "text_", "logit_scale"
    for name, weight in before.state_dict().items():
        assert torch.equal(clip.state_dict()[name], weight) == name.startswith((*frozen, "vision_model.pre_")), name


def test_the_clip_inside_has_weights_of_its_own(senclip):
    model = senclip()
    clip = model.to_clip()
    before = clip.visual_projection.weight.clone()
    with torch.no_grad():
        model.visual_projection.weight.add_(1)
    assert torch.equal(clip.visual_projection.weight, before)
    assert all(parameter.requires_grad for parameter in clip.parameters())


@torch.no_grad()
def test_a_saved_model_loads_to_the_same_views(senclip, tmp_path):
    model = senclip(pooling="attention_per_dimension", projection_dropout=0.3).eval()
    for parameter in model.parameters():
        parameter.add_(0.01 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert isinstance(loaded, SenCLIPModel)
    assert loaded.config.to_diff_dict() == model.config.to_diff_dict()
    ours, theirs = (each(IMAGES, photo_embeds=PHOTOS) for each in (model, loaded))
    assert_same(ours.image_embeds, theirs.image_embeds)
    assert_same(ours.photo_embeds, theirs.photo_embeds)


@pytest.mark.parametrize("pooling", ["average", "attention_per_image", "attention_per_dimension"])
def test_masked_photos_have_no_part_in_any_pooling(pooling, senclip):
    model = senclip(pooling=pooling)
    mask = torch.tensor([[True, True, False]] * 4)
    photos = PHOTOS.clone()
    photos[:, 2] = torch.nan
    ours = model(IMAGES, photo_embeds=photos, photo_mask=mask).photo_embeds
    torch.testing.assert_close(ours, model(IMAGES, photo_embeds=PHOTOS[:, :2]).photo_embeds)
    if pooling != "average":
        # PyTorch's own start, which upstream has: uniform up to one over the root of the width.
        assert 0.8 < model.pooling.score.weight.abs().max() * 32**0.5 <= 1
    else:
        torch.testing.assert_close(ours, nn.functional.normalize(PHOTOS[:, :2], dim=-1).mean(dim=1))


def test_the_frozen_tower_stays_in_evaluation_while_the_rest_is_in_training(senclip):
    model = senclip()
    assert model.training
    assert model.vision_model.training
    assert model.projection_head.dropout.training
    assert not model.text_model.training


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        ({"photo_embeds": torch.zeros(4, 3, 48)}, "32 numbers a photo, got 48"),
        ({"photo_embeds": torch.zeros(4, 32)}, "must be \\(batch, photos, dim\\)"),
        ({"photo_embeds": PHOTOS, "photo_mask": torch.zeros(4, 3, dtype=torch.bool)}, "Row 0 .*no photo"),
    ],
)
def test_photos_that_do_not_fit_are_refused_in_one_sentence(photos, message, senclip):
    with pytest.raises(ValueError, match=message) as error:
        senclip()(IMAGES, **photos)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "`pooling` must be one of average.*'max'"),
        ({"trainable_blocks": 13}, "0 to 12.*got 13"),
        ({"trainable_blocks": -1}, "got -1"),
        ({"projection_dropout": 1.0}, r"\[0, 1\), got 1.0"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message) as error:
        SenCLIPConfig(**options)
    assert "\n" not in str(error.value)


def test_it_starts_from_a_complete_clip_only(tiny_checkpoint, tiny_clip, tmp_path):
    with pytest.raises(ValueError, match="holds a timesenclip model; a CLIP model is needed"):
        SenCLIPModel.from_clip(str(tiny_checkpoint))
    clip = CLIPModel.from_pretrained(tiny_clip)
    weights = {name: weight for name, weight in clip.state_dict().items() if "post_layernorm" not in name}
    clip.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(ValueError, match=r"no complete CLIP model: it lacks vision_model\.post_layernorm"):
        SenCLIPModel.from_clip(str(tmp_path))


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
