"""Open a dataset of the schema by its folder or Hub id."""

import os
from pathlib import Path
from typing import Any

from ..extras import needs_extra
from ..files import first_line

with needs_extra("data"):
    from datasets import Dataset, concatenate_datasets, get_dataset_split_names, load_dataset, load_from_disk

ALL, TEST = "all", "test"


def read_dataset(name: str | os.PathLike[str], split: str = ALL) -> Dataset:
    """Read one split, or all of them one after the other.

    Args:
        name: folder of an import or of `save_to_disk`, any folder that `load_dataset` reads, or Hub id.
        split: its name, or "all".

    Raises:
        FileNotFoundError: no such dataset.
        ValueError: no such split, or the dataset asks for a script to be run.
    """
    names, saved = _open(name)
    if not names:
        return saved
    if split not in (ALL, *names):
        raise ValueError(f"{name} has no split {split!r}: its splits are {', '.join(names)}.")
    wanted = names if split == ALL else [split]
    parts: list[Dataset] = [load_dataset(str(name), split=part) if saved is None else saved[part] for part in wanted]
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def default_split(name: str | os.PathLike[str]) -> str:
    """Return the split that a dataset is evaluated on: "test", or its only one.

    Raises:
        FileNotFoundError: no such dataset.
        ValueError: it has several splits, and none of this name.
    """
    names, _ = _open(name)
    if TEST in names or len(names) < 2:
        return TEST if TEST in names else next(iter(names), ALL)
    raise ValueError(f"{name} has no split {TEST!r}: its splits are {', '.join(names)}; name one, or all.")


def _open(name: str | os.PathLike[str]) -> tuple[list[str], Any]:
    """Return the names of the splits, none for the only one of `save_to_disk`, and what was saved so, or None."""
    folder = Path(name)
    if (folder / "state.json").exists():
        return [], load_from_disk(str(folder))
    if (folder / "dataset_dict.json").exists():
        saved = load_from_disk(str(folder))
        return list(saved), saved
    if folder.is_dir() and not any((*folder.glob("*.parquet"), *folder.glob("*/*.parquet"))):
        raise FileNotFoundError(f"No dataset in {folder}: make one with `timesenclip import`.")
    try:
        return get_dataset_split_names(str(name)), None
    except (OSError, ValueError) as error:
        reason = f"there is no such folder, and the Hub gives none ({first_line(error)})"
        raise FileNotFoundError(f"No dataset {name}: {reason}.") from None
    except RuntimeError as error:  # of `datasets` for a folder with a script, which it does not run
        raise ValueError(f"The dataset {name} cannot be read ({first_line(error)}): give its Parquet files.") from None
