"""Options that commands share, the groups they come in, and how their texts are read."""

import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..words import printable

if TYPE_CHECKING:
    from ..models.timesenclip.label_set_timesenclip import LabelSet
    from ..models.timesenclip.options_timesenclip import SeriesOptions
    from ..runtimes.options import ComputeOptions

LabelsOption = Annotated[
    str,
    typer.Option(
        help="Class names with commas, a label set of the package such as eurosat, or a file: .txt or .csv of names, "
        '.json of {"label": ["phrase", ...]}, or .labels of `timesenclip fit`.'
    ),
]
Model = Annotated[str | None, typer.Option(help="Folder or Hub id of a checkpoint; the embedded one when left out.")]
Template = Annotated[
    list[str] | None, typer.Option(help='Prompt with {} for the class name, such as "a photo of {}."; may be repeated.')
]
Year = Annotated[
    int | None, typer.Option(help="Calendar year; the twelve months with most observed ones when left out.")
]
Offset = Annotated[float | None, typer.Option(help="Subtracted from digital numbers: 1000 from baseline 04.00 on.")]
Device = Annotated[str | None, typer.Option(help='Where to compute, such as "cuda".')]
Bands = Annotated[str | None, typer.Option(help="Names of bands that the files leave unnamed, with commas.")]
CRS = Annotated[str | None, typer.Option(help="Coordinate reference system where the files name none.")]

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already under such a name.")]


def check_dataset_folder(output: Path) -> Path:
    """Refuse the folder of a dataset before the work where it cannot be written."""
    from ..data.engine.shards import check_import_folder

    check_import_folder(output)
    return output


Output = Annotated[
    Path,
    typer.Option(help="Folder to write; an import that was stopped goes on there.", callback=check_dataset_folder),
]
Composite = Annotated[
    str, typer.Option(help="median (masked, of each month), timesenclip (upstream's) or none (every acquisition).")
]
Workers = Annotated[int, typer.Option(help="Processes.")]


@dataclass(frozen=True)
class StepsGroup:
    """Options of a command that reads numbered time steps."""

    start: Annotated[str | None, typer.Option(help="Date of the first of numbered steps, 2018-01-01.")] = None
    step: Annotated[
        str | None, typer.Option(help="From one to the next: month, half-month, dekad, week, or days such as 16days.")
    ] = None


@dataclass(frozen=True)
class ReadingGroup(StepsGroup):
    """Options of a command that reads series."""

    year: Year = None
    season: Annotated[str | None, typer.Option(help="Month in which twelve months begin, instead of a year.")] = None
    units: Annotated[
        Literal["auto", "dn", "reflectance", "percent"],
        typer.Option(help="dn is reflectance times 10,000; told from the values when left out."),
    ] = "auto"
    offset: Offset = None
    minimum_months: Annotated[
        int, typer.Option(help="Clear calendar months without which a series has no class, or is left out.")
    ] = 1
    missing_bands: Annotated[
        Literal["fill", "estimate", "mask", "error"] | None,
        typer.Option(
            help="fill takes B8A for B08 and the reverse; estimate also B05 to B07 by a regression; mask is for "
            "checkpoints trained with bands dropped; error refuses. The checkpoint's way when left out."
        ),
    ] = None
    screen: Annotated[
        Literal["clouds", "none"] | None,
        typer.Option(
            help="clouds leaves out acquisitions that are bright and flat, unlike the rest of their series, where no "
            "scene classes are given; none takes all. The checkpoint's way when left out."
        ),
    ] = None

    def to_series_options(self) -> "SeriesOptions":
        """Return what the package's functions take."""
        from ..models.timesenclip.options_timesenclip import SeriesOptions

        return SeriesOptions(**{field.name: getattr(self, field.name) for field in fields(ReadingGroup)})


@dataclass(frozen=True)
class CubeGroup:
    """Options of a command that opens files as a cube."""

    bands: Bands = None
    crs: CRS = None


@dataclass(frozen=True)
class ComputeGroup:
    """Options of a command that computes embeddings."""

    device: Device = None
    dtype: Annotated[str | None, typer.Option(help="To compute in, such as bfloat16.")] = None
    runtime: Annotated[
        Literal["torch", "onnx", "openvino"],
        typer.Option(help="What computes the embeddings; the others need the extra `export`."),
    ] = "torch"
    exported: Annotated[
        Path | None, typer.Option(help="File of `timesenclip export` for --runtime; float32 in memory if left out.")
    ] = None
    deduplicate: Annotated[bool, typer.Option("--deduplicate", help="Encode series that are equal once.")] = False

    def to_options(self) -> "ComputeOptions":
        """Return what the package's functions take."""
        from ..runtimes.options import ComputeOptions

        return ComputeOptions(**vars(self))


