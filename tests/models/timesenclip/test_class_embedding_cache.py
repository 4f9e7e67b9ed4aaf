"""Class embeddings that a pipeline keeps are never those of other words, templates, weights or tokens."""

from collections import OrderedDict, deque
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer, pipeline

from timesenclip_hf import ZeroShotPixelClassificationPipeline
from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK

SERIES = np.random.default_rng(0).uniform(0.02, 0.4, (2, 12, 10)).astype(np.float32)
FIRST, SECOND = ["maize", "water", "bare soil"], ["wheat", "water", "bare soil"]
LONG = [f"crop {index}" for index in range(40)]
OTHER = [*LONG[:20], "another", *LONG[21:]]


def legend(names):
    return {name: index for index, name in enumerate(names)}


# Each makes labels of names: the same object anew, in a form that prints alike, is read once, or is changed in place.
FORMS = {
    "list": list,
    "tuple": tuple,
    "string": ", ".join,
    "string in quotes": lambda names: '"' + '", "'.join(names) + '"',
    "generator": lambda names: (name for name in names),
    "iterator": iter,
    "map": lambda names: map(str.upper, names),
    "filter": lambda names: filter(None, names),
    "zip unpacked": lambda names: (pair[0] for pair in zip(names, names, strict=True)),
    "deque": deque,
    "dictionary keys": lambda names: dict.fromkeys(names).keys(),
    "dictionary values": lambda names: dict(enumerate(names)).values(),
    "numpy array of text": np.array,
    "numpy array of objects": lambda names: np.array(names, dtype=object),
    "numpy view in reverse": lambda names: np.array(names)[::-1],
    "numpy text scalars": lambda names: [np.str_(name) for name in names],
    "pandas series": pd.Series,
    "pandas series with a name": lambda names: pd.Series(names, name="class"),
    "pandas index": pd.Index,
    "pandas categories": lambda names: pd.Categorical(names),
    "pandas text": lambda names: pd.Series(names, dtype="string"),
    "column of a frame": lambda names: pd.DataFrame({"class": names})["class"],
    "phrases": lambda names: {"a": names[0], "b": names[1], "c": names[2]},
    "several phrases": lambda names: {"a": [names[0], "x"], "b": [names[1]], "c": [names[2]]},
    "phrases in tuples": lambda names: {"a": (names[0], "x"), "b": (names[1],)},
    "ordered dictionary": lambda names: OrderedDict({"a": [names[0]], "b": [names[1]]}),
    "read-only dictionary": lambda names: MappingProxyType({"a": [names[0]], "b": [names[1]]}),
    "legend of codes": legend,
    "legend of colours": lambda names: dict.fromkeys(names, "#ff0000"),
    "legend by code": lambda names: dict(enumerate(names)),
    "numbers": lambda names: [len(names[0]), 7, 8],
    "long list": lambda names: LONG if names is FIRST else OTHER,
    "long pandas series": lambda names: pd.Series(LONG if names is FIRST else OTHER),
    "long array": lambda names: np.array([f"crop {i}" for i in range(1500)] + [names[0]]),
}


@pytest.fixture
def classify(tiny_checkpoint) -> ZeroShotPixelClassificationPipeline:
    return pipeline(TASK, model=str(tiny_checkpoint), device="cpu")


def fresh(classify, labels, **kwargs):
    return pipeline(TASK, model=classify.model, processor=classify.processor, device="cpu")(SERIES, labels, **kwargs)


@pytest.mark.parametrize("form", FORMS)
def test_labels_of_any_form_get_their_own_answer_after_others_of_the_same_form(classify, form):
    make = FORMS[form]
    answers = [classify(SERIES, make(names)) for names in (FIRST, SECOND, FIRST)]
    assert answers == [fresh(classify, make(names)) for names in (FIRST, SECOND, FIRST)]
    same = form == "numbers"  # "maize" and "wheat" are as long
    assert (answers[0] == answers[1]) == same


def test_labels_changed_in_place_are_other_labels(classify):
    labels, phrases, array = list(FIRST), {"a": ["maize"], "b": ["water"]}, np.array(FIRST, dtype=object)
    before = [classify(SERIES, each) for each in (labels, phrases, array)]
    labels[0], phrases["a"][0], array[0] = "wheat", "wheat", "wheat"
    after = [classify(SERIES, each) for each in (labels, phrases, array)]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert after == [fresh(classify, each) for each in (labels, phrases, array)]


