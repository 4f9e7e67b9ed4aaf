"""Measure that nothing is lost by what outputs name: `python -m training.evidence.safety_outputs PART ...`.

The part `outputs` puts what may be in the way at every option that names an output, of every command and script (some
six minutes); `pairs` starts every two long commands in one folder (four); `kills` ends each long command `KILLS` times
(10 where the variable is not set, some twenty minutes) and runs it again. Read-only folders and full disks are small
disks in memory that are mounted for it, which needs root.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.evidence.claims import Ledger
from training.evidence.safety_commands import Outcome, Running, call, words_of, write_inputs
from training.evidence.safety_options import FILE, FILES, FOLDER, RUN, STAGED, TIMESENCLIP, WRITTEN

MINE = "of somebody else"
HAZARDS = ("the other kind", "a link to somebody's", "a link that leads nowhere", "somebody's", "read-only", "full")
# That commands want of their output.
SUFFIXES = {
    **{"map": ".tif", "export": ".onnx", "fit": ".labels", "suggest": ".geojson", "sample": ".gpkg"},
    **{"vectorise": ".gpkg", "change": ".tif"},
}
# What is written beside `out.tif`.
BESIDE_A_MAP = (
    *("out.png", "out.html", "out.qml", "out_scores.tif", "out_scores.qml", "out_stac.json", "out.tif.aux.xml"),
    "out.run",
)
# What commands write into a folder that may hold other files.
NAMED = (
    "diary.txt",
    "results.json",
    "curves_a.png",
    "space_map.png",
    "examples_words.png",
    "parcels.png",
    "change.png",
)
# Without a browser there is nothing to write.
NOT_FILLED = "tests.support.browser.screenshots"
# Long commands, and what is compared of what they leave.
LONG = {
    f"{TIMESENCLIP} import table": "--output",
    f"{TIMESENCLIP} import sen4map": "--output",
    f"{TIMESENCLIP} import lucas": "--output",
    f"{TIMESENCLIP} import join": "--output",
    f"{TIMESENCLIP} index": "--output",
    "training.embed_photos": "--output",
    f"{TIMESENCLIP} map": "--output",
    "training.train": "--output_dir",
    f"{TIMESENCLIP} evaluate": "--output",
    f"{TIMESENCLIP} convert": "--output",
}
KILLED = [name for name in LONG if not name.endswith(("lucas", "join"))]
# What a run notes of itself: where it lies, when it was, how long it took.
NOTES = ("import_report.json", "run.json", "manifest.json", "chunks.jsonl", "written.json", "report.json", "index.json")


def outputs(ledger: Ledger) -> None:
    """Put what may be in the way at every output, and count what is lost."""
    trials, lost, told, went_on, left = 0, [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        inputs = _inputs(Path(name))
        for command, option, kind, side, hazard in _hazards():
            trials += 1
            words = f"{command} {option} {side}: {hazard}"
            with _put(Path(name) / "trial", hazard, kind, side or _named(command, option)) as trial:
                target = trial / _named(command, option)
                before = _content(trial)
                done = _run(command, inputs, Path(name), {option: target}, overwrite=hazard == "full")
                after = _content(trial)
            lost += [f"{words}: {path}" for path, content in before.items() if after.get(path) != content]
            left += [f"{words}: {path}" for path in after.keys() - before.keys() if kind not in (RUN, STAGED)]
            told += [f"{words}: {done.errors[-300:]}"] * (done.status != 0 and len(done.sentences) != 1)
            went_on += [words] * (done.status == 0)
    how = "read-only: a tmpfs mounted ro; full: a tmpfs of which nothing is left"
    options = sum(map(len, WRITTEN.values()))
    note = f"{trials} trials: {options} options of {len(WRITTEN)} commands, each given {', '.join(HAZARDS)}; {how}"
    ledger.add("files that were there and are lost", len(lost), "==", 0, _list(lost) or note)
    ledger.add("refusals in anything but one sentence", len(told), "==", 0, _list(told))
    ledger.add("outputs that are written all the same", len(went_on), "==", 0, _list(went_on))
    ledger.add("files that a refused command leaves behind", len(left), "==", 0, _list(left))


def pairs(ledger: Ledger) -> None:
    """Stop each long command while it holds its folder, and start every other one there."""
    trials, untold, failed = 0, [], []
    with tempfile.TemporaryDirectory() as name:
        inputs = _inputs(Path(name))
        for number, first in enumerate(LONG):
            folder = Path(name) / f"{number}.run"
            running = Running(_words(first, inputs, {LONG[first]: _as_output(first, folder)}), Path(name) / "first.txt")
            locks = folder / ".lock", folder.with_name(f".{folder.name}.lock")
            while running.poll() is None and not any(_is_signed(lock) for lock in locks):
                time.sleep(0.001)
            running.signal(signal.SIGSTOP)
            for second in LONG:
                trials += 1
                output = {LONG[second]: _as_output(second, folder)}
                done = _run(second, inputs, Path(name), output)
                is_told = len(done.sentences) == 1 and f"by process {running.process} on" in done.sentences[0]
                untold += [] if is_told else [f"{first}, then {second}: {done.status} {done.errors[-300:]}"]
            running.signal(signal.SIGCONT)
            ended = running.wait()
            failed += [f"{first}: {ended.errors[-300:]}"] * (ended.status != 0)
    note = f"{trials} trials: {len(LONG)} long commands, each stopped while it holds a folder, and all started there"
    claim = "second commands in a held folder that are not told by whom, in one sentence"
    ledger.add(claim, len(untold), "==", 0, _list(untold) or note)
    ledger.add("first commands that do not come to their end", len(failed), "==", 0, _list(failed))


def kills(ledger: Ledger) -> None:
    """End each long command at moments drawn by chance, run it again, and compare what is there."""
    count = int(os.environ.get("KILLS", "10"))
    with tempfile.TemporaryDirectory() as name:
        inputs = _inputs(Path(name))
        for command in KILLED:
            differing, left, moments = [], [], []
            base = Path(name) / "unkilled" / "out.run"
            base.parent.mkdir()
            started = time.monotonic()
            done = _run(command, inputs, Path(name), {LONG[command]: _as_output(command, base)})
            seconds = time.monotonic() - started
            if done.status:
                raise RuntimeError(done.errors[-2_000:])
            expected = _fingerprint(command, base)
            for number in range(count):
                folder = Path(name) / f"killed{number}" / "out.run"
                folder.parent.mkdir()
                output = {LONG[command]: _as_output(command, folder)}
                moments.append(_kill(_words(command, inputs, output), Path(name) / "killed.txt", seconds))
                again = _run(command, inputs, Path(name), output)
                compared = _fingerprint(command, folder)
                differing += sorted(
                    path for path in expected.keys() | compared.keys() if expected.get(path) != compared.get(path)
                )
                if again.status and "is there already" not in again.errors:  # it had just been finished
                    differing.append(again.errors[-300:])
                left += [str(path) for path in folder.parent.rglob(".*") if path.name.startswith((".timesen", ".lock"))]
                subprocess.run(["rm", "-r", str(folder.parent)], check=True)
            subprocess.run(["rm", "-r", str(base.parent)], check=True)
            shown = ", ".join(f"{moment:.2f}" for moment in moments)
            note = f"{count} kills of {seconds:.2f} s, after {shown} s; {len(expected)} files compared"
            claim = f"{command.split('.')[-1].removeprefix('cli ')} killed and run again: differences"
            ledger.add(claim, len(differing), "==", 0, _list(differing) or note)
            ledger.add(f"{claim.partition(':')[0]}: temporary things left", len(left), "==", 0, _list(left))


def _hazards() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield command, option, kind of output, the file beside it that is meant (or none), and what is in the way."""
    for command, options in WRITTEN.items():
        for option, kind in options.items():
            for hazard in HAZARDS:
                if hazard != "full" or command != NOT_FILLED:
                    yield command, option, kind, "", hazard
    for side in BESIDE_A_MAP:
        for hazard in HAZARDS[:4]:
            yield f"{TIMESENCLIP} map", "--output", RUN if side.endswith(".run") else FILE, side, hazard


