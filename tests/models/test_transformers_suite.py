"""What transformers asks of its own models, processors and configurations is asked of ours.

The tests are those of the source archive of the version that is installed; `NOT_APPLICABLE` lists what of them is not
asked, each with its reason, and each entry must fail, so that none outlives its reason.
"""

from fnmatch import fnmatchcase

import pytest
import torch

from tests.support.transformers_cases import (
    NOT_APPLICABLE,
    SUITES,
    entries_for,
    joint_config,
    photos,
    senclip_config,
    series,
    texts,
)
from tests.support.transformers_suite import run_apart, suite_folder
from timesenclip_hf import SenCLIPModel, TimeSenCLIPModel


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
def test_transformers_own_tests_pass(name):
    pytest.importorskip("parameterized", reason="parameterized is not installed: it is of the extra dev")
    try:
        suite_folder()
    except OSError as error:
        pytest.skip(str(error))
    outcome = run_apart(name)
    unexpected = {test: text for test, text in outcome["failed"].items() if not entries_for(name, test)}
    assert not unexpected, "\n".join(f"== {test}\n{text[-1500:]}" for test, text in unexpected.items())
    listed = {entry for entry in NOT_APPLICABLE if fnmatchcase(name, entry[0])}
    stale = listed - {entry for test in outcome["failed"] for entry in entries_for(name, test)}
    assert not stale, f"these do not fail: take them off the list: {sorted(stale)}"
    assert outcome["passed"]


def test_the_list_of_what_is_not_applicable_is_short():
    assert len(NOT_APPLICABLE) <= 25


@pytest.mark.parametrize("kind", ["joint", "senclip"])
def test_eager_attention_and_sdpa_agree(kind):
    torch.manual_seed(0)
    config, inputs = (
        (joint_config(), {**series(), **texts(), **photos()}) if kind == "joint" else (senclip_config(), photos())
    )
    model = (TimeSenCLIPModel if kind == "joint" else SenCLIPModel)(config).eval()
    outputs = []
    for attention in ("eager", "sdpa"):
        model.set_attn_implementation(attention)
        with torch.no_grad():
            output = model(**inputs)
        outputs.append(output.logits_per_series if kind == "joint" else output.image_embeds)
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)


def test_hidden_states_and_attentions_of_all_towers_can_be_asked_for():
    model = TimeSenCLIPModel(joint_config()).eval()
    model.set_attn_implementation("eager")
    output = model(**series(), **texts(), **photos(), output_hidden_states=True, output_attentions=True)
    for tower in (output.series_model_output, output.text_model_output, output.vision_model_output):
        assert len(tower.hidden_states) == 3
        assert len(tower.attentions) == 2
    assert SenCLIPModel(senclip_config())(**photos(), output_hidden_states=True).vision_model_output.hidden_states
    assert output.loss is None
    assert isinstance(model(series()["pixel_series"]).series_embeds, torch.Tensor)
