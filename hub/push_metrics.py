"""Pushes metrics to the Hub as Spaces: `python -m hub.push_metrics user [NAME ...]`, dry unless `--push`.

`evaluate.load("user/balanced_accuracy")` reads a metric from there. Each Space holds the module and the functions
behind it, so that it works where this package is not installed. All of them are staged and checked before the first is
pushed.
"""

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from huggingface_hub.repocard import metadata_load
from packaging.requirements import Requirement

from hub.filling import CARDS, PROJECT, ROOT, fill
from hub.publishing import LIMIT_GB, LimitGb, Private, Push, Staged, deliver, new_folder, one_line_errors
from timesenclip_hf.evaluation import metrics

METRICS = ROOT / "hub" / "metrics"
# What an earlier push may have left; files of other names are nobody's but their owner's.
REPLACED = ("*.py",)
# What the module imports in a checkout, and beside itself as a Space. `evaluate` fetches no more files than the module
# itself names, so that it names what its functions import, too.
OURS, BESIDE = re.compile(rf"from {re.escape(metrics.__name__)}\.(\w+) import"), "from .{} import"
SHARED = "arrays"
# Distributions that `metrics` and the modules need, of those that pyproject.toml asks for.
NEEDED = ("numpy", "torch", "scipy", "scikit-learn", "evaluate", "datasets")


def stage(name: str, repo_id: str, folder: Path) -> Staged:
    """Writes a metric as it would be pushed.

    Args:
        name: of a folder of hub/metrics.
        repo_id: where it goes, user/name.
        folder: to write to.
    """
    source = METRICS / name
    card = (source / "README.md").read_text(encoding="utf-8").replace(f"hub/metrics/{name}", repo_id)
    needs = fill(CARDS / "metric_needs.md", {"repo_id": repo_id, "package": PROJECT["name"]})
    (folder / "README.md").write_text(f"{card.rstrip()}\n\n{needs}", encoding="utf-8")
    script = (source / f"{name}.py").read_text(encoding="utf-8")
    [functions] = OURS.findall(script)
    named = f"{BESIDE.format(SHARED)} ArrayLike\n{BESIDE.format(functions)}"
    (folder / f"{name}.py").write_text(OURS.sub(named, script), encoding="utf-8")
    for module in (SHARED, functions):
        shutil.copyfile(Path(str(metrics.__file__)).with_name(f"{module}.py"), folder / f"{module}.py")
    (folder / "requirements.txt").write_text("\n".join(requirements(NEEDED)) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(_page(metadata_load(source / "README.md"), repo_id), encoding="utf-8")
    return Staged(folder, repo_id, replaced=REPLACED)


def requirements(names: tuple[str, ...]) -> list[str]:
    """Lines of requirements.txt, with the bounds of pyproject.toml."""
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    bounds = {Requirement(line).name: line for line in lines}
    return [bounds[name] for name in names]


def _page(metadata: Any, repo_id: str) -> str:
    """What people see who open the Space."""
    title, what = html.escape(metadata["title"]), html.escape(metadata["description"])
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        f"<h1>{title}</h1>\n<p>{what}</p>\n<pre>evaluate.load({repo_id!r})</pre>\n</html>\n"
    )


def main(
    user: Annotated[str, typer.Argument(help="User or organisation of the Hub.")],
    names: Annotated[list[str] | None, typer.Argument(help="Metrics; all if left out.")] = None,
    really_push: Push = False,
    private: Private = False,
    limit_gb: LimitGb = LIMIT_GB,
) -> None:
    """Shows what would be pushed; `--push` pushes it."""
    known = sorted(folder.name for folder in METRICS.iterdir() if (folder / f"{folder.name}.py").exists())
    with one_line_errors():
        if unknown := [name for name in names or [] if name not in known]:
            raise ValueError(f"No such metric: {unknown[0]}; there are {', '.join(known)}.")
        places = {name: f"{user}/{name}" for name in names or known}
        stages = {place: _later(name, place) for name, place in places.items()}
        deliver(stages, "space", really_push=really_push, private=private, sdk="static", limit_gb=limit_gb)


def _later(name: str, repo_id: str) -> Callable[[], Staged]:
    return lambda: stage(name, repo_id, new_folder(None, repo_id))


if __name__ == "__main__":
    typer.run(main)
