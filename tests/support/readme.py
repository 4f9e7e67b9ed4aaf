"""Read and run what README prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

from timesenclip_hf.app.example_cubes import LANDSCAPES, simulate_cube

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Beginnings of commands that need a network, or set up and test the checkout itself.
NOT_HERE = ("timesenclip convert pallavijainpj", "make ")
# Pixels a side of the cube that stands in for a reader's own.
SIDE = 12


def blocks(kind: str) -> list[str]:
    """Return the fenced blocks of a kind: "python", "bibtex", or "" for commands, tables and output."""
    return [text for name, text in BLOCK.findall(README.read_text(encoding="utf-8")) if name == kind]


def commands() -> list[str]:
    """Return every command that stands in a block."""
    lines = [line for text in blocks("") for line in text.splitlines()]
    return [line for line in lines if re.match(r"(timesenclip|python|accelerate|pip|make) ", line)]


def offline_steps() -> list[list[str]]:
    """Return what can run without a network, in README's order, each as what `subprocess.run` takes."""
    text = README.read_text(encoding="utf-8")
    found = [(text.index(f"\n{line}\n"), ["bash", "-c", line]) for line in commands() if not line.startswith(NOT_HERE)]
    found += [(text.index(code), [sys.executable, "-c", code]) for code in blocks("python")]
    return [step for _, step in sorted(found)]


def run_offline(folder: Path) -> list[str]:
    """Run all of it in a folder, with cubes under the names that README gives to a reader's; return what failed."""
    cube = simulate_cube(LANDSCAPES["Farmland"], seed=1, side=SIDE)
    for name, bands in (("S2_10m.nc", ["B02", "B03", "B04", "B08"]), ("S2_20m.nc", None)):
        kept = bands or [band for band in cube.band.values if band not in ("B02", "B03", "B04", "B08")]
        cube.sel(band=kept).to_netcdf(folder / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    failed = []
    for step in offline_steps():
        done = subprocess.run(
            step, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            failed.append(f"{step[-1].splitlines()[0]}: {done.stderr[-500:]}")
    return failed
