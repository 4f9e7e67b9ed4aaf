import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.photo_server import draw_photo
from timesenclip_hf.data.sources.lucas import photo_path

SCRIPT = Path(__file__).resolve().parents[2] / "training" / "embed_photos.py"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(240):
        file = folder / photo_path(str(38_023_000 + number), 2018, "BE", "N")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw_photo(number, side=200))
    return folder


def command(launcher, photos, clip, output, *others):
    arguments = ["--photos", str(photos), "--clip", str(clip), "--output", str(output), "--workers", "0", "--cpu"]
    return [*launcher, str(SCRIPT), *arguments, *others]


@pytest.fixture
def run(monkeypatch):
    """Runs the script in this process."""

    def run_script(*arguments):
        spec = importlib.util.spec_from_file_location("embed_photos_script", SCRIPT)
        script = importlib.util.module_from_spec(spec)
        # The dataclasses of the script search for their module.
        monkeypatch.setitem(sys.modules, spec.name, script)
        monkeypatch.setattr(sys, "argv", command([], *arguments))
        spec.loader.exec_module(script)
        script.main()

    return run_script


def report_of(output):
    return json.loads((output / "report.json").read_text())


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_embeddings(photos, tiny_clip, tmp_path, run, capsys):
    sizes = ("--shard_size", "4", "--batch_size", "2")
    process = subprocess.Popen(
        command([sys.executable], photos, tiny_clip, tmp_path / "out", *sizes), stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    written = {file: file.stat().st_mtime_ns for file in tmp_path.glob("out/*.parquet")}
    assert 0 < len(written) < 60
    run(photos, tiny_clip, tmp_path / "out", *sizes)
    assert "240 embeddings of size 32" in capsys.readouterr().out
    assert all(file.stat().st_mtime_ns == when for file, when in written.items())
    run(photos, tiny_clip, tmp_path / "whole", *sizes)
    assert report_of(tmp_path / "out")["content_hash"] == report_of(tmp_path / "whole")["content_hash"]


@pytest.mark.slow
def test_two_processes_write_what_one_writes(photos, tiny_clip, tmp_path, run):
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--nproc-per-node", "2"]
    subprocess.run(command(torchrun, photos, tiny_clip, tmp_path / "two", "--shard_size", "50"), check=True)
    run(photos, tiny_clip, tmp_path / "one", "--shard_size", "50")
    assert report_of(tmp_path / "one")["content_hash"] == report_of(tmp_path / "two")["content_hash"]


def test_the_script_goes_on_with_the_shards_that_are_missing(photos, tiny_clip, tmp_path, run, capsys):
    run(photos, tiny_clip, tmp_path, "--shard_size", "100")
    first = report_of(tmp_path)
    (tmp_path / "embeddings-00001-of-00003.parquet").unlink()
    run(photos, tiny_clip, tmp_path, "--shard_size", "100")
    assert report_of(tmp_path) == first
    assert "240 embeddings of size 32" in capsys.readouterr().out


def test_bad_input_ends_in_one_line(tiny_clip, tmp_path, run):
    with pytest.raises(SystemExit, match=r"^error: No such folder of photos: .*absent\.$"):
        run(tmp_path / "absent", tiny_clip, tmp_path / "out")
