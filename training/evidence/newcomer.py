"""Measure every claim about the first five minutes: how fast the command starts, and the calls that people guess."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from transformers import pipeline

from tests.support.label_spellings import ASKED, RIGHT, TWO
from timesenclip_hf import classify_dataframe, encode
from timesenclip_hf.app.example_cubes import LANDSCAPES, simulate_land
from timesenclip_hf.data.sources.template import read_template
from timesenclip_hf.maps import map_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import read_labels
from timesenclip_hf.simulator import simulate
from training.evidence import newcomer_docs, newcomer_install, newcomer_maps
from training.evidence.claims import ROOT, Ledger, run_parts

# Pairs of processes, ours and the bare import beside it; the first pair warms the file system up.
TURNS = 5
COMMAND = str(Path(sys.executable).with_name("timesenclip"))
LABELS = ["rapeseed", "corn", "coniferous forest", "water", "houses"]
AUTO = "AutoConfig, AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoProcessor, pipeline"
BARE_AUTO = [sys.executable, "-c", f"import torch\nfrom transformers import {AUTO}"]
BARE_CLIP = [sys.executable, "-c", "import torch\nfrom transformers import CLIPModel, CLIPTokenizer"]


class Run(NamedTuple):
    """Hold what a process took: processor seconds, seconds on the clock, and its peak of memory in MB."""

    processor: float
    clock: float
    memory: float


# A small process starts the other, so that the memory of this one, which a child begins with, does not count.
_MEASURE = """
import json, resource, subprocess, sys, time
begin = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, time.monotonic() - begin, used.ru_maxrss / 1024]))
"""


def _run(call: Sequence[str]) -> Run:
    """Run a process to its end, on one thread."""
    measuring = [sys.executable, "-S", "-c", _MEASURE, *call]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(measuring, env=environment, capture_output=True, text=True, check=True)
    code, *figures = json.loads(done.stdout)
    if code not in (0, 2):  # 2 is a wrong option
        raise RuntimeError(f"{' '.join(call)} ended with {code}")
    return Run(*figures)


def _pairs(ours: Sequence[str], bare: Sequence[str]) -> tuple[list[Run], list[Run]]:
    """Run two commands in turns, without the first turn."""
    turns = [(_run(ours), _run(bare)) for _ in range(TURNS + 1)][1:]
    return [first for first, _ in turns], [second for _, second in turns]


def starts(ledger: Ledger) -> None:
    """Measure what help, wrong options, the import and the first labels take, beside the libraries alone."""
    for what, arguments in {"--help": ["--help"], "a wrong option": ["classify", "a.csv", "--lables", "x"]}.items():
        ours, bare = _pairs([COMMAND, *arguments], [sys.executable, "-c", "pass"])
        seconds, alone = median(run.processor for run in ours), median(run.processor for run in bare)
        note = f"clock {median(run.clock for run in ours):.2f} s on this machine, busy or not; Python alone {alone:.2f}"
        ledger.add(f"timesenclip answers {what}, processor seconds, median", round(seconds, 2), "<=", 0.6, note)
        peak = max(run.memory for run in ours)
        ledger.add(f"timesenclip answers {what}, peak of memory in MB", round(peak, 1), "<=", 60)
    ours, bare = _pairs([sys.executable, "-c", "import timesenclip_hf"], BARE_AUTO)
    ratio = median(first.processor / second.processor for first, second in zip(ours, bare, strict=True))
    note = f"median of {TURNS} pairs; {median(run.processor for run in ours):.2f} s"
    claim = "import timesenclip_hf over torch with transformers' pipelines and Auto classes, processor time"
    ledger.add(claim, round(ratio, 3), "<=", 1.1, note)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "five.csv"
        _write_five(table)
        call = [COMMAND, "classify", str(table), "--labels", ",".join(LABELS)]
        ours, bare = _pairs(call, BARE_CLIP)
        pairs = [(first.processor, second.processor) for first, second in zip(ours, bare, strict=True)]
        more, ratio = median(first - second for first, second in pairs), median(a / b for a, b in pairs)
        note = f"median of {TURNS} pairs; ratio {ratio:.2f}; whole command {median(a for a, _ in pairs):.2f} s"
        claim = "classify on five series beyond the import of torch and transformers' CLIP, processor seconds"
        ledger.add(claim, round(more, 2), "<=", 1.0, note)
        said = subprocess.run(call, capture_output=True, text=True, check=True).stderr
    readme = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    said += subprocess.run([sys.executable, "-c", readme], capture_output=True, text=True, check=True).stderr
    found = sum(said.count(sentence) for sentence in ("No model was supplied", "Loading weights"))
    ledger.add(
        "sentences about a default and bars over weights, of classify and README's first example", found, "==", 0
    )


def _write_five(path: Path) -> None:
    """Write five simulated series as a wide table."""
    series = simulate(5, seed=7).series
    names = [f"{band}_2018-{month:02d}" for month in range(1, 13) for band in BANDS]
    pd.DataFrame(series.reshape(5, -1), columns=names).rename_axis("id").to_csv(path)


def calls(ledger: Ledger) -> None:
    """Make the calls that people guess, and hold each against the plain one."""
    series = simulate(40, seed=7).series
    pipe = pipeline("zero-shot-pixel-classification")
    plain = [{x["label"]: x["score"] for x in ranked} for ranked in pipe(series, candidate_labels=LABELS)]
    scores = np.asarray([[row[label] for label in LABELS] for row in plain])
    names = [f"{band}_2018-{month:02d}" for month in range(1, 13) for band in BANDS]
    frame = pd.DataFrame(series.reshape(len(series), -1), columns=names)
    frame = frame.assign(id=[f"p{row}" for row in frame.index], lon=4.0, lat=51.0, remark="seen")
    cube, _ = simulate_land(LANDSCAPES["Farmland"], seed=7, side=16)
    dates = [f"2018-{month:02d}-15" for month in range(1, 13)]
    dated = pipe([{"series": one, "dates": dates} for one in series], candidate_labels=LABELS)
    named = pipe({f"p{row}": one for row, one in enumerate(series)}, candidate_labels=LABELS)
    found = {
        "pipe(DataFrame)": _same(pipe(frame, candidate_labels=LABELS), frame, scores),
        "classify_dataframe": _same(classify_dataframe(frame, LABELS), frame, scores),
        "a dictionary with an array of series": pipe({"series": series, "dates": dates}, candidate_labels=LABELS)
        == dated,
        "a dictionary of series by name": list(named) == frame["id"].tolist() and len(named) == len(plain),
        "xarray": bool(
            (
                pipe(cube, candidate_labels=LABELS)["class"] == map_cube(cube, LABELS, pipe, progress=False)["class"]
            ).all()
        ),
        "embed": np.allclose(
            pipe.embed(series), encode(pipe.model, pipe.processor.feature_extractor(series, return_tensors="pt"))
        ),
    }
    ledger.add("calls that people guess give what the plain call gives", sum(found.values()), "==", len(found))
    right = sum(read_labels(spelling) == TWO for spelling in RIGHT.values())
    asked = sum(_is_asked(spelling) for spelling, _ in ASKED.values())
    note = f"{right} read right, {asked} asked about in one sentence"
    ledger.add("spellings of a list of labels that are read right or asked about", right + asked, ">=", 20, note)
    wrong = len(RIGHT) + len(ASKED) - right - asked
    ledger.add("spellings of a list of labels that are read wrong", wrong, "==", 0)
    ledger.add("columns of a table that `classify --output` loses, of `--template` with two more", _lost(), "==", 0)


def _same(found: pd.DataFrame, frame: pd.DataFrame, scores: np.ndarray) -> bool:
    """Tell whether a frame has kept all its columns and has the scores of the plain call."""
    return found[list(frame.columns)].equals(frame) and np.allclose(found[LABELS], scores, atol=1e-5)


def _is_asked(spelling: Any) -> bool:
    """Tell whether labels are refused in one sentence."""
    try:
        read_labels(spelling)
    except ValueError as error:
        return "\n" not in str(error)
    return False


def _lost() -> int:
    """Classify the template with two columns more; count the columns that its output lacks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, _, head, *rows = read_template().splitlines()
        table, output = folder / "fields.csv", folder / "classes.csv"
        table.write_text("\n".join([f"{head},crop,owner", *(f"{row},x,me" for row in rows)]), encoding="utf-8")
        call = [COMMAND, "classify", str(table), "--labels", "maize,woodland", "--output", str(output)]
        subprocess.run(call, capture_output=True, check=True)
        return len({"id", "longitude", "latitude", "crop", "owner"} - set(pd.read_csv(output).columns))


PARTS: dict[str, Callable[[Ledger], None]] = {
    "starts": starts,
    "calls": calls,
    **newcomer_docs.PARTS,
    **newcomer_maps.PARTS,
    **newcomer_install.PARTS,
}

if __name__ == "__main__":
    run_parts("newcomer", PARTS)
