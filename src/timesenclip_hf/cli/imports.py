"""Define `timesenclip import ...`: each command is a few lines over a public function."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    Composite,
    CubeGroup,
    Offset,
    Output,
    Overwrite,
    ReadingGroup,
    StepsGroup,
    Workers,
    names_of,
    show_progress,
    with_groups,
)
from .starting import Commands

if TYPE_CHECKING:
    from ..data.sources.cubes import LabelRaster
    from ..data.splits import SplitOptions

import_app = Commands(
    no_args_is_help=True,
    help="Make a dataset that `datasets.load_dataset` reads. What was stopped goes on where it was.",
)

Cube = Annotated[list[Path], typer.Argument(help="NetCDF, Zarr or GeoTIFF files of one place.")]


@dataclass(frozen=True)
class PhotoGroup:
    """Options of the photos that are paired with points."""

    photos: Annotated[Path | None, typer.Option(help="Folder of photos in the survey's layout.")] = None
    directions: Annotated[str, typer.Option(help="Photos to pair, of N, E, S, W, P (point) and C (crop).")] = "N,E,S,W"
    embed_bytes: Annotated[bool, typer.Option(help="Keep the photos in the dataset, not their paths.")] = False
    require_photos: Annotated[bool, typer.Option(help="Leave out points without a photo that can be read.")] = False
    download: Annotated[bool, typer.Option(help="Fetch the photos that the folder lacks, politely.")] = False


@dataclass(frozen=True)
class LabelGroup:
    """Options of a raster of label codes."""

    labels: Annotated[Path | None, typer.Option(help="Raster of label codes.")] = None
    codes: Annotated[
        str | None, typer.Option(help='Codes of the raster: "maize=1200;grass=13,9120", or a legend.json.')
    ] = None
    variable: Annotated[str | None, typer.Option(help="Variable of the raster with the codes.")] = None
    per_label: Annotated[int | None, typer.Option(help="At most so many pixels of each label.")] = None
    seed: Annotated[int, typer.Option(help="Of the draw of pixels.")] = 0

    def to_raster(self) -> "LabelRaster | None":
        """Return what the package's functions take; raise `ValueError` for a raster without codes, or wrong ones."""
        from ..data.sources.cubes import LabelRaster
        from ..maps.cubes import parse_codes

        if self.labels is None:
            return None
        if self.codes is None:
            raise ValueError('--labels needs --codes, such as "maize=1200;grassland=13".')
        return LabelRaster(self.labels, parse_codes(self.codes), self.variable, self.per_label, self.seed)


@dataclass(frozen=True)
class SplitGroup:
    """Options of the splits of a dataset."""

    manifest: Annotated[Path | None, typer.Option(help="CSV of point ids and splits to use in place of a draw.")] = None
    block_km: Annotated[float | None, typer.Option(help="Side of whole blocks, 50 if left out; 0 for none.")] = None
    shares: Annotated[str | None, typer.Option(help='Shares: "train=0.8,validation=0.1,test=0.1" if left out.')] = None
    seed: Annotated[int | None, typer.Option(help="Of the draw.")] = None

    def to_options(self) -> "SplitOptions":
        """Return what the package's functions take; raise `ValueError` for a manifest and a draw, or wrong shares."""
        from ..data.splits import SplitOptions

        if self.manifest is not None:
            if (self.block_km, self.shares, self.seed) != (None, None, None):
                raise ValueError("--manifest says where every point goes: leave out --block-km, --shares and --seed.")
            return SplitOptions(self.manifest)
        pairs = [pair.partition("=") for pair in names_of(self.shares) or []]
        try:
            shares = {name.strip(): float(share) for name, _, share in pairs}
        except ValueError:
            example = "train=0.8,validation=0.1,test=0.1"
            raise ValueError(f'--shares must be such as "{example}", got {self.shares!r}.') from None
        block_km = 50.0 if self.block_km is None else self.block_km or None
        return SplitOptions(None, block_km, None if self.shares is None else shares, self.seed or 0)


@dataclass(frozen=True)
class PictureGroup:
    """Options of archives of labelled pictures."""

    bands: Annotated[str | None, typer.Option(help="Bands to keep beside the picture, with commas.")] = None
    located: Annotated[bool, typer.Option("--located", help="Leave out what has no georeference.")] = False
    workers: Workers = 2

    def to_settings(self) -> dict[str, Any]:
        """Return them as arguments of the package's functions."""
        return {**asdict(self), "bands": names_of(self.bands) or (), "progress": show_progress()}


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

    settings: dict[str, Any] = {"crop": crop, "composite": composite, "year": year, "workers": workers}
    typer.echo(import_sen4map(sources, output, **settings, progress=show_progress()))


