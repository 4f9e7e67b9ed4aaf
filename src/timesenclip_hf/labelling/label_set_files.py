"""Keep a label set in a file: tensors as safetensors, everything else as JSON in its metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..files import first_line, parse_json, whole_file
from ..gate import STRICT
from ..gate.limits import MEBIBYTE
from ..gate.tensors import read_header
from ..models.timesenclip.label_set_timesenclip import TENSORS, Fit, LabelSet
from ..words import ACTING, LONGEST_SENTENCE, on_one_line

LABEL_SET_SUFFIX = ".labels"
# The entry of the metadata, and what stands in it under "format".
ENTRY, FORMAT = "label_set", "timesenclip_hf label set 1"
# Our own choice: a thousand classes of a thousand numbers are 4 MB, with fifty phrases of a hundred letters 5 MB more.
LIMITS = replace(STRICT, file_bytes=64 * MEBIBYTE, attribute_bytes=16 * MEBIBYTE, dimensions=2, variables=16)
_FIELDS = ("phrases", "templates", "score_scale", "weights_hash", "fit")


def write_label_set(label_set: LabelSet, path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a label set, whole or not at all.

    Args:
        label_set: from words or fitted.
        path: of the file; its suffix is `.labels`, by which commands know it.
        overwrite: replace a file that is there.

    Raises:
        ValueError: another suffix, or words with control characters.
        OSError: the path cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    _check_words(label_set)
    content = {name: getattr(label_set, name) for name in _FIELDS if name != "fit"}
    content["fit"] = None if label_set.fit is None else asdict(label_set.fit)
    text = json.dumps({"format": FORMAT, **content}, allow_nan=False)
    tensors = {name: tensor.contiguous() for name in TENSORS if (tensor := getattr(label_set, name)) is not None}
    with whole_file(path, overwrite=overwrite) as partial:
        # Not by `save_file`, whose files nobody else may read.
        partial.write_bytes(save(tensors, metadata={ENTRY: text}))


def read_label_set(path: str | PathLike[str]) -> LabelSet:
    """Read a label set that [`write_label_set`] wrote; a file of a stranger is read as safely.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file holds something else, is damaged or too large.
    """
    path = Path(path)
    metadata = read_header(path, LIMITS).get("__metadata__", {})
    try:
        content: Any = parse_json(metadata[ENTRY])
        known = content["format"] == FORMAT
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise ValueError(f"{path.name} is no label set of this version: write it again with `timesenclip fit`.")
    try:
        label_set = _label_set(content, _tensors(path))
        _check_words(label_set)
    except (KeyError, TypeError, AttributeError, OverflowError):
        raise ValueError(f"{path.name} is damaged, its fields are not those of a label set: fetch it again.") from None
    except SafetensorError:
        raise ValueError(f"{path.name} is damaged or cut short: fetch it again.") from None
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be used: {first_line(error)}.") from None
    return label_set


def check_suffix(path: str | PathLike[str]) -> None:
    """Raise a ValueError where a path is none of a label set's."""
    if Path(path).suffix != LABEL_SET_SUFFIX:
        raise ValueError(f"The file of a label set ends in {LABEL_SET_SUFFIX}, got {Path(path).name!r}.")


def _tensors(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        if "class_embeds" not in names or names - set(TENSORS):
            raise ValueError(f"it has the tensors {', '.join(sorted(names))[:120]}, not those of a label set")
        if wrong := next((name for name in names if file.get_slice(name).get_dtype() != "F32"), None):
            raise ValueError(f"its {wrong} is {file.get_slice(wrong).get_dtype()} in place of float32")
        # Copies, so that the file may be replaced while the set is in use.
        return {name: file.get_tensor(name).clone() for name in names}


def _label_set(content: Mapping[str, Any], tensors: Mapping[str, Any]) -> LabelSet:
    """Make a label set of what a file says; raise what wrong types raise."""
    phrases, templates, fit = content["phrases"], content["templates"], content["fit"]
    texts = [*templates, *(text for texts in phrases.values() for text in texts)]
    lists = [templates, *phrases.values()]
    if not all(isinstance(each, list) for each in lists) or not all(isinstance(text, str) for text in texts):
        raise TypeError
    if not isinstance(content["weights_hash"], str):
        raise TypeError
    return LabelSet(
        phrases=phrases,
        templates=templates,
        score_scale=_number(content["score_scale"]),
        weights_hash=content["weights_hash"][:64],
        fit=None if fit is None else _fit(fit),
        **tensors,
    )


def _fit(content: Mapping[str, Any]) -> Fit:
    counts, penalty, scores = content["examples"], content["penalty"], content["scores"]
    if not all(type(count) is int and count >= 0 for count in counts.values()) or not isinstance(scores, dict):
        raise TypeError
    return Fit(dict(counts), None if penalty is None else _number(penalty), scores)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _check_words(label_set: LabelSet) -> None:
    """Refuse words that would act on a terminal or a page, or are longer than anybody reads."""
    phrases = (phrase for phrases in label_set.phrases.values() for phrase in phrases)
    for text in (*label_set.labels, *phrases, *label_set.templates):
        if ACTING.search(text) or len(text.splitlines()) != 1 or len(text) > LONGEST_SENTENCE:
            raise ValueError(f"{on_one_line(text)[:60]!r} is too long for words, or has control characters: rename it.")
