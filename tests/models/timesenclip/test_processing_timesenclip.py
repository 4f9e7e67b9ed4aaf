import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from timesenclip_hf import TimeSenCLIPModel, TimeSenCLIPProcessor


@pytest.fixture(scope="module")
def processor(tiny_checkpoint) -> TimeSenCLIPProcessor:
    return AutoProcessor.from_pretrained(tiny_checkpoint)


def test_it_loads_through_auto_classes_with_what_it_was_saved_with(processor, tmp_path):
    assert type(processor) is TimeSenCLIPProcessor
    assert processor.hypothesis_template == ["a photo of {}", "{}"]
    assert processor.known_words is None
    processor.known_words = ["maize", "wheat"]
    processor.save_pretrained(tmp_path)
    processor.known_words = None
    assert AutoProcessor.from_pretrained(tmp_path).known_words == ["maize", "wheat"]


def test_one_call_prepares_all_three_inputs_for_one_call_of_the_model(processor, tiny_checkpoint):
    inputs = processor(
        series=np.full((2, 12, 10), 0.2),
        text=["maize", "broadleaved woodland"],
        images=[np.zeros((40, 60, 3), dtype=np.uint8)] * 2,
        return_tensors="pt",
    )
    output = TimeSenCLIPModel.from_pretrained(tiny_checkpoint)(**inputs)
    assert output.logits_per_series.shape == (2, 2)
    assert output.image_embeds.shape == (2, 32)


def test_what_describes_the_series_reaches_the_feature_extractor(processor):
    inputs = processor(series=np.full((2, 10), 0.2), dates=["2018-01-01", "2018-03-01"])
    assert inputs["series_mask"][0].tolist() == [month in (0, 2) for month in range(12)]


def test_texts_longer_than_the_tower_are_cut(processor):
    assert processor(text="maize " * 100, return_tensors="pt")["input_ids"].shape == (1, 77)
    assert torch.equal(
        processor(text="maize", return_tensors="pt")["input_ids"],
        processor(text=["maize"], return_tensors="pt")["input_ids"],
    )


def test_nothing_to_prepare_is_refused(processor):
    with pytest.raises(ValueError, match="Give at least one of `series`, `text` and `images`"):
        processor()