@import_app.command("lucas")
@with_groups
def import_lucas(
    output: Output,
    photos: PhotoGroup,
    series: Annotated[Path | None, typer.Option(help="Folder of an import, whose points get their photos.")] = None,
    survey: Annotated[Path | None, typer.Option(help="CSV of the LUCAS survey, one year or harmonised.")] = None,
    survey_year: Annotated[int | None, typer.Option(help="Keep this survey; its year where no column tells.")] = None,
    workers: Workers = 2,
) -> None:
    """Pair points with the LUCAS survey and its ground photos."""
    from ..data.opening import read_dataset
    from ..data.photos.pairing import PhotoOptions, pair_lucas
    from ..data.sources.lucas import read_survey

    settings = asdict(photos) | {"directions": names_of(photos.directions) or []}
    options = PhotoOptions(settings.pop("photos"), **settings)
    points = None if series is None else read_dataset(series)
    # Only what is asked for: the harmonised survey has more than a million lines.
    ids = None if points is None else set(points["point_id"][:])
    read = None if survey is None else read_survey(survey, year=survey_year, point_ids=ids)
    report = pair_lucas(output, series=points, survey=read, photos=options, workers=workers, progress=show_progress())
    typer.echo(report)


@import_app.command("join")
@with_groups
def join_(
    dataset: Annotated[str, typer.Argument(help="Folder of an import with photos.")],
    embeddings: Annotated[Path, typer.Option(help="Folder of the photos' embeddings.")],
    output: Annotated[Path, typer.Option(help="Folder to write, with the manifest of the splits, splits.csv.")],
    splits: SplitGroup,
    overwrite: Overwrite = False,
) -> None:
    """Join points with the embeddings of their photos, split them, and save what training reads."""
    from ..data.joining import join_dataset

    counts = join_dataset(dataset, embeddings, output, splits.to_options(), overwrite=overwrite)
    typer.echo(f"{sum(counts.values())} points written to {output}")
    for name, count in counts.items():
        typer.echo(f"  {name}: {count}")


@import_app.command("table")
@with_groups
def import_table_(
    table: Annotated[Path, typer.Argument(help="Table of series (CSV, Excel, Parquet, NPZ, ...) or folder of them.")],
    output: Output,
    reading: ReadingGroup,
    labels: Annotated[Path | None, typer.Option(help="Table of places, codes and labels, one row a series.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column that names the series.")] = None,
    composite: Composite = "median",
) -> None:
    """Import a table of series."""
    from ..data.sources.arrays import import_table

    typer.echo(import_table(table, output, labels=labels, id_column=id_column, composite=composite, **asdict(reading)))


@import_app.command("cube")
@with_groups
def import_cube_(
    cube: Cube,
    output: Output,
    labels: LabelGroup,
    files: CubeGroup,
    reading: ReadingGroup,
    points: Annotated[Path | None, typer.Option(help="Table of points with their labels, or polygons.")] = None,
    points_crs: Annotated[
        str | None, typer.Option(help="Of the points, such as EPSG:32631, where they are not longitude and latitude.")
    ] = None,
    composite: Composite = "median",
) -> None:
    """Import the pixels of a cube, at points or under a raster of labels."""
    from ..data.sources.cubes import import_cube

    settings = asdict(reading) | {"bands": names_of(files.bands), "crs": files.crs, "composite": composite}
    settings |= {"points": points, "points_crs": points_crs}
    typer.echo(import_cube(cube, output, labels=labels.to_raster(), **settings))


@import_app.command("patches")
@with_groups
def import_patches_(
    cube: Cube,
    points: Annotated[Path, typer.Option(help="CSV of longitude, latitude, and perhaps point_id, date and labels.")],
    output: Output,
    files: CubeGroup,
    steps: StepsGroup,
    size: Annotated[int, typer.Option(help="Side of a picture in pixels of the cube.")] = 64,
    month: Annotated[list[int] | None, typer.Option(help="Calendar month; may be repeated; all if left out.")] = None,
    min_clear: Annotated[float, typer.Option(help="Share of a window that must be clear, 0 to 1.")] = 0.9,
    offset: Offset = None,
) -> None:
    """Import RGB pictures of the clearest acquisition around each point of a cube."""
    from ..data.sources.patches import PatchOptions, import_patches
    from ..models.timesenclip.options_timesenclip import SeriesOptions

    options = PatchOptions(size, tuple(month or ()), min_clear)
    reading = SeriesOptions(bands=names_of(files.bands), offset=offset, start=steps.start, step=steps.step)
    typer.echo(import_patches(cube, output, points, options, reading, crs=files.crs))


@import_app.command("eurosat")
@with_groups
def import_eurosat_(
    source: Annotated[str, typer.Argument(help="Folder of the ten classes, JPEG or GeoTIFF, or timm/eurosat-rgb.")],
    output: Output,
    pictures: PictureGroup,
) -> None:
    """Import EuroSAT's pictures, or pictures of its GeoTIFFs."""
    from ..data.sources.eurosat import import_eurosat

    typer.echo(import_eurosat(source, output, **pictures.to_settings()))


@import_app.command("bigearthnet")
@with_groups
def import_bigearthnet_(
    folder: Annotated[Path, typer.Argument(help="Folder with the folders of patches, of version 1 or 2.")],
    output: Output,
    pictures: PictureGroup,
    metadata: Annotated[Path | None, typer.Option(help="metadata.parquet of version 2, where it is elsewhere.")] = None,
) -> None:
    """Import BigEarthNet's patches with their labels of 19 classes."""
    from ..data.sources.bigearthnet import import_bigearthnet

    typer.echo(import_bigearthnet(folder, output, metadata=metadata, **pictures.to_settings()))
