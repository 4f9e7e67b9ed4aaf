"""Configure the pixel tower and the three-tower TimeSenCLIP model."""

import math
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import CLIPTextConfig, CLIPVisionConfig
from transformers.activations import ACT2FN
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec

# What is left out of a configuration, by the kind of encoder.
ENCODER_SIZES: dict[str, dict[str, int | float]] = {
    # TimeSenCLIP's released code and checkpoints.
    "transformer": {"hidden_size": 512, "num_hidden_layers": 6, "intermediate_size": 256, "hidden_dropout_prob": 0.2},
    # The MLP of Wang et al. 2017 (arXiv 1611.06455), whose dropout is 0.1, 0.2, 0.2 and 0.3 from input to output.
    "mlp": {"hidden_size": 500, "num_hidden_layers": 3, "intermediate_size": 500, "hidden_dropout_prob": 0.2},
    # TempCNN (Pelletier et al. 2019, doi 10.3390/rs11050523), which `conv_kernel_size` is from too.
    "tempcnn": {"hidden_size": 64, "num_hidden_layers": 3, "intermediate_size": 256, "hidden_dropout_prob": 0.5},
}
_SIZES = ("num_bands", "num_months", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_POSITIVE_FIELDS = (*_SIZES, "projection_dim", "conv_kernel_size", "patch_size")


@strict
class TimeSenCLIPPixelConfig(PreTrainedConfig):
    """Configure [`TimeSenCLIPPixelModel`]; the defaults are the published 1x1 encoder.

    Every number is from TimeSenCLIP (arXiv 2508.11919) and its released code; where the two disagree (ReLU against
    GELU, one linear head against two) the code is followed, since it is what the weights were made with. The paper also
    compares other encoders, whose sizes are in neither the code nor, that we found, the paper: those of `ENCODER_SIZES`
    are from the works that brought them.

    Args:
        encoder_type: "transformer"; or "mlp" or "tempcnn", which see a fixed grid of `num_months`.
        num_bands: spectral bands, in the feature extractor's order.
        num_months: learned positions on the circle of the year; 12 are the calendar months.
        patch_size: side of the square of pixels seen at each time step, 1 for a single pixel, or `[height, width]`.
        hidden_size: width of the encoder, for "tempcnn" the filters of a convolution; by `encoder_type` when left out,
            as are the sizes below that say so.
        num_hidden_layers: encoder layers, for "tempcnn" convolutions; by `encoder_type`.
        num_attention_heads: heads a layer of the transformer; must divide `hidden_size`.
        intermediate_size: width of the transformer's feed-forward block, or of "tempcnn"'s dense layer, by
            `encoder_type`; "mlp" has none.
        hidden_act: activation of the feed-forward block, or of each layer.
        hidden_dropout_prob: dropout after attention, inside and after the feed-forward block, or after each layer of
            the other encoders; by `encoder_type`.
        attention_dropout: dropout on the attention weights.
        conv_kernel_size: months that a convolution of "tempcnn" spans.
        layer_norm_eps: epsilon of every LayerNorm.
        projection_dim: size of the embedding, the width of CLIP's joint space.

    Raises:
        ValueError: the encoder or the activation is unknown, a number is not positive, the heads do not divide the
            width, or a dropout lies outside [0, 1).
    """

    model_type = "timesenclip_pixel_model"
    base_config_key = "pixel_config"

    encoder_type: str = "transformer"
    num_bands: int = 10
    num_months: int = 12
    patch_size: int | list[int] | tuple[int, int] = 1
    hidden_size: int | None = None
    num_hidden_layers: int | None = None
    num_attention_heads: int = 8
    intermediate_size: int | None = None
    hidden_act: str = "relu"
    hidden_dropout_prob: float | int | None = None
    attention_dropout: float | int = 0.2
    conv_kernel_size: int = 5
    layer_norm_eps: float = 1e-5
    projection_dim: int = 512

    @property
    def patch_shape(self) -> tuple[int, int]:
        """Return height and width of the patch, in pixels."""
        if isinstance(self.patch_size, int):
            return self.patch_size, self.patch_size
        height, width = self.patch_size
        return height, width

    @property
    def values_per_step(self) -> int:
        """Count the numbers of one time step: each band of each pixel of the patch."""
        height, width = self.patch_shape
        return self.num_bands * height * width

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        for name, size in ENCODER_SIZES.get(self.encoder_type, {}).items():
            if getattr(self, name) is None:
                setattr(self, name, size)
        # `@strict` would wrap the sentence in an error of its own, over several lines.
        self.validate_architecture()

    def validate_architecture(self) -> None:
        """Raise ValueError for a field that cannot be used; `@strict` calls it again when it is saved."""
        if self.encoder_type not in ENCODER_SIZES:
            raise ValueError(f"`encoder_type` must be one of {', '.join(ENCODER_SIZES)}, got {self.encoder_type!r}.")
        if not isinstance(self.patch_size, int) and len(self.patch_size) != 2:
            raise ValueError(f"`patch_size` must be one number or [height, width], got {self.patch_size}.")
        for name in _POSITIVE_FIELDS:
            value = min(self.patch_shape) if name == "patch_size" else getattr(self, name)
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        width: Any = self.hidden_size
        if self.encoder_type == "transformer" and width % self.num_attention_heads:
            heads = self.num_attention_heads
            raise ValueError(
                f"`num_attention_heads` must divide `hidden_size`, got {heads} heads for a width of {width}."
            )
        if self.hidden_act not in ACT2FN:
            raise ValueError(f"`hidden_act` must be one of transformers' activations, got {self.hidden_act!r}.")
        for name in ("hidden_dropout_prob", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must lie in [0, 1), got {getattr(self, name)}.")


@strict
class TimeSenCLIPConfig(PreTrainedConfig):
    """Configure [`TimeSenCLIPModel`]: a pixel tower, CLIP's text tower and, optionally, its vision tower.

    Args:
        pixel_config: the pixel tower.
        text_config: any CLIP text tower.
        vision_config: CLIP's tower for ground photos; `None` in checkpoints made for inference only.
        projection_dim: width of the joint space, equal to the pixel tower's `projection_dim`.
        logit_scale_init_value: log of the inverse temperature at the start; 2.6592 is log(1 / 0.07), as in CLIP.
        calibration_temperature: divides the logits of series against texts, so that their softmax is as sure as it is
            right; fitted on labelled samples after training, 1 where nobody did. The learned `logit_scale`, which
            training goes on from, stays what it was. (Not `temperature`: transformers takes that for an option of text
            generation.)
        reject_threshold: highest probability below which an answer counts as none; `None` where nobody fitted one.
        novelty_width: of the layers that tell how unlike those of the training a series is; `None` where nobody fitted
            them.

    Raises:
        ValueError: the pixel tower ends in another width than `projection_dim`, the text tower is not CLIP's, the
            temperature or the width is not positive, or the threshold lies outside [0, 1].
    """

    model_type = "timesenclip"
    sub_configs_defaults = {
        "pixel_config": TimeSenCLIPPixelConfig,
        "text_config": CLIPTextConfig,
        "vision_config": SubConfigSpec(CLIPVisionConfig, optional=True),
    }

    pixel_config: dict[str, Any] | TimeSenCLIPPixelConfig | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    projection_dim: int = 512
    logit_scale_init_value: float | int = 2.6592
    calibration_temperature: float | int = 1.0
    reject_threshold: float | int | None = None
    novelty_width: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        tower: Any
        for tower in (self.text_config, self.vision_config):
            if tower is not None:
                tower.projection_dim = self.projection_dim  # CLIP's own classes read it there
        # `@strict` would wrap the sentence in an error of its own, over several lines.
        self.validate_architecture()

    def validate_architecture(self) -> None:
        """Raise ValueError for a field that cannot be used; `@strict` calls it again when it is saved."""
        for name, model_type in (("text_config", "clip_text_model"), ("vision_config", "clip_vision_model")):
            tower = getattr(self, name)
            if tower is not None and tower.model_type != model_type:
                raise ValueError(f"`{name}` must describe a {model_type}, got a {tower.model_type}.")
        pixel_config: Any = self.pixel_config  # a configuration by now, whatever it was given as
        if pixel_config.projection_dim != self.projection_dim:
            raise ValueError(
                f"The pixel tower ends in {pixel_config.projection_dim} dimensions but the text tower in "
                f"{self.projection_dim}: set `projection_dim` of the pixel config to {self.projection_dim}."
            )
        if not 0 < self.calibration_temperature < math.inf:
            raise ValueError(f"`calibration_temperature` must be positive, got {self.calibration_temperature}.")
        if self.reject_threshold is not None and not 0 <= self.reject_threshold <= 1:
            raise ValueError(f"`reject_threshold` must lie in [0, 1], got {self.reject_threshold}.")
        if self.novelty_width is not None and self.novelty_width < 1:
            raise ValueError(f"`novelty_width` must be at least 1, got {self.novelty_width}.")
