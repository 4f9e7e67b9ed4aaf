"""Measure every claim about parcels, areas and change."""

from collections.abc import Callable
from importlib import import_module

from training.evidence.claims import Ledger, run_parts

MODULES = ("parcels_fields", "parcels_areas", "parcels_change")

if __name__ == "__main__":
    parts: dict[str, Callable[[Ledger], None]] = {}
    for module in MODULES:
        parts |= import_module(f"training.evidence.{module}").PARTS
    run_parts("parcels", parts)
