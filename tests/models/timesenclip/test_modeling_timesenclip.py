import logging

import pytest
import torch
from transformers import AutoModel, CLIPConfig, CLIPModel, CLIPTextModelWithProjection

from tests.support.small_towers import make_tower
from timesenclip_hf import TimeSenCLIPModel, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel

TOWER = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = {
    **TOWER,
    "vocab_size": 100,
    "bos_token_id": 98,
    "eos_token_id": 99,
    "pad_token_id": 0,
    "projection_dim": 8,
}
VISION = {**TOWER, "image_size": 16, "patch_size": 8, "projection_dim": 8}


@pytest.fixture(scope="module")
def tower() -> TimeSenCLIPPixelModel:
    return make_tower(projection_dim=8)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(1)
    CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=8)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tower, clip_folder) -> TimeSenCLIPModel:
    return TimeSenCLIPModel.from_clip(tower, clip_folder)


def embed(tower, *args, **kwargs) -> torch.Tensor:
    with torch.no_grad():
        return tower(*args, **kwargs).pooler_output


def test_the_pixel_tower_loads_alone_from_a_full_checkpoint_and_the_log_stays_silent(model, tmp_path, caplog):
    model.save_pretrained(tmp_path)
    logging.getLogger("transformers").addHandler(caplog.handler)
    try:
        alone = TimeSenCLIPPixelModel.from_pretrained(tmp_path)
    finally:
        logging.getLogger("transformers").removeHandler(caplog.handler)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    series = torch.rand(2, 12, 10)
    assert torch.equal(embed(alone, series), model.get_series_features(series).pooler_output)


def test_clips_own_classes_load_their_towers_from_our_checkpoint(model, clip_folder, tmp_path):
    model.save_pretrained(tmp_path)
    tokens = torch.tensor([[98, 5, 6, 99]])
    ours = CLIPTextModelWithProjection.from_pretrained(tmp_path)(tokens).text_embeds
    clips = CLIPTextModelWithProjection.from_pretrained(clip_folder)(tokens).text_embeds
    assert torch.equal(ours, clips)


def test_from_clip_keeps_clips_towers_and_temperature(model, clip_folder):
    clip = CLIPModel.from_pretrained(clip_folder)
    tokens, photos = torch.tensor([[98, 5, 6, 99]]), torch.rand(2, 3, 16, 16)
    assert torch.equal(model.get_text_features(tokens).pooler_output, clip.get_text_features(tokens).pooler_output)
    assert torch.equal(model.get_image_features(photos).pooler_output, clip.get_image_features(photos).pooler_output)
    assert torch.equal(model.logit_scale, clip.logit_scale)


def test_without_a_vision_tower_photos_are_refused_with_the_fix(tower, clip_folder, tmp_path):
    TimeSenCLIPModel.from_clip(tower, clip_folder, vision_tower=False).save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert loaded.vision_model is None
    with pytest.raises(ValueError, match="no vision tower"):
        loaded.get_image_features(torch.rand(1, 3, 16, 16))


def test_from_clip_refuses_a_joint_space_of_another_width(clip_folder):
    with pytest.raises(ValueError, match="set `projection_dim` of the pixel config to 8"):
        TimeSenCLIPModel.from_clip(TimeSenCLIPPixelConfig(), clip_folder)


def test_from_clip_refuses_a_checkpoint_that_is_not_clips(tower, tmp_path):
    tower.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a timesenclip_pixel_model model; a CLIP model is needed"):
        TimeSenCLIPModel.from_clip(TimeSenCLIPPixelConfig(), str(tmp_path))


def test_logits_are_scaled_cosines_of_series_and_texts(model):
    series, tokens = torch.rand(3, 12, 10), torch.tensor([[98, 5, 99], [98, 7, 99]])
    output = model(input_ids=tokens, pixel_series=series)
    cosines = torch.nn.functional.cosine_similarity(
        model.get_series_features(series).pooler_output[:, None],
        model.get_text_features(tokens).pooler_output[None],
        dim=-1,
    )
    torch.testing.assert_close(output.logits_per_series, model.logit_scale.exp() * cosines)
    assert torch.equal(output.logits_per_text, output.logits_per_series.T)


def test_the_loss_pairs_each_series_with_the_photo_of_its_row(model):
    series, photos = torch.rand(3, 12, 10), torch.rand(3, 3, 16, 16)
    output = model(pixel_series=series, pixel_values=photos, return_loss=True)
    logits = model.logit_scale.exp() * output.series_embeds @ output.image_embeds.T
    torch.testing.assert_close(output.loss, -logits.log_softmax(dim=1).diagonal().mean())


def test_identical_series_and_photos_cost_the_logarithm_of_the_batch(model):
    series, photos = torch.rand(1, 12, 10).expand(5, -1, -1), torch.rand(1, 3, 16, 16).expand(5, -1, -1, -1)
    loss = model(pixel_series=series, pixel_values=photos, return_loss=True).loss
    torch.testing.assert_close(loss, torch.tensor(5.0).log())


def test_nothing_to_embed_is_refused(model):
    with pytest.raises(ValueError, match="Nothing to embed"):
        model()
    with pytest.raises(ValueError, match="one photo for each series"):
        model(pixel_series=torch.rand(2, 12, 10), return_loss=True)
