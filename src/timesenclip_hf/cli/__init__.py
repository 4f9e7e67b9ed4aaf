"""Run `timesenclip ...`: each command is a few lines over a public function."""

import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..files.locks import FULL, is_full
from ..words import PrintableStream, as_sentence
from .areas import areas, sample
from .change import change, vectorise
from .checkpoints import convert, export
from .evaluate import evaluate, evaluate_images_
from .fitting import fit
from .imports import import_app
from .inspection import inspect_
from .map import map_
from .options import in_options
from .search import demo_app, index_, search
from .starting import Commands, TemplateCommand
from .suggesting import suggest
from .tables import classify


class _OneLineErrors(TyperGroup):
    """End bad input in one line; what is none of the user's doing keeps its traceback, as does `--debug`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with ExitStack() as streams:
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


app = Commands(
    cls=_OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Name land cover in words and read it from a year of Sentinel-2 reflectance.",
)
app.command(cls=TemplateCommand)(classify)
app.command()(fit)
app.command()(suggest)
app.command("map")(map_)
app.command()(areas)
app.command()(sample)
app.command("inspect")(inspect_)
app.command()(vectorise)
app.command()(change)
app.add_typer(import_app, name="import")
app.command("index")(index_)
app.command()(search)
app.command()(evaluate)
app.command("evaluate-images")(evaluate_images_)
app.command()(convert)
app.command()(export)
app.command("demo-app")(demo_app)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"timesenclip_hf {__version__}")
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Read the options that stand before the name of a command."""