def test_templates_are_part_of_the_question(classify):
    asked = [None, "{}", "a map of {}", ["{}", "a map of {}"]]
    answers = [classify(SERIES, FIRST, hypothesis_template=template) for template in asked]
    assert answers == [fresh(classify, FIRST, hypothesis_template=template) for template in asked]
    classify.processor.hypothesis_template = "{} from above"
    assert classify(SERIES, FIRST) == fresh(classify, FIRST)
    classify.processor.hypothesis_template = ["{}", "{} from below"]
    assert classify(SERIES, FIRST) == fresh(classify, FIRST)


def step(optimiser):
    def change(model):
        model.text_model(input_ids=torch.tensor([[5, 6, 7]])).pooler_output.square().sum().backward()
        optimiser(model.text_model.parameters()).step()

    return change


def in_place(model):
    with torch.no_grad():
        model.text_projection.weight.copy_(model.text_projection.weight.roll(3, dims=0))


def through_data(model):
    model.text_projection.weight.data[3, 4] += 2.0


def one_token_through_numpy(model):
    ids = torch.tensor(AutoTokenizer.from_pretrained(model.name_or_path)("maize")["input_ids"])
    model.text_model.embeddings.token_embedding.weight.detach().numpy()[ids] += 0.5


def another_parameter(model):
    model.text_projection.weight = torch.nn.Parameter(model.text_projection.weight.detach().flip(0))


def loaded(model):
    model.load_state_dict({name: tensor * 1.3 for name, tensor in model.state_dict().items()})


def inference_mode(model):
    with torch.inference_mode():
        model.text_projection.weight.mul_(torch.linspace(-1, 1, 32))


def narrower(model):
    model.text_model.bfloat16().float()


def hook(model):
    def turned(module, args, output):
        output.pooler_output = output.pooler_output.flip(-1)

    model.text_model.register_forward_hook(turned)


def hook_inside(model):
    model.text_model.encoder.layers[0].register_forward_hook(lambda module, args, output: -output)


def adapter(model):
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install -c constraints.txt peft")
    model.text_model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "fc1"], init_lora_weights=False))


def temperature(model):
    model.config.calibration_temperature = 5.0


def learned_scale(model):
    model.logit_scale.data.sub_(1.0)


CHANGES = {
    "AdamW": step(lambda parameters: torch.optim.AdamW(parameters, lr=0.1)),
    "fused AdamW": step(lambda parameters: torch.optim.AdamW(parameters, lr=0.1, fused=True)),
    "fused SGD": step(lambda parameters: torch.optim.SGD(parameters, lr=0.5, fused=True)),
    "foreach Adam": step(lambda parameters: torch.optim.Adam(parameters, lr=0.1, foreach=True)),
    **{
        change.__name__: change
        for change in (
            in_place,
            through_data,
            one_token_through_numpy,
            another_parameter,
            loaded,
            inference_mode,
            narrower,
            hook,
            hook_inside,
            adapter,
            temperature,
            learned_scale,
        )
    },
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_text_side_is_noticed(classify, change):
    before = classify(SERIES, FIRST)
    CHANGES[change](classify.model)
    after = classify(SERIES, FIRST)
    assert after != before
    assert after == fresh(classify, FIRST)


def test_an_adapter_that_is_switched_or_scaled_is_noticed(classify):
    before = classify(SERIES, FIRST)
    adapter(classify.model)
    adapted = classify(SERIES, FIRST)
    classify.model.text_model.disable_adapters()
    assert classify(SERIES, FIRST) == before
    classify.model.text_model.enable_adapters()
    assert classify(SERIES, FIRST) == adapted
    for module in classify.model.text_model.modules():
        if hasattr(module, "scale_layer"):
            module.scale_layer(3.0)
    assert classify(SERIES, FIRST) not in (before, adapted)


def test_another_tokenizer_is_noticed(classify, tiny_checkpoint):
    before = classify(SERIES, FIRST)
    other = AutoTokenizer.from_pretrained(tiny_checkpoint)
    other.add_tokens(["maize"])
    with torch.no_grad():
        classify.model.text_model.resize_token_embeddings(len(other))
    classify.processor.tokenizer.add_tokens(["maize"])
    assert classify(SERIES, FIRST) != before
    classify.processor.tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    assert classify(SERIES, FIRST) == before


def test_an_autocast_around_it_changes_neither_this_answer_nor_the_next(classify):
    with torch.autocast("cpu", torch.bfloat16):
        inside = classify(SERIES, FIRST)
    assert inside == fresh(classify, FIRST) == classify(SERIES, FIRST)
