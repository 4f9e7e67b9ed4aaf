from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from click.testing import Result
from datasets import ClassLabel, Dataset, load_dataset
from PIL import Image

from timesenclip_hf.data.engine.reports import ImportReport, Problem
from timesenclip_hf.data.schema import build_features
from timesenclip_hf.data.splits import check_blocks, read_manifest, write_manifest

FREE, RESERVED = "CC-BY-4.0", "all rights reserved"
REPO = "tester/places"
CONTENT = """
import hashlib
from datasets import load_dataset

def digest(rows):
    return hashlib.sha256(repr([sorted(row.items()) for row in rows]).encode()).hexdigest()

normal = load_dataset("tester/places")
streamed = load_dataset("tester/places", streaming=True)
print(json.dumps({
    "splits": {name: len(split) for name, split in normal.items()},
    "normal": {name: digest(split) for name, split in normal.items()},
    "streamed": {name: digest(split) for name, split in streamed.items()},
    "features": all(str(split.features) == str(normal["train"].features) for split in streamed.values()),
    "photo": {key: repr(value) for key, value in normal["train"][0]["photos"][0].items()},
    "types": [str(normal["train"].features[name]) for name in ("series", "land_cover", "photos")],
}))
"""


def make_rows(number: int, photo: Path) -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    rows = []
    for index in range(number):
        image = {"bytes": None, "path": str(photo)}
        photos = [
            {"direction": "N", "url": f"https://photos.example/{index}N.jpg", "image": image, "licence": RESERVED},
            {"direction": "E", "url": "", "image": image, "licence": FREE},
            {"direction": "S", "url": f"https://photos.example/{index}S.jpg", "image": None, "licence": FREE},
        ]
        rows.append(
            {
                "point_id": f"{index:08}",
                "year": 2018,
                "longitude": 4.0 + index / 10,
                "latitude": 50.0 + index / 20,
                "country": "BE",
                "series": generator.integers(1, 9_000, 120).tolist(),
                "observed": [month != 3 for month in range(12)],
                "months": [float(month) for month in range(12)],
                "lc1": "B11",
                "lu1": "U111",
                "land_cover": index % 8,
                "land_use": 0,
                "crop": -1,
                "habitat": -1,
                "bioregion": 1,
                "photos": photos if index % 4 == 0 else [],
            }
        )
    return rows


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Write a folder as an import leaves it."""
    photo = tmp_path / "north.jpg"
    Image.fromarray(np.full((8, 8, 3), 90, dtype=np.uint8)).save(photo)
    folder = tmp_path / "imported"
    (folder / "data").mkdir(parents=True)
    rows = Dataset.from_list(make_rows(20, photo), features=build_features())
    rows.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    problems = [Problem("no scene classification", "00000099"), Problem("photo unreadable", "00000001", skipped=False)]
    ImportReport(str(folder), 21, 20, problems, "0123abcd", {"kind": "sen4map", "photos": "/home/me/photos"}).write()
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "splits.csv"
    write_manifest(path, {f"{index:08}": "train" if index < 15 else "test" for index in range(20)})
    return path


@pytest.fixture
def run(command, tmp_path, monkeypatch) -> Callable[..., Result]:
    """Call the script in this process."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return lambda *arguments: command("push_dataset", *arguments)


def staged_card(result: Result, tmp_path: Path) -> str:
    assert result.exit_code == 0, result.output
    return (tmp_path / "runs" / "push" / "places" / "README.md").read_text()


def test_a_dry_run_writes_all_that_would_be_pushed_and_needs_no_hub(run, tmp_path, dataset, manifest):
    done = run(dataset, REPO, "--manifest", manifest, "--embed-licence", FREE)
    card = staged_card(done, tmp_path)
    assert "train: 15 rows, 15 places" in done.stdout
    assert "photos: 5 in the files, 10 as references" in done.stdout
    assert "dry run: nothing was pushed" in done.stdout
    staged = tmp_path / "runs" / "push" / "places"
    assert sorted(str(path.relative_to(staged)) for path in staged.rglob("*.*")) == [
        ".staged",
        "README.md",
        "classes.png",
        "data/test-00000-of-00001.parquet",
        "data/train-00000-of-00001.parquet",
        "map.png",
        "splits.csv",
    ]
    assert (staged / "splits.csv").read_text() == manifest.read_text()
    for picture in ("map.png", "classes.png"):
        with Image.open(staged / picture) as image:
            assert len(image.convert("RGB").getcolors(1 << 20)) > 10
    for sentence in (
        "20 places with Sentinel-2 series, 20 rows, 15 ground photos",
        "| train | 15 | 15 | 180 | 8.3% | 12 |",
        "| photos | 5 | yes | CC-BY-4.0 |",
        "| photos | 5 | no, as URLs | CC-BY-4.0 |",
        "| photos | 5 | no, as URLs | all rights reserved |",
        "| series | all | yes | not stated: ask the source before you redistribute |",
        "| A | Artificial land | 2 | 1 |",
        "20 of 21 points were written",
        "| no scene classification | 1 |",
        "15 of 20 rows have no photo",
        "neighbours may lie in two splits",
        "class of 8",
    ):
        assert sentence.lower() in card.lower()
    assert "/home/me" not in card
    assert str(tmp_path) not in card
    assert "$" not in card


