"""Classify points and polygons by a cube: the road that `timesenclip classify --cube` takes."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import CRS, Bands, names_of, refuse_options, show_progress

if TYPE_CHECKING:
    from ..models.timesenclip.options_timesenclip import SeriesOptions
    from ..runtimes.options import ComputeOptions

# Side in pixels of the pieces that a cube is read in.
DEFAULT_CHUNK = 256


@dataclass(frozen=True)
class ParcelsGroup:
    """Collect the options that say from which cube points and polygons get their class, and how."""

    cube: Annotated[
        list[Path] | None,
        typer.Option(
            help="File or folder of a cube, or the .run of a map with --embeddings, may be repeated: TABLE is then a "
            "layer of points or polygons (GeoPackage, GeoParquet, GeoJSON, Shapefile, FlatGeobuf)."
        ),
    ] = None
    layer: Annotated[str | None, typer.Option(help="Name of the layer, where the file has several.")] = None
    pixels: Annotated[
        Literal["centre", "touched"], typer.Option(help="Of a polygon: those whose centre it holds, or all it touches.")
    ] = "centre"
    pooling: Annotated[
        Literal["probabilities", "embeddings"], typer.Option(help="What of a polygon's pixels is averaged.")
    ] = "probabilities"
    inset: Annotated[float, typer.Option(help="Metres from the edge of a polygon that are left out.")] = 0.0
    prefix: Annotated[str, typer.Option(help="Put before the names of the new columns.")] = ""
    chunk: Annotated[int, typer.Option(help="Side in pixels of what is read at once.")] = DEFAULT_CHUNK
    bands: Bands = None
    crs: CRS = None

    def check_table(self) -> None:
        """Refuse options of parcels where no cube is named.

        Raises:
            ValueError: one of them is given.
        """
        usual = ParcelsGroup()
        chosen = next((name for name, value in vars(self).items() if value != getattr(usual, name)), None)
        if chosen is not None:
            raise ValueError(f"--{chosen} is for points or polygons in a cube: name its files, --cube S2.nc.")


@dataclass(frozen=True)
class ParcelsCall:
    """Hold what `classify` was told beside the options of parcels.

    Attributes:
        path: of the layer.
        labels: as [`read_label_option`] reads them.
        model: folder, Hub id or None.
        template: prompts.
        id_column: column that tells the parcels apart.
        output: file to write.
        overwrite: replace it.
    """

    path: Path
    labels: Any
    model: Any
    template: list[str] | None
    id_column: str | None
    output: Path | None
    overwrite: bool


def classify_layer(call: ParcelsCall, group: ParcelsGroup, reading: "SeriesOptions", compute: "ComputeOptions") -> None:
    """Classify the points or polygons of a file, and write them with what was there; go on where it was stopped.

    What is finished lies in OUTPUT with the suffix .run until the file is written.
    """
    from ..files.locks import Hold
    from ..parcels import ParcelOptions, ParcelRunOptions, classify_parcels, read_layer, write_layer
    from ..parcels.classification import check_parcels
    from ..parcels.layers import check_output
    from ..parcels.sum_store import SumStore

    cube, template = group.cube or [], call.template or None
    options = ParcelOptions(group.pixels, group.pooling, group.inset, call.id_column, group.prefix, template)
    store = None
    if call.output is not None:
        check_output(call.output, overwrite=call.overwrite, inputs=[call.path, *cube])
        store = call.output.with_suffix(".run")
        SumStore(store)
    parcels = read_layer(call.path, layer=group.layer)
    check_parcels(parcels, options)
    inputs = [*(str(path.resolve()) for path in cube), *filter(None, (reading.start, reading.step))]
    run = ParcelRunOptions(store, group.chunk, inputs, call.overwrite, show_progress())
    with nullcontext() if store is None else Hold(store):  # until the file is written
        opened = _open(cube, group, reading)
        settings: dict[str, Any] = {"options": options, "reading": replace(reading, start=None, step=None), "run": run}
        classified = classify_parcels(parcels, opened, call.labels, call.model, compute=compute, **settings)
        typer.echo(_summary(classified, call.id_column, group.prefix))
        if call.output is not None:
            write_layer(classified, call.output, overwrite=call.overwrite)
            typer.echo(f"wrote {call.output}")
    if store is not None and (finished := SumStore(store)).is_finished:
        finished.clear()


def _open(cube: list[Path], group: ParcelsGroup, reading: "SeriesOptions") -> Any:
    """Open files as a cube, or the embeddings that a map's run stored."""
    from ..maps import open_cube, stored_embeddings
    from ..maps.making.store import MAP

    if not any((path / MAP).is_dir() for path in cube):
        bands, steps = names_of(group.bands), {"start": reading.start, "step": reading.step}
        return open_cube(cube, bands=bands, crs=group.crs, chunks=group.chunk, **steps)
    if len(cube) > 1:
        raise ValueError(f"{cube[0]} and {cube[1]} cannot be one cube: give the run of one map alone, or files.")
    refuse_options(vars(group) | vars(reading), ("bands", "crs", "start", "step"), "files, not the run of a map")
    return stored_embeddings(cube[0])


def _summary(classified: Any, id_column: str | None, prefix: str) -> str:
    """Count the parcels of each class, and show the first rows."""
    classes, touched = classified[f"{prefix}class"], int(classified[f"{prefix}by_touched_pixels"].sum())
    counts = [f"{label} {count:,}" for label, count in classes.value_counts().items()]
    if without := int(classes.isna().sum()):
        counts.append(f"no observation {without:,}")
    small = f"; {touched:,} without the centre of a pixel, by those that they touch" if touched else ""
    names = range(1, len(classified) + 1) if id_column is None else classified[id_column]
    scores = classified[f"{prefix}probability"]
    rows = [
        f"{name}  " + ("no observation" if score != score else f"{label}  {score:.3f}")
        for name, label, score in zip(list(names)[:5], classes[:5], scores[:5], strict=True)
    ]
    return "\n".join([f"{len(classified):,} parcels: {', '.join(counts)}{small}", *rows])
