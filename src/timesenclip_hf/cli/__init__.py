"""`timesenclip ...`: each command is a few lines over a public function."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from .imports import import_app
from .map import map_
from .options import (
    Device,
    Exported,
    LabelsOption,
    Model,
    Offset,
    Runtime,
    Template,
    Year,
    model_of,
    names_of,
    read_label_option,
    show_progress,
)


class _OneLineErrors(TyperGroup):
    """Bad input ends in one line; what is none of the user's doing keeps its traceback, as does `--debug`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ImportError) as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Name land cover in words and read it from a year of Sentinel-2 reflectance.",
)
app.add_typer(import_app, name="import")
app.command("map")(map_)


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command."""
    from transformers.utils import logging

    if not show_progress():
        logging.disable_progress_bar()
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


@app.command()
def classify(
    table: Annotated[Path, typer.Argument(help="CSV, Parquet or NPZ of series.")],
    labels: LabelsOption,
    output: Annotated[Path | None, typer.Option(help="CSV to write: id, label and scores.")] = None,
    model: Model = None,
    template: Template = None,
    top_k: Annotated[int | None, typer.Option(help="Write the best K labels instead of the scores of all.")] = None,
    year: Year = None,
    offset: Offset = None,
    id_column: Annotated[str | None, typer.Option(help="Column that names the series.")] = None,
    device: Device = None,
    runtime: Runtime = "torch",
    exported: Exported = None,
) -> None:
    """Classify the series of a table."""
    from ..classification import PixelClassifier
    from ..data.sources.tables import read_table, write_scores

    if top_k is not None and top_k < 1:
        raise ValueError(f"--top-k must be at least 1, got {top_k}.")
    series = read_table(table, id_column=id_column)
    classifier = PixelClassifier(
        read_label_option(labels),
        model_of(model),
        hypothesis_template=template or None,
        device=device,
        runtime=runtime,
        exported=exported,
    )
    scores = classifier.probabilities_of_items(series.series, progress=show_progress(), year=year, offset=offset)
    typer.echo(_summary(series.ids, classifier.labels, scores))
    if output is not None:
        write_scores(output, series.ids, classifier.labels, scores, top_k=top_k)
        typer.echo(f"wrote {output}")


@app.command()
def convert(
    checkpoint: Annotated[str, typer.Argument(help="Upstream .ckpt or .pt: a file, or user/repo[:file] on the Hub.")],
    clip: Annotated[str, typer.Option(help="Folder or Hub id of the CLIP checkpoint: text tower and tokenizer.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    band_order: Annotated[
        str | None, typer.Option(help="TimeSenCLIP: bands of the encoder's input in order, with commas.")
    ] = None,
    vision_tower: Annotated[
        bool, typer.Option(help="TimeSenCLIP: keep CLIP's vision tower, for ground photos.")
    ] = True,
    revision: Annotated[str | None, typer.Option(help="Of the Hub repository.")] = None,
) -> None:
    """Convert an upstream TimeSenCLIP or SenCLIP checkpoint, told by its keys, and say what became of every key."""
    from ..conversion import convert as convert_checkpoint

    report = convert_checkpoint(
        checkpoint, clip, output, band_order=names_of(band_order), vision_tower=vision_tower, revision=revision
    )
    typer.echo(str(report))


@app.command()
def export(
    output: Annotated[Path, typer.Option(help="File to write, FILE.onnx.")],
    model: Model = None,
    quantize: Annotated[Literal["int8"] | None, typer.Option(help="int8, or float32 when left out.")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="CSV, Parquet or NPZ of series for int8; simulated ones when left out.")
    ] = None,
) -> None:
    """Write the pixel tower as ONNX for ONNX Runtime and OpenVINO, held against PyTorch."""
    from ..classification import load_pipeline
    from ..runtimes.onnx_file import export_tower

    loaded = load_pipeline(model_of(model), None)
    extractor = loaded.processor.feature_extractor
    typer.echo(str(export_tower(loaded.model, extractor, output, quantize=quantize, calibration=calibration)))


@app.command()
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


@app.command("evaluate-images")
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


@app.command("index")
def index_(
    dataset: Annotated[str, typer.Argument(help="Folder or Hub id of a dataset, whose points shall be found.")],
    output: Annotated[Path, typer.Option(help="Folder of the index; a call that was stopped goes on there.")],
    split: Annotated[str, typer.Option(help='Of the dataset; "all" for every split.')] = "all",
    model: Model = None,
    device: Device = None,
) -> None:
    """Embed the points of a dataset for `timesenclip search`."""
    from ..classification import load_pipeline
    from ..data.opening import read_dataset
    from ..search import build_index

    points = read_dataset(dataset, split)
    loaded = load_pipeline(model_of(model), device)
    typer.echo(str(build_index(points, output, loaded.model, loaded.processor, progress=show_progress())))


@app.command()
def search(
    query: Annotated[str, typer.Argument(help='What to look for, such as "flooded rice paddies".')],
    index: Annotated[Path, typer.Option(help="Folder that `timesenclip index` wrote.")],
    model: Model = None,
    template: Template = None,
    top_k: Annotated[int, typer.Option(help="Points to show.")] = 10,
    format_: Annotated[Literal["table", "json", "geojson"], typer.Option("--format", help="Of the output.")] = "table",
) -> None:
    """Find places by words: the points nearest to a query, with their photos."""
    from ..classification import load_pipeline
    from ..search import SearchIndex, as_geojson, as_table

    loaded = load_pipeline(model_of(model), None)
    points = SearchIndex.load(index, loaded.model, loaded.processor)
    hits = points.search(query, top_k=top_k, hypothesis_template=template or None)
    if format_ == "table":
        typer.echo(as_table(hits))
    else:
        typer.echo(json.dumps(as_geojson(hits) if format_ == "geojson" else hits, indent=1))


@app.command("demo-app")
def demo_app(
    model: Model = None,
    index: Annotated[
        Path | None, typer.Option(help="Folder that `timesenclip index` wrote; simulated places when left out.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; GRADIO_SERVER_NAME, or this machine alone, when left out.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="GRADIO_SERVER_PORT, or the first free one from 7860, when left out.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Serve the page of the Space on this machine: name series, map small cubes, search places."""
    from ..app.app import launch

    launch(model_of(model), index, host=host, port=port, open_browser=open_)


def _assigned(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise ValueError(f"{text!r} must be COLUMN=LABEL_SET, such as crop=lucas_crops.")
    return name, value


def _summary(ids: list[str], labels: list[str], scores: Any) -> str:
    """How many series went to each label, those without data, and the first rows."""
    import numpy as np

    best, empty = scores.argmax(axis=1), np.isnan(scores).any(axis=1)
    counts = [f"{label} {int(((best == place) & ~empty).sum())}" for place, label in enumerate(labels)]
    if empty.any():
        counts.append(f"no clear look {int(empty.sum())}")
    rows = [
        f"{name}  " + ("no clear look" if missing else f"{labels[place]}  {row[place]:.3f}")
        for name, place, row, missing in zip(ids[:5], best, scores, empty, strict=False)
    ]
    return "\n".join([f"{len(ids)} series: {', '.join(counts)}", *rows])
