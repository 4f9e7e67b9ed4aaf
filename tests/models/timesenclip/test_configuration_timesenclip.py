import pytest
from transformers import AutoConfig, CLIPTextConfig, SiglipTextConfig

from timesenclip_hf import TimeSenCLIPConfig, TimeSenCLIPPixelConfig


def test_the_defaults_are_the_published_encoder():
    config = TimeSenCLIPPixelConfig()
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (512, 6, 8)
    assert (config.intermediate_size, config.hidden_act, config.num_bands, config.num_months) == (
        256,
        "relu",
        10,
        12,
    )


def test_each_encoder_has_the_sizes_of_its_source_unless_told_otherwise(tmp_path):
    sizes = {}
    for encoder_type in ("mlp", "tempcnn"):
        config = TimeSenCLIPPixelConfig(encoder_type=encoder_type, projection_dim=64)
        sizes[encoder_type] = (config.hidden_size, config.num_hidden_layers, config.hidden_dropout_prob)
        told = TimeSenCLIPPixelConfig(encoder_type=encoder_type, hidden_size=512, hidden_dropout_prob=0.0)
        assert (told.hidden_size, told.hidden_dropout_prob) == (512, 0.0)
        full = TimeSenCLIPConfig(pixel_config=told, projection_dim=512)
        full.save_pretrained(tmp_path)
        assert AutoConfig.from_pretrained(tmp_path).pixel_config.to_dict() == told.to_dict()
    assert sizes == {"mlp": (500, 3, 0.2), "tempcnn": (64, 3, 0.5)}


def test_a_configuration_from_before_there_were_encoders_to_choose_is_the_transformers():
    written = {"hidden_size": 64, "num_hidden_layers": 3, "intermediate_size": 32, "hidden_dropout_prob": 0.1}
    config = TimeSenCLIPPixelConfig.from_dict({"model_type": "timesenclip_pixel_model", **written})
    assert config.encoder_type == "transformer"
    assert {name: getattr(config, name) for name in written} == written


def test_heads_concern_the_transformer_only():
    assert TimeSenCLIPPixelConfig(encoder_type="mlp", hidden_size=30, num_attention_heads=8).hidden_size == 30


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("encoder_type", "lstm", "^`encoder_type` must be one of transformer, mlp, tempcnn, got 'lstm'.$"),
        ("conv_kernel_size", 0, "`conv_kernel_size` must be at least 1, got 0"),
        ("hidden_size", 0, "`hidden_size` must be at least 1, got 0"),
        ("num_bands", 0, "`num_bands` must be at least 1, got 0"),
        ("patch_size", [3], r"`patch_size` must be one number or \[height, width\]"),
        ("patch_size", [3, 0], "`patch_size` must be at least 1, got 0"),
        (
            "num_attention_heads",
            7,
            "`num_attention_heads` must divide `hidden_size`, got 7 heads for a width of 512",
        ),
        ("hidden_act", "relish", "`hidden_act` must be one of transformers' activations, got 'relish'"),
        ("hidden_dropout_prob", 1.0, r"`hidden_dropout_prob` must lie in \[0, 1\), got 1.0"),
    ],
)
def test_a_bad_number_is_refused_by_name(field, value, message):
    with pytest.raises(ValueError, match=message):
        TimeSenCLIPPixelConfig(**{field: value})


def test_a_tower_of_another_width_is_refused_with_the_fix():
    with pytest.raises(ValueError, match="set `projection_dim` of the pixel config to 256"):
        TimeSenCLIPConfig(projection_dim=256)


def test_a_text_tower_that_is_not_clips_is_refused():
    with pytest.raises(ValueError, match="`text_config` must describe a clip_text_model, got a siglip_text_model"):
        TimeSenCLIPConfig(text_config=SiglipTextConfig())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("calibration_temperature", 0.0, "`calibration_temperature` must be positive, got 0.0"),
        ("calibration_temperature", float("nan"), "`calibration_temperature` must be positive, got nan"),
        ("reject_threshold", 1.5, r"`reject_threshold` must lie in \[0, 1\], got 1.5"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused_by_name(field, value, message):
    with pytest.raises(ValueError, match=message):
        TimeSenCLIPConfig(**{field: value})


@pytest.mark.parametrize("vision_config", [None, {"hidden_size": 64, "num_attention_heads": 2}])
def test_saved_and_loaded_it_is_the_same_with_and_without_a_vision_tower(tmp_path, vision_config):
    config = TimeSenCLIPConfig(
        pixel_config={"hidden_size": 64, "patch_size": 5},
        text_config=CLIPTextConfig(hidden_size=128),
        vision_config=vision_config,
    )
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is TimeSenCLIPConfig
    assert (loaded.vision_config is None) == (vision_config is None)
    assert loaded.to_diff_dict() == config.to_diff_dict()
    assert TimeSenCLIPPixelConfig.from_pretrained(tmp_path).patch_shape == (5, 5)
