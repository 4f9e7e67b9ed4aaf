"""Run `timesenclip evaluate` and `timesenclip evaluate-images`, which measure how good checkpoints are."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Device, Overwrite, model_of, names_of, refuse_options, show_progress, with_groups

if TYPE_CHECKING:
    from ..evaluation.image_measurement import ImageProtocol
    from ..evaluation.protocol import EvaluationSet, Protocol
    from ..evaluation.sets import SetOptions

Texts = list[str] | None
SetOpener = Callable[[Sequence[str], "SetOptions"], "Iterator[EvaluationSet]"]


@dataclass(frozen=True)
class ReportGroup:
    """Hold options of a command that writes a report."""

    output: Annotated[Path, typer.Option(help="Folder for results.json, report.md and report.html.")]
    record: Annotated[Path | None, typer.Option(help="JSON for the figures alone, to be kept and compared.")] = None
    overwrite: Overwrite = False

    @contextmanager
    def held(self, *options: Any) -> Iterator[str]:
        """Check before the work that all can be written, and hold the folder meanwhile; yield what is asked, hashed.

        Args:
            options: all that says what is evaluated, and how; a report on the same is replaced.
        """
        from ..evaluation.report.writing import answers, check_report
        from ..evaluation.sharing import is_main_process
        from ..files.locks import Hold
        from ..files.outputs import check_file

        asked = hashlib.sha256(repr(options).encode()).hexdigest()[:16]
        check_report(self.output, overwrite=self.overwrite, asked=asked)
        if self.record is not None:
            check_file(self.record, overwrite=self.overwrite or answers(self.record, asked))
        with Hold(self.output) if is_main_process() else nullcontext():
            yield asked

    def overwrites(self, asked: str) -> bool:
        """Tell whether files are replaced: where that was said, or the report there answers the same."""
        from ..evaluation.report.writing import FILES, answers

        return self.overwrite or answers(self.output / FILES[0], asked)

    def write(self, results: dict[str, Any], pictured: Sequence[Any] = ()) -> None:
        """Write the report and the record, and print a summary."""
        from ..evaluation.harness import summarise, write_record
        from ..evaluation.report import write_report

        page = write_report(results, self.output, pictured, overwrite=self.overwrite)
        typer.echo(summarise(results))
        if self.record is not None:
            write_record(results, self.record, overwrite=self.overwrite)
        typer.echo(f"wrote {page}")


@dataclass(frozen=True)
class DataGroup:
    """Say which checkpoints are evaluated on which series, and where to compute."""

    dataset: Annotated[list[str], typer.Option(help="simulated, or folder or Hub id of a dataset; may be repeated.")]
    split: Annotated[
        str | None,
        typer.Option(help='Of a folder or Hub id; "all" for every split; test, or the only one, if left out.'),
    ] = None
    task: Annotated[str | None, typer.Option(help="Label columns of a folder or Hub id, with commas.")] = None
    taxonomy: Annotated[
        Texts, typer.Option(help="COLUMN=LABEL_SET, name, JSON file or .labels of a fit, if not the schema's.")
    ] = None
    points: Annotated[int | None, typer.Option(help="Points to simulate, or rows of a dataset, the first.")] = None
    model: Annotated[
        Texts, typer.Option(help="Folder or Hub id; repeated for trainings that differ by their seed, to be averaged.")
    ] = None
    device: Device = None

    def to_options(self, *, images: bool) -> "SetOptions":
        """Return what the package's functions take; with `images`, points are simulated with their patches."""
        from ..evaluation.sets import SetOptions

        if set(self.dataset) == {"simulated"}:
            others = ("split", "task", "taxonomy")
            refuse_options(vars(self), others, "a folder or Hub id, and simulated points have labels of their own")
        taxonomies = {}
        for text in self.taxonomy or ():
            column, _, name = text.partition("=")
            if not column or not name:
                raise ValueError(f"{text!r} must be COLUMN=LABEL_SET, such as crop=lucas_crops.")
            taxonomies[column] = name
        return SetOptions(self.split, names_of(self.task), taxonomies, self.points, images)


@dataclass(frozen=True)
class ProtocolGroup:
    """Say how series are scored."""

    suite: Annotated[
        str, typer.Option(help="zero_shot, retrieval, robustness, few_shot, calibration, with commas, or all.")
    ] = "zero_shot"
    prompts: Annotated[
        str | None, typer.Option(help="generic, class_name (or C), descriptive, ground, aerial; all there are.")
    ] = None
    composites: Annotated[str, typer.Option("--composites", "--looks", help="How many a year, with commas.")] = "12,4,1"
    missing: Annotated[
        Texts, typer.Option(help='Months to leave out: winter, "growing season", "1,2,12" or none; may be repeated.')
    ] = None
    image_model: Annotated[Texts, typer.Option(help="CLIP model to score RGB patches with; may be repeated.")] = None
    calibrated: Annotated[Path | None, typer.Option(help="Folder for the checkpoint with its calibration.")] = None
    seed: Annotated[int, typer.Option(help="Of intervals, splits and draws.")] = 0

    def to_protocol(self) -> "Protocol":
        """Return what the package's functions take."""
        from ..evaluation.baselines import load_image_model
        from ..evaluation.protocol import SUITES, Protocol
        from ..evaluation.uncertainty import Resampling

        prompts = names_of(self.prompts)
        return Protocol(
            suites=SUITES if self.suite == "all" else names_of(self.suite) or (),
            composites=[int(number) for number in names_of(self.composites) or ()],
            missing=self.missing or (None,),
            prompts=None if prompts is None else ["class_name" if name == "C" else name for name in prompts],
            resampling=Resampling(seed=self.seed),
            image_models=[load_image_model(name) for name in self.image_model or ()],
        )


