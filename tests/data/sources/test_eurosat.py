import shutil

import numpy as np
import pytest
import rasterio
from datasets import ClassLabel, Dataset, Features, Image, Value, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from tests.support.image_files import write_picture
from tests.support.small_cubes import write_raster
from timesenclip_hf.data.schema import as_series
from timesenclip_hf.data.sources.eurosat import BANDS, import_eurosat, read_eurosat
from timesenclip_hf.taxonomies import load_taxonomy

NAMES = list(load_taxonomy("eurosat").names)
# Pushes `FOLDER/train` and `FOLDER/test`, and reads them again.
THROUGH_THE_HUB = """
from datasets import load_from_disk
for split in ("train", "test"):
    load_from_disk(FOLDER + "/" + split).push_to_hub("tester/eurosat", split=split)
from timesenclip_hf.data.sources.eurosat import read_eurosat
whole, test = read_eurosat("tester/eurosat"), read_eurosat("tester/eurosat", split="test")
print(json.dumps([whole["label"][:], whole.features["label"].names, whole["path"][:], len(test)]))
"""


def thirteen_bands(seed=0):
    return np.random.default_rng(seed).integers(0, 4_000, (13, 64, 64), dtype=np.uint16)


@pytest.fixture
def folder(tmp_path):
    """Two classes of pictures."""
    for place, name in enumerate(("River/River_2.jpg", "River/River_1.png", "Forest/Forest_1.JPG")):
        write_picture(tmp_path / "eurosat" / name, seed=place)
    return tmp_path / "eurosat"


def test_pictures_of_class_folders_are_rows_with_the_class_indices_of_the_taxonomy(folder):
    dataset = read_eurosat(folder)
    assert dataset.column_names == ["image", "label", "path", "longitude", "latitude"]
    assert dataset.features["label"].names == load_taxonomy("eurosat").class_names
    assert dataset["label"][:] == [1, 8, 8]
    assert dataset["path"][:] == ["Forest/Forest_1.JPG", "River/River_1.png", "River/River_2.jpg"]
    assert dataset[1]["image"] == Picture.open(folder / "River" / "River_1.png")


def test_folders_may_have_the_names_of_the_papers(tmp_path):
    write_picture(tmp_path / "Sea or Lake" / "a.jpg")
    write_picture(tmp_path / "annual_crop" / "b.jpg")
    assert sorted(read_eurosat(tmp_path)["label"]) == [0, 9]


def test_an_unknown_folder_is_refused_with_the_names_of_the_ten(folder):
    write_picture(folder / "Desert" / "a.jpg")
    with pytest.raises(ValueError, match="'Desert', which is no class of EuroSAT") as caught:
        read_eurosat(folder)
    assert all(name in str(caught.value) for name in NAMES)


def test_an_empty_folder_and_one_that_is_none_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no image in folders named AnnualCrop"):
        read_eurosat(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="No such folder"):
        read_eurosat(tmp_path / "file")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: write_picture(path, size=32), r"image of another size \(32 x 32 pixels, EuroSAT's are 64 x 64\)"),
        (lambda path: path.write_bytes(b"no picture"), "image cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:900]), "image cannot be read"),
        (lambda path: Picture.new("L", (64, 64)).save(path), "image is not RGB"),
    ],
)
def test_a_picture_that_cannot_be_used_ends_the_reading_or_is_left_out_and_listed(folder, spoil, reason):
    spoil(folder / "River" / "River_2.jpg")
    with pytest.raises(ValueError, match=rf"River_2.jpg: {reason}.*mend or remove it") as caught:
        read_eurosat(folder)
    assert "\n" not in str(caught.value)
    problems = []
    assert len(read_eurosat(folder, problems=problems)) == 2
    assert [(problem.point_id, problem.skipped) for problem in problems] == [("River_2", True)]


def test_rasters_give_the_picture_of_their_red_green_and_blue_and_their_place(tmp_path):
    values = thirteen_bands()
    (tmp_path / "River").mkdir()
    write_raster(tmp_path / "River" / "River_1.tif", values)
    dataset = read_eurosat(tmp_path, bands=["B8A", "B2"], located=True)
    red_green_blue = np.moveaxis(values[[3, 2, 1]], 0, -1)
    picture = np.asarray(dataset[0]["image"]).astype(int)
    assert np.abs(picture - np.minimum(red_green_blue / 2750, 1) * 255).max() <= 1
    kept = as_series(dataset.with_format("arrow")[:]["reflectance"], num_bands=2, crop=64)
    assert np.array_equal(kept[0, 0], values[[BANDS.index("B8A"), BANDS.index("B02")]])
    assert BANDS.index("B8A") == 12
    assert dataset[0]["longitude"] == pytest.approx(3.0046, abs=1e-3)
    assert dataset[0]["latitude"] == pytest.approx(50.552, abs=2e-2)


def test_a_raster_without_georeference_is_refused_where_one_is_needed_only(tmp_path):
    (tmp_path / "River").mkdir()
    path = tmp_path / "River" / "River_1.tif"
    shape = {"count": 13, "height": 64, "width": 64, "dtype": "uint16"}
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(path, "w", **shape) as raster:
        raster.write(thirteen_bands())
    assert np.isnan(read_eurosat(tmp_path)["longitude"][0])
    with pytest.raises(ValueError, match=r"River_1.tif: no georeference \(give a GeoTIFF with a coordinate"):
        read_eurosat(tmp_path, located=True)


