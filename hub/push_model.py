"""Push a checkpoint to the Hub with its card: `python -m hub.push_model FOLDER user/name`, dry unless `--push`.

A TimeSenCLIP goes with its processor, its pipeline and the code of all three, so that `trust_remote_code=True` loads
it where this package is not installed; a SenCLIP goes as the stock `CLIPModel` that it is. The dry run writes into a
folder what would be pushed, for people to read; `--push` does the same and uploads that folder in one commit.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from transformers import AutoModel, AutoProcessor, CLIPModel
from transformers.utils import logging

from hub.fill_cards import LICENCES, fill_card
from hub.filling import ROOT
from hub.model_card import Facts, Licences, fill_senclip, fill_timesenclip, without_paths
from hub.publishing import PushOptions, Staged, Staging, deliver, new_folder, one_line_errors
from hub.vetting import FILE_LIMIT, check_content
from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPModel
from timesenclip_hf.cli.options import with_groups
from timesenclip_hf.conversion.remote_code import save_with_remote_code
from timesenclip_hf.files import first_line, write_json

ARGUMENTS_FILE, RESULTS_FILE = "training_arguments.json", "results.json"
# What an earlier push may have left; files of other names are nobody's but their owner's.
REPLACED = ("*.json", "*.safetensors", "*.py", "*.txt")


def stage(checkpoint: Path, facts: Facts, folder: Path, limit: int = FILE_LIMIT) -> Staged:
    """Write model, processor, code and card as they would be pushed.

    Args:
        checkpoint: folder of it.
        facts: what it cannot say of itself.
        folder: to write to.
        limit: bytes that no file may exceed.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: there is a pickle or a secret in it, no model that we publish, or the card cannot be filled.
    """
    if not checkpoint.is_dir():
        raise FileNotFoundError(f"No such folder of a checkpoint: {checkpoint}.")
    for file in sorted(path for path in checkpoint.iterdir() if path.is_file()):
        check_content(file, str(file), limit)
    model, processor = _load(checkpoint)
    if isinstance(model, CLIPModel):
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        card = fill_senclip(model, facts)
    else:
        save_with_remote_code(model, processor, folder)
        card = fill_card(facts.repo_id) if is_embedded(checkpoint) else fill_timesenclip(model, processor, facts)
    (folder / "README.md").write_text(card, encoding="utf-8")
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    if (checkpoint / ARGUMENTS_FILE).exists():
        content = _read(checkpoint / ARGUMENTS_FILE)
        write_json(folder / ARGUMENTS_FILE, {**content, "arguments": without_paths(content["arguments"])})
    summary = f"{type(model).__name__}, {model.num_parameters():,} parameters"
    return Staged(folder, summary, replaced=REPLACED)


def is_embedded(checkpoint: Path) -> bool:
    """Tell whether it is the checkpoint inside the package, of which all is known."""
    return checkpoint.resolve() == Path(DEFAULT_CHECKPOINT).resolve()


def _load(checkpoint: Path) -> tuple[Any, Any]:
    """Load model and processor.

    Raises:
        ValueError: they cannot be read, or are of another kind than we publish.
    """
    try:
        model: Any = AutoModel.from_pretrained(checkpoint, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"No model can be read from {checkpoint}: {first_line(error)}.") from None
    if not isinstance(model, (TimeSenCLIPModel, CLIPModel)):
        raise ValueError(
            f"{checkpoint} holds a {type(model).__name__}: what is published is a whole TimeSenCLIPModel, with the "
            "words, or a CLIPModel, as SenCLIP's is."
        )
    try:
        return model, AutoProcessor.from_pretrained(checkpoint, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"No processor can be read from {checkpoint}: {first_line(error)}.") from None


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read as JSON: {first_line(error)}.") from None


def training_of(checkpoint: Path, results: Path | None) -> Mapping[str, Any] | None:
    """Read what the run that made a checkpoint wrote.

    Args:
        checkpoint: folder of it.
        results: file of the run; the one beside the checkpoint, as `training/train.py` leaves it, when left out.

    Returns:
        The results; None where there are none beside the checkpoint, or they are of another run.

    Raises:
        ValueError: it cannot be read, or is of another run.
    """
    file = results or checkpoint.parent / RESULTS_FILE
    if results is None and not file.exists():
        return None
    content = _read(file)
    arguments = checkpoint / ARGUMENTS_FILE
    if arguments.exists() and _read(arguments)["arguments"] == content.get("arguments"):
        return dict(content)
    if results is None:
        return None
    raise ValueError(f"{results} is of another run than {checkpoint}: their arguments differ.")


@dataclass(frozen=True)
class LicenceOptions:
    """Options of the licences that the card names."""

    licence: Annotated[str, typer.Option(help="Of the weights, as the Hub names it.")] = ""
    licence_link: Annotated[str, typer.Option(help="To its text, where it is 'other'.")] = ""
    clip_licence: Annotated[str, typer.Option(help="Of the CLIP that the weights started from.")] = ""
    data_licence: Annotated[str, typer.Option(help="Of what the weights were trained on, as it is stated.")] = ""

    def licences(self) -> Licences:
        """Return what the card takes."""
        return Licences(self.licence, self.clip_licence, self.data_licence, self.licence_link)


@dataclass(frozen=True)
class OriginOptions:
    """Options of what the card says of the weights' origin."""

    results: Annotated[
        Path | None, typer.Option(help="results.json of an evaluation of these weights, or what --record wrote.")
    ] = None
    training_results: Annotated[
        Path | None, typer.Option(help="results.json of the run; beside the checkpoint if left out.")
    ] = None
    hardware: Annotated[str, typer.Option(help="That the weights were trained on.")] = ""
    origin: Annotated[str, typer.Option(help="Where weights come from that were not trained here: a sentence.")] = ""
    note: Annotated[str, typer.Option(help="Sentence for the head of the card.")] = ""


@with_groups
def main(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a checkpoint.")],
    repo_id: Annotated[str, typer.Argument(help="Where on the Hub: user/name.")],
    stated: LicenceOptions,
    told: OriginOptions,
    options: PushOptions,
    staging: Staging = None,
) -> None:
    """Fill the card and show what would be pushed; `--push` pushes it. The embedded checkpoint needs no licences."""

    def staged() -> Staged:
        embedded = is_embedded(checkpoint)
        licences = LICENCES if embedded else stated.licences()
        licences.check()
        training = None if embedded else training_of(checkpoint, told.training_results)
        evaluation = _read(told.results) if told.results else None
        facts = Facts(repo_id, licences, told.origin, told.hardware, told.note, training, evaluation)
        return stage(checkpoint, facts, new_folder(staging, repo_id), options.limit)

    logging.disable_progress_bar()
    with one_line_errors():
        deliver({repo_id: staged}, "model", options)


if __name__ == "__main__":
    typer.run(main)
