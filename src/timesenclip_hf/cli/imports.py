"""`timesenclip import ...`: each command is a few lines over a public function."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Bands, Composite, Offset, Output, Workers, Year, names_of, show_progress

import_app = typer.Typer(
    no_args_is_help=True,
    help="Make a dataset that `datasets.load_dataset` reads. What was stopped goes on where it was.",
)


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
    from ..data.sources.sen4map import import_sen4map

    report = import_sen4map(
        sources, output, crop=crop, composite=composite, year=year, workers=workers, progress=show_progress()
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
    from ..data.opening import read_dataset
    from ..data.photos.pairing import pair_lucas
    from ..data.sources.lucas import read_survey

    known = None if series is None else read_dataset(series)
    # Only what is asked for: the harmonised survey has more than a million lines.
    ids = None if known is None else set(known["point_id"][:])
    report = pair_lucas(
        output,
        series=known,
        survey=None if survey is None else read_survey(survey, year=survey_year, point_ids=ids),
        photos=photos,
        directions=names_of(directions) or [],
        embed_bytes=embed_bytes,
        require_photos=require_photos,
        download=download,
        workers=workers,
        progress=show_progress(),
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
    from ..data.sources.arrays import import_table

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
    from ..data.sources.cubes import import_cube
    from ..maps.cubes import parse_codes

    report = import_cube(
        cube,
        output,
        points=points,
        labels=labels,
        codes=None if codes is None else parse_codes(codes),
        variable=variable,
        per_label=per_label,
        seed=seed,
        bands=names_of(bands),
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
    from ..data.sources.patches import import_patches

    report = import_patches(
        cube,
        output,
        points=points,
        size=size,
        months=month or (),
        min_clear=min_clear,
        bands=names_of(bands),
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
    from ..data.sources.eurosat import import_eurosat

    report = import_eurosat(
        source, output, bands=names_of(bands) or (), located=located, workers=workers, progress=show_progress()
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
    from ..data.sources.bigearthnet import import_bigearthnet

    report = import_bigearthnet(
        folder,
        output,
        metadata=metadata,
        bands=names_of(bands) or (),
        located=located,
        workers=workers,
        progress=show_progress(),
    )
    typer.echo(str(report))
