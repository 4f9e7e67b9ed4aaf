"""Measure the claims about LUCAS, photos and splits; `training.evidence.data` runs them."""

import csv
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, load_dataset
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from tests.support.photo_server import PhotoServer, draw_photo, serve_photos
from timesenclip_hf import TimeSenCLIPFeatureExtractor, TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel
from timesenclip_hf.data.engine.reports import count_reasons
from timesenclip_hf.data.photos.download import CHECKSUM_FILE, DownloadOptions, PhotoRequest, download_photos
from timesenclip_hf.data.photos.embedding import PhotoEncoder, embed_photos
from timesenclip_hf.data.photos.embedding_shards import add_embeddings, finish_embeddings, read_embeddings
from timesenclip_hf.data.photos.pairing import PhotoOptions, pair_lucas
from timesenclip_hf.data.photos.upstream_embeddings import import_upstream_embeddings
from timesenclip_hf.data.schema import UNKNOWN, as_series, build_features, month_places
from timesenclip_hf.data.sources.lucas import photo_path, photo_url, read_survey
from timesenclip_hf.data.splits import block_of, blocked_split, check_blocks, random_split
from timesenclip_hf.learning import CrossViewContrastiveLoss
from training.evidence.claims import Ledger
from training.real_sets import real_data_folder

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "training" / "embed_photos.py"
# As many as Sen4Map has.
NUM_POINTS = 335_125
WORDS = {"N": "north", "E": "east", "S": "south", "W": "west", "P": "point"}


def lucas(ledger: Ledger) -> None:
    """Take real survey records and photos through addresses, pairing, loading, streaming, embeddings and training."""
    names = {
        "addresses by the rule that are the survey's own, of 35": 35,
        "real LUCAS photos that can be read": 32,
        "real LUCAS points that pair with their N, E, S and W photos": 5,
    }
    try:
        folder = real_data_folder() / "lucas_photos_32"
    except FileNotFoundError as error:
        for name, bar in names.items():
            ledger.skip(name, "==", bar, str(error))
        return
    survey_file = folder / "metadata_subset.csv"
    survey = read_survey(survey_file)
    with survey_file.open(newline="", encoding="utf-8") as file:
        same = [
            photo_url(row["point_id"], int(row["year"]), row["nuts0"], direction) == row[f"file_path_gisco_{word}"]
            for row in csv.DictReader(file)
            for direction, word in WORDS.items()
        ]
    addresses, readable, complete = names
    ledger.add(addresses, sum(same), "==", 35)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        photos = PhotoOptions(folder, "NESWPC")
        pair_lucas(work / "every", survey=survey, photos=photos, workers=1, progress=False)
        every = _load(work / "every")
        ledger.add(readable, sum(photo["image"] is not None for row in every for photo in row["photos"]), "==", 32)
        report = pair_lucas(
            work / "four",
            survey=survey,
            photos=PhotoOptions(folder, embed_bytes=True, require_photos=True),
            progress=False,
        )
        four = _load(work / "four")
        paired = sum(
            [photo["direction"] for photo in row["photos"] if photo["image"]] == ["N", "E", "S", "W"] for row in four
        )
        ledger.add(complete, paired, "==", 5, f"left out: {len(report.skipped)} points with their P photo alone")
        streamed = load_dataset(str(work / "four"), split="train", streaming=True)
        ledger.add(
            "rows that stream as they load, of 5", sum(a == b for a, b in zip(streamed, four, strict=True)), "==", 5
        )
        _train_on_photos(ledger, work, folder, four)


