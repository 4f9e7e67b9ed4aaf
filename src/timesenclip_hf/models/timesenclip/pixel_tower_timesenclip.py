"""Model the pixel tower: from a year of a pixel to its embedding."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_timesenclip import TimeSenCLIPConfig, TimeSenCLIPPixelConfig
from .encoders_timesenclip import (
    TimeSenCLIPConvLayer,
    TimeSenCLIPMLP,
    TimeSenCLIPMLPLayer,
    TimeSenCLIPTempCNN,
    place_on_months,
)
from .transformer_timesenclip import (
    TimeSenCLIPPixelAttention,
    TimeSenCLIPPixelEmbeddings,
    TimeSenCLIPPixelLayer,
    check_series,
)


@contextmanager
def _no_loading_bar() -> Iterator[None]:
    """Leave out transformers' bar over weights, which are read in a blink; bars of downloads stay."""

    def make(factory: Any, args: Any, kwargs: Any) -> Any:
        return factory(*args, **{**kwargs, "disable": True} if kwargs.get("desc") == "Loading weights" else kwargs)

    before = logging.set_tqdm_hook(make)
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)


class TimeSenCLIPPreTrainedModel(PreTrainedModel):
    """Share weight initialisation, loading and saving among the models."""

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
        """Load weights and configuration, as `PreTrainedModel.from_pretrained` does.

        Args:
            pretrained_model_name_or_path: folder or Hub id of a checkpoint.
            *args: of the base class.
            **kwargs: of the base class (`revision`, `token`, `dtype`, ...).

        Raises:
            OSError: the name is of no checkpoint, or its weights are damaged.
        """
        try:
            with _no_loading_bar():
                return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        except SafetensorError as error:
            raise OSError(
                f"The weights in {pretrained_model_name_or_path} are damaged or incomplete ({error}): copy or download "
                "them again."
            ) from None

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Save weights and configuration.

        A checkpoint that was loaded from a folder with remote code names files that a plain save does not write: the
        names are left out then.

        Args:
            save_directory: folder to write.
            **kwargs: of `PreTrainedModel.save_pretrained` (`max_shard_size`, ...).
        """
        for entry in ("auto_map", "custom_pipelines"):
            if type(self)._auto_class is None and hasattr(self.config, entry):
                delattr(self.config, entry)
        super().save_pretrained(save_directory, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Start weights as upstream: PyTorch's defaults for linear layers, Xavier for QKV in one, zero positions.

        transformers comes to a module after its children, so that what is set here of a child takes the place of its
        own N(0, 0.02); its initialisers leave weights that were loaded as they are.
        """
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

    def _initialize_weights(self, module: nn.Module, is_custom_code: bool = False) -> None:
        # Of code that is not its own transformers passes over modules without parameters of their own, as such code may
        # not heed what was loaded; `_init_weights` does.
        super()._initialize_weights(module)


def _init_linear_as_torch(linear: nn.Linear) -> None:
    """Start weights and biases as `nn.Linear` does, U(-1/sqrt(inputs), 1/sqrt(inputs))."""
    bound = linear.in_features**-0.5
    init.uniform_(linear.weight, -bound, bound)
    init.uniform_(linear.bias, -bound, bound)


class TimeSenCLIPPixelModel(TimeSenCLIPPreTrainedModel):
    """Embed a year of a pixel in CLIP's joint space (TimeSenCLIP, arXiv 2508.11919).

    The architecture is that of the released code: a linear embedding of the bands, learned month positions, a class
    token, post-LN encoder layers with ReLU, and LayerNorm with one linear layer on the class token.

    Departures, none of which changes the output on twelve observed months: missing time steps get no attention, and any
    number of them at any dates is accepted, dates between two months taking the position between theirs.

    With `encoder_type` "mlp" or "tempcnn", another encoder stands before the same head. It sees a fixed grid of months
    ([`place_on_months`]): dates count to the nearest month only.
    """

    config: TimeSenCLIPPixelConfig
    base_model_prefix = "pixel_model"
    main_input_name = "pixel_series"
    _can_record_outputs = {
        "hidden_states": [TimeSenCLIPPixelLayer, TimeSenCLIPMLPLayer, TimeSenCLIPConvLayer],
        "attentions": TimeSenCLIPPixelAttention,
    }
    _keys_to_ignore_on_load_unexpected = [
        r"^(text|vision)_model\.",
        r"^(text|visual)_projection\.",
        r"^(logit_scale$|novelty\.)",
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
        pixel_series: Tensor,
        series_mask: Tensor | None = None,
        months: Tensor | None = None,
        pooled_only: bool = False,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """Encode series.

        Args:
            pixel_series: scaled reflectance (batch, time, band), or (batch, time, band, height, width).
            series_mask: (batch, time), True where observed; all observed when left out. A series without any
                observation gives an embedding that is finite, the same for all, and meaningless.
            months: (time,) or (batch, time), 0 = January, circular; integers are the learned positions, others lie
                between them. May be left out with twelve time steps, January first.
            pooled_only: leave out what `pooler_output` does not need, a tenth of the work of the published transformer:
                its last layer is then computed for the class token alone, and `last_hidden_state` is `None`. What is
                recorded of that layer with `output_hidden_states` or `output_attentions` is the class token's.
            **kwargs: transformers' `output_hidden_states`, `output_attentions` and the like; the hidden states of
                TempCNN come as its convolutions make them, (batch, channels, num_months).

        Returns:
            `pooler_output` (batch, projection_dim), not normalised, and `last_hidden_state`: of the transformer (batch,
            1 + time, hidden_size), class token first; of the MLP (batch, 1, hidden_size), its last layer; of TempCNN
            (batch, num_months, hidden_size), its last convolution.

        Raises:
            ValueError: a shape does not fit the configuration, or `months` is missing for other than twelve time steps.
        """
        check_series(self.config, pixel_series, series_mask, months)
        if self.encoder is None:
            tokens = self.embeddings(pixel_series, series_mask, months)
            hidden_states = self._attend(tokens, series_mask, pooled_only, **kwargs)
            pooled = hidden_states[:, 0]
        else:
            values = place_on_months(pixel_series, series_mask, months, self.config.num_months)
            hidden_states, pooled = self.encoder(values.to(self.projection.weight.dtype))
        return BaseModelOutputWithPooling(
            last_hidden_state=None if pooled_only else hidden_states,
            pooler_output=self.projection(self.post_layernorm(pooled)),
        )

    def _attend(self, hidden_states: Tensor, series_mask: Tensor | None, pooled_only: bool, **kwargs: Any) -> Tensor:
        """Run the layers, to (batch, tokens, hidden_size); the last for the class token alone if `pooled_only`."""
        masks = [self._attention_mask(hidden_states, hidden_states, series_mask)] * len(self.layers)
        if pooled_only:
            masks[-1] = self._attention_mask(hidden_states[:, :1], hidden_states, series_mask)
        for layer, mask in zip(self.layers, masks, strict=True):
            last = layer is self.layers[-1]
            hidden_states = layer(hidden_states, mask, class_token_only=pooled_only and last, **kwargs)
        return hidden_states

    def _attention_mask(self, queries: Tensor, tokens: Tensor, series_mask: Tensor | None) -> Any:
        """Return a mask as the attention implementation wants it; the class token is always seen."""
        if series_mask is None:
            return None
        return create_bidirectional_mask(
            config=self.config,
            inputs_embeds=queries,
            attention_mask=nn.functional.pad(series_mask.bool(), (1, 0), value=True),
            encoder_hidden_states=tokens,
        )
