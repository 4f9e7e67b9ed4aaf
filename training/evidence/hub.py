"""Measure the claims about publishing and the Space: `make evidence-hub`, or `python -m training.evidence.hub PART`.

The parts of the Space are in `hub_space`; here is the way to the Hub and back, over the stand-in on loopback.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import disable_progress_bars, load_from_disk
from PIL import Image
from transformers import AutoModel, AutoProcessor, pipeline

from tests.conftest import write_tiny_clip
from tests.hub.test_metrics import cases
from tests.support.hub_store import StoredFile
from tests.support.hub_stub import HubStub
from tests.support.openai_clip import random_openai_clip
from tests.support.reference import KEY_FORMS, UpstreamEncoder, random_upstream_encoder
from timesenclip_hf import DEFAULT_CHECKPOINT, ZeroShotPixelClassificationPipeline
from timesenclip_hf.conversion import convert
from timesenclip_hf.data.sources.arrays import dataset_from_series
from timesenclip_hf.simulator import simulate
from training.evidence import hub_space
from training.evidence.claims import Ledger, run_parts

ROOT = Path(__file__).resolve().parents[2]
LABELS = ["maize", "grassland", "buildings", "water"]
MODEL, PLACES, SPACE = "tester/timesenclip-simulated", "tester/places", "tester/timesenclip"
LICENCES = ("--licence", "mit", "--clip-licence", "mit", "--data-licence", "cc-by-4.0", "--origin", "A random one.")
POINTS = 300
# Read by their places on the Hub, where the package cannot be imported.
READ = """
import sys
sys.modules["timesenclip_hf"] = None
import evaluate
import numpy as np
import torch
from datasets import load_dataset
from transformers import AutoModel, AutoProcessor, pipeline

given = np.load({given!r}, allow_pickle=False)
remote = {{"trust_remote_code": True}}
task, model = "zero-shot-pixel-classification", {model!r}
classify = pipeline(task, model=model, **remote)
processor = AutoProcessor.from_pretrained(model, **remote)
with torch.no_grad():
    embeds = AutoModel.from_pretrained(model, **remote).get_series_features(
        **processor(given["series"], return_tensors="pt")
    ).pooler_output
