"""Tell areas with their confidence, and draw the points for them: `timesenclip areas`, `timesenclip sample`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import Model, Overwrite, model_of, read_label_option, with_groups

if TYPE_CHECKING:
    from ..parcels.areas import AreaReport
    from ..parcels.class_maps import ClassMap

MapFile = Annotated[Path, typer.Argument(help="GeoTIFF of `timesenclip map`, or another of one band of codes.")]
MapCodes = Annotated[
    str | None, typer.Option(help='Codes of a map that names no classes: "maize=1200;grassland=13,9120", or .json.')
]


@dataclass(frozen=True)
class ReferenceGroup:
    """Collect the options that say which points areas are estimated from."""

    reference: Annotated[
        Path | None, typer.Option(help="Vector file of points of known class; FILE:LAYER where it has several layers.")
    ] = None
    reference_column: Annotated[str, typer.Option(help="Column with their classes.")] = "class"
    strata: Annotated[Path | None, typer.Option(help="Other map that the points were drawn from.")] = None
    strata_codes: Annotated[str | None, typer.Option(help="Codes of that map, as --codes.")] = None
    skip_outside: Annotated[
        bool,
        typer.Option("--skip-outside", help="Leave points out that lie outside the map, or where it has no class."),
    ] = False


@dataclass(frozen=True)
class ProbabilityGroup:
    """Collect the options that say where the probabilities of the map's run are, for the areas that it expects."""

    run: Annotated[Path | None, typer.Option(help="Run of the map with its embeddings; MAP.run when left out.")] = None
    map_name: Annotated[str, typer.Option("--map", help="Which of the maps of a run with several --label-set.")] = ""
    labels: Annotated[str | None, typer.Option(help="The .labels that a fitted map was made with.")] = None
    model: Model = None


@dataclass(frozen=True)
class FilesGroup:
    """Collect the files to write."""

    json: Annotated[Path | None, typer.Option(help="Everything, for programs.")] = None
    csv: Annotated[Path | None, typer.Option(help="A row a class, for spreadsheets.")] = None
    png: Annotated[Path | None, typer.Option(help="Picture of areas, intervals and the error matrix.")] = None
    overwrite: Overwrite = False


@with_groups
def areas(
    map_file: MapFile,
    reference: ReferenceGroup,
    probability: ProbabilityGroup,
    files: FilesGroup,
    codes: MapCodes = None,
) -> None:
    """Tell the area of each class of a map with its 95 % interval, and its accuracies, from points of known class.

    `timesenclip sample` draws the points. Without any there are only counts of pixels, which are biased.
    """
    from ..files.outputs import check_file
    from ..parcels.area_files import area_text, write_area_csv, write_area_json
    from ..parcels.areas import ReferenceOptions, estimate_areas

    read = [path for path in (map_file, reference.reference, reference.strata) if path is not None]
    for path in filter(None, (files.json, files.csv, files.png)):
        check_file(path, overwrite=files.overwrite, inputs=read)
    class_map = _read_map(map_file, codes)
    asked = None
    if reference.reference is not None:
        asked = ReferenceOptions(reference.reference, reference.reference_column, skip_outside=reference.skip_outside)
    strata = None if reference.strata is None else _read_map(reference.strata, reference.strata_codes)
    report = _with_expected(estimate_areas(class_map, asked, strata=strata), class_map, probability)
    typer.echo(area_text(report))
    if files.json is not None:
        write_area_json(report, files.json, overwrite=files.overwrite)
    if files.csv is not None:
        write_area_csv(report, files.csv, overwrite=files.overwrite)
    if files.png is not None:
        from ..parcels.area_figures import write_area_png

        write_area_png(report, files.png, overwrite=files.overwrite)
    if written := [str(path) for path in (files.json, files.csv, files.png) if path is not None]:
        typer.echo(f"wrote {', '.join(written)}")


def _read_map(path: Path, codes: str | None) -> "ClassMap":
    from ..maps import parse_codes
    from ..parcels.class_maps import read_class_map

    return read_class_map(path, None if codes is None else parse_codes(codes))


def _with_expected(report: "AreaReport", class_map: "ClassMap", probability: ProbabilityGroup) -> "AreaReport":
    """Add the areas that the map expects: of a run that is named, and without reference points of that beside it."""
    if probability.run is None and report.estimate is not None:
        return report
    from ..parcels.expectations import expected_areas, expected_beside

    settings: dict[str, Any] = {
        "label_set": probability.map_name,
        "labels": None if probability.labels is None else read_label_option(probability.labels),
        "model": model_of(probability.model),
    }
    if probability.run is not None:
        expected = expected_areas(probability.run, class_map, **settings)
        return replace(report, expected=expected, notes=[*report.notes, expected.note])
    beside, note = expected_beside(class_map, **settings)
    return replace(report, expected=beside, notes=[*report.notes, note])


@dataclass(frozen=True)
class SizeGroup:
    """Collect the options that say how many points are drawn; the defaults of the package's own options hold."""

    per_class: Annotated[int | None, typer.Option(help="Points of each class; 50 where no number is told.")] = None
    points: Annotated[int | None, typer.Option(help="Points in all, dealt out by --allocation.")] = None
    half_width: Annotated[
        float | None,
        typer.Option(help="Wanted: half of the 95 % interval of the overall accuracy, 0.02; with --of, in hectares."),
    ] = None
    of: Annotated[str | None, typer.Option(help="Class whose area --half-width is of.")] = None
    allocation: Annotated[
        Literal["proportional", "neyman", "equal"],
        typer.Option(help="Of --points and --half-width: by area, by area times spread (fewest points), or even."),
    ] = "proportional"
    minimum: Annotated[
        int | None, typer.Option(help="Points of each class at least, of --points and --half-width; 50 when left out.")
    ] = None
    expected: Annotated[
        str | None,
        typer.Option(help='User\'s accuracies to expect: "0.9", "maize=0.9;grassland=0.7"; 0.85 (Anderson 1976).'),
    ] = None


@with_groups
def sample(
    map_file: MapFile,
    output: Annotated[Path, typer.Option(help="Points to write: .gpkg, .parquet, .geojson or .fgb.")],
    size: SizeGroup,
    codes: MapCodes = None,
    seed: Annotated[int, typer.Option(help="Of the lot; the same seed, the same points.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Draw the points of a map to be visited, at random within each class, for `timesenclip areas`.

    Fill in their column `class` with what is there, and leave the other columns as they are.
    """
    from ..parcels.layers import check_output, write_layer
    from ..parcels.sampling import SampleOptions, draw_sample, plan_sample

    check_output(output, overwrite=overwrite, inputs=[map_file])
    plan = plan_sample(_read_map(map_file, codes), SampleOptions(**vars(size)))
    write_layer(draw_sample(plan, seed=seed), output, overwrite=overwrite)
    typer.echo(str(plan))
    typer.echo(
        f"wrote {output}: fill in its column `class`, and give it to `timesenclip areas {map_file} --reference "
        f"{output}`"
    )
