"""Model pixel tower, CLIP's text tower and, optionally, its vision tower in one."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, CLIPModel, CLIPTextModel, CLIPVisionModel, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .configuration_timesenclip import TimeSenCLIPConfig, TimeSenCLIPPixelConfig
from .novelty_timesenclip import TimeSenCLIPNovelty
from .pixel_tower_timesenclip import TimeSenCLIPPixelModel, TimeSenCLIPPreTrainedModel


@dataclass
class TimeSenCLIPOutput(ModelOutput):
    """Hold the output of [`TimeSenCLIPModel`]; a field is `None` when its inputs were left out.

    Attributes:
        loss: InfoNCE from series to ground photos, a scalar, with `return_loss=True`.
        logits_per_series: cosine similarities (num_series, num_texts) times [`TimeSenCLIPModel.score_scale`].
        logits_per_text: the same, (num_texts, num_series).
        series_embeds: unit embeddings of the series (num_series, projection_dim).
        text_embeds: unit embeddings of the texts (num_texts, projection_dim).
        image_embeds: unit embeddings of the ground photos (num_photos, projection_dim).
        series_model_output: of [`TimeSenCLIPModel.get_series_features`], with hidden states and attentions where they
            are asked for.
        text_model_output: of [`TimeSenCLIPModel.get_text_features`].
        vision_model_output: of [`TimeSenCLIPModel.get_image_features`].
    """

    loss: Tensor | None = None
    logits_per_series: Tensor | None = None
    logits_per_text: Tensor | None = None
    series_embeds: Tensor | None = None
    text_embeds: Tensor | None = None
    image_embeds: Tensor | None = None
    series_model_output: BaseModelOutputWithPooling | None = None
    text_model_output: BaseModelOutputWithPooling | None = None
    vision_model_output: BaseModelOutputWithPooling | None = None


class TimeSenCLIPModel(TimeSenCLIPPreTrainedModel):
    """Embed pixel series, words and, optionally, ground photos in one space.

    Text and vision towers carry CLIP's own parameter names, so CLIP's classes load them from a checkpoint of this
    model, and this model's towers load from a CLIP checkpoint ([`TimeSenCLIPModel.from_clip`]).
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
        self.novelty: TimeSenCLIPNovelty | None = None
        if config.novelty_width is not None:
            self.novelty = TimeSenCLIPNovelty(self.pixel_model.config, config.novelty_width)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Start the heads and the temperature as CLIP does."""
        super()._init_weights(module)
        if isinstance(module, TimeSenCLIPModel):
            for head in filter(None, (module.text_projection, module.visual_projection)):
                init.normal_(head.weight, std=head.in_features**-0.5)
            init.constant_(module.logit_scale, self.config.logit_scale_init_value)

    @classmethod
    def from_clip(
        cls,
        pixel_model_or_config: TimeSenCLIPPixelModel | TimeSenCLIPPixelConfig,
        clip_name_or_path: str,
        *,
        vision_tower: bool = True,
        **kwargs: Any,
    ) -> "TimeSenCLIPModel":
        """Assemble a model from a pixel tower and any CLIP checkpoint.

        Args:
            pixel_model_or_config: a pixel tower, which is taken as it is, or a configuration for a fresh one.
            clip_name_or_path: a folder or Hub id of a CLIP checkpoint.
            vision_tower: keep CLIP's vision tower, for ground photos; False for a smaller inference model.
            **kwargs: for `CLIPModel.from_pretrained` (`revision`, `token`, `cache_dir`, ...). `dtype` is of all towers,
                the pixel tower's own when left out, float32 for a fresh one; `attn_implementation` too is of all.

        Raises:
            ValueError: the checkpoint is not CLIP's, or its joint space has another width than the pixel tower's.
        """
        is_model = isinstance(pixel_model_or_config, PreTrainedModel)
        # A checkpoint's own type need not be the pixel tower's, and no model computes in two.
        own = pixel_model_or_config.dtype if is_model else torch.float32
        dtype = _read_dtype(kwargs.pop("dtype", kwargs.pop("torch_dtype", None)), own)
        model_type = AutoConfig.from_pretrained(clip_name_or_path, **kwargs).model_type
        if model_type != "clip":
            raise ValueError(f"{clip_name_or_path} holds a {model_type} model; a CLIP model is needed.")
        clip = CLIPModel.from_pretrained(clip_name_or_path, dtype=dtype, **kwargs)
        pixel_config = pixel_model_or_config.config if is_model else pixel_model_or_config
        config = TimeSenCLIPConfig(
            pixel_config=pixel_config,
            text_config=clip.config.text_config,
            vision_config=clip.config.vision_config if vision_tower else None,
            projection_dim=clip.config.projection_dim,
        )
        model = cls(config)
        if is_model:
            model.pixel_model = pixel_model_or_config
        model.text_model, model.text_projection = clip.text_model, clip.text_projection
        if vision_tower:
            model.vision_model, model.visual_projection = clip.vision_model, clip.visual_projection
        with torch.no_grad():
            model.logit_scale.copy_(clip.logit_scale)
        model.to(dtype)
        if "attn_implementation" in kwargs:
            model.set_attn_implementation(kwargs["attn_implementation"])
        model.eval()
        return model

    def get_input_embeddings(self) -> nn.Module:
        """Return the embeddings of the text tower's tokens; the towers have their own each."""
        embeddings: nn.Module = self.text_model.get_input_embeddings()
        return embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Put others in place of the embeddings of the text tower's tokens.

        Args:
            value: embeddings of a vocabulary.
        """
        self.text_model.set_input_embeddings(value)

    def keep_novelty(self, novelty: TimeSenCLIPNovelty) -> None:
        """Take statistics of the training's series, which the model is saved and loaded with from here on."""
        self.novelty = novelty.to(self.device).eval().requires_grad_(False)
        self.config.novelty_width = novelty.width

    @property
    def score_scale(self) -> Tensor:
        """Return what turns cosines of series and texts into logits: the learned scale over the fitted temperature."""
        return self.logit_scale.exp() / self.config.calibration_temperature

    @can_return_tuple
    def get_series_features(
        self,
        pixel_series: Tensor,
        series_mask: Tensor | None = None,
        months: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling:
        """Encode series; `pooler_output` (num_series, projection_dim) is not normalised.

        Args:
            pixel_series: scaled reflectance (num_series, time, band[, height, width]).
            series_mask: (num_series, time), True where observed; all observed when left out.
            months: (time,) or (num_series, time), 0 = January; may be left out with twelve time steps, January first.
            **kwargs: of [`TimeSenCLIPPixelModel.forward`].

        Raises:
            ValueError: a shape does not fit the configuration.
        """
        return self.pixel_model(pixel_series, series_mask, months, **kwargs)

    @can_return_tuple
    def get_text_features(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> BaseModelOutputWithPooling:
        """Encode texts; `pooler_output` (num_texts, projection_dim) is projected and not normalised.

        Args:
            input_ids: tokens (num_texts, length).
            attention_mask: (num_texts, length).
            **kwargs: for the text tower.
        """
        outputs = self.text_model(input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **kwargs)
        outputs.pooler_output = self.text_projection(outputs.pooler_output)
        return outputs

    @can_return_tuple
    def get_image_features(
        self, pixel_values: Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> BaseModelOutputWithPooling:
        """Encode ground photos; `pooler_output` (num_photos, projection_dim) is projected and not normalised.

        Args:
            pixel_values: (num_photos, 3, height, width).
            **kwargs: for the vision tower.

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
        pixel_series: Tensor | None = None,
        series_mask: Tensor | None = None,
        months: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        return_loss: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> TimeSenCLIPOutput:
        """Embed what is passed, and compare series with texts where both are.

        Args:
            pixel_series: scaled reflectance (num_series, time, band[, height, width]).
            series_mask: (num_series, time), True where observed.
            months: (time,) or (num_series, time), 0 = January.
            input_ids: tokens (num_texts, length).
            attention_mask: (num_texts, length).
            pixel_values: ground photos (num_photos, 3, height, width).
            return_loss: contrast each series with the photo of the same row.
            **kwargs: for the towers, such as `output_hidden_states`.

        Raises:
            ValueError: nothing to embed, or a loss asked for without as many photos as series.
        """
        if pixel_series is None and input_ids is None and pixel_values is None:
            raise ValueError("Nothing to embed: give `pixel_series`, `input_ids` or `pixel_values`.")
        series = text = image = None
        if pixel_series is not None:
            series = self.get_series_features(pixel_series, series_mask, months, pooled_only=True, **kwargs)
        if input_ids is not None:
            text = self.get_text_features(input_ids, attention_mask, **kwargs)
        if pixel_values is not None:
            image = self.get_image_features(pixel_values, **kwargs)
        series_embeds, text_embeds, image_embeds = _unit(series), _unit(text), _unit(image)
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
            series_model_output=series,
            text_model_output=text,
            vision_model_output=image,
        )

    def _contrast(self, series_embeds: Tensor | None, image_embeds: Tensor | None) -> Tensor:
        if series_embeds is None or image_embeds is None or len(series_embeds) != len(image_embeds):
            raise ValueError("`return_loss` needs `pixel_series` and `pixel_values` with one photo for each series.")
        logits = self.logit_scale.exp() * series_embeds @ image_embeds.T
        return nn.functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def _read_dtype(asked: torch.dtype | str | None, own: torch.dtype) -> torch.dtype:
    """Return the type that is asked for, as transformers has it."""
    if asked is None or asked == "auto":
        return own
    return getattr(torch, asked) if isinstance(asked, str) else asked


def _unit(output: BaseModelOutputWithPooling | None) -> Tensor | None:
    """Make the embeddings of a tower unit vectors."""
    return None if output is None else nn.functional.normalize(output.pooler_output, dim=-1)
