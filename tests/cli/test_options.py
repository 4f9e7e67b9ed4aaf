from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from timesenclip_hf.cli import app
from timesenclip_hf.cli.options import ComputeGroup, in_options, read_label_option, with_groups


@dataclass(frozen=True)
class Sizes:
    width: Annotated[int, typer.Option(help="In pixels.")] = 3
    deep: Annotated[bool, typer.Option("--deep", help="Three axes.")] = False


def run(*arguments: str) -> str:
    """Call a command of a positional argument, an option and a group; what it was given."""
    given: list[object] = []

    @with_groups
    def draw(
        name: Annotated[str, typer.Argument()], sizes: Sizes, colour: Annotated[str, typer.Option()] = "red"
    ) -> None:
        """Draw."""
        given.append((name, sizes, colour))

    commands = typer.Typer()
    commands.command()(draw)
    result = CliRunner().invoke(commands, list(arguments))
    assert result.exit_code == 0, result.output
    return str(given[0]) if given else result.output


def test_a_group_is_filled_from_options_of_its_own_and_has_its_defaults():
    assert run("a") == "('a', Sizes(width=3, deep=False), 'red')"
    assert run("a", "--width", "5", "--deep", "--colour", "blue") == "('a', Sizes(width=5, deep=True), 'blue')"


def test_help_shows_the_options_of_a_group_after_those_of_the_command():
    text = run("--help")
    assert text.index("--colour") < text.index("--width") < text.index("--deep")
    assert "In pixels." in text


def test_the_compute_group_gives_what_the_package_takes():
    options = ComputeGroup(device="cpu", dtype="bfloat16", deduplicate=True).to_options()
    assert (options.device, options.dtype, options.runtime, options.deduplicate) == ("cpu", "bfloat16", "torch", True)
    assert (options.exported, options.batch_size, options.threads) == (None, None, None)


@pytest.mark.parametrize("command", ["classify", "map"])
@pytest.mark.parametrize("option", ["--device", "--dtype", "--runtime", "--exported", "--deduplicate"])
def test_tables_and_maps_are_computed_by_the_same_options(command, option):
    assert option in CliRunner().invoke(app, [command, "--help"], terminal_width=200).output


def test_labels_that_are_no_json_are_refused_in_one_sentence(tmp_path: Path):
    file = tmp_path / "labels.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"labels\.json is not JSON .*: write \{'label': \['phrase', \.\.\.\]\}\."):
        read_label_option(str(file))
    with pytest.raises(FileNotFoundError, match=r"No such file of labels: .*nowhere\.json"):
        read_label_option(str(tmp_path / "nowhere.json"))
    file.write_text("3")
    with pytest.raises(ValueError, match=r"labels\.json must hold a list of labels"):
        read_label_option(str(file))


@pytest.mark.parametrize(
    ("python", "options"),
    [
        ('pass `units="percent"`; `units="dn"` if they are', "pass --units percent; --units dn if they are"),
        ("pass `offset=1000`, or `offset=0`", "pass --offset 1000, or --offset 0"),
        ('pass `year=2018` or `season="2018-07"` to choose', "pass --year 2018 or --season 2018-07 to choose"),
        ('name them in order, bands="B02,B03,...".', 'name them in order, --bands "B02,B03,...".'),
        ('no system: say which, crs="EPSG:32631".', 'no system: say which, --crs "EPSG:32631".'),
        ("`year` chooses, name yours with `bands=[...]`", "--year chooses, name yours with `bands=[...]`"),
        ("`candidate_labels` is empty", "--labels is empty"),
        ("give `id_column`, or `dtype`", "give --id-column, or --dtype"),
        ("overwrite it (--overwrite, in Python `overwrite=True`)", "overwrite it (--overwrite)"),
        ("name it, --points-crs EPSG:32631 (`points_crs` in Python).", "name it, --points-crs EPSG:32631."),
        (
            'give --start 2018-01-01 --step week (in Python start="2018-01-01", step="week").',
            "give --start 2018-01-01 --step week.",
        ),
        ("`labels` of the file must be a list", "`labels` of the file must be a list"),
    ],
)
def test_sentences_name_options_where_python_has_arguments(python, options):
    assert in_options(python) == options
