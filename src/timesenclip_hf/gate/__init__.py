"""Admit files of strangers: formats told by content, nothing elsewhere, declared sizes against real ones, limits.

What a file says of itself is checked here before a library that follows it opens the file.
"""

from .admission import admit
from .limits import PLAIN, STRICT, Limits

__all__ = ["PLAIN", "STRICT", "Limits", "admit"]
