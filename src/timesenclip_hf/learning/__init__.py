"""The objectives: bring the two views of one place together and push those of other places apart; match a teacher."""

from ..models.senclip.pooling_senclip import PhotoPooling
from .contrastive import MAX_LOGIT_SCALE, CrossViewContrastiveLoss
from .gathering import gather_rows
from .matching import EmbeddingMatchingLoss
from .memory_bank import MemoryBank, bank_keys

__all__ = [
    "MAX_LOGIT_SCALE",
    "CrossViewContrastiveLoss",
    "EmbeddingMatchingLoss",
    "MemoryBank",
    "PhotoPooling",
    "bank_keys",
    "gather_rows",
]
