"""Measure how the code is built: `make evidence-house`, or `python -m training.evidence.house PART ...` for some.

Results and times are compared with those of the commit before the house moved, which git checks out beside this one.
"""

import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.evidence import house_structure as structure
from training.evidence.claims import ROOT, Ledger, run_parts

# The commit before the house moved.
BEFORE = "4fa78bd"
RESULTS_SCRIPT = Path(__file__).with_name("house_results.py")
TRAIN = ("training/train.py", "training/configs/smoke.yaml", "--cpu", "true")
README_LIMIT = 10_000
EXTRA = re.compile(r"timesenclip_hf\[(\w+)\]")


def shape(ledger: Ledger) -> None:
    """Measure lengths, parameters, docstrings, words and imports of the package."""
    files = structure.python_files(structure.SOURCE)
    lengths = [len(file.read_text(encoding="utf-8").splitlines()) for file in files]
    functions = [function for file in files for function in structure.functions_of(file)]
    public = [function for function in functions if function.is_public]
    kinds = collections.Counter(finding.kind for finding in structure.findings(structure.SOURCE))
    roots = [file for file in (structure.SOURCE / structure.PACKAGE).glob("*.py") if file.name != "__init__.py"]
    ledger.add("lines of a module of src: median", statistics.median(lengths), "<=", 150)
    ledger.add("modules of src over 400 lines", kinds["long module"], "==", 0)
    ledger.add("functions of src over 60 lines", kinds["long function"], "<=", 5)
    ledger.add("functions of src with more than 8 parameters", kinds["many parameters"], "<=", 12)
    ledger.add("most parameters of a function of src", max(f.parameters for f in functions), "<=", 14)
    ledger.add("modules in the package root beside __init__", len(roots), "<=", 4)
    ledger.add("import circles of src", len(structure.import_circles()), "==", 0)
    ledger.add("rows of the table of layers", len(structure.layers()), "<=", 12)
    documented = sum(function.docstring is not None for function in public) / len(public)
    ledger.add("public functions of src with a docstring", round(documented, 4), ">=", 0.97)
    annotated = sum(function.is_annotated for function in functions) / len(functions)
    ledger.add("functions of src with all types", annotated, "==", 1.0)
    what = [text for file in files for _, text in structure.docstrings_of(file) if text.startswith("What")]
    ledger.add("docstrings of src that begin with 'What'", len(what), "==", 0)
    ledger.add("docstrings of src that say 'see there' or 'as there'", kinds["referral"], "==", 0)
    ledger.add("docstrings of src that do not begin with a verb", kinds["no verb"], "==", 0)
    ledger.add("'look' for an acquisition in src", kinds["look"], "==", 0)
    names = ("training", "hub", "tests", "docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "model_card.md")
    ledger.add("'look' for an acquisition elsewhere", sum(_looks_below(ROOT / name) for name in names), "==", 0)
    ledger.add("names of src that say nothing ('one', 'own', 'place', ...)", kinds["empty name"], "==", 0)


def _looks_below(path: Path) -> int:
    """Count "look" for an acquisition in code and pages; this measurement's own files and claims name the word."""
    files = [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("*.md")]
    lines = [line for file in files if "house" not in file.name for _, line in structure.looks(file)]
    return sum("'look'" not in line for line in lines)


def readme(ledger: Ledger) -> None:
    """Measure README's size, compare its first screen with the former one, and find its former figures again."""
    text, former = (ROOT / "README.md").read_text(encoding="utf-8"), _file_before("README.md")
    ledger.add("bytes of README", len(text.encode()), "<=", README_LIMIT)
    moved = "timesenclip_hf.data.simulated", "timesenclip_hf.simulator"
    screens = [part.split("## Install")[0].replace(*moved) for part in (text, former)]
    ledger.add(
        "README's first screen is as before, but for the simulator's import", screens[0] == screens[1], "==", True
    )
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    lost = {
        section: sum((_rows(former, section) - _rows(page, section)).values())
        for section in re.findall(r"<!-- (\w+-evidence) -->", former)
    }
    ledger.add("figures that README lost and docs/evidence.md lacks", sum(lost.values()), "==", 0, note=str(lost))


def _rows(text: str, section: str) -> collections.Counter[str]:
    """Count the bars of the claims of a section: figures are measured again, claims are worded anew, bars stay."""
    match = re.search(rf"<!-- {section} -->\n(.*?)<!-- /{section} -->", text, re.DOTALL)
    lines = match[1].splitlines()[2:] if match else []
    return collections.Counter(line.rsplit("|", 2)[1].strip() for line in lines if line.startswith("|"))


def results(ledger: Ledger) -> None:
    """Compare scores and maps with those of the commit before, bit for bit."""
    with checkout_before() as before:
        scores = [_outcome(root, "scores") for root in (before, ROOT)]
        maps = [_outcome(root, "maps") for root in (before, ROOT)]
    for name, digest in scores[0].items():
        ledger.add(
            f"labels and scores of {name} are those of before, bit for bit", scores[1][name] == digest, "==", True
        )
    for name in ("plain", "potts"):
        same = maps[0][name] == maps[1][name]
        ledger.add(f"GeoTIFFs of the Flanders map ({name}) are the same bytes", same, "==", True)
    same = maps[0]["majority"] == maps[1]["majority"]
    ledger.add("classes of the Flanders map with majority are the same", same, "==", True)


def resume(ledger: Ledger) -> None:
    """Continue a training that the commit before started, and hold it against one that never stopped."""
    with checkout_before() as before, tempfile.TemporaryDirectory() as name:
        old, new = Path(name) / "old", Path(name) / "new"
        _kill_after(before, old, "series_and_photos/checkpoint-00000002")
        continued = _train(ROOT, old)
        if continued.returncode:
            line = continued.stderr.strip().splitlines()[-1]
            ledger.add(
                "a training of before is refused in one sentence", line.startswith("error: "), "==", True, note=line
            )
            return
        uninterrupted = _train(ROOT, new)
        if uninterrupted.returncode:
            raise RuntimeError(uninterrupted.stderr[-2_000:])
        same = _weights(old) == _weights(new)
    ledger.add("a training of before goes on and ends with the weights of one that never stopped", same, "==", True)


def tests(ledger: Ledger) -> None:
    """Time the suite against that of the commit before, each as its Makefile runs it, and run it on two threads too."""
    with checkout_before() as before:
        former = _seconds(before, [sys.executable, "-m", "pytest", "-q"], OMP_NUM_THREADS="2")[0]
    seconds, last = _seconds(ROOT, ["make", "test"])
    ratio = round(seconds / former, 3)
    ledger.add("failures of make test on 1 thread a process", _failures(last), "==", 0, note=last)
    ledger.add(
        "time of make test over that of the commit before",
        ratio,
        "<=",
        0.5,
        note=f"{seconds:.0f} s, {former:.0f} s",
    )
    _, last = _seconds(ROOT, ["make", "test", "TEST_THREADS=2"])
    ledger.add("failures of make test on 2 threads a process", _failures(last), "==", 0, note=last)


def base_install(ledger: Ledger) -> None:
    """Run the suite with the base install and pytest alone, in a new environment."""
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        python = str(Path(name) / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt"]
        subprocess.run([*pip, "torch==2.13.0"], cwd=ROOT, check=True, capture_output=True)
        subprocess.run([*pip, "pytest", "--editable", "."], cwd=ROOT, check=True, capture_output=True)
        done = subprocess.run(
            [python, "-m", "pytest", "-q", "-rs"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    last = done.stdout.strip().splitlines()[-1]
    ledger.add("exit status of the suite with the base install and pytest", done.returncode, "==", 0, note=last)
    ledger.add("failures of the suite with the base install and pytest", _failures(last), "==", 0)
    extras = sorted(set(EXTRA.findall(done.stdout)))
    ledger.add("extras that its skips name", len(extras), ">=", 5, note=", ".join(extras))


def wheel(ledger: Ledger) -> None:
    """Build the wheel and name what only this repository's developers use."""
    from hatchling.builders.wheel import WheelBuilder

    with tempfile.TemporaryDirectory() as name:
        (path,) = WheelBuilder(str(ROOT)).build(directory=name, versions=["standard"])
        names, size = zipfile.ZipFile(path).namelist(), Path(path).stat().st_size
    developers = {file.name for folder in ("training", "hub", "tests") for file in (ROOT / folder).rglob("*.*")}
    shared = {file.name for file in (ROOT / "src").rglob("*.py")} | {"README.md"}
    strange = sorted(file for file in names if Path(file).name in developers - shared)
    ledger.add("files of the wheel that only this repository's developers use", strange, "==", [])
    ledger.add("megabytes of the wheel", round(size / 1e6, 2), "<=", 10, note=f"{size} bytes, {len(names)} files")


@contextmanager
def checkout_before() -> Iterator[Path]:
    """Check the commit before the house moved out into a folder, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(folder), BEFORE], check=True, capture_output=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True, capture_output=True)


def _environment(root: Path, **variables: str) -> dict[str, str]:
    """Let a process import the package of a checkout, and find the real data that lies beside this one."""
    data = os.environ.get("TIMESENCLIP_REAL_DATA", str(ROOT.parent / "shared" / "data"))
    return {
        **os.environ,
        "PYTHONPATH": str(root / "src"),
        "TIMESENCLIP_REAL_DATA": data,
        "HF_HUB_OFFLINE": "1",
        **variables,
    }


def _file_before(name: str) -> str:
    git = ["git", "-C", str(ROOT), "show", f"{BEFORE}:{name}"]
    return subprocess.run(git, check=True, capture_output=True, text=True).stdout


def _outcome(root: Path, part: str) -> Any:
    call = [sys.executable, str(RESULTS_SCRIPT), str(root), part]
    done = subprocess.run(call, cwd=root, env=_environment(root), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    return json.loads(done.stdout)


def _train(root: Path, output: Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, *TRAIN, "--output_dir", str(output), "--save_steps", "2"]
    environment = _environment(root, OMP_NUM_THREADS="1")
    return subprocess.run(call, cwd=root, env=environment, capture_output=True, text=True, check=False)


def _kill_after(root: Path, output: Path, checkpoint: str) -> None:
    """Start a training and kill it once a checkpoint is there."""
    call = [sys.executable, *TRAIN, "--output_dir", str(output), "--save_steps", "2"]
    environment = _environment(root, OMP_NUM_THREADS="1")
    process = subprocess.Popen(call, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (output / checkpoint).exists() and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.wait()
    if not (output / checkpoint).exists():
        raise RuntimeError(f"the run ended before {checkpoint} was there")
    shutil.rmtree(output / "model", ignore_errors=True)


def _weights(output: Path) -> bytes:
    return (output / "model" / "model.safetensors").read_bytes()


def _seconds(root: Path, command: list[str], **variables: str) -> tuple[float, str]:
    """Run a suite; its seconds and its last line."""
    environment = _environment(root, **variables)
    if root == ROOT:
        del environment["PYTHONPATH"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.strip().splitlines() if re.search(r"\d (passed|failed|error)", line)]
    return time.monotonic() - started, (lines or [done.stderr[-300:] or "no result"])[-1]


def _failures(line: str) -> int:
    """Count failures and errors in pytest's last line; a line without any result is a failure."""
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)", line)}
    return sum(number for word, number in counts.items() if word != "passed") if "passed" in counts else 1


PARTS: Mapping[str, Any] = {
    "shape": shape,
    "readme": readme,
    "results": results,
    "resume": resume,
    "tests": tests,
    "base_install": base_install,
    "wheel": wheel,
}

if __name__ == "__main__":
    run_parts("house", PARTS)
