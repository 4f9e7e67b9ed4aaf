"""Run `timesenclip ...`: each command is a few lines over a public function."""

import os
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from logging import getLogger
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..files.locks import FULL, is_full
from ..words import PrintableLog, PrintableStream, as_sentence
from .checkpoints import convert, export
from .evaluate import evaluate, evaluate_images_
from .fitting import fit
from .imports import import_app
from .inspection import inspect_
from .map import map_
from .options import in_options, options_in_log, show_progress
from .search import demo_app, index_, search
from .suggesting import suggest
from .tables import classify


class _OneLineErrors(TyperGroup):
    """End bad input in one line; what is none of the user's doing keeps its traceback, as does `--debug`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with ExitStack() as streams, options_in_log():
                # Pages of help are our own words, in colours where there are any.
                if not set(ctx.help_option_names) & {*ctx.args, *ctx._protected_args}:
                    streams.enter_context(redirect_stdout(PrintableStream(sys.stdout)))
                    streams.enter_context(redirect_stderr(PrintableStream(sys.stderr)))
                return super().invoke(ctx)
        except (ValueError, OSError, ImportError) as error:
            if ctx.params.get("debug"):
                raise
            is_bare = isinstance(error, OSError) and error.errno is not None
            told = FULL if is_bare and is_full(error) else str(error)
            typer.echo(f"error: {as_sentence(in_options(told))}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Name land cover in words and read it from a year of Sentinel-2 reflectance.",
)
app.command()(classify)
app.command()(fit)
app.command()(suggest)
app.command("map")(map_)
app.command("inspect")(inspect_)
app.add_typer(import_app, name="import")
app.command("index")(index_)
app.command()(search)
app.command()(evaluate)
app.command("evaluate-images")(evaluate_images_)
app.command()(convert)
app.command()(export)
app.command("demo-app")(demo_app)


@app.callback()
def main(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Set up what every command needs."""
    from transformers import dynamic_module_utils
    from transformers.utils import logging

    # transformers would wait for an answer whether code beside a checkpoint may run; it may not.
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    for handler in getLogger("transformers").handlers:  # ours write there
        handler.addFilter(PrintableLog())
    if not show_progress():
        logging.disable_progress_bar()
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
