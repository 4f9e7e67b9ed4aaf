"""List the options and arguments of every command and script that name a path, and say which of them are written.

Read from the commands themselves, so that no option can be forgotten: a test holds that each is in one of the tables.
"""

import argparse
import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import typer

from hub import push_dataset, push_metrics, push_model, push_space
from tests.support.browser import screenshots
from timesenclip_hf.app import __main__ as demonstration
from timesenclip_hf.cli import app
from training import (
    areas_pictures,
    change_pictures,
    curves,
    embed_photos,
    examples_pictures,
    measure,
    parcel_pictures,
)  # measure adds its command to the app
from training.arguments import DataArguments, ModelArguments, RunArguments
from training.evidence import house_picture

FILE, FOLDER, FILES = "a file", "a folder", "files in a folder that may hold others"
RUN, STAGED = "the folder of a run", "a folder that is staged"
TIMESENCLIP, MEASURE = "timesenclip_hf.cli", measure.__name__
# What is written: by the module that Python runs and its subcommand, the option (or argument) and what it names.
WRITTEN: dict[str, dict[str, str]] = {
    f"{TIMESENCLIP} classify": {"--output": FILE},
    f"{TIMESENCLIP} fit": {"--output": FILE, "--report": FILE},
    f"{TIMESENCLIP} suggest": {"--output": FILE},
    f"{TIMESENCLIP} map": {"--output": FILE, "--png": FILE},
    f"{TIMESENCLIP} areas": {"--json": FILE, "--csv": FILE, "--png": FILE},
    f"{TIMESENCLIP} sample": {"--output": FILE},
    f"{TIMESENCLIP} vectorise": {"--output": FILE},
    f"{TIMESENCLIP} change": {"--output": FILE},
    **{
        f"{TIMESENCLIP} import {name}": {"--output": RUN}
        for name in ("sen4map", "lucas", "table", "cube", "patches", "eurosat", "bigearthnet")
    },
    f"{TIMESENCLIP} import join": {"--output": FOLDER},
    f"{TIMESENCLIP} index": {"--output": RUN},
    f"{TIMESENCLIP} evaluate": {"--output": FILES, "--record": FILE, "--calibrated": FOLDER},
    f"{TIMESENCLIP} evaluate-images": {"--output": FILES, "--record": FILE},
    f"{TIMESENCLIP} convert": {"--output": FOLDER},
    f"{TIMESENCLIP} export": {"--output": FILE},
    MEASURE: {"--output": FILES, "--record": FILE, "--calibrated": FOLDER},
    curves.__name__: {"--output": FILES},
    embed_photos.__name__: {"--output": RUN},
    "training.train": {"--output_dir": RUN, "--results_file": FILE},
    "hub.push_model": {"--staging": STAGED},
    "hub.push_dataset": {"--staging": STAGED},
    "hub.push_space": {"--staging": STAGED},
    "timesenclip_hf.app": {"picture": FILE},
    areas_pictures.__name__: {"folder": FILES},
    change_pictures.__name__: {"folder": FILES},
    examples_pictures.__name__: {"folder": FILES},
    parcel_pictures.__name__: {"folder": FILES},
    house_picture.__name__: {"path": FILE},
    screenshots.__name__: {"folder": FILES},
}
# What is read, by its name; photos are read, and fetched into their folder where that is asked for.
READ = frozenset(
    {
        *("run", "cube", "table", "source", "sources", "folder", "checkpoint", "dataset", "results"),
        *("--labels", "--points", "--series", "--survey", "--photos", "--embeddings", "--manifest", "--metadata"),
        *("--cube", "--label-table", "--index", "--calibration", "--exported", "--relabel", "--hierarchy"),
        *("--reference", "--strata", "--run", "map_file", "first", "second", "--results", "--colors"),
        *("--training-results", "--clip"),
        *("--dataset_name_or_path", "--clip_name_or_path", "--model_name_or_path", "--teacher_name_or_path"),
    }
)
_NAMES, _ENDS = ("output", "photos", "clip"), ("_dir", "_file", "_or_path")


def named_paths() -> Iterator[tuple[str, str]]:
    """Yield every command with each option or argument of it that names a path, as the commands define them."""
    for command, function in _typer_commands(app, TIMESENCLIP):
        yield from ((MEASURE if command.endswith(" measure") else command, name) for name in _paths_of(function))
    for script in (push_dataset, push_metrics, push_model, push_space):
        yield from ((script.__name__, name) for name in _paths_of(script.main))
    parsers = {"timesenclip_hf.app": demonstration.parser(), curves.__name__: curves.parser()}
    parsers |= {
        script.__name__: script.parser()
        for script in (areas_pictures, change_pictures, examples_pictures, house_picture, parcel_pictures, screenshots)
    }
    for command, parser in parsers.items():
        yield from ((command, name) for name in _parser_paths(parser))
    groups: dict[str, tuple[Any, ...]] = {
        embed_photos.__name__: (embed_photos.EmbedArguments,),
        "training.train": (DataArguments, ModelArguments, RunArguments),
    }
    for command, kinds in groups.items():
        names = (entry.name for kind in kinds for entry in fields(kind))
        yield from ((command, f"--{name}") for name in names if name in _NAMES or name.endswith(_ENDS))


def _typer_commands(commands: typer.Typer, prefix: str) -> Iterator[tuple[str, Any]]:
    for command in commands.registered_commands:
        function: Any = command.callback
        yield f"{prefix} {command.name or function.__name__.strip('_').replace('_', '-')}", function
    for group in commands.registered_groups:
        assert group.typer_instance is not None
        yield from _typer_commands(group.typer_instance, f"{prefix} {group.name}")


def _paths_of(function: Any) -> Iterator[str]:
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if Path in _flat(parameter.annotation):
            info = next((part for part in _flat(parameter.annotation) if hasattr(part, "param_decls")), None)
            named = next((text for text in getattr(info, "param_decls", None) or () if text.startswith("--")), None)
            is_argument = isinstance(info, typer.models.ArgumentInfo)
            yield name if is_argument else named or f"--{name.strip('_').replace('_', '-')}"


def _flat(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _flat(part)


def _parser_paths(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if action.type is Path:
            yield action.option_strings[0] if action.option_strings else action.dest
