import numpy as np
import pytest
from datasets import Dataset, load_dataset
from PIL import Image as Picture

from tests.support.image_files import write_patch
from tests.support.small_cubes import write_raster
from timesenclip_hf.data.schema import as_series
from timesenclip_hf.data.sources.bigearthnet import (
    DROPPED,
    SIDES,
    import_bigearthnet,
    multi_hot,
    read_bigearthnet,
    read_patch,
)
from timesenclip_hf.taxonomies import load_taxonomy

TAXONOMY = load_taxonomy("bigearthnet19")
# CORINE's 43 classes of version 1, from Sumbul et al. 2019, by the class of the 19 that they belong to.
MERGED = {
    "Urban fabric": ["Continuous urban fabric", "Discontinuous urban fabric"],
    "Arable land": ["Non-irrigated arable land", "Permanently irrigated land", "Rice fields"],
    "Permanent crops": [
        "Vineyards",
        "Fruit trees and berry plantations",
        "Olive groves",
        "Annual crops associated with permanent crops",
    ],
    "Natural grassland and sparsely vegetated areas": ["Natural grassland", "Sparsely vegetated areas"],
    "Moors, heathland and sclerophyllous vegetation": ["Moors and heathland", "Sclerophyllous vegetation"],
    "Transitional woodland, shrub": ["Transitional woodland/shrub"],
    "Beaches, dunes, sands": ["Beaches, dunes, sands"],
    "Inland wetlands": ["Inland marshes", "Peatbogs"],
    "Coastal wetlands": ["Salt marshes", "Salines"],
    "Inland waters": ["Water courses", "Water bodies"],
    "Marine waters": ["Coastal lagoons", "Estuaries", "Sea and ocean"],
    **{
        name: [name]
        for name in (
            "Industrial or commercial units",
            "Pastures",
            "Complex cultivation patterns",
            "Land principally occupied by agriculture, with significant areas of natural vegetation",
            "Agro-forestry areas",
            "Broad-leaved forest",
            "Coniferous forest",
            "Mixed forest",
        )
    },
}


def test_a_patch_is_the_picture_of_its_red_green_and_blue_with_its_labels_place_and_date(tmp_path):
    bands = write_patch(tmp_path, "S2A_1", ["Vineyards", "Olive groves", "Sea and ocean"])
    dataset = read_bigearthnet(tmp_path, located=True)
    row = dataset[0]
    expected = np.stack([bands["B04"], bands["B03"], bands["B02"]], axis=-1) / 2_750
    assert np.abs(np.asarray(row["image"]).astype(int) - np.minimum(expected, 1) * 255).max() <= 1
    names = [name for name, present in zip(TAXONOMY.class_names, row["labels"], strict=True) if present]
    assert names == ["Permanent crops", "Marine waters"]
    assert (row["point_id"], row["date"], row["split"]) == ("S2A_1", "2017-06-17", "")
    assert row["latitude"] == pytest.approx(50.55, abs=0.02)


def test_kept_bands_lie_on_the_finest_grid(tmp_path):
    bands = write_patch(tmp_path, "S2A_1")
    dataset = read_bigearthnet(tmp_path, bands=["B3", "B11", "B01"])
    kept = as_series(dataset.with_format("arrow")[:]["reflectance"], num_bands=3, crop=120)[0, 0]
    assert np.array_equal(kept[0], bands["B03"])
    assert np.array_equal(kept[1], np.kron(bands["B11"], np.ones((2, 2))))
    assert np.array_equal(kept[2], np.kron(bands["B01"], np.ones((6, 6))))
    assert {name: values.shape for name, values in read_patch(tmp_path / "S2A_1").items()} == {
        name: (side, side) for name, side in SIDES.items()
    }


def test_the_43_classes_go_to_the_19_or_are_dropped():
    assert sorted(MERGED) == sorted(TAXONOMY.class_names)
    assert sum(map(len, MERGED.values())) + len(DROPPED) == 43
    for name, members in MERGED.items():
        for label in (name, *members):
            hot, dropped = multi_hot([label])
            assert [TAXONOMY.class_names[place] for place in np.flatnonzero(hot)] == [name]
            assert dropped == []
    hot, dropped = multi_hot(DROPPED)
    assert not hot.any()
    assert tuple(dropped) == DROPPED


