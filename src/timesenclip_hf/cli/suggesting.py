"""Say where the next example would help most: `timesenclip suggest`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Model, Overwrite, model_of, read_label_option


def suggest(
    run: Annotated[Path, typer.Argument(help="Folder of a finished map, OUTPUT.run; best made with --embeddings.")],
    output: Annotated[Path, typer.Option(help="Places to write: .geojson, .gpkg or .csv, with an empty label column.")],
    count: Annotated[int, typer.Option(help="Places to name.")] = 20,
    map_name: Annotated[str, typer.Option("--map", help="Which of the maps of a run with several --label-set.")] = "",
    labels: Annotated[
        str | None, typer.Option(help="The .labels that a fitted map was made with, to name second classes.")
    ] = None,
    model: Model = None,
    seed: Annotated[int, typer.Option(help="Of the choice; the same seed, the same places.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Name the places of a map whose label would help most: in doubt, unlike each other, spread over the map.

    Fill in their column `label` in the field or in a GIS, and give the file to `timesenclip fit --points`.
    """
    from ..files.outputs import check_file
    from ..labelling.suggesting import check_suggestions_path, suggest_places, write_suggestions

    check_suggestions_path(output)
    check_file(output, overwrite=overwrite)
    read = None if labels is None else read_label_option(labels)
    places = suggest_places(run, count, label_set=map_name, labels=read, model=model_of(model), seed=seed)
    write_suggestions(places, output, overwrite=overwrite)
    for suggestion in places:
        typer.echo(f"{suggestion.id}  {suggestion.latitude:.5f}, {suggestion.longitude:.5f}  {suggestion.why}")
    typer.echo(f"wrote {output}: fill in its column `label` and give it to `timesenclip fit --points`")
