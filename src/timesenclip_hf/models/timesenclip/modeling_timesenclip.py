"""The pixel tower, and the model that joins it to CLIP's text tower and, optionally, its vision tower."""

import math
import os
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, CLIPModel, CLIPTextModel, CLIPVisionModel, PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_timesenclip import TimeSenCLIPConfig, TimeSenCLIPPixelConfig
from .encoders_timesenclip import (
    TimeSenCLIPConvLayer,
    TimeSenCLIPMLP,
    TimeSenCLIPMLPLayer,
    TimeSenCLIPPixelAttention,
    TimeSenCLIPPixelEmbeddings,
    TimeSenCLIPPixelLayer,
    TimeSenCLIPTempCNN,
    check_series,
    place_on_months,
)


@dataclass
class TimeSenCLIPOutput(ModelOutput):
    """Output of [`TimeSenCLIPModel`]; a field is `None` when its inputs were not given.

    Attributes:
        loss: InfoNCE from series to ground photos, a scalar, with `return_loss=True`.
        logits_per_series: scaled cosine similarities (num_series, num_texts); see [`TimeSenCLIPModel.score_scale`].
        logits_per_text: the same, (num_texts, num_series).
        series_embeds: unit embeddings of the series (num_series, projection_dim).
        text_embeds: unit embeddings of the texts (num_texts, projection_dim).
        image_embeds: unit embeddings of the ground photos (num_photos, projection_dim).
    """

    loss: torch.Tensor | None = None
    logits_per_series: torch.Tensor | None = None
    logits_per_text: torch.Tensor | None = None
    series_embeds: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None
    image_embeds: torch.Tensor | None = None