def _named(command: str, option: str) -> str:
    """Name the output of a trial, with the suffix that its command wants."""
    if option in ("--png", "picture", "path"):
        return "out.png"
    return "out.html" if option == "--report" else f"out{SUFFIXES.get(command.split()[-1], '')}"


def _inputs(folder: Path) -> Path:
    inputs = folder / "inputs"
    inputs.mkdir()
    call(lambda: write_inputs(inputs), folder / "inputs.txt")
    return inputs


def _run(command: str, inputs: Path, folder: Path, named: dict[str, Path], *, overwrite: bool = False) -> Outcome:
    """Run a command with the outputs that are given, and new ones for those that it cannot do without."""
    words = _words(command, inputs, named)
    if overwrite and WRITTEN[command][next(iter(named))] in (FILE, FILES, FOLDER):
        words += ["--overwrite", "true"] if command == "training.train" else ["--overwrite"]
    return Running(words, folder / "errors.txt").wait()


def _words(command: str, inputs: Path, named: dict[str, Path]) -> list[str]:
    needed = {option for option in ("--output", "--output_dir") if option in WRITTEN[command]} - named.keys()
    suffix = SUFFIXES.get(command.split()[-1], "")
    fresh = {option: Path(tempfile.mkdtemp(dir=inputs)) / f"new{suffix}" for option in needed}
    outputs = [
        word
        for option, path in (fresh | named).items()
        for word in ((option, str(path)) if option.startswith("--") else (str(path),))
    ]
    return [*words_of(command, inputs), *outputs]


