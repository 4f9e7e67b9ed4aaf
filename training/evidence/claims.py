"""Print a claim with its figure, its bar, and whether it holds, and keep it for README and cards."""

import json
import operator
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from timesenclip_hf.files import write_json

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "training" / "results" / "evidence"
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {">=": operator.ge, "<=": operator.le, "==": operator.eq}


@dataclass(frozen=True)
class Claim:
    """Hold a line of evidence; `holds` is None where it could not be measured, and `note` says why."""

    claim: str
    figure: Any
    bar: str
    holds: bool | None
    note: str = ""


class Ledger:
    """Collect the claims of one part."""

    def __init__(self, part: str) -> None:
        self.path = FOLDER / f"{part}.json"
        self.claims: list[Claim] = []

    def add(self, claim: str, figure: Any, comparison: str, bar: Any, note: str = "") -> None:
        """Compare a figure with its bar and print the line."""
        self._add(Claim(claim, figure, f"{comparison} {bar}", bool(COMPARISONS[comparison](figure, bar)), note))

    def skip(self, claim: str, comparison: str, bar: Any, reason: str) -> None:
        """Print a line for what cannot be measured here."""
        self._add(Claim(claim, None, f"{comparison} {bar}", None, reason))

    def _add(self, claim: Claim) -> None:
        claim = replace(claim, note=_without_places(claim.note))
        self.claims.append(claim)
        print(json.dumps(asdict(claim)), flush=True)

    def write(self) -> bool:
        """Keep the claims, and those of earlier runs that were not measured now; return whether none fails."""
        measured = {claim.claim: asdict(claim) for claim in self.claims}
        earlier = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else []
        merged = {entry["claim"]: entry for entry in earlier} | measured
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, list(merged.values()))
        return all(claim.holds is not False for claim in self.claims)


def _without_places(note: str) -> str:
    """Take the folders of this machine out of a note: the repository's and temporary ones."""
    return re.sub(rf"{re.escape(tempfile.gettempdir())}/[^/\s]+/", "", note.replace(f"{ROOT}/", ""))


def run_parts(name: str, parts: Mapping[str, Callable[[Ledger], None]]) -> None:
    """Measure the parts named on the command line, or all, and exit with 1 where a claim fails."""
    chosen = sys.argv[1:] or list(parts)
    unknown = [part for part in chosen if part not in parts]
    if unknown:
        raise SystemExit(f"unknown part {unknown[0]!r}: use {', '.join(parts)}")
    ledger = Ledger(name)
    for part in chosen:
        parts[part](ledger)
    raise SystemExit(0 if ledger.write() else 1)