print(json.dumps({{
    "modules": sorted({{type(one).__module__.split(".")[0] for one in (classify, processor)}}),
    "embeds": embeds.tolist(),
    "scores": classify(given["series"], candidate_labels={labels!r}),
    "rows": load_dataset({places!r}, split="train").to_list() if {places!r} else [],
    "metrics": {{
        name: evaluate.load(f"tester/{{name}}").compute(**arguments)
        for name, arguments in json.loads({metrics!r}).items()
    }},
}}))
"""

SEE = """
import sys
sys.modules["timesenclip_hf"] = None
from transformers import pipeline
classify = pipeline("zero-shot-image-classification", model="tester/senclip")
print(json.dumps(classify({picture!r}, candidate_labels={labels!r})))
"""


def push(server: HubStub, folder: Path, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Call a script of hub/ with `--push` as somebody does who has a token."""
    return subprocess.run(
        command(script, *arguments),
        cwd=folder,
        env={**os.environ, **server.environment(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def command(script: str, *arguments: object) -> list[str]:
    """Return the command that pushes by a script of `hub`."""
    return [sys.executable, str(ROOT / "hub" / f"{script}.py"), *map(str, arguments), "--push"]


def published(server: HubStub, folder: Path, script: str, *arguments: object) -> None:
    """Push, and raise a RuntimeError where that fails."""
    done = push(server, folder, script, *arguments)
    if done.returncode:
        raise RuntimeError(done.stderr)


@contextmanager
def workplace() -> Iterator[tuple[HubStub, Path]]:
    """Open an empty Hub on loopback and an empty folder."""
    with tempfile.TemporaryDirectory() as name, HubStub() as server:
        yield server, Path(name)


def save_places(folder: Path) -> None:
    """Save a dataset of simulated places."""
    points = simulate(POINTS, seed=11)
    columns = {"longitude": points.longitude, "latitude": points.latitude, "year": points.year}
    dataset_from_series(points.series, {name: values.tolist() for name, values in columns.items()}).save_to_disk(folder)


def everything(folder: Path) -> dict[str, tuple[str, tuple[object, ...]]]:
    """Return what there is to publish: kind and name to script and arguments."""
    save_places(folder / "places")
    return {
        f"models {MODEL}": ("push_model", (DEFAULT_CHECKPOINT, MODEL)),
        f"datasets {PLACES}": ("push_dataset", ("places", PLACES)),
        f"spaces {SPACE}": ("push_space", (SPACE,)),
        "spaces tester/balanced_accuracy": ("push_metrics", ("tester",)),
    }


def plain(value: Any) -> Any:
    """Arguments of a metric as JSON has them."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def round_trip(ledger: Ledger) -> None:
    """Publish, and use by name in a process without the package, against the same here."""
    with workplace() as (server, folder):
        for script, arguments in everything(folder).values():
            published(server, folder, script, *arguments)
        series = simulate(50, seed=12).series
        metrics = {name: {key: plain(value) for key, value in values.items()} for name, (values, _) in cases().items()}
        remote = read(server, folder, MODEL, series, places=PLACES, metrics=json.dumps(metrics))
        note = "in a process without the package"
        ledger.add("modules of pipeline and processor", remote["modules"], "==", ["transformers_modules"], note)
        compare(ledger, "the model", DEFAULT_CHECKPOINT, series, remote)
        original = load_from_disk(str(folder / "places")).to_list()
        same = sum(values == other for values, other in zip(remote["rows"], original, strict=True))
        ledger.add(f"rows of the published dataset that are as they were, of {POINTS}", same, "==", POINTS, note)
        equal = sum(remote["metrics"][name] == expected for name, (_, expected) in cases().items())
        ledger.add(f"metrics that say the same, of {len(metrics)}", equal, "==", len(metrics), note)


def read(
    server: HubStub, folder: Path, model: str, series: np.ndarray, places: str = "", metrics: str = "{}"
) -> dict[str, Any]:
    """Use a model from the Hub in a process without the package; return what it answered."""
    np.savez(folder / "given.npz", series=series)
    code = READ.format(given=str(folder / "given.npz"), model=model, labels=LABELS, places=places, metrics=metrics)
    return dict(server.run(folder / "another_home", code))


@torch.no_grad()
def compare(ledger: Ledger, what: str, checkpoint: str | Path, series: np.ndarray, remote: dict[str, Any]) -> None:
    """Embeddings and scores there against those of the package here."""
    model, processor = AutoModel.from_pretrained(checkpoint), AutoProcessor.from_pretrained(checkpoint)
    embeds = model.get_series_features(**processor(series, return_tensors="pt")).pooler_output
    classify = ZeroShotPixelClassificationPipeline(model=model, processor=processor)
    here: Any = classify(series, candidate_labels=LABELS)
    apart = max(
        abs(mine["score"] - theirs["score"]) if mine["label"] == theirs["label"] else 1.0
        for local, other in zip(here, remote["scores"], strict=True)
        for mine, theirs in zip(local, other, strict=True)
    )
    difference = float((embeds - torch.tensor(remote["embeds"])).abs().max())
    for name, value in (("an embedding", difference), ("a score", apart)):
        claim = f"{what}, published and read without the package: largest difference of {name}"
        ledger.add(claim, value, "<=", 1e-6)


def twice(ledger: Ledger) -> None:
    """Push the same a second time."""
    with workplace() as (server, folder):
        for repository, (script, arguments) in everything(folder).items():
            kind, name = repository.split()
            published(server, folder, script, *arguments)
            before = [commit.oid for commit in server.repository(kind, name).log("main")]
            published(server, folder, script, *arguments)
            after = [commit.oid for commit in server.repository(kind, name).log("main")]
            ledger.add(f"commits of a first push with `{script}.py`", len(before) - 1, "==", 1)
            ledger.add(f"commits of a second push of the same with `{script}.py`", len(after) - len(before), "==", 0)


def interrupted(ledger: Ledger) -> None:
    """Kill the upload of a new version, or cut it off, at the weights and at the commit."""
    with workplace() as (server, folder):
        published(server, folder, "push_model", DEFAULT_CHECKPOINT, MODEL)
        before = server.repository("models", MODEL).at("main")
        changed = other_weights(folder / "changed")
        push_it = ("push_model", changed, MODEL, *LICENCES)
        for moment, pattern in (
            ("at the weights", "PUT /lfs/.*"),
            ("at the commit", "POST /api/models/.*/commit/main"),
        ):
            ledger.add(
                f"killed {moment}, the revision before is intact",
                killed(server, folder, pattern, *push_it) and server.repository("models", MODEL).at("main") == before,
                "==",
                True,
            )
            server.meanwhile[pattern] = cut
            done = push(server, folder, *push_it)
            server.meanwhile.clear()
            intact = server.repository("models", MODEL).at("main") == before
            ledger.add(f"cut off {moment}, the revision before is intact", intact, "==", True, last_line(done))
        published(server, folder, *push_it)
        log = server.repository("models", MODEL).log("main")
        ledger.add("commits of the push that mends it", len(log) - 2, "==", 1)
        weights = server.files("models", MODEL)["model.safetensors"]
        ledger.add("its weights are the new ones", weights == (changed / "model.safetensors").read_bytes(), "==", True)


def killed(server: HubStub, folder: Path, pattern: str, script: str, *arguments: object) -> bool:
    """End a push by SIGKILL while the Hub has not answered a request; return whether it came so far."""
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        go_on.wait()
        raise ConnectionAbortedError

    server.meanwhile[pattern] = wait
    client = subprocess.Popen(
        command(script, *arguments),
        cwd=folder,
        env={**os.environ, **server.environment(folder / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    came = reached.wait(timeout=300)
    client.send_signal(signal.SIGKILL)
    client.wait()
    server.meanwhile.clear()
    go_on.set()
    return came


def cut() -> None:
    """Break a connection off."""
    raise ConnectionResetError


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of what a command complained of."""
    return (done.stderr.strip().splitlines() or [""])[-1]


def other_weights(folder: Path) -> Path:
    """Save the embedded checkpoint with other weights."""
    shutil.copytree(DEFAULT_CHECKPOINT, folder)
    model = AutoModel.from_pretrained(folder)
    for parameter in model.pixel_model.parameters():
        parameter.data.add_(1e-3)
    model.save_pretrained(folder)
    (folder / "training_arguments.json").unlink()
    return folder


def converted(ledger: Ledger) -> None:
    """Convert, publish and use a checkpoint as upstream saves it, of the released size."""
    with workplace() as (server, folder):
        encoder = random_upstream_encoder(dim=512, depth=6, heads=8, mlp_dim=256, joint=512)
        nested: Any = KEY_FORMS["learner.TS_ViT nested"]
        torch.save(nested(encoder.state_dict()), folder / "upstream.ckpt")
        (folder / "clip").mkdir()
        write_tiny_clip(folder / "clip", projection_dim=512)
        convert(folder / "upstream.ckpt", folder / "clip", folder / "converted")
        name = "tester/converted"
        published(server, folder, "push_model", folder / "converted", name, *LICENCES)
        series = simulate(20, seed=13).series
        remote = read(server, folder, name, series)
        compare(ledger, "a converted checkpoint", folder / "converted", series, remote)
        ledger.add(
            "a converted checkpoint, published: largest difference of an embedding from upstream's encoder",
            apart_from(encoder, folder / "converted", series, remote),
            "<=",
            1e-4,
        )
    converted_senclip(ledger)


def converted_senclip(ledger: Ledger) -> None:
    """Convert and publish a CLIP in OpenAI's layout, as SenCLIP's files are, and use it as the stock model it is."""
    with workplace() as (server, folder):
        torch.save(random_openai_clip().state_dict(), folder / "upstream.pt")
        (folder / "clip").mkdir()
        write_tiny_clip(folder / "clip")
        convert(folder / "upstream.pt", folder / "clip", folder / "converted")
        published(server, folder, "push_model", folder / "converted", "tester/senclip", *LICENCES)
        pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        picture = str(folder / "patch.png")
        Image.fromarray(pixels).save(picture)
        remote = server.run(folder / "another_home", SEE.format(picture=picture, labels=LABELS))
        here = pipeline("zero-shot-image-classification", model=str(folder / "converted"))
        claim = "a converted SenCLIP, published and read without the package: scores of a picture are the same"
        ledger.add(claim, remote == here(picture, candidate_labels=LABELS), "==", True)


@torch.no_grad()
def apart_from(encoder: UpstreamEncoder, checkpoint: Path, series: np.ndarray, remote: dict[str, Any]) -> float:
    """Return the largest difference of embeddings from those of upstream's encoder."""
    batch = AutoProcessor.from_pretrained(checkpoint)(series, return_tensors="pt")
    expected = encoder(batch["pixel_series"], batch["series_mask"].bool())
    return float((expected - torch.tensor(remote["embeds"])).abs().max())


def refusals(ledger: Ledger) -> None:
    """Try what must end in one line, with nothing changed on the Hub."""
    with workplace() as (server, folder):
        other_weights(folder / "mine")
        checkpoint = Path("mine")
        published(server, folder, "push_model", checkpoint, "tester/mine", *LICENCES)
        server.create({"name": "theirs", "organization": "somebody"})
        for name, file, content in (("pickle", "optimizer.pt", ""), ("secret", "notes.txt", "hf_" + "x" * 34)):
            shutil.copytree(folder / checkpoint, folder / name)
            (folder / name / file).write_text(content)
        state = snapshot(server)
        good = (checkpoint, "tester/mine", *LICENCES, "--note", "New.")
        cases_of = {
            "no token": (good, {"HF_TOKEN": "", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}),
            "a repository of somebody else": ((checkpoint, "somebody/theirs", *LICENCES), {}),
            "a name of somebody else": ((checkpoint, "somebody/new", *LICENCES), {}),
            "a file over the limit": ((*good, "--limit-gb", "0.001"), {}),
            "a pickle among the files": (("pickle", "tester/mine", *LICENCES), {}),
            "a secret in the files": (("secret", "tester/mine", *LICENCES), {}),
            "a missing licence": ((checkpoint, "tester/mine", *LICENCES, "--licence", ""), {}),
            "a card with an empty slot": ((*good, "--note", "$note"), {}),
        }
        for name, (arguments, environment) in cases_of.items():
            done = refused(server, folder, arguments, environment)
            unchanged = bool(done) and snapshot(server) == state
            ledger.add(f"{name}: one line, and nothing changed", unchanged, "==", True, done)
        server.meanwhile["POST /api/models/.*/commit/main"] = lambda: somebody_publishes(server)
        done = refused(server, folder, good, {})
        theirs = server.repository("models", "tester/mine").at("main").title == "theirs"
        stays = bool(done) and theirs
        ledger.add("a revision that moved meanwhile: one line, and theirs stays", stays, "==", True, done)


def refused(server: HubStub, folder: Path, arguments: tuple[object, ...], environment: dict[str, str]) -> str:
    """Return the line of a push that was refused; empty where it was not, or where more was printed."""
    done = subprocess.run(
        command("push_model", *arguments),
        cwd=folder,
        env={**os.environ, **server.environment(folder / "home"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    alone = done.returncode == 1 and len(lines) == 1 and done.stderr.rstrip().endswith(lines[0])
    return lines[0] if alone and "Traceback" not in done.stderr else ""


def snapshot(server: HubStub) -> dict[tuple[str, str], str]:
    """Return the newest revision of every repository."""
    return {name: repository.branches["main"] for name, repository in server.repositories.items()}


def somebody_publishes(server: HubStub) -> None:
    """Publish between two steps of a push."""
    server.meanwhile.clear()
    repository = server.repository("models", "tester/mine")
    files = {**repository.at("main").files, "theirs.txt": StoredFile(b"theirs", lfs=False)}
    repository.branches["main"] = repository.add(files, "theirs", repository.branches["main"]).oid


PARTS: dict[str, Callable[[Ledger], None]] = {
    "round_trip": round_trip,
    "twice": twice,
    "interrupted": interrupted,
    "converted": converted,
    "refusals": refusals,
    **hub_space.PARTS,
}


if __name__ == "__main__":
    disable_progress_bars()
    run_parts("hub", PARTS)
