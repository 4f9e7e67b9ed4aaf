"""Fit classes to examples: `timesenclip fit`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    ComputeGroup,
    CubeGroup,
    LabelsOption,
    Model,
    Overwrite,
    ReadingGroup,
    Template,
    model_of,
    names_of,
    read_label_option,
    refuse_options,
    show_progress,
    with_groups,
)

if TYPE_CHECKING:
    from ..labelling.examples import Examples


@dataclass(frozen=True)
class ExamplesGroup(CubeGroup):
    """Collect the options that say where the examples are."""

    label_column: Annotated[str, typer.Option(help="Column with the names of the classes.")] = "label"
    group_column: Annotated[
        str | None,
        typer.Option(help="Column of what cross-validation keeps whole, such as farms; blocks of land if left out."),
    ] = None
    cube: Annotated[
        list[Path] | None, typer.Option(help="File of a cube to read points or polygons out of; may be repeated.")
    ] = None
    points: Annotated[Path | None, typer.Option(help="Points or polygons for --cube, in place of POINTS.")] = None
    points_crs: Annotated[str | None, typer.Option(help="CRS of coordinates that are not degrees.")] = None
    label_table: Annotated[
        Path | None, typer.Option(help="Table with a row a series that has this column, where POINTS has none.")
    ] = None
    id_column: Annotated[str | None, typer.Option(help="Column that names the series of a table.")] = None
    split: Annotated[str, typer.Option(help='Of a dataset; "all" for every split.')] = "all"


@dataclass(frozen=True)
class FittedGroup:
    """Collect the options that say what is fitted and written."""

    output: Annotated[Path, typer.Option(help="Label set to write, CLASSES.labels.")]
    report: Annotated[Path | None, typer.Option(help="Page to write: what the examples changed.")] = None
    overwrite: Overwrite = False
    with_values: Annotated[
        bool, typer.Option("--with-values", help="Read the monthly values beside the embedding.")
    ] = False
    model: Model = None
    template: Template = None


@with_groups
def fit(
    labels: LabelsOption,
    source: ExamplesGroup,
    fitted: FittedGroup,
    reading: ReadingGroup,
    compute: ComputeGroup,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="POINTS",
            help="Table of series with a column of labels, or a dataset; with --cube points or polygons over it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Fit classes to examples, places whose class is known, so that they name other places better than words alone."""
    from ..evaluation.report.fits import describe_fit, write_fit_page
    from ..files.outputs import check_file
    from ..labelling.fit_labels import fit_examples
    from ..labelling.label_set_files import check_suffix, write_label_set

    inputs = [path for path in (table, source.label_table, source.points, *(source.cube or ())) if path is not None]
    check_suffix(fitted.output)
    for path in filter(None, (fitted.output, fitted.report)):
        check_file(path, overwrite=fitted.overwrite, inputs=inputs)
    words = read_label_option(labels)
    examples = _read_examples(table, source, reading)
    for note in examples.notes:
        typer.echo(f"note: {note}", err=True)
    fit_ = fit_examples(
        examples,
        words,
        model_of(fitted.model),
        hypothesis_template=fitted.template or None,
        with_values=fitted.with_values,
        compute=compute.to_options(),
        progress=show_progress(),
    )
    for note in fit_.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(describe_fit(fit_))
    write_label_set(fit_.label_set, fitted.output, overwrite=fitted.overwrite)
    typer.echo(f"wrote {fitted.output}")
    if fitted.report is not None:
        write_fit_page(fit_, fitted.report, overwrite=fitted.overwrite)
        typer.echo(f"wrote {fitted.report}")


def _read_examples(table: str | None, source: ExamplesGroup, reading: ReadingGroup) -> "Examples":
    """Read the examples from what the options name: a table, a dataset, or points over a cube."""
    from ..labelling.examples import examples_from_dataset, examples_from_points, examples_from_table, is_dataset

    columns: dict[str, Any] = {"label_column": source.label_column, "group_column": source.group_column}
    options = reading.to_series_options()
    if source.cube:
        points = [path for path in (table, source.points) if path is not None]
        if len(points) != 1:
            raise ValueError("Points over --cube are one file: give it as POINTS, or with --points.")
        from ..maps.cubes import open_cube

        opened = open_cube(
            source.cube, bands=names_of(source.bands), crs=source.crs, start=reading.start, step=reading.step
        )
        return examples_from_points(opened, points[0], **columns, crs=source.points_crs, reading=options)
    only_cube = {"bands": source.bands, "crs": source.crs, "points": source.points}
    refuse_options(only_cube, only_cube, "--cube, of which no file is given")
    if table is None:
        raise ValueError("There are no examples: give POINTS, a table of series with a column of labels.")
    if is_dataset(table):
        return examples_from_dataset(table, **columns, split=source.split)
    columns |= {"labels": source.label_table, "id_column": source.id_column, "crs": source.points_crs}
    return examples_from_table(table, **columns, reading=options)
