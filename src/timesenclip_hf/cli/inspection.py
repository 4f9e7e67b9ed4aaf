"""Run `timesenclip inspect`: what is understood of a table or of the files of a cube."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from .options import CubeGroup, ReadingGroup, in_options, names_of, with_groups


@with_groups
def inspect_(
    source: Annotated[list[Path], typer.Argument(help="A table of series, or the files or folders of a cube.")],
    reading: ReadingGroup,
    files: CubeGroup,
    id_column: Annotated[str | None, typer.Option(help="Column that names the series of a table.")] = None,
) -> None:
    """Say what is understood of a file: bands, unit, dates, window, gaps, grid, and what would be refused."""
    from ..data.inspection import inspect_source

    options = replace(reading.to_series_options(), bands=names_of(files.bands))
    typer.echo(in_options(str(inspect_source(source, options, crs=files.crs, id_column=id_column))))
