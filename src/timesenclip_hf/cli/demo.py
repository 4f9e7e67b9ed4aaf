"""Define `timesenclip demo-app`: the page of the Space on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Model, model_of


def demo_app(
    model: Model = None,
    index: Annotated[
        Path | None, typer.Option(help="Folder that `timesenclip index` wrote; simulated places when left out.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; GRADIO_SERVER_NAME, or this machine alone, when left out.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="GRADIO_SERVER_PORT, or the first free one from 7860, when left out.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Serve the page of the Space on this machine: name series, map small cubes, search places."""
    from ..app.serving import launch

    launch(model_of(model), index, host=host, port=port, open_browser=open_)
