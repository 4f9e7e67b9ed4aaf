"""Fills cards and README from what commands measured: `python hub/fill_cards.py`. No figure is typed by hand."""

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

from huggingface_hub.utils import yaml_dump
from transformers import AutoModel, AutoProcessor

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.evaluation.report import model_index
from timesenclip_hf.evaluation.report.reading import drawn_entries, figure, words

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "training" / "results"
TRAINED_BY = "accelerate launch training/train.py training/configs/embedded_default.yaml"


def read(name: str) -> Any:
    """One results file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def headlines(results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Data set and entry of what is shown: raw scores with all looks, generic prompts, one a task."""
    for run in results["runs"]:
        yield from ((run["dataset"]["name"], entry) for entry in drawn_entries(run))


def results_table(results: dict[str, Any]) -> str:
    """A markdown table of balanced accuracies beside the lines to beat."""
    lines = [
        "| data set | task | candidates, occurring | pixels | balanced accuracy (95 %) | commonest class | chance |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, entry in headlines(results):
        present, lines_to_beat = len(entry["recall"]), entry["baselines"]
        lines.append(
            f"| {name} | {words(entry['task'])} | {present + len(entry['absent'])}, {present} | {entry['samples']} | "
            f"**{figure(entry['metrics']['balanced_accuracy'])}** | "
            f"{lines_to_beat['majority']['balanced_accuracy']:.3f} | {lines_to_beat['chance']:.3f} |"
        )
    return "\n".join(lines)


def recalls(results: dict[str, Any]) -> str:
    """One line of recalls a task of few classes."""
    lines = []
    for name, entry in headlines(results):
        if len(entry["recall"]) <= 10:
            shares = ", ".join(f"{label} {value:.2f}" for label, value in entry["recall"].items())
            lines.append(f"- {name}, {words(entry['task'])}: {shares}")
    return "\n".join(lines)


def metadata(results: dict[str, Any]) -> str:
    """The `model-index` of the card's head, in the Hub's form, as YAML lines."""
    return str(yaml_dump(model_index(results), sort_keys=False)).rstrip()


def evidence_table(claims: list[dict[str, Any]]) -> str:
    """A markdown table of claims, figures and bars."""
    lines = ["| claim | figure | bar |", "| --- | --- | --- |"]
    lines += [f"| {entry['claim']} | {entry['figure']} | {entry['bar']} |" for entry in claims]
    return "\n".join(lines)


def fill_card() -> str:
    """The model card of the embedded checkpoint."""
    model = AutoModel.from_pretrained(DEFAULT_CHECKPOINT)
    processor = AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT)
    pixel, training = model.config.pixel_config, read("embedded_default")
    results = read("evaluation")
    text = [*model.text_model.parameters(), *model.text_projection.parameters()]
    vision = [*model.vision_model.parameters(), *model.visual_projection.parameters()]
    values = {
        **training["arguments"],
        "minutes": training["minutes"],
        "command": TRAINED_BY,
        "pixel_architecture": f"transformer encoder, width {pixel.hidden_size}, {pixel.num_hidden_layers} layers, "
        f"{pixel.num_attention_heads} heads",
        "pixel_parameters": f"{model.pixel_model.num_parameters():,}",
        "text_parameters": f"{sum(parameter.numel() for parameter in text):,}",
        "vision_parameters": f"{sum(parameter.numel() for parameter in vision):,}",
        "vocab_size": f"{model.config.text_config.vocab_size:,}",
        "image_size": model.config.vision_config.image_size,
        "projection_dim": model.config.projection_dim,
        "band_names": " ".join(processor.feature_extractor.band_names),
        "known_words": len(processor.known_words),
        "results_table": results_table(results),
        "recalls": recalls(results),
        "model_index": metadata(results),
    }
    return Template((ROOT / "hub" / "cards" / "timesenclip-simulated.md").read_text(encoding="utf-8")).substitute(
        values
    )


def fill_section(text: str, name: str, content: str) -> str:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match.group(1)}{content}\n{match.group(2)}", text)


def run_example(text: str) -> str:
    """What the README's first example prints when it is run as it stands."""
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    if code is None:
        raise ValueError("README.md has no example.")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.group(1), {"__name__": "readme"})
    return f"```\n{printed.getvalue().rstrip()}\n```"


def fill_readme() -> str:
    """README with its example's output and its tables renewed."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = fill_section(text, "example", run_example(text))
    text = fill_section(text, "results", results_table(read("evaluation")))
    for file in sorted((RESULTS / "evidence").glob("*.json")):
        text = fill_section(text, f"{file.stem}-evidence", evidence_table(read(f"evidence/{file.stem}")))
    return text


def filled() -> dict[Path, str]:
    """Every file that is filled, with its content."""
    card = fill_card()
    return {
        ROOT / "model_card.md": card,
        Path(DEFAULT_CHECKPOINT) / "README.md": card,
        ROOT / "README.md": fill_readme(),
    }


def main() -> None:
    """Writes the files; with `--check` only says which are out of date."""
    stale = [(path, text) for path, text in filled().items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(path.name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    raise SystemExit(1 if stale and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
