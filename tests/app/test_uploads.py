import json
import sys

import numpy as np
import pytest
from safetensors.numpy import save

from tests.support.small_cubes import small_cube
from timesenclip_hf.app import confinement
from timesenclip_hf.app import uploads as uploads_module
from timesenclip_hf.app.upload_reading import read_cube
from timesenclip_hf.app.uploads import Uploads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the reading process is forked on Linux alone")


def wish(tmp_path, text):
    file = tmp_path / "series.csv"
    file.write_text(text)
    return str(file)


def test_a_cube_comes_back_as_it_is_read_in_this_process(tmp_path, uploads, page_model):
    small_cube(6, 5).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    reading = uploads.read_cube([str(tmp_path / "cube.nc")], offset=50)
    expected = page_model.reader.read_cube(read_cube([tmp_path / "cube.nc"]), offset=50)
    assert (reading.height, reading.width) == (expected.height, expected.width) == (6, 5)
    for name in ("reflectance", "observed", "months"):
        np.testing.assert_array_equal(getattr(reading.series, name), getattr(expected.series, name))
    assert reading.series.bands == expected.series.bands


def test_a_pixel_of_a_cube_comes_back_as_that_of_the_cube(tmp_path, uploads):
    small_cube(2, 3).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    cube, pixel = uploads.read_cube([str(tmp_path / "cube.nc")]), uploads.read_series(str(tmp_path / "cube.nc"), 5)
    assert (pixel.name, pixel.count) == ("row 1, column 1", 6)
    np.testing.assert_array_equal(pixel.series.reflectance, cube.series.reflectance[4:5])


def test_a_series_comes_back_with_its_name_and_the_offset_asked_for_unless_it_says_its_own(tmp_path, uploads):
    raw = {"series": np.full((3, 12, 10), 3000, dtype=np.uint16), "id": np.array(["a", "b", "c"])}
    np.savez(tmp_path / "raw.npz", **raw)
    np.savez(tmp_path / "told.npz", **raw, offset=0)
    for name, reflectance in (("raw", 0.2), ("told", 0.3)):
        reading = uploads.read_series(str(tmp_path / f"{name}.npz"), 2, offset=1000)
        assert (reading.name, reading.count) == ("b", 3)
        assert reading.series.reflectance[0, 0, 0] == pytest.approx(reflectance)


def test_what_cannot_be_read_is_said_in_the_readers_sentence(tmp_path, uploads):
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"^bad.csv has no column for a band"):
        uploads.read_series(str(tmp_path / "bad.csv"), 1)
    with pytest.raises(ValueError, match=r"^gone.csv was put away after a while: upload it again"):
        uploads.read_series(str(tmp_path / "gone.csv"), 1)


@pytest.mark.parametrize("wished", ["hang", "abort", "eat"])
def test_a_file_that_hangs_or_breaks_its_reader_costs_a_sentence_and_the_next_is_read(
    tmp_path, uploads, wished, monkeypatch
):
    monkeypatch.setattr(uploads_module, "READING_SECONDS", 0.3 if wished == "hang" else 60.0)
    sentence = {
        "hang": r"^series.csv took longer than 0 s to read: cut out a part\.$",
        "abort": r"^series.csv ended the process that read it: it is damaged, or needs more than \d+ MB of memory",
        "eat": r"^This needs more than \d+ MB of memory to read: cut out a part\.$",
    }[wished]
    with pytest.raises(ValueError, match=sentence):
        uploads.read_series(wish(tmp_path, wished), 1)
    process = uploads._process
    with pytest.raises(RuntimeError, match="the reader's fault"):
        uploads.read_series(wish(tmp_path, "fault"), 1)
    assert uploads._process is process  # which waits, and never reads


@pytest.mark.slow
def test_when_the_process_that_waits_has_ended_another_is_started(tmp_path, uploads):
    uploads._process.kill()
    uploads._process.wait()
    with pytest.raises(ValueError, match=r"^series.csv has no column for a band"):
        uploads.read_series(wish(tmp_path, "a,b\n1,2\n"), 1)


@pytest.mark.slow
def test_where_nothing_is_forked_each_upload_has_a_process_from_the_start(tmp_path, page_model, monkeypatch):
    monkeypatch.setattr(sys, "platform", "another")
    np.savez(tmp_path / "series.npz", series=np.full((2, 12, 10), 0.2, dtype=np.float32))
    reading = Uploads(page_model.reader).read_series(str(tmp_path / "series.npz"), 2)
    assert reading.series.reflectance[0, 0, 0] == pytest.approx(0.2)


def test_a_reader_can_write_nothing(tmp_path, uploads):
    if confinement.landlock() < 1:
        pytest.skip("the kernel has no Landlock")
    kept = tmp_path / "kept.txt"
    kept.write_text("a file")
    with pytest.raises(ValueError, match="Permission denied"):
        uploads.read_series(wish(tmp_path, f"write {kept}"), 1)
    assert kept.read_text() == "a file"


def test_a_reader_sees_no_other_file_and_no_network(tmp_path, uploads):
    if confinement.landlock() < 4:
        pytest.skip("the kernel has no Landlock that knows TCP")
    (tmp_path / "upload").mkdir()
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    with pytest.raises(ValueError, match="Permission denied"):
        uploads.read_series(wish(tmp_path / "upload", f"show {secret}"), 1)
    with pytest.raises(ValueError, match=r"Permission denied|unreachable"):
        uploads.read_series(wish(tmp_path / "upload", "connect"), 1)


def test_an_answer_that_was_forged_is_none(uploads):
    arrays = {
        "reflectance": np.zeros((6, 12, 10), np.float32),
        "observed": np.ones((6, 12), bool),
        "months": np.zeros((6, 12), np.float32),
    }
    words = {"height": 2, "width": 3, "count": 1, "name": "x" * 1000, "notes": ["y" * 1000] * 100}

    def answer(words, arrays):
        return json.dumps(words).encode() + b"\n" + save(arrays)

    reading = uploads._understood(answer(words, arrays))
    assert len(reading.name) == len(reading.notes[0]) == uploads_module.MOST_TEXT
    assert len(reading.notes) == uploads_module.MOST_NOTES
    for content in (
        b"",
        b"\n",
        b"\xff\n",
        b"[]\n",
        b"{}\nno tensors",
        answer({**words, "height": 3}, arrays),
        answer({**words, "height": -2, "width": -3}, arrays),
        answer({**words, "count": 10**9}, arrays),
        answer({**words, "notes": 3}, arrays),
        answer(words, {**arrays, "months": arrays["months"].astype(np.float64)}),
        answer(words, {**arrays, "observed": np.ones((6, 13), bool)}),
        answer(words, {name: array for name, array in arrays.items() if name != "months"}),
        answer(words, arrays)[:-1],
    ):
        with pytest.raises(uploads_module.NOT_UNDERSTOOD):
            uploads._understood(content)
