"""Model SenCLIP in training: a CLIP whose vision tower learns to see from above what ground photos show."""

import copy
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn
from transformers import AutoConfig, CLIPConfig, CLIPModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .configuration_senclip import PoolingMethod, SenCLIPConfig


@dataclass
class SenCLIPOutput(ModelOutput):
    """Hold the two views of each point, neither of unit length.

    Attributes:
        image_embeds: of the satellite images, behind the projection head where there is one (batch, projection_dim).
        photo_embeds: of the ground photos, pooled (batch, projection_dim); `None` where no photos were given.
        vision_model_output: of the satellite tower, with hidden states and attentions where they are asked for.
    """

    image_embeds: Tensor | None = None
    photo_embeds: Tensor | None = None
    vision_model_output: BaseModelOutputWithPooling | None = None


class SenCLIPProjectionHead(nn.Module):
    """Apply two linear layers with GELU, a residual of each and LayerNorm, on the satellite side in training only.

    The linear layers start at zero, as in the released code, so that the head starts as the LayerNorm alone.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, dim)
        self.fc2 = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, embeds: Tensor) -> Tensor:
        """Turn embeddings (batch, dim) into embeddings (batch, dim)."""
        hidden = self.fc1(embeds)
        added = self.dropout(self.fc2(nn.functional.gelu(hidden)))
        output: Tensor = self.layer_norm(embeds + hidden + added)
        return output


class PhotoPooling(nn.Module):
    """Pool the embeddings of a point's photos; missing photos have no part in it.

    - `average`: the mean of the photos' unit embeddings. Upstream averages embeddings of whatever length they are
      stored with.
    - `attention_per_image`: one score a photo, from a linear map without bias; the softmax over the photos weighs their
      embeddings. Upstream's `attpool_perimage` with its default, the sum.
    - `attention_per_dimension`: the same with one score for each photo and dimension. Upstream's `attpool_perdim`
      divides by the number of photos too, which the objective, working on unit embeddings, does not see.

    Upstream knows no missing photo: its points have four.

    Args:
        method: one of the three.
        dim: of the embeddings.

    Raises:
        ValueError: the method is none of the three.
    """

    def __init__(self, method: PoolingMethod, dim: int) -> None:
        super().__init__()
        if method not in get_args(PoolingMethod):
            raise ValueError(f"`method` must be one of {', '.join(get_args(PoolingMethod))}, got {method!r}.")
        self.method = method
        if method != "average":
            self.score = nn.Linear(dim, 1 if method == "attention_per_image" else dim, bias=False)

    def forward(self, photo_embeds: Tensor, photo_mask: Tensor | None = None) -> Tensor:
        """Pool over the photos, to (batch, dim) in float32, or float64 where the embeddings are; not made unit.

        Args:
            photo_embeds: (batch, photos, dim); what a missing photo holds, NaN included, is not read.
            photo_mask: bool (batch, photos), True where there is a photo; all are when left out.

        Raises:
            ValueError: the shapes do not fit, or a row has no photo.
        """
        if photo_mask is None:
            photo_mask = torch.ones(photo_embeds.shape[:2], dtype=torch.bool, device=photo_embeds.device)
        if photo_embeds.ndim != 3 or photo_mask.shape != photo_embeds.shape[:2]:
            raise ValueError(
                f"`photo_embeds` must be (batch, photos, dim) and `photo_mask` (batch, photos), got "
                f"{tuple(photo_embeds.shape)} and {tuple(photo_mask.shape)}."
            )
        has_photo = photo_mask.any(dim=1)
        if not has_photo.all():
            row = int(has_photo.int().argmin())
            raise ValueError(f"Row {row} of the batch has no photo: leave out the points that have none.")
        photo_mask = photo_mask[..., None]
        precision = torch.promote_types(photo_embeds.dtype, torch.float32)
        photo_embeds = photo_embeds.to(precision).masked_fill(~photo_mask, 0)
        if self.method == "average":
            return nn.functional.normalize(photo_embeds, dim=-1).sum(dim=1) / photo_mask.sum(dim=1)
        scores: Tensor = self.score(photo_embeds)
        weights = scores.to(precision).masked_fill(~photo_mask, -torch.inf).softmax(dim=1)
        return (weights * photo_embeds).sum(dim=1)


class SenCLIPModel(CLIPModel):
    """Fine-tune CLIP's vision tower on Sentinel-2 images against pooled ground photos: SenCLIP, arXiv 2412.08536.

    It is a CLIP, whose text tower stays as it is, with what training needs beside it. The queue of negatives is the
    training loop's ([`MemoryBank`]), and so is the temperature against photos; `logit_scale` is CLIP's own, which its
    texts were trained with. What is published is the CLIP inside, [`to_clip`].
    """

    config: SenCLIPConfig
    main_input_name = "pixel_values"
    input_modalities = ("image", "text")

    def __init__(self, config: SenCLIPConfig) -> None:
        super().__init__(config)
        width: Any = config.projection_dim
        pooling: Any = config.pooling  # one of the methods, as the configuration has checked
        self.pooling = PhotoPooling(pooling, width)
        head = SenCLIPProjectionHead(width, config.projection_dropout) if config.projection_head else None
        self.projection_head = head
        self.post_init()
        self.freeze()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # transformers comes only to modules with parameters of their own, and while CLIPModel's constructor runs there
        # is no head yet.
        head, pooling = (getattr(self, name, None) for name in ("projection_head", "pooling"))
        if head is not None and module in (head.fc1, head.fc2):
            init.zeros_(module.weight)
            init.zeros_(module.bias)
        elif pooling is not None and module is getattr(pooling, "score", None):
            bound = module.in_features**-0.5  # PyTorch's default, as upstream
            init.uniform_(module.weight, -bound, bound)
        else:
            super()._init_weights(module)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load a saved model to go on with, as `PreTrainedModel.from_pretrained` does."""
        loaded = super().from_pretrained(*args, **kwargs)
        # Loading puts parameters in place of those that were frozen.
        (loaded[0] if isinstance(loaded, tuple) else loaded).freeze()
        return loaded

    @classmethod
    def from_clip(
        cls,
        clip_name_or_path: str,
        *,
        pooling: str = "average",
        trainable_blocks: int | None = 1,
        projection_head: bool = True,
        projection_dropout: float = 0.1,
        **kwargs: Any,
    ) -> "SenCLIPModel":
        """Start from any CLIP checkpoint, in float32.

        Args:
            clip_name_or_path: a folder or Hub id of a CLIP checkpoint.
            pooling: how the photos of a point become an embedding, by the names of [`PhotoPooling`].
            trainable_blocks: last blocks of the satellite tower that learn; None: all of the tower.
            projection_head: put a head on the satellite embeddings in training.
            projection_dropout: inside the head.
            **kwargs: for `CLIPModel.from_pretrained` (`revision`, `token`, `cache_dir`, ...).

        Raises:
            ValueError: the checkpoint is not CLIP's, lacks weights, or an option does not fit it.
        """
        model_type = AutoConfig.from_pretrained(clip_name_or_path, **kwargs).model_type
        if model_type != "clip":
            raise ValueError(f"{clip_name_or_path} holds a {model_type} model; a CLIP model is needed.")
        clip, loading = CLIPModel.from_pretrained(
            clip_name_or_path, dtype=torch.float32, output_loading_info=True, **kwargs
        )
        if loading["missing_keys"]:
            raise ValueError(f"{clip_name_or_path} is no complete CLIP model: it lacks {min(loading['missing_keys'])}.")
        config = SenCLIPConfig(
            **_clip_fields(clip.config),
            pooling=pooling,
            trainable_blocks=trainable_blocks,
            projection_head=projection_head,
            projection_dropout=projection_dropout,
        )
        model = cls(config)
        model.load_state_dict(clip.state_dict(), strict=False)
        model.eval()
        return model

    def freeze(self) -> None:
        """Let learn what the configuration says, and nothing else."""
        self.requires_grad_(False)
        tower, blocks = self.vision_model, self.config.trainable_blocks
        layers = tower.encoder.layers
        learning = [tower] if blocks is None else [*layers[len(layers) - blocks :], tower.post_layernorm]
        for module in (*learning, self.visual_projection, self.projection_head, self.pooling):
            if module is not None:
                module.requires_grad_(True)

    def train(self, mode: bool = True) -> "SenCLIPModel":
        """Switch to training, or to evaluation; the frozen text tower stays in evaluation, without dropout."""
        super().train(mode)
        self.text_model.eval()
        return self

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor,
        photo_embeds: Tensor | None = None,
        photo_mask: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SenCLIPOutput:
        """Embed the two views that training brings together.

        Args:
            pixel_values: satellite images (batch, 3, height, width), as the image processor makes them.
            photo_embeds: CLIP's embeddings of the ground photos (batch, photos, projection_dim).
            photo_mask: bool (batch, photos), True where there is a photo; all are when left out. What a missing photo
                holds is not read.
            **kwargs: for the satellite tower, such as `output_hidden_states`.

        Raises:
            ValueError: photos in another shape, or a row without any.
        """
        satellite = self.get_image_features(pixel_values, **kwargs)
        image_embeds = satellite.pooler_output
        if self.projection_head is not None:
            image_embeds = self.projection_head(image_embeds)
        if photo_embeds is None:
            return SenCLIPOutput(image_embeds=image_embeds, vision_model_output=satellite)
        if photo_embeds.shape[-1] != self.projection_dim:
            raise ValueError(
                f"`photo_embeds` must have {self.projection_dim} numbers a photo, got {photo_embeds.shape[-1]}: embed "
                "the photos with the CLIP that training started from."
            )
        pooled = self.pooling(photo_embeds, photo_mask)
        return SenCLIPOutput(image_embeds=image_embeds, photo_embeds=pooled, vision_model_output=satellite)

    def to_clip(self) -> CLIPModel:
        """Return the CLIP inside, with weights of its own: what is published, without the projection head."""
        clip = CLIPModel(CLIPConfig(**_clip_fields(self.config)))
        clip.load_state_dict({name: self.state_dict()[name] for name in clip.state_dict()})
        return clip.to(self.device).eval()


def _clip_fields(config: CLIPConfig) -> dict[str, Any]:
    """Copy what makes a CLIP."""
    names = ("text_config", "vision_config", "projection_dim", "logit_scale_init_value")
    return {name: copy.deepcopy(getattr(config, name)) for name in names}
