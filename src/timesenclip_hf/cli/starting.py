"""Start commands: libraries are set up when a command's work begins, after its options were read."""

import os
from collections.abc import Callable
from logging import getLogger
from typing import Any

import typer
from typer.core import TyperCommand

from ..words import PrintableLog
from .options import options_in_log, show_progress


class Command(TyperCommand):
    """Set transformers up before a command's work, so that its help and wrong options are answered without."""

    def invoke(self, ctx: Any) -> Any:
        """Do the work of the command."""
        with options_in_log():
            set_up_transformers()
            return super().invoke(ctx)


class TemplateCommand(Command):
    """Print a table to fill in where `--template` stands alone, in place of a prompt with words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options of the command."""
        if args == ["--template"]:
            from ..data.sources.template import read_template

            typer.echo(read_template(), nl=False)
            raise typer.Exit
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """Gather commands that are each a [`Command`]."""

    def command(self, name: str | None = None, *, cls: Any = Command, **settings: Any) -> Callable[..., Any]:
        """Add a function as a command, as `typer.Typer.command` does."""
        return super().command(name, cls=cls, **settings)


def set_up_transformers() -> None:
    """Keep transformers from asking questions, from writing what acts on a terminal, and from bars that nobody sees."""
    from transformers import dynamic_module_utils
    from transformers.utils import logging

    # transformers would wait for an answer whether code beside a checkpoint may run; it may not.
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    for handler in getLogger("transformers").handlers:
        handler.addFilter(PrintableLog())
    if not show_progress():
        logging.disable_progress_bar()
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
