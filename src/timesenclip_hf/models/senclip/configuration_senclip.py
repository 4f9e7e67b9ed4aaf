"""Configure SenCLIP in training."""

from typing import Any, Literal, get_args

from huggingface_hub.dataclasses import strict
from transformers import CLIPConfig

PoolingMethod = Literal["average", "attention_per_image", "attention_per_dimension"]


@strict
class SenCLIPConfig(CLIPConfig):
    """Configure [`SenCLIPModel`]: a CLIP, what of it learns, and what training adds to it.

    Args:
        pooling: how the photos of a point become an embedding, by the names of [`PhotoPooling`]; SenCLIP was released
            with "average" and "attention_per_image".
        trainable_blocks: last blocks of the satellite tower that learn, with the final norm and the projection, which
            always do; the paper's ViT-B/32 trains one. None: all of the tower, its embeddings too.
        projection_head: put a head on the satellite embeddings in training, as the paper does.
        projection_dropout: inside the head; 0.1 in the released code.

    Raises:
        ValueError: the pooling is unknown, the tower has fewer blocks, or the dropout lies outside [0, 1).
    """

    model_type = "senclip"

    pooling: str = "average"
    trainable_blocks: int | None = 1
    projection_head: bool = True
    projection_dropout: float | int = 0.1

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        # `@strict` would wrap the sentence in an error of its own, over several lines.
        self.validate_architecture()

    def validate_architecture(self) -> None:
        """Raise ValueError for a field that cannot be used; `@strict` calls it again when it is saved."""
        if self.pooling not in get_args(PoolingMethod):
            raise ValueError(f"`pooling` must be one of {', '.join(get_args(PoolingMethod))}, got {self.pooling!r}.")
        vision_config: Any = self.vision_config  # a configuration by now, whatever it was given as
        blocks = vision_config.num_hidden_layers
        if self.trainable_blocks is not None and not 0 <= self.trainable_blocks <= blocks:
            raise ValueError(
                f"`trainable_blocks` must lie in 0 to {blocks}, the blocks of the tower, or be None for all of "
                f"it, got {self.trainable_blocks}."
            )
        if not 0 <= self.projection_dropout < 1:
            raise ValueError(f"`projection_dropout` must lie in [0, 1), got {self.projection_dropout}.")