def _train_on_photos(ledger: Ledger, work: Path, folder: Path, points: Dataset) -> None:
    """Frozen embeddings beside the photos, and a small pixel tower that learns to find them."""
    encoder = PhotoEncoder(_small_clip(work / "clip"))
    embed_photos(folder, work / "embeddings", encoder, batch_size=8, shard_size=16, progress=False)
    ledger.add("real LUCAS photos with a frozen embedding", finish_embeddings(work / "embeddings").rows, "==", 32)
    series = np.random.default_rng(0).integers(200, 5_000, (len(points), 120), dtype=np.int16)
    columns = {
        "point_id": points["point_id"][:],
        "year": points["year"][:],
        "longitude": points["longitude"][:],
        "latitude": points["latitude"][:],
        "country": points["country"][:],
        "series": series,
        "observed": [[True] * 12] * len(points),
        "months": [list(month_places())] * len(points),
        "lc1": points["lc1"][:],
        "lu1": points["lu1"][:],
        **{name: points[name][:] for name in ("land_cover", "land_use", "crop")},
        **{name: [UNKNOWN] * len(points) for name in ("habitat", "bioregion")},
    }
    pair_lucas(
        work / "paired",
        series=Dataset.from_dict(columns, features=build_features(photos=False)),
        photos=PhotoOptions(folder),
        progress=False,
    )
    dataset = add_embeddings(_load(work / "paired"), work / "embeddings", cache_dir=str(work / "cache"))
    photos = torch.tensor([[photo["embedding"] for photo in row["photos"]] for row in dataset])
    targets = torch.nn.functional.normalize(photos, dim=-1).mean(dim=1)
    features = TimeSenCLIPFeatureExtractor()(as_series(dataset.with_format("arrow")[:]), return_tensors="pt")
    torch.manual_seed(0)
    config = TimeSenCLIPPixelConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32, projection_dim=encoder.size
    )
    tower, objective = TimeSenCLIPPixelModel(config), CrossViewContrastiveLoss()
    optimizer = torch.optim.AdamW([*tower.parameters(), *objective.parameters()], lr=3e-3)
    losses = []
    for _ in range(60):
        loss = objective(tower(features["pixel_series"], features["series_mask"]).pooler_output, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    share = round(losses[-1] / losses[0], 3)
    note = "5 points, series drawn at random: that it learns is shown, not what"
    ledger.add("loss on real photos after 60 steps, as a share of the first", share, "<=", 0.5, note)


def bad_lines(ledger: Ledger) -> None:
    """Count each bad line of a survey under a name of its own, and read the good ones."""
    header = "point_id,year,nuts0,th_lat,th_long,gps_lat,gps_ew,gps_long,lc1,lu1"
    lines = {
        "": "38023110,2018,BE,50.86,2.61,50.86,East,2.61,B13,U111",
        "coordinates swapped": "38023112,2018,BE,2.61,50.86,2.61,East,50.86,B13,U111",
        "duplicate point id": "38023110,2018,BE,50.86,2.61,50.86,East,2.61,B13,U111",
        "no coordinates": "38023114,2018,BE,,,88.888888,8,88.888888,B13,U111",
        "no point id": ",2018,BE,50.86,2.61,50.86,East,2.61,B13,U111",
        "no year": "38023116,,BE,50.86,2.61,50.86,East,2.61,B13,U111",
        "place outside its country": "38023118,2018,FI,50.86,2.61,50.86,East,2.61,B13,U111",
        "unknown class code": "38023120,2018,BE,50.86,2.61,50.86,East,2.61,Q99,U111",
    }
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "survey.csv"
        file.write_text("\n".join([header, *lines.values()]) + "\n", encoding="utf-8")
        survey = read_survey(file)
    counts = count_reasons(survey.problems)
    named = counts == {reason: 1 for reason in lines if reason}
    ledger.add("kinds of bad survey lines counted under their names, of 7", len(counts) if named else 0, "==", 7)
    ledger.add("survey lines that were read in spite of them, of 5", len(survey.points), "==", 5)


def downloads(ledger: Ledger) -> None:
    """Download from a server on loopback that fails, throttles and breaks off; kill it half-way and run it again."""
    count, workers = 120, 4
    with tempfile.TemporaryDirectory() as scratch, serve_photos() as server:
        folder = Path(scratch)
        troubles = [("status", 500), ("break off", 1_200), ("hang up", 0), ("status", 503)]
        for number in range(count):
            server.add(f"{number}.jpg", [troubles[number % 4]] if number % 3 == 0 else [])
        server.delay = 0.02
        process = subprocess.Popen([sys.executable, "-c", _DOWNLOAD, server.url, scratch, str(count), str(workers)])
        _wait_for(lambda: len(list(folder.glob("*.jpg"))) >= count // 2)
        process.kill()
        process.wait()
        fetched_before = len(list(folder.glob("*.jpg")))
        asked = _asked(server, {file.name for file in folder.glob("*.jpg")})
        requests = [PhotoRequest(f"{server.url}/{number}.jpg", f"{number}.jpg") for number in range(count)]
        report = download_photos(requests, folder, DownloadOptions(workers, pause=0.05), progress=False)
        again = _asked(server, {f"{number}.jpg" for number in range(count)}) - asked
        intact = [(folder / path).read_bytes() == photo.content for path, photo in server.photos.items()]
        note = f"killed at {fetched_before} of {count}; then {report.fetched} fetched, {again} requests"
        ledger.add("photos that arrived whole after a kill half-way, of 120", sum(intact), "==", count, note)
        lines = [line.split("  ") for line in (folder / CHECKSUM_FILE).read_text().splitlines()]
        sums = {path: digest for digest, path in lines}
        right = [sums.get(path) == hashlib.sha256(photo.content).hexdigest() for path, photo in server.photos.items()]
        ledger.add("photos with their SHA-256 in the manifest, of 120", sum(right), "==", count)
        ledger.add("photos fetched twice", fetched_before + report.fetched - count, "==", 0)
        ledger.add(f"most requests at a time, {workers} allowed", server.busiest, "<=", workers)


_DOWNLOAD = """
import sys
from timesenclip_hf.data.photos.download import DownloadOptions, PhotoRequest, download_photos
url, folder, count, workers = sys.argv[1:]
photos = [PhotoRequest(f"{url}/{number}.jpg", f"{number}.jpg") for number in range(int(count))]
download_photos(photos, folder, DownloadOptions(int(workers), pause=0.05), progress=False)
"""


def _asked(server: PhotoServer, paths: set[str]) -> int:
    return sum(len(requests) for path, requests in server.requests.items() if path in paths)


def photo_embeddings(ledger: Ledger) -> None:
    """Kill `training.embed_photos` half-way and run it again, and in two processes; read upstream's dictionary."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        for number in range(300):
            file = work / "photos" / photo_path(str(38_023_000 + number), 2018, "BE", "NESW"[number % 4])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(draw_photo(number, side=200))
        clip = _small_clip(work / "clip")
        python = [sys.executable]
        killed = subprocess.Popen(_embed(python, work, clip, "out"), stderr=subprocess.DEVNULL)
        _wait_for(lambda: len(list((work / "out").glob("*.parquet"))) >= 30)
        killed.kill()
        killed.wait()
        shards = len(list((work / "out").glob("*.parquet")))
        two = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--nproc-per-node", "2"]
        for launcher, output in ((python, "out"), (python, "whole"), (two, "two")):
            subprocess.run(_embed(launcher, work, clip, output), check=True, capture_output=True)
        hashes = {name: finish_embeddings(work / name).content_hash for name in ("out", "whole", "two")}
        note = f"killed after {shards} of 75 shards"
        ledger.add(
            "embeddings after a kill equal uninterrupted ones", hashes["out"] == hashes["whole"], "==", True, note
        )
        ledger.add("embeddings of two processes equal those of one", hashes["two"] == hashes["whole"], "==", True)
        vectors = {f"BE_{38_023_000 + point}{side}": torch.randn(1, 512) for point in range(250) for side in "WENS"}
        torch.save(vectors, work / "lucas.pt")
        import_upstream_embeddings(work / "lucas.pt", work / "upstream")
        rows = read_embeddings(work / "upstream", cache_dir=str(work / "cache")).with_format("torch")
        equal = sum(
            torch.equal(row["embedding"], vectors[f"{row['country']}_{row['point_id']}{row['direction']}"][0])
            for row in rows
        )
        ledger.add("vectors of upstream's dictionary that are read back, of 1,000", equal, "==", 1_000)


def _embed(launcher: list[str], work: Path, clip: Path, output: str) -> list[str]:
    folders = ["--photos", str(work / "photos"), "--clip", str(clip), "--output", str(work / output)]
    return [*launcher, str(SCRIPT), *folders, "--shard_size", "4", "--batch_size", "2", "--workers", "0", "--cpu"]


def splits(ledger: Ledger) -> None:
    """Split as many points as Sen4Map has, scattered over Europe."""
    rng = np.random.default_rng(0)
    ids = [str(number) for number in range(26_000_000, 26_000_000 + NUM_POINTS)]
    east, north = rng.uniform(-10, 30, NUM_POINTS), rng.uniform(36, 70, NUM_POINTS)
    started = time.perf_counter()
    blocked = blocked_split(ids, east, north, block_km=50, seed=0)
    seconds = time.perf_counter() - started
    checked = check_blocks(blocked, ids, east, north, block_km=50)
    blocks, names = block_of(east, north, 50), np.asarray([blocked[point] for point in ids])
    straddling = len(np.unique(np.stack([blocks, np.unique(names, return_inverse=True)[1]]), axis=1)[0]) - checked
    note = f"{NUM_POINTS:,} points, {checked:,} blocks of 50 km, {seconds:.1f} s"
    ledger.add("blocks that straddle two splits", straddling, "==", 0, note)
    share = float(np.mean(names == "train"))
    ledger.add("share of training points off the 0.8 asked for, blocked", round(abs(share - 0.8), 4), "<=", 0.005)
    order = rng.permutation(NUM_POINTS)
    shuffled = blocked_split([ids[row] for row in order], east[order], north[order], block_km=50, seed=0)
    same = shuffled == blocked and random_split([ids[row] for row in order], seed=0) == random_split(ids, seed=0)
    ledger.add("splits of shuffled rows are the same", same, "==", True)


def _small_clip(folder: Path) -> Path:
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision = {**tower, "image_size": 64, "patch_size": 16, "projection_dim": 32}
    torch.manual_seed(0)
    clip = CLIPModel(CLIPConfig(text_config={**tower, "projection_dim": 32}, vision_config=vision, projection_dim=32))
    clip.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 64}, crop_size=64).save_pretrained(folder)
    return folder


def _load(folder: Path) -> Dataset:
    return load_dataset(str(folder), split="train", cache_dir=str(folder.parent / "cache"))


def _wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Nothing came of it within {seconds:.0f} s.")
        time.sleep(0.005)


PARTS = {
    "lucas": lucas,
    "bad_lines": bad_lines,
    "downloads": downloads,
    "photo_embeddings": photo_embeddings,
    "splits": splits,
}
