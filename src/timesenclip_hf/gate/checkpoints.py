"""Check the folder of a checkpoint before transformers reads it: weights lie in it, and are no larger than they say."""

from pathlib import Path

from ..files import read_json
from .tensors import header_bytes


def admit_checkpoint(folder: Path) -> None:
    """Refuse a folder whose weights are elsewhere, or declare more than they hold.

    Links are followed, because the Hub's own cache is made of them; a folder's configuration names code at most, which
    is never run.

    Args:
        folder: of a checkpoint, as `save_pretrained` writes it.

    Raises:
        ValueError: an index names weights in another folder, or a file is no safetensors.
    """
    for index in sorted(folder.glob("*.index.json")):
        weights = read_json(index)
        names = weights.get("weight_map") if isinstance(weights, dict) else None
        for name in names.values() if isinstance(names, dict) else [None]:
            if not isinstance(name, str) or Path(name).name != name:
                raise ValueError(
                    f"{index} names weights outside of its folder, or none ({str(name)[:60]!r}): fetch the checkpoint "
                    "again, from where you trust it."
                )
    for path in sorted(folder.glob("*.safetensors")):
        header_bytes(path)
