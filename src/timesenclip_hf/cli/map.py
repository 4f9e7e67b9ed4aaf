"""`timesenclip map`: from words to files, over the public functions of the package's maps."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import (
    Bands,
    ComputeGroup,
    Model,
    Offset,
    Template,
    Year,
    model_of,
    names_of,
    read_label_option,
    show_progress,
    with_groups,
)

# Side in pixels of the pieces that a cube is read and mapped in: with a year of all looks some hundred megabytes.
DEFAULT_CHUNK = 256


@with_groups
def map_(
    output: Annotated[Path, typer.Option(help="GeoTIFF of the classes; scores, STAC item and pictures go beside it.")],
    compute: ComputeGroup,
    cube: Annotated[
        list[Path] | None, typer.Argument(help="NetCDF, Zarr or GeoTIFF files of one place, or folders of them.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help='Class names with commas, or a JSON file of {"label": ["phrase", ...]}.')
    ] = None,
    label_set: Annotated[
        list[str] | None, typer.Option(help="NAME=LABELS instead of --labels; repeated, for several maps in one pass.")
    ] = None,
    hierarchy: Annotated[
        Path | None, typer.Option(help='JSON of {"group": ["label", ...]}: maps labels and groups.')
    ] = None,
    relabel: Annotated[
        Path | None,
        typer.Option(help="Folder of a run with --embeddings, to map again by other words."),
    ] = None,
    stac: Annotated[
        str | None, typer.Option(help="Address of a STAC API, or file of saved items, instead of a cube.")
    ] = None,
    collection: Annotated[str | None, typer.Option(help="Of the STAC API.")] = None,
    bbox: Annotated[str | None, typer.Option(help="West, south, east, north in degrees, with commas.")] = None,
    dates: Annotated[str | None, typer.Option(help='"2021", "2021-04/2021-09" or "2021-04-15/2021-09-30".')] = None,
    resolution: Annotated[float | None, typer.Option(help="Of a map from STAC, in the units of its CRS.")] = None,
    max_cloud_cover: Annotated[float | None, typer.Option(help="STAC: leave out cloudier items (per cent).")] = None,
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
    crs: Annotated[
        str | None, typer.Option(help="Coordinate reference system, of files that name none, or of a map from STAC.")
    ] = None,
    offset: Offset = None,
    reject: Annotated[
        float | None, typer.Option(help='Pixels whose best probability is lower are "uncertain" (code 255).')
    ] = None,
    smooth: Annotated[str | None, typer.Option(help="majority:3 (side of a square) or potts:1.0 (strength).")] = None,
    embeddings: Annotated[str | None, typer.Option(help="Keep them for --relabel, as float16 or int8.")] = None,
    scheduler: Annotated[
        str, typer.Option(help="threads or processes of this machine, or the tcp://HOST:PORT of a Dask cluster.")
    ] = "threads",
    workers: Annotated[int, typer.Option(help="Threads or processes of this machine.")] = 1,
    chunk: Annotated[int, typer.Option(help="Side in pixels of what is mapped at once.")] = DEFAULT_CHUNK,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and stop.")] = False,
) -> None:
    """Map the land cover of a cube of any size; the same command goes on where it was stopped.

    What is finished lies in OUTPUT with the suffix .run until it is exported, and for --relabel after that.
    """
    from ..maps import MapRun, check_labels, compare, parse_codes, read_reference, write_map
    from ..maps import reject as reject_
    from ..maps.files.writing import check_output
    from ..maps.making.rejection import check_threshold

    # Before the work, as all that can be known to be wrong by then.
    check_output(output)
    if reject is not None:
        check_threshold(reject)
    if reference is not None and reference_codes is None:
        raise ValueError('--reference needs --reference-codes, such as "maize=1200;grassland=13".')
    if reference is not None and label_set:
        raise ValueError("--reference compares with --labels: leave --label-set out.")
    names: dict[str, Any] = {
        "labels": None if labels is None else read_label_option(labels),
        "label_sets": None if not label_set else _label_sets(label_set),
        "hierarchy": None if hierarchy is None else read_label_option(str(hierarchy)),
    }
    opened, inputs = _open(
        cube,
        stac,
        relabel,
        chunk,
        bbox=bbox,
        dates=dates,
        bands=bands,
        crs=crs,
        resolution=resolution,
        collection=collection,
        max_cloud_cover=max_cloud_cover,
    )
    run = MapRun(
        opened,
        output.with_suffix(".run"),
        model=model_of(model),
        **names,
        hypothesis_template=template or None,
        year=year,
        offset=offset,
        smoothing=smooth,
        embeddings=embeddings,
        deduplicate=compute.deduplicate,
        scheduler=scheduler,
        workers=workers,
        chunk=chunk,
        dtype=compute.dtype,
        runtime=compute.runtime,
        exported=compute.exported,
        device=compute.device,
        inputs=inputs,
    )
    known = None
    if reference is not None and reference_codes is not None:
        codes = parse_codes(reference_codes)
        check_labels(run.recipe.label_sets[""].labels, list(codes))
        known = read_reference(reference, codes, opened, variable=reference_variable)
    plan = run.plan()
    typer.echo(str(plan))
    plan.check()
    if dry_run:
        return
    maps = run.execute(progress=show_progress())
    for name, mapped in maps.items():
        typer.echo(f"{name}: {_shares(mapped)}" if name else _shares(mapped))
        for failure in mapped.attrs["failed_chunks"]:
            typer.echo(f"no data at {failure}", err=True)
    if known is not None:
        typer.echo(str(compare(maps[""], known)))
    shown = {
        name: mapped.drop_vars(["embeddings", "embedding_scale"], errors="ignore") for name, mapped in maps.items()
    }
    if reject is not None:
        shown = {name: reject_(mapped, reject) for name, mapped in shown.items()}
    written = write_map(shown.get("", shown), output, png=png, progress=show_progress())
    typer.echo(f"wrote {', '.join(map(str, written))}")


def _open(
    cube: list[Path] | None,
    stac: str | None,
    relabel: Path | None,
    chunk: int,
    *,
    bands: str | None,
    crs: str | None,
    bbox: str | None,
    dates: str | None,
    **of_stac: Any,
) -> tuple[Any, list[str]]:
    """What is mapped, and what it is called."""
    from ..maps import open_cube, stored_embeddings

    if sum(1 for one in (cube, stac, relabel) if one) != 1:
        raise ValueError("Give one of: files of a cube, --stac, or --relabel.")
    reading = {"bands": bands, "crs": crs, "bbox": bbox, "dates": dates, **of_stac}
    if relabel is not None:
        if wrong := next((name for name, value in reading.items() if value is not None), None):
            raise ValueError(f"--{wrong.replace('_', '-')} is for a cube, which --relabel does not read: leave it out.")
        return stored_embeddings(relabel), [str(relabel.resolve())]
    if stac is not None:
        from ..maps.cubes.stac import open_stac

        asked = {"bbox": bbox, "dates": dates, "crs": crs, **of_stac}
        inputs = [stac, *(f"{name} {value}" for name, value in asked.items() if value is not None)]
        return open_stac(stac, **asked, chunks=chunk), inputs
    if wrong := next((name for name, value in of_stac.items() if value is not None), None):
        raise ValueError(f"--{wrong.replace('_', '-')} is for --stac: leave it out.")
    paths = cube or []
    opened = open_cube(paths, bands=names_of(bands), crs=crs, bbox=bbox, dates=dates, chunks=chunk)
    return opened, [*(str(path.resolve()) for path in paths), *filter(None, (bbox, dates))]


def _label_sets(given: list[str]) -> dict[str, Any]:
    named = [_named(one) for one in given]
    if len(sets := dict(named)) < len(named):
        raise ValueError(f"Give each label set a name of its own, got {', '.join(name for name, _ in named)}.")
    return sets


def _named(text: str) -> tuple[str, Any]:
    name, _, labels = text.partition("=")
    if not name or not labels:
        raise ValueError(f"{text!r} must be NAME=LABELS, such as crops=maize,wheat.")
    return name, read_label_option(labels)


def _shares(mapped: Any) -> str:
    pixels = mapped.sizes["y"] * mapped.sizes["x"]
    counts = zip(mapped.attrs["labels"], mapped.attrs["pixels_of_labels"], strict=True)
    shares = [f"{label} {count / pixels:.1%}" for label, count in counts]
    return f"{pixels} pixels: {', '.join(shares)}; {mapped.attrs['pixels_without_data']} without a clear month"
