"""Fills cards and README from what commands measured: `python hub/fill_cards.py`. No figure is typed by hand."""

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from string import Template
from typing import Any

from transformers import AutoModel, AutoProcessor

from timesenclip_hf import DEFAULT_CHECKPOINT

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "training" / "results"
TRAINED_BY = "accelerate launch training/train.py training/configs/embedded_default.yaml"
NAMES = {"ten_covers": "simulated, ten covers", "all_covers": "simulated, all covers"}


def read(name: str) -> Any:
    """One results file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def results_table(reports: dict[str, dict[str, Any]]) -> str:
    """A markdown table of balanced accuracies beside the lines to beat."""
    lines = [
        "| held-out set | classes | pixels | balanced accuracy | commonest class | chance |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {NAMES.get(name, name)} | {len(report['recall'])} | {report['samples']} | "
        f"**{report['balanced_accuracy']:.3f}** | {report['majority_balanced_accuracy']:.3f} | {report['chance']:.3f} |"
        for name, report in reports.items()
    ]
    return "\n".join(lines)


def recalls(reports: dict[str, dict[str, Any]]) -> str:
    """One line of recalls a set of few classes."""
    return "\n".join(
        f"- {NAMES.get(name, name)}: {', '.join(f'{label} {value:.2f}' for label, value in report['recall'].items())}"
        for name, report in reports.items()
        if len(report["recall"]) <= 10
    )


def model_index(reports: dict[str, dict[str, Any]]) -> str:
    """Metadata in the Hub's form, as YAML lines."""
    entries = []
    for name, report in reports.items():
        entries += [
            "  - task:",
            "      type: zero-shot-classification",
            "    dataset:",
            f"      name: {NAMES.get(name, name)}",
            f"      type: {re.sub(r'[^a-z0-9]+', '-', name.lower())}",
            "    metrics:",
            "    - type: balanced_accuracy",
            f"      value: {report['balanced_accuracy']:.3f}",
        ]
    return "\n".join(entries)


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
    reports = {**read("simulated"), **read("real")}
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
        "results_table": results_table(reports),
        "recalls": recalls(reports),
        "model_index": model_index(reports),
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
    text = fill_section(text, "results", results_table({**read("simulated"), **read("real")}))
    if (RESULTS / "evidence" / "data.json").exists():
        text = fill_section(text, "data-evidence", evidence_table(read("evidence/data")))
    return fill_section(text, "evidence", evidence_table(read("evidence/foundation")))


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