# Arguments of Python whose options are named otherwise, and those of no group of options here.
_RENAMED = {"hypothesis_template": "template", "label_sets": "label-set", "candidate_labels": "labels"}
_ALONE = ("id_column", "top_k")
_ARGUMENT = re.compile(r'`(\w+)(?:="?([^"`]*)"?)?`')
# What a sentence says of Python beside the option: ", in Python `overwrite=True`" or " (`crs` in Python)".
_ASIDE = re.compile(r"(--[\w-]+[^()`]{0,40})(?:, in Python `[^`]*`| \(in Python [^)]*\)| \(`[^`]*`(?: in Python)?\))")
_OF_CUBE = re.compile(r'(?<![\w`-])(bands|crs)=("[^"]*")')


def in_options(text: str) -> str:
    """Write arguments of Python that are options as these: those in backticks, and of [`CubeGroup`] without.

    So `units="dn"` becomes --units dn, `hypothesis_template` --template, and crs="EPSG:32631" --crs "EPSG:32631". Where
    a sentence names both, the option stays.
    """
    names = {field.name for group in (ReadingGroup, ComputeGroup) for field in fields(group)} | {*_ALONE, *_RENAMED}

    def option(match: re.Match[str]) -> str:
        if match[1] not in names:
            return match[0]
        return f"--{_RENAMED.get(match[1], match[1]).replace('_', '-')} {match[2] or ''}".rstrip()

    return _OF_CUBE.sub(r"--\1 \2", _ARGUMENT.sub(option, _ASIDE.sub(r"\1", text)))


class _OptionsHandler(logging.Handler):
    """Write the package's warnings by [`in_options`], on whatever the error stream is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one warning."""
        typer.echo(printable(in_options(record.getMessage())), err=True)


@contextmanager
def options_in_log() -> Iterator[None]:
    """Write warnings of this package in options, while a command runs."""
    logger, handler = logging.getLogger("timesenclip_hf"), _OptionsHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options: Typer sees each of their fields as an option of its own.

    Args:
        command: its parameters that are annotated with a dataclass are filled from that class's fields, which are
            annotated and have defaults as options of Typer have, and shown after the command's own.
    """
    parameters = inspect.signature(command).parameters
    kinds: dict[str, Any] = {name: option.annotation for name, option in parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    options = [option for name, option in parameters.items() if name not in groups]
    for group in groups.values():
        options += inspect.signature(group).parameters.values()

    @wraps(command)
    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    # An option without a default may follow one with a default where all are named.
    named = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
    run.__dict__["__signature__"] = inspect.Signature(named)
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def read_label_option(text: str) -> Any:
    """Read names with commas or the name of a label set, which stay text, the labels in a file, or a fitted label set.

    Raises:
        ValueError: the file holds something else.
        FileNotFoundError: there is no such file.
    """
    from ..labelling.label_set_files import LABEL_SET_SUFFIX, read_label_set
    from ..taxonomies.label_files import LABEL_SUFFIXES, read_label_file

    if Path(text).suffix.lower() == LABEL_SET_SUFFIX:
        return read_label_set(text)
    if Path(text).suffix.lower() in LABEL_SUFFIXES:
        return read_label_file(text)
    if "," not in text and Path(text).is_file():
        suffixes = ", ".join((*LABEL_SUFFIXES, LABEL_SET_SUFFIX))
        raise ValueError(f"{text} is a file, but of labels only {suffixes} are read: rename it.")
    return text


def read_label_set_option(path: Path) -> "LabelSet":
    """Read a label set from its file; refuse another suffix with a ValueError."""
    from ..labelling.label_set_files import check_suffix, read_label_set

    check_suffix(path)
    return read_label_set(path)


def told_of_examples(label_set: "LabelSet") -> Iterator[str]:
    """Give the line that says to how many examples a label set was fitted; none for one from words."""
    if label_set.is_fitted:
        yield f"note: fitted to examples: {', '.join(label_set.counted_examples)}"


def refuse_options(chosen: Mapping[str, Any], names: Iterable[str], purpose: str) -> None:
    """Refuse options that are for another kind of source.

    Args:
        chosen: values by the names of the fields; None where an option is left out.
        names: of fields that do not go with the source.
        purpose: what they are for.

    Raises:
        ValueError: one of them is given.
    """
    if wrong := next((name for name in names if chosen.get(name) is not None), None):
        raise ValueError(f"--{wrong.replace('_', '-')} is for {purpose}: leave it out.")


def names_of(text: str | None) -> list[str] | None:
    """Split names between commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def model_of(name: str | None) -> str:
    """Return the checkpoint that is named, or the embedded one."""
    from .. import DEFAULT_CHECKPOINT

    return name or DEFAULT_CHECKPOINT


def show_progress() -> bool:
    """Tell whether somebody watches: progress bars are for terminals."""
    return sys.stderr.isatty()
