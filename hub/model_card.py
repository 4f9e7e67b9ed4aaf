"""Fill a model card from the checkpoint, its training and its evaluation. No figure is typed by hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from transformers import CLIPModel

from hub.filling import CARDS, PROJECT, TAGS, citation, fill, table
from timesenclip_hf import TimeSenCLIPModel, TimeSenCLIPProcessor
from timesenclip_hf.evaluation.report import model_index
from timesenclip_hf.evaluation.report.reading import drawn_entries, figure, words
from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK
from timesenclip_hf.models.timesenclip.weights_timesenclip import weights_hash

# As the Hub names it.
CODE_LICENCE = PROJECT["license"].lower()
NOT_EVALUATED = "**It was not evaluated with this package**: try it on your own samples before you rely on it."


@dataclass(frozen=True)
class Licences:
    """Name the licence of each part.

    Attributes:
        weights: as the Hub names it.
        clip: of the CLIP that the weights started from.
        data: that the weights were trained on; in words where the Hub has no name.
        link: to the text of the weights' licence, where it is "other".
    """

    weights: str
    clip: str
    data: str
    link: str = ""

    def check(self) -> None:
        """Refuse a licence that is missing.

        Raises:
            ValueError: one is.
        """
        for part, licence in (("", self.weights), ("clip-", self.clip), ("data-", self.data)):
            if not licence:
                raise ValueError(f"A licence is missing: name it with --{part}licence.")
        if self.weights == "other" and not self.link:
            raise ValueError("The licence 'other' says nothing by itself: give its text with --licence-link.")

    def table(self) -> str:
        """Write them as Markdown, with that of the code."""
        link = f" ([text]({self.link}))" if self.link else ""
        return table(
            ("what", "licence"),
            (
                ("code in this repository", CODE_LICENCE),
                ("weights", self.weights + link),
                ("the CLIP that they started from", self.clip),
                ("data that they were trained on", self.data),
            ),
        )


@dataclass(frozen=True)
class Facts:
    """Hold what the checkpoint cannot say of itself.

    Attributes:
        repo_id: where it goes, user/name.
        licences: of its parts.
        origin: where weights come from that were not trained here.
        hardware: that they were trained on.
        note: sentence for the head of the card.
        training: results of the run, as `training/train.py` writes them.
        results: of an evaluation, as `training/measure.py` and `timesenclip evaluate` write them.
    """

    repo_id: str
    licences: Licences
    origin: str = ""
    hardware: str = ""
    note: str = ""
    training: Mapping[str, Any] | None = None
    results: Mapping[str, Any] | None = None


def head(licences: Licences, task: str, results: Mapping[str, Any] | None, *tags: str) -> ModelCardData:
    """Write the card's metadata: licence, task, tags, and figures in the Hub's form.

    Args:
        licences: of the model's parts.
        task: of the Hub's tasks the one that the model is for.
        results: of an evaluation, if there is one.
        *tags: beside those of every card.
    """
    metadata: dict[str, Any] = {"license": licences.weights}
    if licences.weights == "other":
        metadata |= {"license_name": "see-link", "license_link": licences.link}
    metadata |= {"language": "en", "library_name": "transformers", "pipeline_tag": task, "tags": [*TAGS, *tags]}
    return ModelCardData(**metadata, **(model_index(results) if results else {}))


def headlines(results: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield data set and entry of what is shown: raw scores of whole series, generic prompts, one a task."""
    for run in results["runs"]:
        yield from ((run["dataset"]["name"], entry) for entry in drawn_entries(run))


def results_table(results: Mapping[str, Any]) -> str:
    """Tabulate balanced accuracies beside the lines to beat; of images of several classes, mean average precision."""
    rows = []
    for name, entry in headlines(results):
        task, size = (name, words(entry["task"])), entry["samples"]
        if "balanced_accuracy" not in entry["metrics"]:
            precision = figure(entry["metrics"]["mean_average_precision"])
            rows.append((*task, "several a sample", size, f"**{precision}** (mean average precision)", "", ""))
            continue
        present, lines_to_beat = len(entry["recall"]), entry["baselines"]
        rows.append(
            (
                *task,
                f"{present + len(entry['absent'])}, {present}",
                size,
                f"**{figure(entry['metrics']['balanced_accuracy'])}**",
                f"{lines_to_beat['majority']['balanced_accuracy']:.3f}",
                f"{lines_to_beat['chance']:.3f}",
            )
        )
    columns = ("data set", "task", "candidates, occurring", "pixels", "balanced accuracy (95 %)")
    return table((*columns, "commonest class", "chance"), rows)


