"""Say what came of one damaged file."""

import json
from dataclasses import asdict, dataclass
from typing import Any

RIGHT, REFUSED, VALUES = "right", "refused", "other values"
SILENT, TRACEBACK, HANG, CRASH = "silent", "traceback", "hang", "crash"
FAULTS = (SILENT, TRACEBACK, HANG, CRASH)


@dataclass(frozen=True)
class Verdict:
    """Hold what came of one damaged file.

    Attributes:
        reader: its name.
        case: number of the damage.
        outcome: one of the words above.
        detail: the sentence, or the error.
    """

    reader: str
    case: int
    outcome: str
    detail: str = ""

    def line(self) -> str:
        """Write it as one line of JSON."""
        return json.dumps(asdict(self))


def from_line(line: str) -> Verdict:
    """Read a verdict from its line."""
    fields: dict[str, Any] = json.loads(line)
    return Verdict(**fields)
