"""Fill cards, README and the pages of evidence and of words from what commands measured: `python -m hub.fill_cards`.

No figure is typed by hand.
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from transformers import AutoModel, AutoProcessor

from hub.filling import CARDS, REPOSITORY, ROOT, citation, fill, table
from hub.model_card import Licences, carbon, describe_timesenclip, head, headlines, results_of, results_table, usage
from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.evaluation.report.reading import words
from timesenclip_hf.files import whole_file
from timesenclip_hf.taxonomies import list_taxonomies, load_taxonomy

RESULTS = ROOT / "training" / "results"
EVIDENCE_PAGE = ROOT / "docs" / "evidence.md"
WORDS_PAGE = ROOT / "docs" / "words.md"
HARDWARE = "two CPU cores"
LICENCES = Licences(
    weights="mit", clip="none: its towers were trained from nothing", data="none: simulated by the code of this package"
)
USAGE = """```python
from transformers import pipeline
import timesenclip_hf

classify = pipeline("zero-shot-pixel-classification")  # this checkpoint
classify(series, candidate_labels=["maize", "grassland", "buildings"])
```"""
TRAINED_BY = (
    "accelerate launch --config_file training/accelerate/cpu.yaml training/train.py \\\n"
    "    training/configs/embedded_default.yaml"
)


def read(name: str) -> Any:
    """Read one results file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def recalls(results: dict[str, Any]) -> str:
    """Write a line of recalls for each task of few classes."""
    lines = []
    for name, entry in headlines(results):
        if len(entry["recall"]) <= 10:
            shares = ", ".join(f"{label} {value:.2f}" for label, value in entry["recall"].items())
            lines.append(f"- {name}, {words(entry['task'])}: {shares}")
    return "\n".join(lines)


def evidence_table(claims: list[dict[str, Any]]) -> str:
    """Set claims, figures and bars in a Markdown table."""
    return table(("claim", "figure", "bar"), ((entry["claim"], entry["figure"], entry["bar"]) for entry in claims))


def fill_card(repo_id: str | None = None) -> str:
    """Fill the model card of the embedded checkpoint.

    Args:
        repo_id: where it is published; None for the card in this repository.

    Raises:
        ValueError: the recorded figures are of other weights.
    """
    model = AutoModel.from_pretrained(DEFAULT_CHECKPOINT)
    processor = AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT)
    training, results = read("embedded_default"), results_of(model, read("evaluation"))
    values = {
        **training["arguments"],
        **describe_timesenclip(model, processor),
        "title": (repo_id or DEFAULT_CHECKPOINT).split("/")[-1],
        "usage": usage(repo_id) if repo_id else USAGE,
        "minutes": training["minutes"],
        "hardware": HARDWARE,
        "command": TRAINED_BY,
        "known_words": len(processor.known_words),
        "results_table": results_table(results),
        "recalls": recalls(results),
        "licence_table": LICENCES.table(),
        "carbon": carbon(training["minutes"], HARDWARE),
        "citation": citation(),
    }
    data = head(LICENCES, "zero-shot-classification", results, "clip", "simulated-data")
    return fill(ModelCard, CARDS / "timesenclip-simulated.md", data, values)


def fill_section(text: str, name: str, content: str) -> str:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match.group(1)}{content}\n{match.group(2)}", text)


def run_example(text: str) -> str:
    """Run README's first example as it stands, and return what it prints."""
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    if code is None:
        raise ValueError("README.md has no example.")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.group(1), {"__name__": "readme"})
    return f"```\n{printed.getvalue().rstrip()}\n```"


def fill_readme() -> str:
    """Renew the example's output, the table of results, the addresses of links and the citation in README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = fill_section(text, "example", run_example(text))
    text = fill_section(text, "results", results_table(read("evaluation")))
    text = re.sub(r"https://[^\s()]+/(blob|raw)/main/", rf"{REPOSITORY}/\1/main/", text)
    return fill_section(text, "citation", citation())


def fill_words() -> str:
    """Renew the words that the embedded checkpoint knows, and the label sets of the package, in the page of words."""
    text = WORDS_PAGE.read_text(encoding="utf-8")
    known = AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT).known_words
    text = fill_section(text, "known-words", f"{len(known)} words: {', '.join(sorted(known))}.")
    sets = [(name, load_taxonomy(name)) for name in list_taxonomies()]
    rows = ((f"`{name}`", len(taxonomy.labels), taxonomy.name) for name, taxonomy in sets)
    return fill_section(text, "label-sets", table(("label set", "classes", "of"), rows))


def fill_evidence() -> str:
    """Renew every table of claims in the page of evidence.

    Raises:
        ValueError: claims were measured that have no section in the page.
    """
    text = EVIDENCE_PAGE.read_text(encoding="utf-8")
    for file in sorted((RESULTS / "evidence").glob("*.json")):
        section = f"{file.stem}-evidence"
        if f"<!-- {section} -->" not in text:
            raise ValueError(f"{EVIDENCE_PAGE.name} has no section for {file.name}: add <!-- {section} --> to it.")
        text = fill_section(text, section, evidence_table(read(f"evidence/{file.stem}")))
    return text


def filled() -> dict[Path, str]:
    """Return every file that is filled, with its content."""
    card = fill_card()
    return {
        ROOT / "model_card.md": card,
        Path(DEFAULT_CHECKPOINT) / "README.md": card,
        ROOT / "README.md": fill_readme(),
        EVIDENCE_PAGE: fill_evidence(),
        WORDS_PAGE: fill_words(),
    }


def main() -> None:
    """Write the files; with `--check` only name those that are out of date."""
    stale = [(path, text) for path, text in filled().items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(path.name)
        if "--check" not in sys.argv:
            with whole_file(path, overwrite=True) as partial:
                partial.write_text(text, encoding="utf-8")
    raise SystemExit(1 if stale and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
