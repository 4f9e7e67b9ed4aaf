"""Read from a checkpoint's model card what every map that is made with it must say."""

import re
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

# Tag of the cards of checkpoints that never saw a pixel of a satellite, and what it means for a map.
SIMULATED_TAG = "simulated-data"
SIMULATED = "The checkpoint was trained on simulated pixels only: it is for trying things out."
# Characters of a card in which its tags are looked for.
_HEAD = 65_536


def caveat_of_card(model: str) -> str | None:
    """Return what the card of a checkpoint warns of by its tags, in one sentence; None where it does not, or is absent.

    Args:
        model: folder or Hub id; of the latter the card is read where it was downloaded with the weights.
    """
    folder = Path(model)
    card: object = folder / "README.md"
    if not folder.is_dir():
        try:
            card = try_to_load_from_cache(model, "README.md")
        except HFValidationError:  # no name of a repository
            return None
    if not isinstance(card, (str, Path)) or not Path(card).is_file():
        return None
    with Path(card).open(encoding="utf-8", errors="replace") as file:
        head = re.match(r"---\n(.*?)\n---\n", file.read(_HEAD), re.DOTALL)
    return SIMULATED if head and re.search(rf"^\s*- {SIMULATED_TAG}\s*$", head[1], re.MULTILINE) else None
