"""Train by objectives: two views of a place are drawn together, those of other places apart; a teacher is matched."""

from .contrastive import CrossViewContrastiveLoss, EmbeddingMatchingLoss
from .gathering import gather_rows
from .memory_bank import MemoryBank, bank_keys

__all__ = ["CrossViewContrastiveLoss", "EmbeddingMatchingLoss", "MemoryBank", "bank_keys", "gather_rows"]