def results_of(model: Any, results: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the runs of an evaluation that are of these very weights.

    Raises:
        ValueError: there are none.
    """
    weights = weights_hash(model.state_dict())
    runs = [run for run in results["runs"] if (run["model"] or {}).get("weights_hash") == weights]
    if not runs:
        raise ValueError(f"The results are of other weights than these ({weights}): evaluate this checkpoint.")
    return {**results, "runs": runs}


def carbon(minutes: float, hardware: str) -> str:
    """Say what is known of the energy: hours and hardware."""
    return (
        f"Trained for {minutes / 60:.2g} hours on {hardware}; the run counted the hours itself, waiting for data "
        "included. Energy was not measured, so no emissions are given: hours, times the power of that hardware, times "
        "the carbon intensity of its grid, is the estimate of Lacoste et al. (arXiv 1910.09700). Evaluation and "
        "earlier trials are not in it."
    )


def describe_timesenclip(model: TimeSenCLIPModel, processor: TimeSenCLIPProcessor) -> dict[str, Any]:
    """Describe the sizes of the towers, and what they read."""
    config: Any = model.config
    pixel, text, vision = config.pixel_config, config.text_config, config.vision_config
    rows = [("pixel tower", architecture(model), _count(model.pixel_model))]
    words_of_it = f"CLIP text transformer, {text.num_hidden_layers} layers, {text.vocab_size:,} tokens"
    rows.append(("text tower", words_of_it, _count(model.text_model, model.text_projection)))
    if vision is not None:
        photos = f"CLIP vision transformer for {vision.image_size}-pixel photos in patches of {vision.patch_size}"
        rows.append(("vision tower", photos, _count(model.vision_model, model.visual_projection)))
    side = f" of a patch of {pixel.patch_size} x {pixel.patch_size} pixels" if pixel.patch_size > 1 else " at one pixel"
    return {
        "parts": table(("part", "what", "parameters"), rows),
        "place": side,
        "num_months": pixel.num_months,
        "band_names": " ".join(processor.feature_extractor.band_names),
        "projection_dim": model.config.projection_dim,
    }


def architecture(model: TimeSenCLIPModel) -> str:
    """Describe the pixel tower."""
    pixel: Any = model.config.pixel_config
    return (
        f"{pixel.encoder_type} encoder, width {pixel.hidden_size}, {pixel.num_hidden_layers} layers, "
        f"{pixel.num_attention_heads} heads"
    )


def _count(*modules: Any) -> str:
    return f"{sum(parameter.numel() for module in modules for parameter in module.parameters()):,}"


def usage(repo_id: str) -> str:
    """Show how the published model is called."""
    return (
        "```python\nfrom transformers import pipeline\n\n"
        f'classify = pipeline("{TASK}", model="{repo_id}", trust_remote_code=True)\n'
        'classify(series, candidate_labels=["maize", "grassland", "buildings"])\n```\n'
        "The code comes with the repository; where `timesenclip_hf` is installed, its own model and processor are used."
    )


def fill_timesenclip(model: TimeSenCLIPModel, processor: TimeSenCLIPProcessor, facts: Facts) -> str:
    """Fill the card of any TimeSenCLIP checkpoint.

    Raises:
        ValueError: it cannot be said where the weights come from, or the results are of other weights.
    """
    results = None if facts.results is None else results_of(model, facts.results)
    values = describe_timesenclip(model, processor) | _common(facts, results) | {"usage": usage(facts.repo_id)}
    data = head(facts.licences, "zero-shot-classification", results, "clip")
    return fill(ModelCard, CARDS / "timesenclip.md", data, values)


def fill_senclip(model: CLIPModel, facts: Facts) -> str:
    """Fill the card of a SenCLIP, a stock CLIP that reads Sentinel-2 images.

    Raises:
        ValueError: it cannot be said where the weights come from, or the results are of other weights.
    """
    results = None if facts.results is None else results_of(model, facts.results)
    vision: Any = model.config.vision_config
    values = {
        "parameters": f"{model.num_parameters():,}",
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
        "layers": vision.num_hidden_layers,
        "width": vision.hidden_size,
    }
    data = head(facts.licences, "zero-shot-image-classification", results, "clip")
    return fill(ModelCard, CARDS / "senclip.md", data, values | _common(facts, results))


def _common(facts: Facts, results: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values that every card has."""
    return {
        "repo_id": facts.repo_id,
        "title": facts.repo_id.split("/")[-1],
        "note": f" {facts.note}" if facts.note else "",
        "made": _made(facts),
        "results": results_table(results) if results else NOT_EVALUATED,
        "licence_table": facts.licences.table(),
        "carbon": _carbon(facts),
        "citation": citation(),
    }


def _made(facts: Facts) -> str:
    if not (facts.origin or facts.training):
        raise ValueError("Nobody would know where these weights come from: say it with --origin, or give the results.")
    if facts.training is None:
        return facts.origin
    settings = without_paths(facts.training["arguments"])
    shown = [(f"`{name}`", value) for name, value in settings.items() if value not in (None, [], "")]
    code = ", ".join(f"{name} {version}" for name, version in facts.training["code"].items())
    listing = f"<details><summary>Every setting</summary>\n\n{table(('setting', 'value'), shown)}\n\n</details>"
    return "\n\n".join(filter(None, [facts.origin, f"Trained with `training/train.py`, {code}.", listing]))


def _carbon(facts: Facts) -> str:
    if facts.training is None:
        return "Nothing was trained for this repository; what the training cost, its authors may tell."
    if not facts.hardware:
        raise ValueError("The card must say what the training cost: name the machine with --hardware.")
    return carbon(facts.training["minutes"], facts.hardware)


def without_paths(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Cut the folders of a machine off settings: the last name says enough, and the rest is nobody's business."""
    return {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in settings.items()
    }
