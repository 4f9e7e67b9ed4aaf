"""Find places by words, in the terminal or on a page: `timesenclip index`, `search` and `demo-app`."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import Device, Model, Template, check_dataset_folder, model_of, read_label_set_option, show_progress


def index_(
    dataset: Annotated[str, typer.Argument(help="Folder or Hub id of a dataset, whose points shall be found.")],
    output: Annotated[
        Path,
        typer.Option(help="Folder of the index; a call that was stopped goes on there.", callback=check_dataset_folder),
    ],
    split: Annotated[str, typer.Option(help='Of the dataset; "all" for every split.')] = "all",
    model: Model = None,
    device: Device = None,
) -> None:
    """Embed the points of a dataset for `timesenclip search`."""
    from ..classification import load_pipeline
    from ..data.opening import read_dataset
    from ..search import build_index

    points = read_dataset(dataset, split)
    loaded = load_pipeline(model_of(model), device)
    typer.echo(str(build_index(points, output, loaded.model, loaded.processor, progress=show_progress())))


def search(
    query: Annotated[str, typer.Argument(help='What to find, such as "flooded rice paddies", or a class of --labels.')],
    index: Annotated[Path, typer.Option(help="Folder that `timesenclip index` wrote.")],
    model: Model = None,
    template: Template = None,
    labels: Annotated[
        Path | None, typer.Option(help="Label set of `timesenclip fit` (.labels), whose class QUERY names.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="Points to show.")] = 10,
    format_: Annotated[Literal["table", "json", "geojson"], typer.Option("--format", help="Of the output.")] = "table",
) -> None:
    """Find places by words: the points nearest to a query, with their photos."""
    from ..classification import load_pipeline
    from ..search import SearchIndex, as_geojson, as_table

    label_set = None if labels is None else read_label_set_option(labels)
    loaded = load_pipeline(model_of(model), None)
    points = SearchIndex.load(index, loaded.model, loaded.processor)
    hits = points.search(query, top_k=top_k, hypothesis_template=template or None, label_set=label_set)
    if label_set is not None:
        examples = f", fitted to {label_set.fit.examples[query]} examples" if label_set.fit else ""
        typer.echo(f"searched by the vector of the class {query!r} of {labels}{examples}", err=True)
    if format_ == "table":
        typer.echo(as_table(hits))
    else:
        typer.echo(json.dumps(as_geojson(hits) if format_ == "geojson" else hits, indent=1))


def demo_app(
    model: Model = None,
    index: Annotated[Path | None, typer.Option(help="Folder of `timesenclip index`; simulated places if none.")] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; GRADIO_SERVER_NAME, or this machine alone, when left out.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="GRADIO_SERVER_PORT, or a free one from 7860, if left out.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Serve the page of the Space on this machine: name series, map small cubes, search places."""
    from ..app.serving import launch

    launch(model_of(model), index, host=host, port=port, open_browser=open_)
