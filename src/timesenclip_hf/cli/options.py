"""What the commands have in common: options, and how their texts are read."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

LabelsOption = Annotated[
    str,
    typer.Option(help='Class names with commas, or a JSON file of {"label": ["phrase", ...]}.'),
]
Model = Annotated[str | None, typer.Option(help="Folder or Hub id of a checkpoint; the embedded one when left out.")]
Template = Annotated[
    list[str] | None,
    typer.Option(help='Prompt with {} for the class name, such as "a photo of {}."; may be repeated.'),
]
Year = Annotated[int | None, typer.Option(help="Calendar year; the one with the most observed months when left out.")]
Offset = Annotated[float | None, typer.Option(help="Subtracted from digital numbers: 1000 from baseline 04.00 on.")]
Device = Annotated[str | None, typer.Option(help='Where to compute, such as "cuda".')]
Runtime = Annotated[
    Literal["torch", "onnx", "openvino"],
    typer.Option(help="What computes the embeddings; the others need the extra `export`."),
]
Exported = Annotated[
    Path | None, typer.Option(help="File of `timesenclip export` for --runtime; float32, made on the fly, if left out.")
]
Bands = Annotated[str | None, typer.Option(help="Names of bands that the files leave unnamed, with commas.")]

Output = Annotated[Path, typer.Option(help="Folder to write; an import that was stopped goes on there.")]
Composite = Annotated[
    str, typer.Option(help="median (masked, of each month), timesenclip (upstream's recipe) or none (every look).")
]
Workers = Annotated[int, typer.Option(help="Processes.")]


def read_label_option(text: str) -> Any:
    """Names with commas, or the content of a JSON file.

    Raises:
        ValueError: the file holds something else.
        FileNotFoundError: there is no such file.
    """
    path = Path(text)
    if path.suffix.lower() != ".json":
        return text
    if not path.is_file():
        raise FileNotFoundError(f"No such file of labels: {path}.")
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON ({error}): write {{'label': ['phrase', ...]}}.") from None
    if not isinstance(labels, (dict, list)):
        raise ValueError(f"{path.name} must hold a list of labels or {{'label': ['phrase', ...]}}.")
    return labels


def names_of(text: str | None) -> list[str] | None:
    """Names between commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def model_of(name: str | None) -> str:
    """A checkpoint, the embedded one when left out."""
    from .. import DEFAULT_CHECKPOINT

    return name or DEFAULT_CHECKPOINT


def show_progress() -> bool:
    """Whether somebody watches."""
    return sys.stderr.isatty()
