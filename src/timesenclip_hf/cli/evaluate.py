"""`timesenclip evaluate` and `timesenclip evaluate-images`: how good checkpoints are."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Device, model_of, names_of, show_progress


def evaluate(
    dataset: Annotated[
        list[str], typer.Option(help="simulated, real, or folder or Hub id of a dataset; may be repeated.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for results.json, report.md and report.html.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Folder or Hub id; repeated for trainings that differ by their seed, which are averaged."),
    ] = None,
    suite: Annotated[
        str, typer.Option(help="zero_shot, retrieval, robustness, few_shot, calibration, with commas, or all.")
    ] = "zero_shot",
    split: Annotated[str, typer.Option(help='Of a folder or Hub id; "all" for every split.')] = "test",
    task: Annotated[str | None, typer.Option(help="Label columns of a folder or Hub id, with commas.")] = None,
    taxonomy: Annotated[
        list[str] | None, typer.Option(help="COLUMN=LABEL_SET, by name or JSON file, where it is not the schema's.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="generic, class_name (or C), descriptive, ground, aerial; all there are.")
    ] = None,
    looks: Annotated[str, typer.Option(help="Looks a year: of months, quarters, the year.")] = "12,4,1",
    missing: Annotated[
        list[str] | None,
        typer.Option(help='Months to leave out: winter, "growing season", "1,2,12" or none; may be repeated.'),
    ] = None,
    image_model: Annotated[
        list[str] | None, typer.Option(help="CLIP model that scores RGB patches, for a baseline; may be repeated.")
    ] = None,
    points: Annotated[
        int | None, typer.Option(help="Points to simulate, or rows of a folder or Hub id, the first.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="JSON for the figures alone, to be kept and compared.")] = None,
    calibrated: Annotated[
        Path | None, typer.Option(help="Folder for the checkpoint with the calibration fitted on the dataset.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of intervals, splits and draws.")] = 0,
    device: Device = None,
) -> None:
    """Evaluate checkpoints and write a report; under `accelerate launch` processes share the encoding."""
    from ..evaluation.baselines import load_image_model
    from ..evaluation.harness import evaluate as evaluate_
    from ..evaluation.harness import save_calibrated
    from ..evaluation.protocol import SUITES, Checkpoint, Protocol
    from ..evaluation.record import summarise, write_record
    from ..evaluation.report import write_report
    from ..evaluation.sets import left_out, open_sets
    from ..evaluation.sharing import encode_together, is_main_process, own_device
    from ..evaluation.uncertainty import Resampling

    protocol = Protocol(
        suites=SUITES if suite == "all" else names_of(suite) or (),
        num_looks=[int(one) for one in names_of(looks) or ()],
        missing=missing or (None,),
        prompts=None if prompts is None else ["class_name" if one == "C" else one for one in names_of(prompts) or ()],
        resampling=Resampling(seed=seed),
        image_models=[load_image_model(name) for name in image_model or ()],
    )
    if calibrated is not None and ("calibration" not in protocol.suites or len(dataset) + len(model or [""]) > 2):
        raise ValueError('--calibrated needs the suite "calibration", one dataset and one model.')
    taxonomies = dict(_assigned(one) for one in taxonomy or ())
    sets = open_sets(
        dataset,
        split=split,
        columns=names_of(task),
        taxonomies=taxonomies,
        num_points=points,
        images=bool(image_model),
    )
    checkpoints = [Checkpoint.load(name, device or own_device()) for name in model or [model_of(None)]]
    evaluation = evaluate_(checkpoints, sets, protocol, encode=encode_together)
    if not is_main_process():
        return
    evaluation.results["left_out"] = left_out(dataset)
    page = write_report(evaluation.results, output, evaluation.pictured)
    typer.echo(summarise(evaluation.results))
    if record is not None:
        write_record(evaluation.results, record)
    if calibrated is not None:
        save_calibrated(checkpoints[0], evaluation, calibrated)
    typer.echo(f"wrote {page}")


def evaluate_images_(
    dataset: Annotated[
        list[str],
        typer.Option(help="simulated, eurosat:SOURCE, bigearthnet:FOLDER, or folder or Hub id; may be repeated."),
    ],
    model: Annotated[list[str], typer.Option(help="Folder or Hub id of a CLIP model; may be repeated.")],
    output: Annotated[Path, typer.Option(help="Folder for results.json, report.md and report.html.")],
    prompts: Annotated[str, typer.Option(help="Views, with commas.")] = "generic,aerial,ground,mixed",
    scores: Annotated[str, typer.Option(help="none is raw, the others transductive.")] = "none,class_mean,prompt_mean",
    top_k: Annotated[int | None, typer.Option(help="Prompts a class to select without labels, and to judge.")] = None,
    split: Annotated[str, typer.Option(help='Of a folder or Hub id; "all" for every split.')] = "all",
    column: Annotated[str | None, typer.Option(help="Class column of a folder or Hub id.")] = None,
    images: Annotated[int | None, typer.Option(help="Images at most, of each set.")] = None,
    record: Annotated[Path | None, typer.Option(help="JSON for the figures alone, to be kept and compared.")] = None,
    seed: Annotated[int, typer.Option(help="Of intervals and splits.")] = 0,
    device: Device = None,
) -> None:
    """Evaluate CLIP models on satellite images and write a report."""
    from ..evaluation.baselines import load_image_model
    from ..evaluation.images import evaluate_images
    from ..evaluation.record import summarise, write_record
    from ..evaluation.report import write_report
    from ..evaluation.sets.images import open_image_sets
    from ..evaluation.uncertainty import Resampling

    results = evaluate_images(
        [load_image_model(name, device=device or "cpu") for name in model],
        open_image_sets(dataset, split=split, column=column, num_images=images),
        views=names_of(prompts) or (),
        centrings=names_of(scores) or (),
        top_k=top_k,
        resampling=Resampling(seed=seed),
        progress=show_progress(),
    )
    page = write_report(results, output)
    typer.echo(summarise(results))
    if record is not None:
        write_record(results, record)
    typer.echo(f"wrote {page}")


def _assigned(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise ValueError(f"{text!r} must be COLUMN=LABEL_SET, such as crop=lucas_crops.")
    return name, value
