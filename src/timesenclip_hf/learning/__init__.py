"""Train by objectives: two views of a place are drawn together, those of other places apart; a teacher is matched."""

from .contrastive import MAX_LOGIT_SCALE, CrossViewContrastiveLoss, EmbeddingMatchingLoss
from .gathering import gather_rows
from .memory_bank import MemoryBank, bank_keys

__all__ = [
    "MAX_LOGIT_SCALE",
    "CrossViewContrastiveLoss",
    "EmbeddingMatchingLoss",
    "MemoryBank",
    "bank_keys",
    "gather_rows",
]
