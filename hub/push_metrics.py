"""Push metrics to the Hub as Spaces: `python -m hub.push_metrics user [NAME ...]`, dry unless `--push`.

`evaluate.load("user/balanced_accuracy")` reads a metric from there. Each Space holds the module and the functions
behind it, so that it works where this package is not installed. All of them are staged and checked before the first is
pushed.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from huggingface_hub.repocard import metadata_load
from packaging.requirements import Requirement

from hub.filling import PROJECT, ROOT, fill_part
from hub.metric_code import OURS, SHARED, as_published
from hub.publishing import PushOptions, Staged, deliver, new_folder, one_line_errors
from timesenclip_hf.cli.options import with_groups
from timesenclip_hf.evaluation import metrics

METRICS = ROOT / "hub" / "metrics"
# What an earlier push may have left; files of other names are nobody's but their owner's.
REPLACED = ("*.py",)
# Distributions that `metrics` and the modules need, of those that pyproject.toml asks for.
NEEDED = ("numpy", "torch", "scipy", "scikit-learn", "evaluate", "datasets")


def stage(name: str, repo_id: str, folder: Path) -> Staged:
    """Write a metric as it would be pushed.

    Args:
        name: of a folder of hub/metrics.
        repo_id: where it goes, user/name.
        folder: to write to.
    """
    source = METRICS / name
    card = (source / "README.md").read_text(encoding="utf-8").replace(f"hub/metrics/{name}", repo_id)
    needs = fill_part("metric_needs.md", repo_id=repo_id, package=PROJECT["name"])
    (folder / "README.md").write_text(f"{card.rstrip()}\n\n{needs}", encoding="utf-8")
    script = (source / f"{name}.py").read_text(encoding="utf-8")
    (folder / f"{name}.py").write_text(as_published(script), encoding="utf-8")
    functions = OURS.findall(script)
    for module in (SHARED, *functions) if functions else ():
        shutil.copyfile(Path(str(metrics.__file__)).with_name(f"{module}.py"), folder / f"{module}.py")
    (folder / "requirements.txt").write_text("\n".join(requirements(NEEDED)) + "\n", encoding="utf-8")
    page = fill_part("metric_page.html", metadata=metadata_load(source / "README.md"), repo_id=repo_id)
    (folder / "index.html").write_text(page, encoding="utf-8")
    return Staged(folder, repo_id, replaced=REPLACED)


def requirements(names: tuple[str, ...]) -> list[str]:
    """List the lines of requirements.txt, with the bounds of pyproject.toml."""
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    bounds = {Requirement(line).name: line for line in lines}
    return [bounds[name] for name in names]


@with_groups
def main(
    user: Annotated[str, typer.Argument(help="User or organisation of the Hub.")],
    options: PushOptions,
    names: Annotated[list[str] | None, typer.Argument(help="Metrics; all if left out.")] = None,
) -> None:
    """Show what would be pushed; `--push` pushes it."""
    known = sorted(folder.name for folder in METRICS.iterdir() if (folder / f"{folder.name}.py").exists())
    with one_line_errors():
        if unknown := [name for name in names or [] if name not in known]:
            raise ValueError(f"No such metric: {unknown[0]}; there are {', '.join(known)}.")
        stages = {f"{user}/{name}": _later(name, f"{user}/{name}") for name in names or known}
        deliver(stages, "space", options, sdk="static")


def _later(name: str, repo_id: str) -> Callable[[], Staged]:
    return lambda: stage(name, repo_id, new_folder(None, repo_id))


if __name__ == "__main__":
    typer.run(main)
