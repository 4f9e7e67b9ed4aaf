"""`timesenclip ...`: each command is a few lines over a public function."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup


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
import_app = typer.Typer(
    no_args_is_help=True,
    help="Make a dataset that `datasets.load_dataset` reads. What was stopped goes on where it was.",
)
app.add_typer(import_app, name="import")

Labels = Annotated[
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
Bands = Annotated[str | None, typer.Option(help="Names of bands that the files leave unnamed, with commas.")]

Output = Annotated[Path, typer.Option(help="Folder to write; an import that was stopped goes on there.")]
Composite = Annotated[
    str, typer.Option(help="median (masked, of each month), timesenclip (upstream's recipe) or none (every look).")
]
Workers = Annotated[int, typer.Option(help="Processes.")]


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command."""
    from transformers.utils import logging

    if not _progress():
        logging.disable_progress_bar()
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


@app.command()
def classify(
    table: Annotated[Path, typer.Argument(help="CSV, Parquet or NPZ of series.")],
    labels: Labels,
    output: Annotated[Path | None, typer.Option(help="CSV to write: id, label and scores.")] = None,
    model: Model = None,
    template: Template = None,
    top_k: Annotated[int | None, typer.Option(help="Write the best K labels instead of the scores of all.")] = None,
    year: Year = None,
    offset: Offset = None,
    id_column: Annotated[str | None, typer.Option(help="Column that names the series.")] = None,
    device: Device = None,
) -> None:
    """Classify the series of a table."""
    from .classification import PixelClassifier
    from .data.tables import read_table, write_scores

    if top_k is not None and top_k < 1:
        raise ValueError(f"--top-k must be at least 1, got {top_k}.")
    series = read_table(table, id_column=id_column)
    classifier = PixelClassifier(
        _read_labels(labels), _model(model), hypothesis_template=template or None, device=device
    )
    scores = classifier.probabilities_of_items(series.series, progress=_progress(), year=year, offset=offset)
    typer.echo(_summary(series.ids, classifier.labels, scores))
    if output is not None:
        write_scores(output, series.ids, classifier.labels, scores, top_k=top_k)
        typer.echo(f"wrote {output}")


