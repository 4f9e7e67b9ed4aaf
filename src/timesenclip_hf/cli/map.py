"""Turn words into the files of a map: `timesenclip map`, over the public functions of the package's maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    Bands,
    ComputeGroup,
    Model,
    Overwrite,
    ReadingGroup,
    Template,
    model_of,
    names_of,
    read_label_option,
    refuse_options,
    show_progress,
    told_of_examples,
    with_groups,
)

if TYPE_CHECKING:
    from ..files.outputs import OwnFiles
    from ..maps import MapOptions

# Side in pixels of the pieces that a cube is read and mapped in: some hundred megabytes with a year of acquisitions.
DEFAULT_CHUNK = 256
# Options that choose among a cube's pixels and acquisitions, and those that only a STAC API understands.
AREA = ("bbox", "dates", "crs")
STEPS = ("start", "step")
ONLY_STAC = ("resolution", "collection", "max_cloud_cover")
# In the folder of a run: which files it wrote outside it.
WRITTEN = "written.json"


@dataclass(frozen=True)
class SourceGroup(ReadingGroup):
    """Collect the options that say what is mapped, and how it is read."""

    relabel: Annotated[Path | None, typer.Option(help="Run with --embeddings to map again by other labels.")] = None
    stac: Annotated[str | None, typer.Option(help="Address of a STAC API or file of items, instead of a cube.")] = None
    collection: Annotated[str | None, typer.Option(help="Of the STAC API.")] = None
    resolution: Annotated[float | None, typer.Option(help="Of a map from STAC, in the units of its CRS.")] = None
    max_cloud_cover: Annotated[float | None, typer.Option(help="STAC: leave out cloudier items (per cent).")] = None
    bbox: Annotated[str | None, typer.Option(help="West, south, east, north in degrees, with commas.")] = None
    dates: Annotated[str | None, typer.Option(help='"2021", "2021-04/2021-09" or "2021-04-15/2021-09-30".')] = None
    crs: Annotated[str | None, typer.Option(help="CRS of files that name none, or of a map from STAC.")] = None
    bands: Bands = None


@dataclass(frozen=True)
class WordsGroup:
    """Collect the options that say what to map and which checkpoint names it."""

    labels: Annotated[
        str | None, typer.Option(help='Names with commas, JSON of {"label": ["phrase", ...]}, or .labels of a fit.')
    ] = None
    label_set: Annotated[list[str] | None, typer.Option(help="NAME=LABELS, repeated: several maps in one pass.")] = None
    hierarchy: Annotated[Path | None, typer.Option(help='JSON of {"group": ["label", ...]}, to map groups too.')] = None
    model: Model = None
    template: Template = None


@dataclass(frozen=True)
class ShownGroup:
    """Collect the options that say what a map shows and keeps, and what it is compared with."""

    reject: Annotated[float | None, typer.Option(help='Pixels of lower probability are "uncertain" (code 255).')] = None
    smooth: Annotated[str | None, typer.Option(help="majority:3 (side of a square) or potts:1.0 (strength).")] = None
    embeddings: Annotated[str | None, typer.Option(help="Keep them for --relabel, as float16 or int8.")] = None
    png: Annotated[Path | None, typer.Option(help="Picture to write; beside the GeoTIFF when left out.")] = None
    colors: Annotated[
        Path | None, typer.Option(help='JSON of {"label": "#rrggbb"}; other labels keep the colours of their words.')
    ] = None
    overwrite: Overwrite = False
    reference: Annotated[Path | None, typer.Option(help="Raster of label codes to compare with.")] = None
    reference_codes: Annotated[
        str | None, typer.Option(help='Codes: "maize=1200;grassland=13,9120", or "built-up=LC:60".')
    ] = None
    reference_variable: Annotated[str | None, typer.Option(help="Variable of the reference with the codes.")] = None


@dataclass(frozen=True)
class RunGroup:
    """Collect the options that say where a map is computed and in which pieces."""

    scheduler: Annotated[
        str, typer.Option(help="threads or processes of this machine, or the tcp://HOST:PORT of a Dask cluster.")
    ] = "threads"
    workers: Annotated[int, typer.Option(help="Threads or processes of this machine.")] = 1
    chunk: Annotated[int, typer.Option(help="Side in pixels of what is mapped at once.")] = DEFAULT_CHUNK
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and stop.")] = False


@with_groups
def map_(
    output: Annotated[Path, typer.Option(help="GeoTIFF of the classes; scores, STAC item and pictures go beside it.")],
    words: WordsGroup,
    source: SourceGroup,
    shown: ShownGroup,
    run: RunGroup,
    compute: ComputeGroup,
    cube: Annotated[
        list[Path] | None, typer.Argument(help="NetCDF, Zarr or GeoTIFF files of one area, or folders of them.")
    ] = None,
) -> None:
    """Map the land cover of a cube of any size; the same command goes on where it was stopped.

    What is finished lies in OUTPUT with the suffix .run until it is exported, and for --relabel after that.
    """
    from ..files.locks import Hold
    from ..files.outputs import OwnFiles
    from ..maps import MapRun, RunOptions
    from ..maps.files.colours import read_colours
    from ..maps.files.writing import check_output

    store = output.with_suffix(".run")
    run_files = OwnFiles(store / WRITTEN)
    options = _check(words, shown)  # before the work, as all that can be known to be wrong by then
    colours = None if shown.colors is None else read_colours(shown.colors)
    files: dict[str, Any] = {"names": list(options.label_sets or [""]), "is_coarse": options.hierarchy is not None}
    files |= {
        "overwrite": shown.overwrite,
        "run_files": run_files,
        "inputs": [*_read_files(cube or [], source, shown, store), *_label_files(words)],
    }
    check_output(output, shown.png, **files)
    opened, inputs = _open(cube or [], source, run.chunk)
    mapping = MapRun(
        opened,
        store,
        None if words.labels is None else read_label_option(words.labels),
        model_of(words.model),
        options=options,
        reading=source.to_series_options(),
        compute=compute.to_options(),
        run=RunOptions(run.scheduler, run.workers, run.chunk, inputs, shown.overwrite),
    )
    for name, classes in mapping.recipe.label_sets.items():
        for note in told_of_examples(classes.label_set):
            typer.echo(f"{name}: {note}" if name else note)
    known = _read_reference(shown, next(iter(mapping.recipe.label_sets.values())).labels, opened)
    plan = mapping.plan()
    typer.echo(str(plan))
    plan.check()
    if not run.dry_run:
        with Hold(store):  # until all files are written
            _export(mapping.execute(progress=show_progress()), output, shown, known, run_files, colours)


def _check(words: WordsGroup, shown: ShownGroup) -> "MapOptions":
    from ..maps import MapOptions
    from ..maps.making.map_dataset import check_threshold

    if shown.reject is not None:
        check_threshold(shown.reject)
    if shown.reference is not None and shown.reference_codes is None:
        raise ValueError('--reference needs --reference-codes, such as "maize=1200;grassland=13".')
    if shown.reference is not None and words.label_set:
        raise ValueError("--reference compares with --labels: leave --label-set out.")
    return MapOptions(
        label_sets=_label_sets(words.label_set) if words.label_set else None,
        hierarchy=None if words.hierarchy is None else read_label_option(str(words.hierarchy)),
        hypothesis_template=words.template or None,
        smoothing=shown.smooth,
        embeddings=shown.embeddings,
    )


def _read_files(cube: list[Path], source: SourceGroup, shown: ShownGroup, store: Path) -> list[Path]:
    """List what the command reads, which no output may replace."""
    if source.relabel is not None and store.exists() and source.relabel.exists() and store.samefile(source.relabel):
        raise ValueError(f"{store} is what --relabel reads: give another output.")
    named = [Path(source.stac)] if source.stac is not None else []
    return [*cube, *named, *filter(None, (source.relabel, shown.reference, shown.colors))]


def _label_files(words: WordsGroup) -> list[str]:
    """List what labels are read from, or are themselves."""
    named = [text.partition("=")[2] for text in words.label_set or ()]
    return [*named, *(str(each) for each in (words.labels, words.hierarchy) if each is not None)]


def _open(files: list[Path], source: SourceGroup, chunk: int) -> tuple[Any, list[str]]:
    """Open what is mapped; return it and what it is called."""
    from ..maps import open_cube, stored_embeddings

    if sum(map(bool, (files, source.stac, source.relabel))) != 1:
        raise ValueError("Give one of: files of a cube, --stac, or --relabel.")
    chosen = {name: value for name, value in vars(source).items() if value is not None}
    query = {name: chosen[name] for name in (*AREA, *ONLY_STAC) if name in chosen}
    if source.relabel is not None:
        refuse_options(chosen, ("bands", *STEPS, *AREA, *ONLY_STAC), "a cube, which --relabel does not read")
        return stored_embeddings(source.relabel), [str(source.relabel.resolve())]
    if source.stac is not None:
        refuse_options(chosen, STEPS, "numbered steps of files")
        from ..maps.cubes.stac import open_stac
        from ..maps.cubes.stac_search import StacQuery

        inputs = [source.stac, *(f"{name} {value}" for name, value in query.items())]
        return open_stac(source.stac, StacQuery(**query), chunks=chunk), inputs
    refuse_options(chosen, ONLY_STAC, "--stac")
    opened = open_cube(files, bands=names_of(source.bands), **query, chunks=chunk, start=source.start, step=source.step)
    told = (source.bbox, source.dates, source.start, source.step)
    return opened, [*(str(path.resolve()) for path in files), *filter(None, told)]


def _read_reference(shown: ShownGroup, labels: list[str], cube: Any) -> Any:
    from ..maps import check_labels, parse_codes, read_reference

    if shown.reference is None or shown.reference_codes is None:
        return None
    codes = parse_codes(shown.reference_codes)
    check_labels(labels, list(codes))
    return read_reference(shown.reference, codes, cube, variable=shown.reference_variable)


def _export(
    maps: Mapping[str, Any],
    output: Path,
    shown: ShownGroup,
    known: Any,
    run_files: "OwnFiles",
    colours: dict[str, str] | None,
) -> None:
    """Print what was mapped, compare it with a reference, and write its files."""
    from ..maps import compare, reject, write_map

    for name, mapped in maps.items():
        typer.echo(f"{name}: {_shares(mapped)}" if name else _shares(mapped))
        for failure in mapped.attrs["failed_chunks"]:
            typer.echo(f"no data at {failure}", err=True)
    if known is not None:
        typer.echo(str(compare(maps[""], known)))
    exported = {}
    for name, mapped in maps.items():
        exported[name] = mapped.drop_vars(["embeddings", "embedding_scale"], errors="ignore")
        if shown.reject is not None:
            exported[name] = reject(exported[name], shown.reject)
        for note in _told_of_colours(exported[name], colours):
            typer.echo(f"{name}: {note}" if name else note)
    settings: dict[str, Any] = {
        "png": shown.png,
        "colours": colours,
        "overwrite": shown.overwrite,
        "run_files": run_files,
    }
    written = write_map(exported.get("", exported), output, **settings, progress=show_progress())
    typer.echo(f"wrote {', '.join(map(str, written))}")


def _told_of_colours(mapped: Any, colours: dict[str, str] | None) -> list[str]:
    """Say which colours are not those of the words, and which chosen ones the map has no label for."""
    from ..maps.files.legend import notes_of_colours

    named = [*mapped.attrs["labels"], *mapped.attrs.get("coarse_labels", [])]
    strange = ", ".join(label for label in colours or () if label not in named)
    unused = [f"note: --colors names what the map has not: {strange}"] if strange else []
    return [*(f"note: {each}" for each in notes_of_colours(mapped.assign_attrs(class_colours=colours))), *unused]


def _label_sets(texts: list[str]) -> dict[str, Any]:
    sets: dict[str, Any] = {}
    for text in texts:
        name, _, labels = text.partition("=")
        if not name or not labels:
            raise ValueError(f"{text!r} must be NAME=LABELS, such as crops=maize,wheat.")
        if name in sets:
            raise ValueError(f"Give each label set a name of its own, got {name} twice.")
        sets[name] = read_label_option(labels)
    return sets


def _shares(mapped: Any) -> str:
    pixels = mapped.sizes["y"] * mapped.sizes["x"]
    counts = zip(mapped.attrs["labels"], mapped.attrs["pixels_of_labels"], strict=True)
    shares = [f"{label} {count / pixels:.1%}" for label, count in counts]
    return f"{pixels} pixels: {', '.join(shares)}; {mapped.attrs['pixels_without_data']} without a clear month"
