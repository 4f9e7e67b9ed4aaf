import re

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


SERIES = np.full((2, 12, 10), 0.2)
PHOTOS = [np.full((40, 60, 3), 90, dtype=np.uint8)]
MANY_WORDS = "bare soil between rows of young maize plants"


@pytest.mark.parametrize("nested", [False, True], ids=["by itself", "in its dictionary"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("series", {"dates": [f"2018-{month:02d}-15" for month in range(1, 13)]}),
        ("series", {"composite": "none", "months": list(range(11, -1, -1))}),
        ("series", {"units": "percent"}),
        ("text", {"padding": "max_length", "max_length": 70}),
        ("text", {"padding": False, "truncation": False}),
        ("text", {"max_length": 5}),
        ("text", {"return_attention_mask": False}),
        ("text", {"add_special_tokens": False}),
        ("text", {"padding_side": "left"}),
        ("images", {"do_normalize": False}),
        ("images", {"do_rescale": False}),
        ("images", {"image_mean": [0.1, 0.2, 0.3]}),
        ("images", {"do_center_crop": False, "size": {"height": 20, "width": 24}}),
    ],
)
def test_every_option_has_the_effect_that_it_has_on_its_part(processor, kind, options, nested):
    series = SERIES * 100 if "units" in options else SERIES
    inputs = {"series": series, "text": [MANY_WORDS, "maize"], "images": PHOTOS}
    usual = processor(**{**inputs, "series": SERIES}, return_tensors="np" if kind != "text" else None)
    tensors = {} if kind == "text" else {"return_tensors": "np"}
    got = processor(**inputs, **tensors, **({f"{kind}_kwargs": options} if nested else options))
    own = {
        "series": lambda: processor.feature_extractor(series, **tensors, **options),
        "text": lambda: processor.tokenizer(inputs["text"], **{"padding": True, "truncation": True, **options}),
        "images": lambda: processor.image_processor(PHOTOS, **tensors, **options),
    }[kind]()
    for name in own:
        np.testing.assert_array_equal(_comparable(got[name]), _comparable(own[name]), err_msg=name)
    if "units" not in options and "dates" not in options:  # those of twelve dates are what no dates mean
        assert any(
            name not in got or not np.array_equal(_comparable(got[name]), _comparable(usual[name]))
            for name in processor.model_input_names
        )


def _comparable(values):
    return values if isinstance(values, np.ndarray) else np.array([str(row) for row in values])


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"text": "maize", "paddin": True}, TypeError, "Unknown option 'paddin': use padding"),
        ({"text": "maize", "max_lenght": 5}, TypeError, "'max_lenght': use max_length"),
        ({"images": PHOTOS, "do_normalise": False}, TypeError, "'do_normalise': use do_normalize"),
        ({"series": SERIES, "date": ["2018-01-01"]}, TypeError, "'date': use dates"),
        ({"text": "maize", "text_kwargs": {"paddin": True}}, TypeError, "'paddin' of `text_kwargs`: use padding"),
        ({"series": SERIES, "series_kwargs": {"unit": "dn"}}, TypeError, "'unit' of `series_kwargs`: use units"),
        ({"text": "maize", "audio_kwargs": {"padding": True}}, TypeError, "Unknown option 'audio_kwargs'"),
        ({"series": SERIES, "padding": True}, ValueError, "`padding` is for `text`, and there are none"),
        ({"text": "maize", "dates": ["2018-01-01"]}, ValueError, "`dates` is for `series`, and there are none"),
        ({"text": "maize", "do_normalize": False}, ValueError, "`do_normalize` is for `images`, and there are none"),
        ({"text": "a", "padding": True, "text_kwargs": {"padding": True}}, ValueError, "`padding` is given twice"),
    ],
)
def test_what_has_no_effect_is_refused(processor, kwargs, error, message):
    with pytest.raises(error, match=re.escape(message)):
        processor(**kwargs)


def test_return_tensors_is_for_all_parts(processor):
    inputs = processor(SERIES, ["maize", "bare soil"], PHOTOS, return_tensors="pt")
    assert {type(values) for values in inputs.values()} == {torch.Tensor}


@pytest.mark.parametrize("batched", [True, False])
def test_a_dataset_is_mapped(processor, batched):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict(
        {
            "series": SERIES.reshape(2, 120).tolist(),
            "months": [list(range(12))] * 2,
            "label": ["maize", "water"],
            "year": [2018, 2019],
        }
    )
    mapped = rows.map(processor, batched=batched)
    assert mapped["label"] == ["maize", "water"]
    expected = processor(SERIES)["pixel_series"]
    np.testing.assert_allclose(np.array(mapped["pixel_series"]).reshape(expected.shape), expected, rtol=1e-6)


def test_a_dataset_without_series_is_told_so(processor):
    datasets = pytest.importorskip("datasets")
    with pytest.raises(ValueError, match="no column 'series' but reflectance, label"):
        datasets.Dataset.from_dict({"reflectance": SERIES.tolist(), "label": ["a", "b"]}).map(processor, batched=True)