def test_rasters_of_other_bands_and_sizes_are_listed(tmp_path):
    (tmp_path / "River").mkdir()
    write_raster(tmp_path / "River" / "a.tif", thirteen_bands())
    write_raster(tmp_path / "River" / "b.tif", thirteen_bands()[:4])
    write_raster(tmp_path / "River" / "c.tif", thirteen_bands()[:, :60])
    (tmp_path / "River" / "d.tif").write_bytes(b"")
    problems = []
    assert len(read_eurosat(tmp_path, problems=problems)) == 1
    assert [(problem.source, problem.reason) for problem in problems] == [
        ("b.tif", "GeoTIFF of other bands"),
        ("c.tif", "image of another size"),
        ("d.tif", "image cannot be read"),
    ]
    assert "64 x 60 pixels" in problems[1].detail


def test_bands_and_places_are_not_asked_of_pictures(folder):
    for asked in ({"bands": ["B02"]}, {"located": True}):
        with pytest.raises(ValueError, match=r"has neither bands nor a georeference: give the folder of 13-band"):
            read_eurosat(folder, **asked)
    with pytest.raises(ValueError, match="B77"):
        read_eurosat(folder, bands=["B77"])


def test_an_import_reads_like_its_source_and_carries_its_images(folder, tmp_path):
    write_picture(folder / "River" / "River_3.jpg", size=10)
    report = import_eurosat(folder, tmp_path / "out", workers=1, progress=False)
    assert (report.points, report.rows, report.counts) == (4, 3, {"image of another size": 1})
    before = read_eurosat(folder, problems=[])
    shutil.rmtree(folder)
    after = read_eurosat(tmp_path / "out")
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert after.features == loaded.features == before.features
    assert after["path"][:] == before["path"][:]
    assert all(row["image"].size == (64, 64) for row in after)


def test_a_copy_on_the_hub_comes_in_our_order_of_classes_and_all_its_splits(hub, tmp_path):
    names = ["SeaLake", "Forest", *(name for name in NAMES if name not in ("SeaLake", "Forest"))]
    features = Features({"image": Image(), "label": ClassLabel(names=names), "image_id": Value("string")})
    for split, label in (("train", 1), ("test", 0)):
        image = {"path": str(write_picture(tmp_path / f"{split}.jpg")), "bytes": None}
        Dataset.from_dict(
            {"image": [image], "label": [label], "image_id": [f"{split}.jpg"]}, features=features
        ).save_to_disk(tmp_path / split)
    labels, ours, paths, tests = hub.run(tmp_path / "home", THROUGH_THE_HUB.replace("FOLDER", repr(str(tmp_path))))
    assert dict(zip(paths, labels, strict=True)) == {"train.jpg": 1, "test.jpg": 9}
    assert ours == load_taxonomy("eurosat").class_names
    assert tests == 1


def test_what_is_neither_folder_nor_dataset_is_refused_in_one_line():
    with pytest.raises(ValueError, match="neither a folder no/where nor such a dataset on the Hub") as caught:
        read_eurosat("no/where")
    assert "\n" not in str(caught.value)


def test_a_dataset_of_other_classes_or_columns_is_refused(tmp_path):
    image = {"path": str(write_picture(tmp_path / "a.jpg")), "bytes": None}
    wrong = {
        "labels": ({"image": [image], "label": [0]}, {"label": ClassLabel(names=["lava"])}, "are not EuroSAT's"),
        "columns": ({"image": [image]}, {}, "must have a column `image` of pictures and a column `label`"),
    }
    for name, (columns, features, message) in wrong.items():
        data = tmp_path / name / "data"
        data.mkdir(parents=True)
        Dataset.from_dict(columns, features=Features({"image": Image(), **features})).to_parquet(data / "train.parquet")
        with pytest.raises(ValueError, match=message):
            read_eurosat(data.parent)
    with pytest.raises(ValueError, match="has no split 'dev': its splits are train"):
        read_eurosat(data.parent, split="dev")


@settings(max_examples=25)
@given(content=st.binary(max_size=300), suffix=st.sampled_from(["jpg", "tif"]))
def test_any_bytes_are_listed_as_no_image(content, suffix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    write_picture(folder / "Forest" / "a.png")
    (folder / "Forest" / f"b.{suffix}").write_bytes(content)
    problems = []
    assert len(read_eurosat(folder, problems=problems)) == 1
    assert len(problems) == 1


@pytest.mark.real_data
def test_real_rasters_give_the_pictures_that_eurosat_published(real_data):
    published = {path.stem: path for path in (real_data / "eurosat_rgb_2000").glob("*/*.jpg")}
    rasters = read_eurosat(real_data / "eurosat_ms_rgb_subset100" / "tif13", located=True)
    errors = []
    for row in rasters:
        name = row["path"].split("/")[1].removesuffix(".tif")
        if name in published:
            difference = np.asarray(row["image"]).astype(int) - np.asarray(Picture.open(published[name]))
            errors.append(np.abs(difference).mean())
    assert len(rasters) == 100
    assert len(errors) == 6
    assert max(errors) <= 2.5