def test_dropped_labels_are_counted_and_a_patch_left_without_any_is_listed(tmp_path):
    write_patch(tmp_path, "S2A_1", ["Airports", "Pastures"])
    write_patch(tmp_path, "S2A_2", ["Bare rock"])
    problems = []
    assert read_bigearthnet(tmp_path, problems=problems)["point_id"][:] == ["S2A_1"]
    assert [(problem.reason, problem.point_id, problem.detail, problem.skipped) for problem in problems] == [
        ("label outside the 19 classes", "S2A_1", "Airports", False),
        ("label outside the 19 classes", "S2A_2", "Bare rock", False),
        ("no label of the 19 classes", "S2A_2", "Bare rock", True),
    ]
    with pytest.raises(ValueError, match=r"S2A_2: no label of the 19 classes \(Bare rock\): mend or remove it"):
        read_bigearthnet(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "S2A_2_B03.tif").unlink(), r"band is missing \(S2A_2_B03.tif\)"),
        (lambda folder: (folder / "S2A_2_B03.tif").write_bytes(b"x"), "image cannot be read"),
        (lambda folder: (folder / "S2A_2_labels_metadata.json").unlink(), "no labels"),
        (lambda folder: (folder / "S2A_2_labels_metadata.json").write_text("[1]"), "no labels"),
        (
            lambda folder: (folder / "S2A_2_labels_metadata.json").write_text('{"labels": ["Lava"]}'),
            r"unknown label \(There is no class 'Lava'",
        ),
        (
            lambda folder: write_raster(folder / "S2A_2_B02.tif", np.zeros((1, 60, 60), dtype=np.uint16)),
            r"image of another size \(60 x 60 pixels, S2A_2_B02.tif: BigEarthNet's B02 are 120 x 120\)",
        ),
        (
            lambda folder: write_raster(folder / "S2A_2_B02.tif", np.zeros((1, 120, 120), dtype=np.uint16), crs=None),
            "no georeference",
        ),
    ],
)
def test_a_patch_that_cannot_be_used_ends_the_reading_or_is_left_out_and_listed(tmp_path, spoil, reason):
    write_patch(tmp_path, "S2A_1")
    write_patch(tmp_path, "S2A_2")
    spoil(tmp_path / "S2A_2")
    with pytest.raises(ValueError, match=f"S2A_2: {reason}") as caught:
        read_bigearthnet(tmp_path, located=True)
    assert "\n" not in str(caught.value)
    problems = []
    assert len(read_bigearthnet(tmp_path, located=True, problems=problems)) == 1
    assert [problem.point_id for problem in problems] == ["S2A_2"]


@pytest.mark.parametrize("beside", [True, False])
def test_version_2_takes_labels_and_splits_from_its_table(tmp_path, beside):
    name = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57"
    root = tmp_path / "BigEarthNet-S2"
    write_patch(root / "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP", name, labels=None)
    table = Dataset.from_dict(
        {"patch_id": [name], "labels": [["Mixed forest"]], "split": ["test"], "country": ["Austria"]}
    )
    table.to_parquet(tmp_path / ("metadata.parquet" if beside else "labels.parquet"))
    row = read_bigearthnet(root, metadata=None if beside else tmp_path / "labels.parquet")[0]
    assert (row["split"], row["date"]) == ("test", "2017-06-13")
    assert TAXONOMY.class_names[row["labels"].index(True)] == "Mixed forest"
    Dataset.from_dict({"patch_id": [name]}).to_parquet(tmp_path / "strange.parquet")
    with pytest.raises(ValueError, match=r"strange\.parquet has no column 'labels'"):
        read_bigearthnet(root, metadata=tmp_path / "strange.parquet")
    with pytest.raises(FileNotFoundError, match="No such table of labels"):
        read_bigearthnet(root, metadata=tmp_path / "none.parquet")


def test_an_import_reads_like_the_folder(tmp_path):
    for place in range(3):
        write_patch(tmp_path / "patches", f"S2A_{place}", ["Pastures"] if place else ["Bare rock"], seed=place)
    report = import_bigearthnet(tmp_path / "patches", tmp_path / "out", bands=["B08"], workers=1, progress=False)
    assert (report.points, report.rows) == (3, 2)
    assert [problem.point_id for problem in report.skipped] == ["S2A_0"]
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    read = read_bigearthnet(tmp_path / "patches", bands=["B08"], problems=[])
    assert loaded.features == read.features
    assert [row == other for row, other in zip(loaded, read, strict=True)] == [True, True]


def test_a_folder_without_patches_and_an_unknown_band_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no patch of BigEarthNet"):
        read_bigearthnet(tmp_path)
    with pytest.raises(FileNotFoundError, match="No such folder"):
        read_bigearthnet(tmp_path / "none")
    write_patch(tmp_path, "S2A_1")
    with pytest.raises(ValueError, match="There is no band 'B10': the patches have"):
        read_bigearthnet(tmp_path, bands=["B10"])


@pytest.mark.real_data
def test_the_three_real_patches_have_their_bands_and_labels(real_data):
    problems = []
    dataset = read_bigearthnet(real_data / "bigearthnet_3patches", located=True, problems=problems)
    assert problems == []
    labels = [[TAXONOMY.class_names[place] for place in np.flatnonzero(row)] for row in dataset["labels"]]
    assert labels == [
        ["Arable land", "Pastures"],
        ["Pastures"],
        [
            "Complex cultivation patterns",
            "Land principally occupied by agriculture, with significant areas of natural vegetation",
            "Broad-leaved forest",
            "Transitional woodland, shrub",
        ],
    ]
    assert dataset["date"][:] == ["2017-06-17", "2017-06-17", "2017-12-21"]
    assert np.allclose(dataset["longitude"][:], [-6.9, -7.4, -8.2], atol=0.1)
    # Grass in June is greener than it is red or blue, and bluest last.
    red, green, blue = np.asarray(dataset[1]["image"]).reshape(-1, 3).mean(axis=0)
    assert green > red > blue
    assert isinstance(dataset[0]["image"], Picture.Image)
