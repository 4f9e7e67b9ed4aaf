import datasets
import numpy as np
import pytest

from timesenclip_hf.evaluation.images import ImageColumn, ImageSet
from timesenclip_hf.evaluation.tasks import Task
from timesenclip_hf.evaluation.uncertainty import Resampling
from timesenclip_hf.taxonomies import load_taxonomy

FEW = Resampling(20)
SCENES = Task("scene", "label", load_taxonomy("eurosat"))
COVERS = Task("covers", "labels", load_taxonomy("bigearthnet19"))


def random_pictures(count, seed=0, side=40):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


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