def _as_output(command: str, folder: Path) -> Path:
    """Return the output of a command that has this folder for its run."""
    return folder.with_suffix(".tif") if command.endswith(" map") else folder


@contextmanager
def _put(trial: Path, hazard: str, kind: str, name: str) -> Iterator[Path]:
    """Put something in the way under a name in a new folder; yield the folder."""
    trial.mkdir()
    (trial / "neighbour.txt").write_text(MINE, encoding="utf-8")
    target = trial / name
    is_folder = (hazard == "the other kind") == (kind == FILE)
    mounted = hazard in ("read-only", "full")
    if mounted:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(trial)], check=True)
        (trial / "neighbour.txt").write_text(MINE, encoding="utf-8")
        if kind == FILE:
            target.write_text(MINE, encoding="utf-8")
        if hazard == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(trial)], check=True)
        else:
            _fill(trial / "filling")
    elif hazard == "a link that leads nowhere":
        target.symlink_to(trial / "nowhere")
    else:
        real = trial / "elsewhere" if hazard == "a link to somebody's" else target
        if is_folder:
            real.mkdir()
            for file in NAMED if kind == FILES else ("diary.txt",):
                (real / file).write_text(MINE, encoding="utf-8")
        else:
            real.write_text(MINE, encoding="utf-8")
        if real != target:
            target.symlink_to(real)
    try:
        yield trial
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(trial)], check=True)
        subprocess.run(["rm", "-r", str(trial)], check=True)


def _fill(file: Path) -> None:
    """Write until there is no space left."""
    with file.open("wb", buffering=0) as sink:
        try:
            while sink.write(bytes(4096)):
                pass
        except OSError:
            return


def _content(folder: Path) -> dict[str, str]:
    """Hash every file, and say where every link leads, by its path."""
    hashes = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            hashes[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


def _kill(words: list[str], errors: Path, seconds: float) -> float:
    """Kill a command with all its processes before it ends; return when."""
    while True:
        moment = random.uniform(0, seconds)
        running = Running(words, errors)
        time.sleep(moment)
        if running.poll() is None:
            running.signal(signal.SIGKILL)
            running.wait()
            return moment
        seconds *= 0.8  # it was faster than before
        subprocess.run(["rm", "-rf", *(str(path) for path in _outputs_of(words))], check=True)


def _outputs_of(words: list[str]) -> list[Path]:
    output = Path(next(words[index + 1] for index, word in enumerate(words) if word in ("--output", "--output_dir")))
    return list(output.parent.iterdir())


def _is_signed(lock: Path) -> bool:
    """Tell whether a lock is there and says whose it is."""
    return lock.exists() and lock.stat().st_size > 0


def _fingerprint(command: str, folder: Path) -> dict[str, str]:
    """Hash what a command left, but for what it notes of itself."""
    if command == "training.train":
        from tests.support.training_runs import outcome

        return {name: json.dumps(value, sort_keys=True) for name, value in outcome(folder).items()}
    kept = {
        name: digest
        for name, digest in _content(folder.parent).items()
        if Path(name).name not in NOTES and not name.endswith("_stac.json") and "/cache/" not in name
    }
    for name in ("import_report.json", "report.json"):
        if (folder / name).exists():
            kept[name] = json.loads((folder / name).read_text(encoding="utf-8"))["content_hash"]
    return kept


def _list(faults: list[str]) -> str:
    return " | ".join(" ".join(fault.split()) for fault in faults[:20])


PARTS = {"outputs": outputs, "pairs": pairs, "kills": kills}
