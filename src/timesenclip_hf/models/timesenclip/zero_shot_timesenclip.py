"""Turn class names into class embeddings and these into scores; no other module writes zero-shot scoring."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from numbers import Number
from os import PathLike
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

logger = logging.get_logger(__name__)

DEFAULT_TEMPLATE = "a photo of {}."
# "none" is what a model says of one series by itself. The others compare all series with each other (they are
# transductive), so a result that used one must say so.
CENTRINGS = ("none", "class_mean", "series_mean")
# Files that hold labels, in place of which their names are no class.
_FILE = re.compile(r"^[^,]+\.(labels|json|txt|csv|tsv)$", re.IGNORECASE)

CandidateLabels = str | Sequence[str] | Mapping[str, str | int | Sequence[str]]


def read_labels(candidate_labels: CandidateLabels) -> dict[str, list[str]]:
    """Read labels as `{label: [phrase, ...]}`, in their order; a label without phrases describes itself.

    Args:
        candidate_labels: a list of names; one string with names between commas; the name of a label set of the package,
            such as "eurosat"; names with one or more phrases each; or a legend, `{name: code}`, `{name: colour}` or
            `{code: name}`, whose names are taken.

    Raises:
        ValueError: no label, an empty one, one given twice, one without phrases, names that commas do not separate, or
            no words at all.
    """
    if isinstance(candidate_labels, (str, PathLike)) and (match := _FILE.search(str(candidate_labels))):
        reader = "read_label_set" if match[1] == "labels" else "taxonomies.label_files.read_label_file"
        raise ValueError(f"{candidate_labels} is a file: read it first, with timesenclip_hf.{reader}.")
    if isinstance(candidate_labels, str):
        candidate_labels = _read_text(candidate_labels)
    words: Any = _without_codes(candidate_labels) if isinstance(candidate_labels, Mapping) else candidate_labels
    if isinstance(words, Iterable) and not isinstance(words, Mapping):
        words = list(words)
    wrong = [each for each in words if not isinstance(each, (str, Number))] if isinstance(words, Iterable) else [words]
    if wrong:
        raise ValueError(
            f"`candidate_labels` must be words here, such as ['maize', 'woodland'], got a {type(wrong[0]).__name__}."
        )
    if isinstance(words, Mapping):
        labels = {str(name).strip(): _phrases(name, phrases) for name, phrases in words.items()}
    else:
        names = [str(name).strip() for name in words]
        _check_separated(names)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"The label {twice!r} is given twice: give each label once.")
        labels = {name: [name] for name in names}
    if not labels:
        raise ValueError('`candidate_labels` is empty: give at least one class name, such as ["maize", "woodland"].')
    for name, phrases in labels.items():
        if not name or not phrases or not all(phrase.strip() for phrase in phrases):
            raise ValueError(f"The label {name!r} is empty or has an empty phrase: describe every class in words.")
    return labels


def _phrases(name: Any, phrases: Any) -> list[str]:
    """Return the phrases of a label; raise `ValueError` for what is no text."""
    if not isinstance(phrases, (str, Sequence)) or not all(isinstance(phrase, str) for phrase in phrases):
        raise ValueError(f"The label {name!r} has {phrases!r} in place of phrases: describe every class in words.")
    return [phrases] if isinstance(phrases, str) else list(phrases)


def _read_text(text: str) -> Any:
    """Read names between commas, in quotes or not, a list in JSON, or the name of a label set of the package.

    Raises:
        ValueError: it may be one name or several, or is nearly the name of a label set.
    """
    text = _unquoted(text.strip())
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError(
                f"{text[:80]!r} is no list in JSON: put commas between the names and leave brackets out."
            ) from None
    names = [_unquoted(name.strip()) for name in text.split(",") if name.strip()]
    if len(names) != 1 or "," in text:
        return names
    if (bundled := _bundled(names[0])) is not None:
        return bundled
    if re.search(r"\s", names[0]):
        raise ValueError(
            f"{names[0][:80]!r} would be one class: put commas between the names, or one behind it if it is one."
        )
    return names


def _bundled(name: str) -> Any:
    """Return the phrases of a label set that comes with the package; None where no set has such a name.

    Raises:
        ValueError: the name is nearly that of a label set.
    """
    try:
        taxonomies = import_module("timesenclip_hf.taxonomies")  # by its name, as this file imports its siblings only
    except ImportError:
        return None
    known = taxonomies.list_taxonomies()
    if name.lower().replace("-", "_") in known:
        return taxonomies.load_taxonomy(name.lower().replace("-", "_")).prompts
    compact = {re.sub(r"[\W_]+", "", each): each for each in known}
    key = re.sub(r"[\W_]+", "", name.lower())
    near = [each for short, each in compact.items() if len(key) > 3 and short.startswith(key)]
    near = near or [compact[short] for short in difflib.get_close_matches(key, compact, n=3, cutoff=0.85)]
    if near:
        raise ValueError(
            f"{name!r} is nearly the label set {' or '.join(near)}: write its name so, or put a comma behind a class "
            "that is named like this."
        )
    return None


def _unquoted(text: str) -> str:
    """Take quotes off that a shell left around a text."""
    return (
        text[1:-1].strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text.count(text[0]) == 2
        else text
    )


def _check_separated(names: Sequence[str]) -> None:
    """Raise `ValueError` for a name that holds the separator of several."""
    marks = ",;|/\n\t" if len(names) == 1 else ";|\n\t"
    joined = next((name for name in names if any(mark in name for mark in marks)), None)
    if joined is not None:
        raise ValueError(
            f"{joined[:80]!r} would be one class: put commas between the names, or give it as "
            "{name: [phrase]} if it is one."
        )


def _without_codes(labels: Mapping[Any, Any]) -> Any:
    """Return the names of a legend, `{name: code or colour}` or `{code: name}`; any other mapping as it is."""
    is_code = [_is_code(value) for value in labels.values()]
    if labels and all(is_code):
        return list(labels)
    if any(is_code):
        name = list(labels)[is_code.index(True)]
        raise ValueError(f"The label {name!r} has a code where others have phrases: give phrases, or a code to each.")
    numbered = all(isinstance(key, int) or str(key).isdigit() for key in labels)
    if labels and numbered and all(isinstance(value, str) for value in labels.values()):
        return list(labels.values())
    return labels


def _is_code(value: Any) -> bool:
    """Tell whether a value is a number, or a colour, such as "#ff0000" or [255, 0, 0]."""
    if isinstance(value, str):
        return re.fullmatch("#(?:[0-9A-Fa-f]{3}){1,2}(?:[0-9A-Fa-f]{2})?", value.strip()) is not None
    numbers = value if isinstance(value, (list, tuple)) and len(value) in (3, 4) else [value]
    return all(isinstance(number, (int, float)) for number in numbers)


def expand_prompts(
    candidate_labels: CandidateLabels, hypothesis_template: str | Sequence[str] = DEFAULT_TEMPLATE
) -> dict[str, list[str]]:
    """Put every phrase of every label in every template: `{label: [prompt, ...]}`, in the order of the labels.

    Args:
        candidate_labels: a list of names; one string with names between commas; or names with one or more phrases each.
        hypothesis_template: one template or several, each with `{}` where the phrase goes.

    Raises:
        ValueError: labels cannot be used, or a template has no `{}`.
    """
    templates = [hypothesis_template] if isinstance(hypothesis_template, str) else list(hypothesis_template)
    if not templates:
        raise ValueError("`hypothesis_template` is empty: give at least one template with {}, such as 'a photo of {}'.")
    for template in templates:
        if template.count("{}") != 1:
            raise ValueError(
                f"`hypothesis_template` must contain {{}} once, where the label goes, got {template!r}: write for "
                'example "a photo of {}".'
            )
    return {
        label: [template.replace("{}", phrase) for phrase in phrases for template in templates]
        for label, phrases in read_labels(candidate_labels).items()
    }


def unknown_words(texts: Sequence[str], known_words: Sequence[str]) -> dict[str, list[str]]:
    """Find words that a model's training captions never held, each with the nearest that they did (at most three).

    Nearest is by spelling: a model that never read a word cannot say what it means.
    """
    ordered = sorted({word.lower() for word in known_words})
    return {word: difflib.get_close_matches(word, ordered, n=3, cutoff=0.5) for word in words_not_in(texts, ordered)}


def words_not_in(texts: Sequence[str], known_words: Sequence[str]) -> list[str]:
    """Find words of texts that are not among others, lower case, each once, in their order."""
    known = {word.lower() for word in known_words}
    words = dict.fromkeys(word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower()))
    return [word for word in words if word not in known]


def warn_of_unknown_words(prompts: Mapping[str, Sequence[str]], known_words: Sequence[str] | None) -> None:
    """Log one line for each word of the prompts that the checkpoint's training captions never held."""
    if not known_words:
        return
    texts = [text for class_prompts in prompts.values() for text in class_prompts]
    for word, nearest in unknown_words(texts, known_words).items():
        hint = f"the nearest it knows: {', '.join(nearest)}" if nearest else "it knows no similar word"
        logger.warning(
            f"{word!r} occurs in none of this checkpoint's training captions, so its scores for it mean little; {hint}."
        )