def test_a_dataset_in_one_piece_is_cut_by_blocks_and_other_classes_are_counted_too(run, tmp_path, dataset):
    rows = load_dataset(str(dataset), split="train")
    labels = [index % 2 for index in range(20)]
    rows.add_column("label", labels).cast_column("label", ClassLabel(names=["no crop", "crop"])).save_to_disk(
        "labelled"
    )
    card = staged_card(run("labelled", REPO, "--block-km", 5, "--seed", 1), tmp_path)
    assert [f"| {name} | {count} |" in card for name, count in (("train", 16), ("validation", 2), ("test", 2))] == [
        True
    ] * 3
    assert "No block of 5 km straddles two splits" in card
    assert "|  | no crop | " in card
    homes = read_manifest(tmp_path / "runs" / "push" / "places" / "splits.csv")
    assert sorted(homes) == sorted(rows["point_id"])
    assert check_blocks(homes, rows["point_id"], rows["longitude"], rows["latitude"], block_km=5) == 20


def test_what_was_pushed_loads_with_the_same_rows_at_once_and_streaming(
    run, logged_in, hub, tmp_path, dataset, manifest
):
    options = ["--manifest", manifest, "--embed-licence", FREE, "--series-licence", "Copernicus", "--push"]
    done = run(dataset, REPO, *options)
    assert done.exit_code == 0, done.output
    assert f"pushed: {hub.url}/datasets/{REPO}/commit/" in done.stdout
    answer = hub.run(tmp_path / "another_home", CONTENT)
    assert answer["splits"] == {"train": 15, "test": 5}
    assert answer["normal"] == answer["streamed"]
    assert answer["features"]
    assert answer["types"][0] == "List(Value('int16'), length=120)"
    assert "ClassLabel" in answer["types"][1]
    assert "decode=False" in answer["types"][2]
    # The photo that may not be passed on is its address alone.
    assert answer["photo"]["url"] == "'https://photos.example/0N.jpg'"
    assert answer["photo"]["image"] == "None"
    pushed = load_dataset(str(tmp_path / "runs" / "push" / "places"), split="train")
    original = load_dataset(str(dataset), split="train").select(range(15))
    assert pushed.remove_columns("photos")[:] == original.remove_columns("photos")[:]
    free = pushed[0]["photos"][1]["image"]
    assert (free["bytes"], free["path"]) == ((tmp_path / "north.jpg").read_bytes(), "north.jpg")
    assert all(str(tmp_path).encode() not in content for content in hub.files("datasets", REPO).values())


def test_an_equal_push_changes_nothing_and_another_leaves_no_file_of_the_first(run, logged_in, hub, dataset, manifest):
    for options, answer in (
        (["--manifest", manifest], f"pushed: {hub.url}/datasets/{REPO}/commit/"),
        (["--manifest", manifest], f"nothing to push: {REPO} has it all"),
        ([], f"pushed: {hub.url}/datasets/{REPO}/commit/"),
    ):
        assert answer in run(dataset, REPO, *options, "--push").stdout
    log = hub.repository("datasets", REPO).log("main")
    assert [len([path for path in state.files if path.startswith("data/")]) for state in log] == [1, 2, 0]


def test_points_without_series_or_photos_are_staged_too(run, tmp_path, dataset):
    rows = load_dataset(str(dataset), split="train")
    rows.remove_columns(["series", "observed", "months"]).save_to_disk(tmp_path / "photos")
    assert "no series" in staged_card(run(tmp_path / "photos", REPO), tmp_path)
    rows.remove_columns("photos").save_to_disk(tmp_path / "series")
    assert "There are no photos" in staged_card(run(tmp_path / "series", REPO), tmp_path)


def test_bad_input_ends_in_one_line(run, tmp_path, dataset, manifest):
    alien = tmp_path / "alien"
    Dataset.from_dict({"text": ["a"]}).save_to_disk(alien)
    short = tmp_path / "short.csv"
    write_manifest(short, {"00000000": "train"})
    for arguments, sentence in (
        ([tmp_path / "nowhere", REPO], "No such folder"),
        ([alien, REPO], "lacks the column 'point_id'"),
        ([dataset, REPO, "--manifest", short], "The point 00000001 is in no split"),
        ([dataset, REPO, "--manifest", manifest, "--block-km", 500], "straddles two splits"),
        ([dataset, "places"], "must be user/name"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.strip().splitlines()[-1].startswith("error: ")
        assert sentence in result.stderr
