"""The objective of both papers: bring the two views of one place together, push those of other places apart."""

from .contrastive import MAX_LOGIT_SCALE, CrossViewContrastiveLoss
from .gathering import gather_rows
from .memory_bank import MemoryBank, bank_keys
from .pooling import PhotoPooling

__all__ = ["MAX_LOGIT_SCALE", "CrossViewContrastiveLoss", "MemoryBank", "PhotoPooling", "bank_keys", "gather_rows"]
