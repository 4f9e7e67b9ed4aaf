import datasets
import numpy as np
import pytest

from tests.support.image_files import random_pictures, write_patch
from timesenclip_hf.evaluation.baselines import ImageModel, load_image_model
from timesenclip_hf.evaluation.harness import evaluate_images
from timesenclip_hf.evaluation.image_measurement import ImageProtocol
from timesenclip_hf.evaluation.sets.images import (
    ImageColumn,
    ImageSet,
    bigearthnet_set,
    dataset_images,
    eurosat_set,
    open_image_sets,
)
from timesenclip_hf.evaluation.tasks import Task
from timesenclip_hf.evaluation.uncertainty import Resampling
from timesenclip_hf.taxonomies import load_taxonomy

FEW = Resampling(20)
SCENES = Task("scene", "label", load_taxonomy("eurosat"))


@pytest.fixture(scope="module")
def image_model(tiny_clip):
    return load_image_model(str(tiny_clip))


def as_dataset(sides, label=None):
    columns = {"image": [random_pictures(1, seed, side)[0] for seed, side in enumerate(sides)]}
    features = datasets.Features({"image": datasets.Image()})
    if label is not None:
        columns["label"] = label
        features["label"] = datasets.ClassLabel(names=["bog", "fen"])
    return datasets.Dataset.from_dict(columns, features=features)


def test_a_column_of_images_is_read_where_it_is_sliced():
    column = ImageColumn(as_dataset([8, 8, 8]))
    assert column.shape == (3, 8, 8, 3)
    np.testing.assert_array_equal(column[1:3], np.concatenate([random_pictures(1, seed, 8) for seed in (1, 2)]))


def test_images_of_another_size_are_named():
    with pytest.raises(ValueError, match=r"Image 1 is \(6, 6, 3\), the first is \(8, 8, 3\): bring images of one size"):
        ImageColumn(as_dataset([8, 6]))[0:2]


@pytest.mark.parametrize(
    ("images", "truth", "sentence"),
    [
        (random_pictures(0), np.zeros(0, dtype=int), "empty has no images: there is nothing to evaluate"),
        (random_pictures(3), np.zeros(2, dtype=int), r"must be \(3,\) class indices or \(3, 10\) booleans, got \(2,\)"),
    ],
)
def test_a_set_that_cannot_be_scored_is_refused(images, truth, sentence):
    with pytest.raises(ValueError, match=sentence):
        ImageSet("empty", "all", images, [SCENES], {"scene": truth})


def test_a_dataset_of_one_s_own_is_evaluated_by_its_class_names():
    mine = dataset_images(as_dataset([8] * 4, label=[0, 1, 1, 0]), "mine", "test", "label")
    assert mine.tasks[0].labels == ["bog", "fen"]
    assert mine.truth["label"].tolist() == [0, 1, 1, 0]
    with pytest.raises(ValueError, match="mine has no column 'kind': its columns are image, label"):
        dataset_images(as_dataset([8], label=[0]), "mine", "test", "kind")
    with pytest.raises(ValueError, match="The column 'image' of mine holds no classes"):
        dataset_images(as_dataset([8], label=[0]), "mine", "test", "image")


def test_a_set_that_nobody_knows_is_refused_in_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such folder"):
        list(open_image_sets([f"bigearthnet:{tmp_path / 'absent'}"]))


def test_patches_that_cannot_be_used_are_left_out_and_noted(tmp_path):
    for name in ("S2A_1", "S2A_2"):
        write_patch(tmp_path, name)
    (tmp_path / "S2A_2" / "S2A_2_B03.tif").unlink()
    patches = bigearthnet_set(str(tmp_path))
    assert len(patches.images) == 1
    assert patches.notes[-1] == "Patches that cannot be used are left out (band is missing: 1)."


@pytest.mark.real_data
def test_real_eurosat_and_bigearthnet_are_read_with_their_labels(real_data, image_model):
    pictures = eurosat_set(str(real_data / "eurosat_rgb_2000"), num_images=20)
    assert pictures.images.shape == (20, 64, 64, 3)
    tiffs = eurosat_set(str(real_data / "eurosat_ms_rgb_subset100" / "tif13"))
    assert np.bincount(tiffs.truth["scene"]).tolist() == [10] * 10
    patches = bigearthnet_set(str(real_data / "bigearthnet_3patches"))
    assert patches.images.shape == (3, 120, 120, 3)
    assert patches.truth["land_cover_19"].sum() == 7
    results = evaluate_images([image_model], [pictures, patches], ImageProtocol(("mixed",), resampling=FEW))
    assert isinstance(image_model, ImageModel)
    assert len(results["runs"]) == 2