class TimeSenCLIPPreTrainedModel(PreTrainedModel):
    """Weight initialisation and the features that both models share."""

    config: TimeSenCLIPConfig
    base_model_prefix = "timesenclip"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _no_split_modules = ["TimeSenCLIPPixelLayer"]

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str] | None, *args: Any, **kwargs: Any
    ) -> Any:
        """Loads weights and configuration; see `PreTrainedModel.from_pretrained` for the arguments.

        Raises:
            OSError: there is no checkpoint there, or its weights are damaged.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        except SafetensorError as error:
            raise OSError(
                f"The weights in {pretrained_model_name_or_path} are damaged or incomplete ({error}): copy or download "
                "them again."
            ) from None

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Saves weights and configuration; see `PreTrainedModel.save_pretrained` for the arguments.

        A checkpoint that was loaded from a folder with remote code names files that a plain save does not write.
        """
        if type(self)._auto_class is None:
            for entry in ("auto_map", "custom_pipelines"):
                if hasattr(self.config, entry):
                    delattr(self.config, entry)
        super().save_pretrained(save_directory, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As upstream: PyTorch's defaults for linear layers, Xavier for the joint QKV matrix, zero positions."""
        super()._init_weights(module)
        if isinstance(module, TimeSenCLIPPixelEmbeddings):
            _init_linear_as_torch(module.band_projection)
            init.zeros_(module.position_embedding)
            init.zeros_(module.class_embedding)
        elif isinstance(module, TimeSenCLIPPixelAttention):
            width = module.q_proj.in_features
            # Xavier over the (3 width, width) matrix that nn.MultiheadAttention keeps in one piece.
            bound = math.sqrt(6 / (3 * width + width))
            for projection in (module.q_proj, module.k_proj, module.v_proj):
                init.uniform_(projection.weight, -bound, bound)
                init.zeros_(projection.bias)
            _init_linear_as_torch(module.out_proj)
            init.zeros_(module.out_proj.bias)
        elif isinstance(module, TimeSenCLIPPixelLayer):
            _init_linear_as_torch(module.fc1)
            _init_linear_as_torch(module.fc2)
        elif isinstance(module, TimeSenCLIPMLP | TimeSenCLIPTempCNN):
            # He's normal, as in TempCNN's code.
            for part in module.modules():
                if isinstance(part, nn.Linear | nn.Conv1d):
                    init.kaiming_normal_(part.weight, nonlinearity="relu")
        elif isinstance(module, TimeSenCLIPPixelModel):
            _init_linear_as_torch(module.projection)
        elif isinstance(module, TimeSenCLIPModel):
            heads = (module.text_projection, module.visual_projection)
            for head in [head for head in heads if head is not None]:
                init.normal_(head.weight, std=head.in_features**-0.5)
            init.constant_(module.logit_scale, self.config.logit_scale_init_value)


def _init_linear_as_torch(linear: nn.Linear) -> None:
    """`nn.Linear.reset_parameters`, through transformers' initialisers, which leave loaded weights alone."""
    bound = linear.in_features**-0.5
    init.uniform_(linear.weight, -bound, bound)
    init.uniform_(linear.bias, -bound, bound)


class TimeSenCLIPPixelModel(TimeSenCLIPPreTrainedModel):
    """A year of one pixel in, one embedding in CLIP's joint space out (TimeSenCLIP, arXiv 2508.11919).

    The architecture is that of the released code: a linear embedding of the bands, learned month positions, a
    class token, post-LN encoder layers with ReLU, and LayerNorm with one linear layer on the class token.

    Departures, none of which changes the output on twelve observed months: missing looks get no attention, and
    any number of looks at any dates is accepted, dates between two months taking the position between theirs.

    With `encoder_type` "mlp" or "tempcnn", another encoder stands before the same head. It sees a fixed grid of
    months ([`place_on_months`]): dates count to the nearest month only.
    """

    config: TimeSenCLIPPixelConfig
    base_model_prefix = "pixel_model"
    main_input_name = "pixel_series"
    _can_record_outputs = {
        "hidden_states": [TimeSenCLIPPixelLayer, TimeSenCLIPMLPLayer, TimeSenCLIPConvLayer],
        "attentions": TimeSenCLIPPixelAttention,
    }
    _keys_to_ignore_on_load_unexpected = [
        r"^text_model\.",
        r"^text_projection\.",
        r"^vision_model\.",
        r"^visual_projection\.",
        r"^logit_scale$",
    ]

    def __init__(self, config: TimeSenCLIPPixelConfig) -> None:
        super().__init__(config)
        width: Any = config.hidden_size
        depth: Any = config.num_hidden_layers
        self.encoder: TimeSenCLIPMLP | TimeSenCLIPTempCNN | None = None
        if config.encoder_type == "transformer":
            self.embeddings = TimeSenCLIPPixelEmbeddings(config)
            self.layers = nn.ModuleList(TimeSenCLIPPixelLayer(config) for _ in range(depth))
        else:
            self.encoder = (TimeSenCLIPMLP if config.encoder_type == "mlp" else TimeSenCLIPTempCNN)(config)
            width = self.encoder.output_size
        self.post_layernorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.projection = nn.Linear(width, config.projection_dim)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        pixel_series: torch.Tensor,
        series_mask: torch.Tensor | None = None,
        months: torch.Tensor | None = None,
        pooled_only: bool = False,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """Encodes series.

        Args:
            pixel_series: scaled reflectance (batch, time, band), or (batch, time, band, height, width).
            series_mask: (batch, time), True where observed; all observed when left out. A series without any
                observed look gives an embedding that is finite, the same for all, and meaningless.
            months: (time,) or (batch, time) places in the year, 0 = January, circular; whole numbers are the
                learned positions, others lie between them. May be left out with twelve looks, January first.
            pooled_only: leave out what `pooler_output` does not need, a tenth of the work of the published transformer:
                its last layer is then computed for the class token alone, and `last_hidden_state` is `None`. What is
                recorded of that layer with `output_hidden_states` or `output_attentions` is the class token's.
            **kwargs: transformers' `output_hidden_states`, `output_attentions` and the like; the hidden states of
                TempCNN come as its convolutions make them, (batch, channels, num_months).

        Returns:
            `pooler_output` (batch, projection_dim), not normalised, and `last_hidden_state`: of the transformer
            (batch, 1 + time, hidden_size), class token first; of the MLP (batch, 1, hidden_size), its last layer; of
            TempCNN (batch, num_months, hidden_size), its last convolution.

        Raises:
            ValueError: a shape does not fit the configuration, or `months` is missing for other than twelve looks.
        """
        check_series(self.config, pixel_series, series_mask, months)
        if self.encoder is None:
            hidden_states = self._attend(pixel_series, series_mask, months, pooled_only, **kwargs)
            pooled = hidden_states[:, 0]
        else:
            looks = place_on_months(pixel_series, series_mask, months, self.config.num_months)
            hidden_states, pooled = self.encoder(looks.to(self.projection.weight.dtype))
        return BaseModelOutputWithPooling(
            last_hidden_state=None if pooled_only else hidden_states,
            pooler_output=self.projection(self.post_layernorm(pooled)),
        )

    def _attend(
        self,
        pixel_series: torch.Tensor,
        series_mask: torch.Tensor | None,
        months: torch.Tensor | None,
        pooled_only: bool,
        **kwargs: Any,
    ) -> torch.Tensor:
        hidden_states: torch.Tensor = self.embeddings(pixel_series, series_mask, months)
        masks = [self._attention_mask(hidden_states, hidden_states, series_mask)] * len(self.layers)
        if pooled_only:
            masks[-1] = self._attention_mask(hidden_states[:, :1], hidden_states, series_mask)
        for layer, mask in zip(self.layers, masks, strict=True):
            last = layer is self.layers[-1]
            hidden_states = layer(hidden_states, mask, class_token_only=pooled_only and last, **kwargs)
        return hidden_states

    def _attention_mask(self, queries: torch.Tensor, tokens: torch.Tensor, series_mask: torch.Tensor | None) -> Any:
        """A mask as the attention implementation wants it; the class token is always seen."""
        if series_mask is None:
            return None
        return create_bidirectional_mask(
            config=self.config,
            inputs_embeds=queries,
            attention_mask=nn.functional.pad(series_mask.bool(), (1, 0), value=True),
            encoder_hidden_states=tokens,
        )


class TimeSenCLIPModel(TimeSenCLIPPreTrainedModel):
    """Pixel series, words and, optionally, ground photos in one space.

    Text and vision towers carry CLIP's own parameter names, so CLIP's classes load them from a checkpoint of
    this model, and this model's towers load from a CLIP checkpoint ([`TimeSenCLIPModel.from_clip`]).
    """

    config: TimeSenCLIPConfig
    main_input_name = "pixel_series"

    def __init__(self, config: TimeSenCLIPConfig) -> None:
        super().__init__(config)
        text_config: Any = config.text_config
        vision_config: Any = config.vision_config
        self.pixel_model = TimeSenCLIPPixelModel._from_config(config.pixel_config)
        self.text_model = CLIPTextModel._from_config(text_config)
        self.text_projection = nn.Linear(text_config.hidden_size, config.projection_dim, bias=False)
        self.vision_model: CLIPVisionModel | None = None
        self.visual_projection: nn.Linear | None = None
        if vision_config is not None:
            self.vision_model = CLIPVisionModel._from_config(vision_config)
            self.visual_projection = nn.Linear(vision_config.hidden_size, config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(float(config.logit_scale_init_value)))
        self.post_init()

    @classmethod
    def from_clip(
        cls,
        pixel_model_or_config: TimeSenCLIPPixelModel | TimeSenCLIPPixelConfig,
        clip_name_or_path: str,
        *,
        vision_tower: bool = True,
        **kwargs: Any,
    ) -> "TimeSenCLIPModel":
        """Assembles a model from a pixel tower and any CLIP checkpoint.

        Args:
            pixel_model_or_config: a pixel tower, which is taken as it is, or a configuration for a fresh one.
            clip_name_or_path: a folder or Hub id of a CLIP checkpoint.
            vision_tower: keep CLIP's vision tower, for ground photos; False for a smaller inference model.
            **kwargs: for `CLIPModel.from_pretrained` (`revision`, `token`, `cache_dir`, ...).

        Raises:
            ValueError: the checkpoint is not CLIP's, or its joint space has another width than the pixel tower's.
        """
        model_type = AutoConfig.from_pretrained(clip_name_or_path, **kwargs).model_type
        if model_type != "clip":
            raise ValueError(f"{clip_name_or_path} holds a {model_type} model; a CLIP model is needed.")
        clip = CLIPModel.from_pretrained(clip_name_or_path, **kwargs)
        given = isinstance(pixel_model_or_config, PreTrainedModel)
        pixel_config = pixel_model_or_config.config if given else pixel_model_or_config
        model = cls(
            TimeSenCLIPConfig(
                pixel_config=pixel_config,
                text_config=clip.config.text_config,
                vision_config=clip.config.vision_config if vision_tower else None,
                projection_dim=clip.config.projection_dim,
            )
        )
        if given:
            model.pixel_model = pixel_model_or_config
        model.text_model, model.text_projection = clip.text_model, clip.text_projection
        if vision_tower:
            model.vision_model, model.visual_projection = clip.vision_model, clip.visual_projection
        with torch.no_grad():
            model.logit_scale.copy_(clip.logit_scale)
        model.eval()
        return model

    @property
    def score_scale(self) -> torch.Tensor:
        """What turns cosines of series and texts into logits: the learned scale over the calibration's temperature."""
        return self.logit_scale.exp() / self.config.calibration_temperature

    @can_return_tuple
    def get_series_features(
        self,
        pixel_series: torch.Tensor,
        series_mask: torch.Tensor | None = None,
        months: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """The pixel tower's output; `pooler_output` (batch, projection_dim) is not normalised."""
        return self.pixel_model(pixel_series, series_mask, months, **kwargs)

    @can_return_tuple
    def get_text_features(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPooling:
        """The text tower's output; `pooler_output` (batch, projection_dim) is projected and not normalised."""
        outputs = self.text_model(input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **kwargs)
        outputs.pooler_output = self.text_projection(outputs.pooler_output)
        return outputs

    @can_return_tuple
    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """The vision tower's output on ground photos; `pooler_output` is projected and not normalised.

        Raises:
            ValueError: the checkpoint has no vision tower.
        """
        if self.vision_model is None or self.visual_projection is None:
            raise ValueError(
                "This checkpoint has no vision tower: load one made with `from_clip(..., vision_tower=True)`."
            )
        outputs = self.vision_model(pixel_values=pixel_values, return_dict=True, **kwargs)
        outputs.pooler_output = self.visual_projection(outputs.pooler_output)
        return outputs

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_series: torch.Tensor | None = None,
        series_mask: torch.Tensor | None = None,
        months: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        return_loss: bool | None = None,
        **kwargs: Any,
    ) -> TimeSenCLIPOutput:
        """Embeds what is given, and compares series with texts where both are.

        Args:
            input_ids: tokens (num_texts, length).
            pixel_series: scaled reflectance (num_series, time, band[, height, width]).
            series_mask: (num_series, time), True where observed.
            months: (time,) or (num_series, time), 0 = January.
            attention_mask: (num_texts, length).
            pixel_values: ground photos (num_photos, 3, height, width).
            return_loss: contrast each series with the photo of the same row.
            **kwargs: for the towers.

        Raises:
            ValueError: nothing to embed, or a loss asked for without as many photos as series.
        """
        series_embeds = text_embeds = image_embeds = None
        if pixel_series is not None:
            series = self.get_series_features(pixel_series, series_mask, months, pooled_only=True, **kwargs)
            series_embeds = _unit(series.pooler_output)
        if input_ids is not None:
            text_embeds = _unit(self.get_text_features(input_ids, attention_mask, **kwargs).pooler_output)
        if pixel_values is not None:
            image_embeds = _unit(self.get_image_features(pixel_values, **kwargs).pooler_output)
        if series_embeds is None and text_embeds is None and image_embeds is None:
            raise ValueError("Nothing to embed: give `pixel_series`, `input_ids` or `pixel_values`.")

        logits_per_series = None
        if series_embeds is not None and text_embeds is not None:
            logits_per_series = self.score_scale * series_embeds @ text_embeds.T
        return TimeSenCLIPOutput(
            loss=self._contrast(series_embeds, image_embeds) if return_loss else None,
            logits_per_series=logits_per_series,
            logits_per_text=None if logits_per_series is None else logits_per_series.T,
            series_embeds=series_embeds,
            text_embeds=text_embeds,
            image_embeds=image_embeds,
        )

    def _contrast(self, series_embeds: torch.Tensor | None, image_embeds: torch.Tensor | None) -> torch.Tensor:
        if series_embeds is None or image_embeds is None or len(series_embeds) != len(image_embeds):
            raise ValueError("`return_loss` needs `pixel_series` and `pixel_values` with one photo for each series.")
        logits = self.logit_scale.exp() * series_embeds @ image_embeds.T
        return nn.functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def _unit(embeds: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(embeds, dim=-1)