@torch.no_grad()
def embed_classes(model: Any, tokenizer: Any, prompts: Mapping[str, Sequence[str]]) -> Tensor:
    """Embed classes: the mean of the unit embeddings of a class's prompts, made unit again.

    Args:
        model: with `get_text_features`, such as [`TimeSenCLIPModel`] or `CLIPModel`.
        tokenizer: the model's.
        prompts: from [`expand_prompts`].

    Returns:
        (classes, projection_dim), float32, on the model's device.

    Raises:
        ValueError: the model reads two classes as the same words, because it cuts them alike.
    """
    texts = [text for class_prompts in prompts.values() for text in class_prompts]
    limit = model.config.text_config.max_position_embeddings
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    _check_cut(tokens["input_ids"].tolist(), tokenizer(texts)["input_ids"], prompts, limit)
    device = torch.device(model.device)
    with torch.autocast(device.type, enabled=False):  # what is kept for later must not depend on who asked first
        embeds = model.get_text_features(**tokens.to(device)).pooler_output.float()
    embeds = torch.nn.functional.normalize(embeds, dim=-1)
    means = [part.mean(dim=0) for part in torch.split(embeds, list(map(len, prompts.values())))]
    return torch.nn.functional.normalize(torch.stack(means), dim=-1)


def _check_cut(
    read: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]], prompts: Mapping[str, Sequence[str]], limit: int
) -> None:
    """Warn of prompts that are longer than the text tower reads; raise `ValueError` where two classes become one."""
    owners = [label for label, texts in prompts.items() for _ in texts]
    cut = {label for label, full in zip(owners, tokens, strict=True) if len(full) > limit}
    if not cut:
        return
    first: dict[tuple[int, ...], str] = {}
    for label, ids in zip(owners, read, strict=True):
        if (other := first.setdefault(tuple(ids), label)) != label:
            raise ValueError(
                f"The labels {_shortened(other)!r} and {_shortened(label)!r} are the same to this model, which reads "
                f"the first {limit - 2} tokens of a text: shorten them, or put what tells them apart first."
            )
    names = ", ".join(repr(_shortened(label)) for label in prompts if label in cut)
    logger.warning(f"Of {names} the model reads the first {limit - 2} tokens only: what is behind them does not count.")


