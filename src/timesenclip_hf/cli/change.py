"""Compare the land of two years, and turn a map into polygons: `timesenclip change` and `timesenclip vectorise`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .areas import MapCodes, MapFile
from .options import LabelsOption, Model, Overwrite, Template, model_of, read_label_option, show_progress, with_groups

MinimumArea = Annotated[float, typer.Option(help="Hectares of the smallest patch; 0 for all.")]


@dataclass(frozen=True)
class ChangeGroup:
    """Collect the options that say what counts as change."""

    threshold: Annotated[float, typer.Option(help="Probability from which a pixel counts as changed.")] = 0.5
    prior: Annotated[
        float | None,
        typer.Option(help="Share of the land that changed, 0 to 1; found from both years, at least 0.05, if left out."),
    ] = None
    minimum_area: MinimumArea = 0.0


@with_groups
def change(
    first: Annotated[Path, typer.Argument(help="Folder of the run of the earlier year, mapped with --embeddings.")],
    second: Annotated[Path, typer.Argument(help="Of the later year, on the same grid, by the same checkpoint.")],
    labels: LabelsOption,
    output: Annotated[
        Path,
        typer.Option(help="GeoTIFF of the changes; classes of both years, scores, tables and a picture go beside it."),
    ],
    counted: ChangeGroup,
    model: Model = None,
    template: Template = None,
    overwrite: Overwrite = False,
) -> None:
    """Map what changed between two years, from the embeddings that their maps stored; no image is read again.

    The probability of change rests on both years' probabilities and on how much of the land changes at all, which is
    found from the years themselves: docs/change.md says how.
    """
    from ..parcels.change import ChangeOptions
    from ..parcels.change_files import check_change_output, map_change

    options = ChangeOptions(counted.threshold, counted.prior, counted.minimum_area, template or None)
    check_change_output(output, overwrite=overwrite, inputs=(first, second, labels))
    table, written = map_change(
        first,
        second,
        read_label_option(labels),
        output,
        model_of(model),
        options=options,
        overwrite=overwrite,
        progress=show_progress(),
    )
    for note in table.facts["notes"]:
        typer.echo(f"note: {note}", err=True)
    typer.echo(str(table))
    typer.echo(f"wrote {', '.join(map(str, written))}")


def vectorise(
    map_file: MapFile,
    output: Annotated[Path, typer.Option(help="Polygons to write: .gpkg, .parquet, .geojson or .fgb.")],
    minimum_area: MinimumArea = 0.0,
    simplify: Annotated[
        float, typer.Option(help="Pixels by which borders may be smoothed; 0 keeps the sides of the pixels.")
    ] = 1.0,
    codes: MapCodes = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a map into polygons of its classes without gaps or overlaps, with area, pixels and mean probability.

    Patches below --minimum-area go to the largest of their neighbours.
    """
    from ..maps import parse_codes
    from ..parcels.layers import check_output, write_layer
    from ..parcels.vectorising import VectoriseOptions, describe_polygons, vectorise_map

    options = VectoriseOptions(minimum_area, simplify)
    check_output(output, overwrite=overwrite, inputs=[map_file])
    polygons = vectorise_map(map_file, options=options, codes=None if codes is None else parse_codes(codes))
    write_layer(polygons, output, overwrite=overwrite)
    typer.echo(describe_polygons(polygons))
    typer.echo(f"wrote {output}")
