"""Push the demo page to the Hub as a Space: `python -m hub.push_space user/name`, dry unless `--push`.

The Space is `hub/space` with the package beside it, unpacked from its wheel: a Space installs what requirements.txt
names before it sees any other file, so the package itself comes along. The embedded checkpoint is inside it.
"""

import shutil
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from huggingface_hub import SpaceCard, SpaceCardData
from packaging.requirements import Requirement

from hub.filling import PROJECT, ROOT, TAGS, citation, fill
from hub.publishing import PushOptions, Staged, Staging, deliver, new_folder, one_line_errors
from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.cli.options import with_groups
from timesenclip_hf.extras import needs_extra

SOURCE = ROOT / "hub" / "space"
# What the page needs of the package.
EXTRAS = ("demo", "data", "eval", "map")
# What an earlier push may have left; files of other names are nobody's but their owner's.
REPLACED = ("timesenclip_hf*", "*.py")


def stage(repo_id: str, folder: Path) -> Staged:
    """Write the Space as it would be pushed.

    Args:
        repo_id: where it goes, user/name.
        folder: to write to.
    """
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    unpack_package(folder)
    (folder / "requirements.txt").write_text("\n".join(requirements()) + "\n", encoding="utf-8")
    data = SpaceCardData(
        sdk_version=version("gradio"),
        python_version=PROJECT["requires-python"].removeprefix(">="),
        license=PROJECT["license"].lower(),
        tags=list(TAGS),
    )
    values = {
        "repo_id": repo_id,
        "model_name": Path(DEFAULT_CHECKPOINT).name,
        "description": PROJECT["description"],
        "citation": citation(),
    }
    (folder / "README.md").write_text(fill(SpaceCard, SOURCE / "README.md", data, values), encoding="utf-8")
    return Staged(folder, repo_id, replaced=REPLACED)


def unpack_package(folder: Path) -> None:
    """Build the wheel and unpack it, so that the package is installed for whatever runs in the folder.

    Raises:
        ImportError: hatchling is not installed.
    """
    with needs_extra("dev"):
        from hatchling.builders.wheel import WheelBuilder
    with tempfile.TemporaryDirectory() as name:
        (wheel,) = WheelBuilder(str(ROOT)).build(directory=name, versions=["standard"])
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)


def requirements() -> list[str]:
    """List what the page needs from elsewhere, one line a distribution, with the bounds of pyproject.toml."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    return sorted({Requirement(line).name: line for line in lines}.values(), key=str.lower)


@with_groups
def main(
    repo_id: Annotated[str, typer.Argument(help="Where on the Hub: user/name.")],
    options: PushOptions,
    staging: Staging = None,
) -> None:
    """Show what would be pushed; `--push` pushes it."""
    with one_line_errors():
        deliver({repo_id: lambda: stage(repo_id, new_folder(staging, repo_id))}, "space", options, sdk="gradio")


if __name__ == "__main__":
    typer.run(main)