def _shortened(label: str) -> str:
    return label if len(label) <= 48 else f"{label[:28]}...{label[-17:]}"


def embed_labels(
    model: Any,
    processor: Any,
    candidate_labels: CandidateLabels,
    hypothesis_template: str | Sequence[str] | None = None,
) -> tuple[list[str], Tensor]:
    """Return class names and their unit embeddings (classes, projection_dim) on the CPU; warn of words never read.

    Args:
        model: with `get_text_features`.
        processor: a [`TimeSenCLIPProcessor`]; it holds the tokenizer, the default templates and the known words.
        candidate_labels: a list of names; one string with names between commas; or names with one or more phrases each.
        hypothesis_template: one template or several; the checkpoint's own when left out.

    Raises:
        ValueError: labels or templates cannot be used.
    """
    template = processor.hypothesis_template if hypothesis_template is None else hypothesis_template
    prompts = expand_prompts(candidate_labels, template)
    warn_of_unknown_words(prompts, processor.known_words)
    return list(prompts), embed_classes(model, processor.tokenizer, prompts).cpu()


def score(
    series_embeds: Tensor, class_embeds: Tensor, *, logit_scale: float | Tensor = 1.0, centring: str = "none"
) -> Tensor:
    """Return logits (series, classes), scaled cosine similarities; their softmax is the pipeline's score.

    Args:
        series_embeds: unit embeddings (series, projection_dim).
        class_embeds: unit embeddings (classes, projection_dim).
        logit_scale: inverse temperature, already exponentiated; a checkpoint's is its model's `score_scale`.
        centring: "none"; or, over all series passed and therefore transductive, "series_mean", which takes the mean
            series away before comparing, or "class_mean", which divides each class's cosines by their mean (what
            upstream prints as "normalised"). Where a mean is not positive, which upstream does not foresee, that
            would turn a class round, and means are taken away from the cosines of all classes instead.

    Raises:
        ValueError: unknown centring, or a single series to centre.
    """
    if centring not in CENTRINGS:
        raise ValueError(f"`centring` must be one of {', '.join(CENTRINGS)}, got {centring!r}.")
    if centring != "none" and len(series_embeds) < 2:
        raise ValueError(f"`centring` compares series with each other: give at least two, got {len(series_embeds)}.")
    if centring == "series_mean":
        series_embeds = torch.nn.functional.normalize(series_embeds - series_embeds.mean(dim=0), dim=-1)
    cosines = series_embeds @ class_embeds.T
    if centring == "class_mean":
        mean = cosines.mean(dim=0, keepdim=True)
        # 1e-6 is upstream's guard against a mean of zero.
        cosines = cosines / (mean + 1e-6) if (mean > 0).all() else cosines - mean
    return logit_scale * cosines
