"""Rewrite the module of a metric for its Space, where the functions behind it lie beside it."""

import re

PACKAGE = "timesenclip_hf.evaluation.metrics"
# What the module imports in a checkout, and beside itself as a Space. `evaluate` fetches no more files than the module
# itself names, so that it names what its functions import, too.
OURS, BESIDE = re.compile(rf"from {re.escape(PACKAGE)}\.(\w+) import"), "from .{} import"
SHARED = "arrays"


def as_published(script: str) -> str:
    """Let the module of a metric import what lies beside it."""
    return OURS.sub(f"{BESIDE.format(SHARED)} ArrayLike\n" + BESIDE.format(r"\1"), script)
