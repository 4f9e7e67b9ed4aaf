"""Draw the package's layers from CONTRIBUTING's table: `python -m training.evidence.house_picture docs/house.png`."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from timesenclip_hf.files import whole_file
from training.evidence.house_structure import layers

WIDTH, HEIGHT, FLOOR = 2.1, 0.5, 1.0


def floors(allowed: Mapping[str, list[str]]) -> dict[str, int]:
    """Put each layer one floor above the highest that it may import."""
    heights: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in heights:
            heights[name] = 1 + max((height(other) for other in allowed[name]), default=-1)
        return heights[name]

    for name in allowed:
        height(name)
    return heights


def draw(path: Path, *, overwrite: bool = False) -> None:
    """Draw layers as boxes on floors, with an arrow to what each may import and reaches by no longer way.

    Args:
        path: PNG to write.
        overwrite: replace a file that is there.
    """
    allowed = {name: others for names, others in layers().items() for name in re.findall(r"\w+", names)}
    heights = floors(allowed)
    rows = [[name for name in allowed if heights[name] == floor] for floor in range(max(heights.values()) + 1)]
    widest = max(map(len, rows))
    figure = Figure(figsize=(9.5, 0.78 * len(rows) + 0.2), dpi=110)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    centres: dict[str, tuple[float, float]] = {}
    for floor, names in enumerate(rows):
        for index, name in enumerate(names):
            centres[name] = ((index + (widest - len(names)) / 2) * (WIDTH + 0.35), floor * FLOOR)
    for name, others in allowed.items():
        # An arrow that a longer way already tells is left out.
        implied = {far for other in others for far in _reach(other, allowed)}
        for other in set(others) - implied:
            (x, y), (to_x, to_y) = centres[name], centres[other]
            arrow = {"arrowstyle": "-|>", "color": "#7a8794", "shrinkA": 0, "shrinkB": 0, "linewidth": 0.9}
            start = (x, y - HEIGHT / 2)
            if heights[name] - heights[other] > 1:  # around the boxes between, from a side
                right = to_x > x
                start = (x + (WIDTH / 2 if right else -WIDTH / 2), y)
                arrow["connectionstyle"] = f"arc3,rad={-0.3 if right else 0.3}"
            axes.annotate("", (to_x, to_y + HEIGHT / 2), start, arrowprops=arrow)
    for name, (x, y) in centres.items():
        corner, style = (x - WIDTH / 2, y - HEIGHT / 2), "round,pad=0,rounding_size=0.1"
        axes.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, style, facecolor="#e8f0ea", edgecolor="#33543f"))
        axes.text(x, y, name, ha="center", va="center", fontsize=11, fontweight="bold", color="#1d2b22")
    axes.set_xlim(-WIDTH / 2 - 0.15, (widest - 1) * (WIDTH + 0.35) + WIDTH / 2 + 0.15)
    axes.set_ylim(-HEIGHT / 2 - 0.1, (len(rows) - 1) * FLOOR + HEIGHT / 2 + 0.1)
    axes.set_axis_off()
    with whole_file(path, overwrite=overwrite) as partial:
        figure.savefig(partial)


def _reach(name: str, allowed: Mapping[str, list[str]]) -> set[str]:
    """Name every layer below one."""
    below = set(allowed[name])
    return below.union(*(_reach(other, allowed) for other in below)) if below else below


def parser() -> argparse.ArgumentParser:
    """Define the command line."""
    options = argparse.ArgumentParser(prog="python -m training.evidence.house_picture", description=__doc__)
    options.add_argument("path", type=Path, help="picture to write")
    options.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    return options


if __name__ == "__main__":
    try:
        draw(**vars(parser().parse_args()))
    except OSError as wrong:
        raise SystemExit(f"error: {wrong}") from None
