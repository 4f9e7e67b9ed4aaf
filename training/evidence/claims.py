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
    """Collects the claims of one part."""

    def __init__(self, part: str) -> None:
        self.path = FOLDER / f"{part}.json"
        self.claims: list[Claim] = []

    def add(self, claim: str, figure: Any, comparison: str, bar: Any, note: str = "") -> None:
        """Compares a figure with its bar and prints the line."""
        self._add(Claim(claim, figure, f"{comparison} {bar}", bool(COMPARISONS[comparison](figure, bar)), note))

    def skip(self, claim: str, comparison: str, bar: Any, reason: str) -> None:
        """Prints a line for what cannot be measured here."""
        self._add(Claim(claim, None, f"{comparison} {bar}", None, reason))

    def _add(self, claim: Claim) -> None:
        claim = replace(claim, note=_without_places(claim.note))
        self.claims.append(claim)
        print(json.dumps(asdict(claim)), flush=True)

    def write(self) -> bool:
        """Keeps the claims, those of earlier runs that were not measured now included; True where none fails."""
        measured = {claim.claim: asdict(claim) for claim in self.claims}
        earlier = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else []
        merged = {entry["claim"]: entry for entry in earlier} | measured
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(list(merged.values()), indent=1) + "\n", encoding="utf-8")
        return all(claim.holds is not False for claim in self.claims)


def _without_places(note: str) -> str:
    """Take the folders of this machine out of a note: the repository's and temporary ones."""
    return re.sub(rf"{re.escape(tempfile.gettempdir())}/[^/\s]+/", "", note.replace(f"{ROOT}/", ""))


def run_parts(name: str, parts: Mapping[str, Callable[[Ledger], None]]) -> None:
    """Measures the parts named on the command line, or all, and exits with 1 where a claim fails."""
    chosen = sys.argv[1:] or list(parts)
    unknown = [part for part in chosen if part not in parts]
    if unknown:
        raise SystemExit(f"unknown part {unknown[0]!r}: use {', '.join(parts)}")
    ledger = Ledger(name)
    for part in chosen:
        parts[part](ledger)
    raise SystemExit(0 if ledger.write() else 1)
