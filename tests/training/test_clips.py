import shutil

import pytest
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, BertConfig, BertModel, CLIPModel

from timesenclip_hf import (
    DEFAULT_CHECKPOINT,
    TimeSenCLIPFeatureExtractor,
    TimeSenCLIPModel,
    TimeSenCLIPPixelConfig,
    TimeSenCLIPPixelModel,
    TimeSenCLIPProcessor,
)
from timesenclip_hf.files.locks import UNFINISHED
from training.clips import CLIP, TIMESENCLIP, extract_clip, kind_of, read_clip, read_extractor, read_tower


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A checkpoint of another architecture."""
    folder = tmp_path_factory.mktemp("bert")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=20, **sizes)).save_pretrained(folder)
    return str(folder)


def cut_off(checkpoint, folder):
    """A copy of a checkpoint whose weights end early; its folder."""
    shutil.copytree(checkpoint, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000])
    return str(folder)


def test_clips_and_checkpoints_of_this_package_are_told_apart(tiny_clip, tiny_checkpoint):
    assert kind_of(str(tiny_clip)) == CLIP
    assert kind_of(str(tiny_checkpoint)) == TIMESENCLIP
    assert kind_of(DEFAULT_CHECKPOINT) == TIMESENCLIP


def test_a_checkpoint_of_another_architecture_is_refused(bert):
    with pytest.raises(ValueError, match="is a checkpoint of another architecture, bert: a CLIP is needed"):
        kind_of(bert)


def test_a_name_that_is_no_checkpoint_is_refused_in_one_sentence(tmp_path):
    for read in (kind_of, read_clip, lambda name: read_tower(name, 32)):
        with pytest.raises(ValueError, match=r"can be read from .*absent") as caught:
            read(str(tmp_path / "absent"))
        assert "\n" not in str(caught.value)


def test_damaged_weights_are_refused_in_one_sentence(tiny_clip, tiny_checkpoint, tmp_path):
    clip, full = cut_off(tiny_clip, tmp_path / "clip"), cut_off(tiny_checkpoint, tmp_path / "full")
    for read in (
        lambda: read_clip(clip),
        lambda: read_tower(full, 32),
        lambda: extract_clip(full, tmp_path / "extracted"),
    ):
        with pytest.raises(ValueError, match="can be read from") as caught:
            read()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "extracted").exists()


def test_a_clip_is_read_frozen(tiny_clip):
    clip = read_clip(str(tiny_clip))
    assert not clip.training
    assert not any(parameter.requires_grad for parameter in clip.parameters())


def test_the_clip_taken_out_of_the_embedded_default_embeds_texts_and_photos_as_it_does(tmp_path):
    processor = extract_clip(DEFAULT_CHECKPOINT, tmp_path / "clip")
    full = TimeSenCLIPModel.from_pretrained(DEFAULT_CHECKPOINT).eval()
    clip = read_clip(str(tmp_path / "clip"))
    assert type(clip) is CLIPModel
    texts = dict(processor.tokenizer(["maize", "a photo of a lake"], padding=True, return_tensors="pt"))
    size = full.config.vision_config.image_size
    photos = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for first, second in (
            (clip.get_text_features(**texts), full.get_text_features(**texts)),
            (clip.get_image_features(photos), full.get_image_features(photos)),
        ):
            assert torch.equal(first.pooler_output, second.pooler_output)
    assert clip.logit_scale.item() == full.logit_scale.item()
    tokens = AutoTokenizer.from_pretrained(tmp_path / "clip")("a photo of a lake")["input_ids"]
    assert tokens == processor.tokenizer("a photo of a lake")["input_ids"]
    images = AutoImageProcessor.from_pretrained(tmp_path / "clip")
    assert images.image_mean == processor.image_processor.image_mean


def test_a_clip_that_was_taken_out_before_is_left_as_it_is(tiny_checkpoint, tmp_path):
    extract_clip(str(tiny_checkpoint), tmp_path / "clip")
    weights = tmp_path / "clip" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert isinstance(extract_clip(str(tiny_checkpoint), tmp_path / "clip"), TimeSenCLIPProcessor)
    assert weights.stat().st_mtime_ns == written


def test_what_an_extraction_left_when_it_was_stopped_does_no_harm(tiny_checkpoint, tmp_path):
    (tmp_path / f"{UNFINISHED}killed" / "clip").mkdir(parents=True)
    (tmp_path / f"{UNFINISHED}killed" / "clip" / "config.json").write_text("half of a fi")
    extract_clip(str(tiny_checkpoint), tmp_path / "clip")
    assert kind_of(str(tmp_path / "clip")) == CLIP


def test_a_checkpoint_without_vision_tower_is_refused(tiny_checkpoint, tmp_path):
    full = TimeSenCLIPModel.from_pretrained(tiny_checkpoint)
    TimeSenCLIPProcessor.from_pretrained(tiny_checkpoint).save_pretrained(tmp_path / "text")
    full.vision_model = full.visual_projection = full.config.vision_config = None
    full.save_pretrained(tmp_path / "text")
    with pytest.raises(
        ValueError, match=r"has no vision tower to embed photos with: name a CLIP \(clip_name_or_path\)"
    ):
        extract_clip(str(tmp_path / "text"), tmp_path / "clip")


def test_the_tower_of_a_checkpoint_is_what_was_saved(tiny_checkpoint):
    tower = read_tower(str(tiny_checkpoint), 32)
    saved = AutoModel.from_pretrained(tiny_checkpoint).pixel_model.state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in tower.state_dict().items())


def test_a_tower_alone_can_be_gone_on_with(tmp_path):
    config = TimeSenCLIPPixelConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, projection_dim=8
    )
    TimeSenCLIPPixelModel(config).save_pretrained(tmp_path)
    assert read_tower(str(tmp_path), 8).config.hidden_size == 16


def test_a_tower_for_another_joint_space_is_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="ends in 32 dimensions, the CLIP or teacher in 512: go on with the one that"):
        read_tower(str(tiny_checkpoint), 512)


def test_a_checkpoint_says_how_its_tower_reads_series_or_is_refused(tiny_checkpoint, tiny_clip, tmp_path):
    processor = TimeSenCLIPProcessor.from_pretrained(tiny_checkpoint)
    processor.feature_extractor = TimeSenCLIPFeatureExtractor(band_names=processor.feature_extractor.band_names[::-1])
    processor.save_pretrained(tmp_path)
    assert read_extractor(str(tmp_path)).band_names[0] == "B12"
    with pytest.raises(ValueError, match="has no feature extractor"):
        read_extractor(str(tmp_path / "absent"))


def test_a_checkpoint_without_tower_is_refused(tiny_clip, bert):
    for name in (str(tiny_clip), bert):
        with pytest.raises(ValueError, match=r"another architecture|No pixel tower can be read"):
            read_tower(name, 32)
