"""Measure the claims of the data part: `make evidence-data`, or `python -m training.evidence.data PART ...`.

The parts of the importers are in `data_sen4map` and `data_lucas`; here are the composites, and the way to the Hub.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from datasets import Dataset, Features, disable_progress_bars

from tests.support.hub_stub import HubStub
from timesenclip_hf.data.engine.content import content_hash
from timesenclip_hf.data.schema import photo_feature
from timesenclip_hf.data.sources.arrays import dataset_from_series
from timesenclip_hf.simulator import simulate
from training.benchmarks.test_compositing import measure
from training.evidence import data_lucas, data_sen4map
from training.evidence.claims import Ledger, run_parts

ROOT = Path(__file__).resolve().parents[2]
REPO, POINTS = "tester/places", 2_000
LOAD = """
from datasets import load_dataset
from timesenclip_hf.data.engine.content import content_hash

hashes = [
    {name: content_hash(split.with_format("arrow").iter(100)) for name, split in splits.items()}
    for splits in (load_dataset("tester/places"), load_dataset("tester/places", streaming=True))
]
print(json.dumps(hashes))
"""


def compositing(ledger: Ledger) -> None:
    """Monthly medians of a cube against two usual ways to write them, in the same run."""
    timing = measure()
    cube, note = "a (118, 10, 64, 64) cube with SCL", f"{1e3 * timing.ours:.1f} ms"
    loop, calls = timing.pixel_loop / timing.ours, timing.monthly_calls / timing.ours
    ledger.add(f"compositing {cube}, times as fast as nanmedian a pixel and month", round(loop), ">=", 150, note)
    ledger.add(f"compositing {cube}, times as fast as one nanmedian a month", round(calls, 1), ">=", 3, note)
    ledger.add(f"compositing {cube}, equal to both", timing.equal, "==", True)


def hub(ledger: Ledger) -> None:
    """Load what was pushed to a stand-in Hub by another process, against what was there before."""
    with tempfile.TemporaryDirectory() as name, HubStub() as server:
        folder = Path(name)
        dataset = _photographed(POINTS)
        dataset.save_to_disk(folder / "places")
        _push(server, folder, "places", REPO, "--block-km", "100")
        ledger.add("requests to the Hub in a dry run of a push", len(server.requests), "==", 0)
        _push(server, folder, "places", REPO, "--block-km", "100", "--push")
        staged = folder / "runs" / "push" / "places" / "splits.csv"
        homes = dict(line.split(",") for line in staged.read_text(encoding="utf-8").splitlines()[1:])
        hashes = {
            split: content_hash(rows.with_format("arrow").iter(1_000))
            for split in dict.fromkeys(homes.values())
            if (rows := dataset.filter(lambda point, split=split: homes[point] == split, input_columns="point_id"))
        }
        normal, streamed = server.run(folder / "home", LOAD)
        note = f"{POINTS} rows in {len(hashes)} splits, by SHA-256 of the rows"
        ledger.add("`load_dataset` of what was pushed has the same rows", normal == hashes, "==", True, note)
        ledger.add(
            "`load_dataset` of what was pushed, streaming, has the same rows", streamed == hashes, "==", True, note
        )


def _photographed(number: int) -> Dataset:
    """Simulate points, each with a reference to a photo."""
    points = simulate(number, seed=5)
    columns = {
        "longitude": points.longitude.tolist(),
        "latitude": points.latitude.tolist(),
        "year": points.year.tolist(),
    }
    dataset = dataset_from_series(points.series, columns)
    photos = [
        [{"direction": "N", "url": f"https://photos.example/{point}N.jpg", "image": None, "licence": "reserved"}]
        for point in dataset["point_id"]
    ]
    return dataset.add_column("photos", photos, feature=Features({"photos": photo_feature()})["photos"])


def _push(server: HubStub, folder: Path, *arguments: str) -> None:
    environment = {**os.environ, **server.environment(folder / "home")}
    call = [sys.executable, str(ROOT / "hub" / "push_dataset.py"), *arguments]
    subprocess.run(call, cwd=folder, env=environment, capture_output=True, check=True)


PARTS: dict[str, Callable[[Ledger], None]] = {
    "compositing": compositing,
    "hub": hub,
    **data_sen4map.PARTS,
    **data_lucas.PARTS,
}


if __name__ == "__main__":
    disable_progress_bars()
    run_parts("data", PARTS)
