import json

import numpy as np
import pytest

from timesenclip_hf.data.schema import UNKNOWN
from training import real_sets


@pytest.mark.parametrize("path", sorted(real_sets.LABEL_SETS.glob("*.json")), ids=lambda path: path.stem)
def test_each_label_set_of_the_samples_says_its_source_and_names_each_class_once(path):
    taxonomy = real_sets.label_set(path.stem)
    assert taxonomy.source == json.loads(path.read_text())["source"]
    assert len(set(taxonomy.class_names)) == len(taxonomy.labels) >= 2


@pytest.mark.real_data
def test_each_folder_of_labelled_pixels_is_read_or_left_out_with_a_reason(real_data):
    without_pixels = {"README.md", "clip_tokenizer", "nomenclatures", "worldcereal_legends"}
    folders = {path.name for path in real_data.iterdir()}
    assert folders - without_pixels <= set(real_sets._SETS) | set(real_sets.LEFT_OUT)


@pytest.mark.real_data
def test_rondonia_is_asked_for_four_covers_and_for_forest_or_pasture(real_data):
    rondonia = real_sets.rondonia(real_data / "sits_rondonia_2018")
    covers, pair = (counts(task, rondonia.samples) for task in rondonia.tasks)
    assert covers == {"pasture": 460, "forest": 414, "natural non-forest vegetation": 171, "recently cleared": 157}
    assert pair == {"forest": 414, "pasture": 460}
    assert rondonia.samples.series.shape == (1202, 12, 10)
    assert sorted(rondonia.samples.months[0].round().tolist()) == list(range(12))


def counts(task, samples):
    truth = task.truth(samples)
    return dict(zip(task.labels, np.bincount(truth[truth != UNKNOWN]).tolist(), strict=True))