@app.command("map")
def map_(
    cube: Annotated[list[Path], typer.Argument(help="NetCDF, Zarr or GeoTIFF files of one place.")],
    labels: Labels,
    output: Annotated[Path, typer.Option(help="GeoTIFF to write: class, probability, entropy.")],
    png: Annotated[Path | None, typer.Option(help="Picture to write; beside the GeoTIFF when left out.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Raster of label codes to compare with.")] = None,
    reference_codes: Annotated[
        str | None, typer.Option(help='Codes: "maize=1200;grassland=13,9120", or "built-up=LC:60".')
    ] = None,
    reference_variable: Annotated[str | None, typer.Option(help="Variable of the reference with the codes.")] = None,
    model: Model = None,
    template: Template = None,
    year: Year = None,
    bands: Bands = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate reference system where the files name none.")] = None,
    offset: Offset = None,
    device: Device = None,
) -> None:
    """Map the land cover of a cube."""
    from .mapping import (
        check_labels,
        compare,
        map_cube,
        open_cube,
        parse_codes,
        read_reference,
        write_geotiff,
        write_png,
    )
    from .models.timesenclip.zero_shot_timesenclip import read_labels

    if reference is not None and reference_codes is None:
        raise ValueError('--reference needs --reference-codes, such as "maize=1200;grassland=13".')
    names = read_labels(_read_labels(labels))
    opened = open_cube(cube, bands=_names(bands), crs=crs)
    known = None
    if reference is not None and reference_codes is not None:
        # Before the work: a wrong path, label or code must not cost the map.
        codes = parse_codes(reference_codes)
        check_labels(list(names), list(codes))
        known = read_reference(reference, codes, opened, variable=reference_variable)
    mapped = map_cube(
        opened,
        names,
        _model(model),
        hypothesis_template=template or None,
        year=year,
        offset=offset,
        device=device,
        progress=_progress(),
    )
    picture = png or output.with_suffix(".png")
    write_geotiff(mapped, output)
    write_png(mapped, picture)
    typer.echo(_shares(mapped))
    if known is not None:
        typer.echo(str(compare(mapped, known)))
    typer.echo(f"wrote {output} and {picture}")


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
    from .conversion import convert as convert_checkpoint

    report = convert_checkpoint(
        checkpoint, clip, output, band_order=_names(band_order), vision_tower=vision_tower, revision=revision
    )
    typer.echo(str(report))


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
    from .evaluation.baselines import load_image_model
    from .evaluation.harness import evaluate as evaluate_
    from .evaluation.harness import save_calibrated
    from .evaluation.protocol import SUITES, Checkpoint, Protocol
    from .evaluation.record import summarise, write_record
    from .evaluation.report import write_report
    from .evaluation.sets import left_out, open_sets
    from .evaluation.sharing import encode_together, is_main_process, own_device
    from .evaluation.uncertainty import Resampling

    protocol = Protocol(
        suites=SUITES if suite == "all" else _names(suite) or (),
        num_looks=[int(one) for one in _names(looks) or ()],
        missing=missing or (None,),
        prompts=None if prompts is None else ["class_name" if one == "C" else one for one in _names(prompts) or ()],
        resampling=Resampling(seed=seed),
        image_models=[load_image_model(name) for name in image_model or ()],
    )
    if calibrated is not None and ("calibration" not in protocol.suites or len(dataset) + len(model or [""]) > 2):
        raise ValueError('--calibrated needs the suite "calibration", one dataset and one model.')
    taxonomies = dict(_assigned(one) for one in taxonomy or ())
    sets = open_sets(
        dataset,
        split=split,
        columns=_names(task),
        taxonomies=taxonomies,
        num_points=points,
        images=bool(image_model),
    )
    checkpoints = [Checkpoint.load(name, device or own_device()) for name in model or [_model(None)]]
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
    from .evaluation.baselines import load_image_model
    from .evaluation.images import evaluate_images
    from .evaluation.record import summarise, write_record
    from .evaluation.report import write_report
    from .evaluation.sets.images import open_image_sets
    from .evaluation.uncertainty import Resampling

    results = evaluate_images(
        [load_image_model(name, device=device or "cpu") for name in model],
        open_image_sets(dataset, split=split, column=column, num_images=images),
        views=_names(prompts) or (),
        centrings=_names(scores) or (),
        top_k=top_k,
        resampling=Resampling(seed=seed),
        progress=_progress(),
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
    from .classification import load_pipeline
    from .data.opening import read_dataset
    from .evaluation.search import build_index

    points = read_dataset(dataset, split)
    loaded = load_pipeline(_model(model), device)
    typer.echo(str(build_index(points, output, loaded.model, loaded.processor, progress=_progress())))


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
    from .classification import load_pipeline
    from .evaluation.search import SearchIndex, as_geojson, as_table

    loaded = load_pipeline(_model(model), None)
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
    from .demo.app import launch

    launch(_model(model), index, host=host, port=port, open_browser=open_)


@import_app.command("sen4map")
def import_sen4map_(
    sources: Annotated[list[Path], typer.Argument(help="HDF5 files of Sen4Map, or folders of them.")],
    output: Output,
    crop: Annotated[int, typer.Option(help="Pixels along a side, in the middle of the patch.")] = 1,
    composite: Composite = "median",
    year: Annotated[int, typer.Option(help="Of the series.")] = 2018,
    workers: Workers = 2,
) -> None:
    """Import Sen4Map files: raw patches, or the derived single pixels."""
    from .data.sen4map import import_sen4map

    report = import_sen4map(
        sources, output, crop=crop, composite=composite, year=year, workers=workers, progress=_progress()
    )
    typer.echo(str(report))


@import_app.command("lucas")
def import_lucas(
    output: Output,
    series: Annotated[Path | None, typer.Option(help="Folder of an import, whose points get their photos.")] = None,
    survey: Annotated[Path | None, typer.Option(help="CSV of the LUCAS survey, one year or harmonised.")] = None,
    survey_year: Annotated[
        int | None, typer.Option(help="Keep this survey only; or what it is, where the file does not tell.")
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos in the survey's layout.")] = None,
    directions: Annotated[str, typer.Option(help="Photos to pair, of N, E, S, W, P (point) and C (crop).")] = "N,E,S,W",
    embed_bytes: Annotated[bool, typer.Option(help="Keep the photos in the dataset, not their paths.")] = False,
    require_photos: Annotated[bool, typer.Option(help="Leave out points without a photo that can be read.")] = False,
    download: Annotated[bool, typer.Option(help="Fetch the photos that the folder lacks, politely.")] = False,
    workers: Workers = 2,
) -> None:
    """Pair points with the LUCAS survey and its ground photos."""
    from .data.lucas import read_survey
    from .data.opening import read_dataset
    from .data.pairing import pair_lucas

    known = None if series is None else read_dataset(series)
    # Only what is asked for: the harmonised survey has more than a million lines.
    ids = None if known is None else set(known["point_id"][:])
    report = pair_lucas(
        output,
        series=known,
        survey=None if survey is None else read_survey(survey, year=survey_year, point_ids=ids),
        photos=photos,
        directions=_names(directions) or [],
        embed_bytes=embed_bytes,
        require_photos=require_photos,
        download=download,
        workers=workers,
        progress=_progress(),
    )
    typer.echo(str(report))


@import_app.command("table")
def import_table_(
    table: Annotated[Path, typer.Argument(help="CSV, Parquet or NPZ of series.")],
    output: Output,
    labels: Annotated[Path | None, typer.Option(help="CSV of places, codes and labels, one row a series.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column that names the series.")] = None,
    composite: Composite = "median",
    year: Year = None,
    offset: Offset = None,
) -> None:
    """Import a table of series."""
    from .data.arrays import import_table

    report = import_table(
        table, output, labels=labels, id_column=id_column, composite=composite, year=year, offset=offset
    )
    typer.echo(str(report))


@import_app.command("cube")
def import_cube_(
    cube: Annotated[list[Path], typer.Argument(help="NetCDF, Zarr or GeoTIFF files of one place.")],
    output: Output,
    points: Annotated[Path | None, typer.Option(help="CSV of longitude, latitude and labels.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Raster of label codes.")] = None,
    codes: Annotated[str | None, typer.Option(help='Codes of the raster: "maize=1200;grassland=13,9120".')] = None,
    variable: Annotated[str | None, typer.Option(help="Variable of the raster with the codes.")] = None,
    per_label: Annotated[int | None, typer.Option(help="At most so many pixels of each label.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw of pixels.")] = 0,
    composite: Composite = "median",
    year: Year = None,
    bands: Bands = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate reference system where the files name none.")] = None,
    offset: Offset = None,
) -> None:
    """Import the pixels of a cube, at points or under a raster of labels."""
    from .cubes import parse_codes
    from .data.cubes import import_cube

    report = import_cube(
        cube,
        output,
        points=points,
        labels=labels,
        codes=None if codes is None else parse_codes(codes),
        variable=variable,
        per_label=per_label,
        seed=seed,
        bands=_names(bands),
        crs=crs,
        composite=composite,
        year=year,
        offset=offset,
    )
    typer.echo(str(report))


@import_app.command("patches")
def import_patches_(
    cube: Annotated[list[Path], typer.Argument(help="NetCDF, Zarr or GeoTIFF files of one place.")],
    points: Annotated[Path, typer.Option(help="CSV of longitude, latitude, and perhaps point_id, date and labels.")],
    output: Output,
    size: Annotated[int, typer.Option(help="Side of a picture in pixels of the cube.")] = 64,
    month: Annotated[
        list[int] | None, typer.Option(help="Calendar month to take looks from; may be repeated; all when left out.")
    ] = None,
    min_clear: Annotated[float, typer.Option(help="Share of a window that must be clear, 0 to 1.")] = 0.9,
    bands: Bands = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate reference system where the files name none.")] = None,
    offset: Offset = None,
) -> None:
    """Import RGB pictures of the clearest look around each point of a cube."""
    from .data.patches import import_patches

    report = import_patches(
        cube,
        output,
        points=points,
        size=size,
        months=month or (),
        min_clear=min_clear,
        bands=_names(bands),
        crs=crs,
        offset=offset,
    )
    typer.echo(str(report))


@import_app.command("eurosat")
def import_eurosat_(
    source: Annotated[str, typer.Argument(help="Folder of the ten classes, JPEG or GeoTIFF, or timm/eurosat-rgb.")],
    output: Output,
    bands: Annotated[
        str | None, typer.Option(help="Bands of GeoTIFFs to keep beside the picture, with commas.")
    ] = None,
    located: Annotated[bool, typer.Option("--located", help="Leave out what has no georeference.")] = False,
    workers: Workers = 2,
) -> None:
    """Import EuroSAT's pictures, or pictures of its GeoTIFFs."""
    from .data.eurosat import import_eurosat

    report = import_eurosat(
        source, output, bands=_names(bands) or (), located=located, workers=workers, progress=_progress()
    )
    typer.echo(str(report))


@import_app.command("bigearthnet")
def import_bigearthnet_(
    folder: Annotated[Path, typer.Argument(help="Folder with the folders of patches, of version 1 or 2.")],
    output: Output,
    metadata: Annotated[Path | None, typer.Option(help="metadata.parquet of version 2, where it is elsewhere.")] = None,
    bands: Annotated[str | None, typer.Option(help="Bands to keep beside the picture, with commas.")] = None,
    located: Annotated[bool, typer.Option("--located", help="Leave out what has no georeference.")] = False,
    workers: Workers = 2,
) -> None:
    """Import BigEarthNet's patches with their labels of 19 classes."""
    from .data.bigearthnet import import_bigearthnet

    report = import_bigearthnet(
        folder,
        output,
        metadata=metadata,
        bands=_names(bands) or (),
        located=located,
        workers=workers,
        progress=_progress(),
    )
    typer.echo(str(report))


def _read_labels(text: str) -> Any:
    """Names with commas, or the content of a JSON file."""
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


def _assigned(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise ValueError(f"{text!r} must be COLUMN=LABEL_SET, such as crop=lucas_crops.")
    return name, value


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _model(name: str | None) -> str:
    from . import DEFAULT_CHECKPOINT

    return name or DEFAULT_CHECKPOINT


def _progress() -> bool:
    return sys.stderr.isatty()


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


def _shares(mapped: Any) -> str:
    codes = mapped["class"].values
    shares = [f"{label} {(codes == code).mean():.1%}" for code, label in enumerate(mapped.attrs["labels"], start=1)]
    empty = mapped.attrs["pixels_without_data"]
    return f"{codes.size} pixels: {', '.join(shares)}; {empty} without a clear month"


if __name__ == "__main__":
    app()
