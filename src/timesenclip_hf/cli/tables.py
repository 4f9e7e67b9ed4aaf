"""Run `timesenclip classify`: a table of series to classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import (
    ComputeGroup,
    LabelsOption,
    Model,
    Overwrite,
    ReadingGroup,
    Template,
    in_options,
    model_of,
    read_label_option,
    refuse_options,
    show_progress,
    told_of_examples,
    with_groups,
)
from .parcels import ParcelsCall, ParcelsGroup, classify_layer


@dataclass(frozen=True)
class ClassesGroup:
    """Collect the options that say what is written."""

    output: Annotated[
        Path | None, typer.Option(help="CSV to write, or with --cube .gpkg, .parquet, .geojson or .fgb.")
    ] = None
    overwrite: Overwrite = False
    top_k: Annotated[int | None, typer.Option(help="Write the best K labels instead of the scores of all.")] = None


@with_groups
def classify(
    table: Annotated[
        Path,
        typer.Argument(
            help="Table of series (CSV, Excel, Parquet, NPZ, ...) or folder of them; with --cube points or polygons."
        ),
    ],
    labels: LabelsOption,
    written: ClassesGroup,
    reading: ReadingGroup,
    compute: ComputeGroup,
    parcels: ParcelsGroup,
    model: Model = None,
    template: Template = None,
    id_column: Annotated[str | None, typer.Option(help="Column that names the series or parcels.")] = None,
) -> None:
    """Classify the series of a table, or by --cube the points or polygons of a layer, such as fields."""
    from ..classification import PixelClassifier
    from ..data.sources.tables import read_table, write_scores
    from ..files.outputs import check_file
    from ..models.timesenclip.label_set_timesenclip import LabelSet
    from ..models.timesenclip.options_timesenclip import take_steps

    if written.top_k is not None and written.top_k < 1:
        raise ValueError(f"--top-k must be at least 1, got {written.top_k}.")
    if parcels.cube:
        refuse_options(vars(written), ("top_k",), "a table of series")
        names = read_label_option(labels)
        for note in told_of_examples(names) if isinstance(names, LabelSet) else ():
            typer.echo(note, err=True)
        call = ParcelsCall(table, names, model_of(model), template, id_column, written.output, written.overwrite)
        classify_layer(call, parcels, reading.to_series_options(), compute.to_options())
        return
    parcels.check_table()
    if written.output is not None:
        check_file(written.output, overwrite=written.overwrite, inputs=[table, labels])
    steps, options = take_steps(reading.to_series_options())
    series = read_table(table, id_column=id_column, steps=steps)
    names, prompts = read_label_option(labels), template or None
    classifier = PixelClassifier(names, model_of(model), hypothesis_template=prompts, compute=compute.to_options())
    scores, novelty = classifier.answers_of_items(series.series, options, progress=show_progress())
    for note in (*(f"note: {note}" for note in series.notes), *told_of_examples(classifier.label_set)):
        typer.echo(in_options(note), err=True)
    typer.echo(_summary(series.ids, classifier.labels, scores))
    if written.output is not None:
        path, overwrite = written.output, written.overwrite
        write_scores(
            path,
            series,
            classifier.labels,
            scores,
            top_k=written.top_k,
            novelty=novelty,
            fitted=classifier.label_set.is_fitted,
            overwrite=overwrite,
        )
        typer.echo(f"wrote {written.output}")


def _summary(ids: list[str], labels: list[str], scores: Any) -> str:
    """Count the series of each label and those without data, and show the first rows."""
    import numpy as np

    best, empty = scores.argmax(axis=1), np.isnan(scores).any(axis=1)
    counts = [f"{label} {int(((best == index) & ~empty).sum())}" for index, label in enumerate(labels)]
    if empty.any():
        without = [name for name, missing in zip(ids, empty, strict=True) if missing]
        more = ", ..." if len(without) > 5 else ""
        counts.append(f"no observation {len(without)} ({', '.join(without[:5])}{more})")
    rows = [
        f"{name}  " + ("no observation" if missing else f"{labels[index]}  {row[index]:.3f}")
        for name, index, row, missing in zip(ids[:5], best, scores, empty, strict=False)
    ]
    return "\n".join([f"{len(ids)} series: {', '.join(counts)}", *rows])
