from dataclasses import dataclass

import pytest
from datasets import Value, load_dataset

from timesenclip_hf.data.engine.reports import Problem, UnusableError
from timesenclip_hf.data.engine.shards import import_parts
from timesenclip_hf.data.sources.images import NOWHERE
from timesenclip_hf.data.sources.pictures import Picture, PictureReader, existing_folder


@dataclass(frozen=True)
class Numbers(PictureReader):
    """Reads files that hold a number: odd ones are remarked on, negative ones cannot be used."""

    known_bands = ("B02", "B08", "B10")
    side = 2
    pictures_per_part = 2

    @property
    def columns(self):
        return {"number": Value("int64"), "label": Value("string")}

    def read(self, picture):
        number = int(picture.path.read_text())
        if number % 2:
            yield Problem("odd", picture.path.stem, skipped=False)
        if number < 0:
            raise UnusableError("negative", str(number))
        yield {"number": number, "label": picture.label, **NOWHERE}


@pytest.fixture
def pictures(tmp_path):
    files = []
    for index, number in enumerate((4, -2, 7)):
        (tmp_path / f"{index}.txt").write_text(str(number))
        files.append(Picture(tmp_path / f"{index}.txt", "abc"[index]))
    return files


def test_pictures_that_cannot_be_used_are_listed_with_those_that_are_remarked_on(pictures):
    problems = []
    dataset = Numbers().load(pictures, problems, progress=False)
    assert (dataset["number"][:], dataset["label"][:]) == ([4, 7], ["a", "c"])
    assert problems == [Problem("negative", "1", "1.txt", "-2"), Problem("odd", "2", skipped=False)]


def test_the_first_picture_that_cannot_be_used_ends_a_reading_that_lists_none(pictures):
    with pytest.raises(ValueError, match=r"^1\.txt: negative \(-2\): mend or remove it"):
        Numbers().load(pictures, None, progress=False)
    assert Numbers().load([pictures[2]], None, progress=False)["number"][:] == [7]
    with pytest.raises(ValueError, match="No image is left"):
        Numbers().load([pictures[1]], [], progress=False)


def test_an_import_holds_what_the_reading_holds(pictures, tmp_path):
    reader = Numbers()
    parts = reader.parts(pictures)
    assert [part.points for part in parts] == [2, 1]
    options = {"identity": {"kind": "numbers"}, "workers": 1, "progress": False}
    report = import_parts(tmp_path / "out", parts, reader.rows, reader.features, **options)
    assert (report.points, report.rows, report.counts) == (3, 2, {"negative": 1, "odd": 1})
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    read = Numbers().load(pictures, [], progress=False)
    assert loaded.features == read.features
    assert loaded["number"][:] == read["number"][:]


def test_bands_that_are_kept_have_a_column_of_their_size():
    assert Numbers(("B02", "B08")).features["reflectance"].length == 2 * 4
    assert "reflectance" not in Numbers().features


def test_bands_go_by_any_spelling_and_unknown_ones_and_folders_are_named(tmp_path):
    assert Numbers(["b2", "nir", "B10"]).bands == ("B02", "B08", "B10")
    with pytest.raises(ValueError, match="There is no band 'B77': the patches have B02"):
        Numbers(["B02", "B77"])
    assert existing_folder(tmp_path) == tmp_path
    with pytest.raises(FileNotFoundError, match="No such folder"):
        existing_folder(tmp_path / "none")