@dataclass(frozen=True)
class ImageProtocolGroup:
    """Say how images are scored."""

    prompts: Annotated[str, typer.Option(help="Views, with commas.")] = "generic,aerial,ground,mixed"
    scores: Annotated[str, typer.Option(help="none is raw, the others transductive.")] = "none,class_mean,prompt_mean"
    top_k: Annotated[int | None, typer.Option(help="Prompts a class to select without labels, and to judge.")] = None
    seed: Annotated[int, typer.Option(help="Of intervals and splits.")] = 0

    def to_protocol(self) -> "ImageProtocol":
        """Return what the package's functions take."""
        from ..evaluation.image_measurement import ImageProtocol
        from ..evaluation.uncertainty import Resampling

        views, centrings = names_of(self.prompts) or (), names_of(self.scores) or ()
        return ImageProtocol(views, centrings, self.top_k, Resampling(seed=self.seed))


@with_groups
def evaluate(data: DataGroup, scoring: ProtocolGroup, report: ReportGroup) -> None:
    """Evaluate checkpoints and write a report; under `accelerate launch` processes share the encoding."""
    from ..evaluation.sets import open_sets

    if "real" in data.dataset:
        raise ValueError(
            "The sets of real pixels are no part of the package: run `python -m training.measure --dataset real` in a "
            "checkout, or name a folder or Hub id of a dataset."
        )
    run_evaluation(data, scoring, report, open_sets)


def run_evaluation(
    data: DataGroup,
    scoring: ProtocolGroup,
    report: ReportGroup,
    open_sets: SetOpener,
    left_out: Mapping[str, str] | None = None,
) -> None:
    """Evaluate checkpoints on what `open_sets` opens by the data sets' names; the report says what was left out."""
    from ..evaluation import harness
    from ..evaluation.protocol import Checkpoint
    from ..evaluation.sharing import encode_together, is_main_process, own_device
    from ..files.outputs import CHECKPOINT_FILES, check_folder

    protocol = scoring.to_protocol()
    several = len(data.dataset) > 1 or len(data.model or ()) > 1
    if scoring.calibrated is not None and ("calibration" not in protocol.suites or several):
        raise ValueError('--calibrated needs the suite "calibration", one dataset and one model.')
    with report.held(replace(data, device=None), scoring) as asked:
        overwrite = report.overwrites(asked)
        if scoring.calibrated is not None:
            check_folder(scoring.calibrated, overwrite=overwrite, names=CHECKPOINT_FILES)
        sets = open_sets(data.dataset, data.to_options(images=bool(protocol.image_models)))
        checkpoints = [Checkpoint.load(name, data.device or own_device()) for name in data.model or [model_of(None)]]
        evaluation = harness.evaluate(checkpoints, sets, protocol, encode=encode_together)
        if not is_main_process():
            return
        evaluation.results |= {"left_out": dict(left_out or {}), "asked": asked}
        report.write(evaluation.results, evaluation.pictured)
        if scoring.calibrated is not None:
            harness.save_calibrated(checkpoints[0], evaluation, scoring.calibrated, overwrite=overwrite)


@with_groups
def evaluate_images_(
    dataset: Annotated[
        list[str], typer.Option(help="simulated, eurosat:SOURCE, bigearthnet:FOLDER, folder, Hub id; may be repeated.")
    ],
    model: Annotated[list[str], typer.Option(help="Folder or Hub id of a CLIP model; may be repeated.")],
    report: ReportGroup,
    scoring: ImageProtocolGroup,
    split: Annotated[str, typer.Option(help='Of a folder or Hub id; "all" for every split.')] = "all",
    column: Annotated[str | None, typer.Option(help="Class column of a folder or Hub id.")] = None,
    images: Annotated[int | None, typer.Option(help="Images at most, of each set.")] = None,
    device: Device = None,
) -> None:
    """Evaluate CLIP models on satellite images and write a report."""
    from ..evaluation.baselines import load_image_model
    from ..evaluation.harness import evaluate_images
    from ..evaluation.sets.images import open_image_sets

    protocol = scoring.to_protocol()
    with report.held(dataset, model, scoring, split, column, images) as asked:
        models = [load_image_model(name, device=device or "cpu") for name in model]
        sets = open_image_sets(dataset, split=split, column=column, num_images=images)
        report.write({**evaluate_images(models, sets, protocol, progress=show_progress()), "asked": asked})
