"""Our models, processors and configurations as transformers' own tests want them, and what of those is not asked.

`python -m tests.support.transformers_cases SUITE` runs a suite and prints what came of each test as JSON.
"""

import contextlib
import json
import os
import sys
import tempfile
import unittest
from fnmatch import fnmatchcase
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything of Hugging Face is imported

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, CLIPTextConfig, CLIPVisionConfig

from tests.conftest import write_tiny_clip
from tests.support.transformers_suite import load, run_case
from timesenclip_hf import (
    SenCLIPConfig,
    SenCLIPImageProcessor,
    SenCLIPModel,
    TimeSenCLIPConfig,
    TimeSenCLIPFeatureExtractor,
    TimeSenCLIPModel,
    TimeSenCLIPPixelConfig,
    TimeSenCLIPPixelModel,
    TimeSenCLIPProcessor,
)

# By suite and test, either with "*" and "?" in it: why it is not asked. At most 25.
NOT_APPLICABLE = {
    ("pixel *", "test_training*"): "the tower has no loss by itself: the joint model's loss trains it in this suite",
    ("joint without photos", "test_training*"): "the loss is of series and photos, and there is no tower for photos",
    ("senclip", "test_training*"): "the loss is the training loop's, with its bank of negatives",
    ("pixel *", "test_model_get_set_embeddings"): "what is embedded are numbers, by a linear layer: no vocabulary",
    ("senclip", "test_model_get_set_embeddings"): "transformers' CLIPModel has none, and passes over it too",
    ("pixel mlp", "test_retain_grad_hidden_states_attentions"): "its first hidden state is its input",
    ("pixel tempcnn", "test_retain_grad_hidden_states_attentions"): "its first hidden state is its input",
    (
        "pixel tempcnn",
        "test_gradient_checkpointing_*",
    ): "computed again, a layer would count its batch statistics twice",
    ("pixel tempcnn", "test_peft_gradient_checkpointing_*"): "as above",
    ("joint*", "test_hidden_states_output"): "hidden states are the towers': `series_model_output` and its like",
    ("joint*", "test_retain_grad_hidden_states_attentions"): "as above",
    ("joint*", "test_attention_outputs"): "as above",
    ("joint*", "test_eager_matches_sdpa_inference*"): "as above; asked of the logits below",
    ("senclip", "test_hidden_states_output"): "hidden states are the tower's: `vision_model_output`",
    ("senclip", "test_retain_grad_hidden_states_attentions"): "as above",
    ("senclip", "test_attention_outputs"): "as above",
    ("senclip", "test_eager_matches_sdpa_inference*"): "as above; asked of the embeddings below",
    ("joint without photos", "test_get_image_features_*"): "there is no tower for photos",
    ("processor", "*_audio"): "the slot for sounds holds series, which are arguments of another name",
    ("processor", "test_processor_with_multiple_inputs"): "as above; asked in tests of the processor",
    ("processor", "test_model_input_names"): "texts and photos without series do not give the inputs of series",
    ("image processor", "test_new_models_require_torchvision_backend"): "torchvision is no part of this package",
    ("image processor", "test_call_numpy_4_channels"): "a fourth band is left aside by its name, never counted in",
    ("image processor", "test_convert_to_rgb_mixed_input_batch_?"): "numbers of one or four bands are named or refused",
}

SIZES = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
BATCH, TIME, BANDS = 3, 12, 10


# Of hidden states: the MLP has one a year, of as many numbers as it reads; TempCNN has channels of twelve months, as
# many as it reads.
SHAPES = {
    "transformer": {"seq_length": TIME + 1, "hidden_size": 32},
    "mlp": {"seq_length": 1, "hidden_size": TIME * (BANDS + 1)},
    "tempcnn": {"seq_length": BANDS + 1, "hidden_size": TIME},
}


def pixel_config(kind="transformer"):
    shape = SHAPES[kind]
    sizes = {**SIZES, "hidden_size": shape["seq_length" if kind == "tempcnn" else "hidden_size"]}
    return TimeSenCLIPPixelConfig(
        encoder_type=kind, projection_dim=16, hidden_dropout_prob=0.1, attention_dropout=0.1, **sizes
    )


def text_config():
    return CLIPTextConfig(vocab_size=99, max_position_embeddings=20, eos_token_id=98, bos_token_id=97, **SIZES)


def vision_config():
    return CLIPVisionConfig(image_size=30, patch_size=15, **SIZES)


def series():
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(BATCH, TIME, dtype=torch.bool)
    mask[0, 3:5] = False
    return {
        "pixel_series": torch.rand(BATCH, TIME, BANDS, generator=generator),
        "series_mask": mask,
        "months": torch.arange(12.0).expand(BATCH, 12).clone(),
    }


def texts():
    ids = torch.randint(0, 97, (BATCH, 7), generator=torch.Generator().manual_seed(1))
    ids[:, -1] = 98
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


class Tester:
    """What the mixin asks about a model: a small configuration and inputs."""

    batch_size, seq_length, is_training = BATCH, 7, True
    hidden_size, num_hidden_layers, num_attention_heads = 32, 2, 4

    def __init__(self, make_config, make_inputs, **attributes):
        self.get_config, self.make_inputs = make_config, make_inputs
        vars(self).update(attributes)

    def prepare_config_and_inputs_for_common(self):
        return self.get_config(), self.make_inputs()


def joint_config(vision=True):
    return TimeSenCLIPConfig(
        pixel_config=pixel_config(),
        text_config=text_config(),
        vision_config=vision_config() if vision else None,
        projection_dim=16,
    )


def senclip_config():
    return SenCLIPConfig(
        text_config=text_config().to_dict(), vision_config=vision_config().to_dict(), projection_dim=16
    )


def photos():
    return {"pixel_values": torch.rand(BATCH, 3, 30, 30, generator=torch.Generator().manual_seed(2))}


def model_case(model_class, tester, **attributes):
    common = load("test_modeling_common")

    def set_up(self):
        torch.manual_seed(0)
        self.model_tester = tester

    body = {
        "setUp": set_up,
        "all_model_classes": (model_class,),
        "test_resize_embeddings": False,
        "__module__": __name__,
        **attributes,
    }
    return type(f"{model_class.__name__}Suite", (common.ModelTesterMixin, unittest.TestCase), body)


def pixel_suite(kind):
    tester = Tester(lambda: pixel_config(kind), series, **SHAPES[kind])
    return model_case(TimeSenCLIPPixelModel, tester, has_attentions=kind == "transformer")


def joint_suite(vision):
    def inputs():
        return {**series(), **texts(), **(photos() if vision else {})}

    def with_loss(self, inputs_dict, model_class, return_labels=False):
        return {**inputs_dict, **({"return_loss": True} if return_labels and vision else {})}

    tester = Tester(lambda: joint_config(vision), inputs)
    return model_case(
        TimeSenCLIPModel,
        tester,
        _is_composite=True,
        test_resize_embeddings=True,
        test_all_params_have_gradient=False,  # words have no part in the loss
        _prepare_for_class=with_loss,
        **FEATURES,
    )


def senclip_suite():
    return model_case(SenCLIPModel, Tester(senclip_config, photos), _is_composite=True, **FEATURES)


# Inputs of `get_text_features` and `get_image_features`.
FEATURES = {
    "_text_features_prepare_config_and_inputs": lambda self: (self.model_tester.get_config(), texts()),
    "_image_features_prepare_config_and_inputs": lambda self: (self.model_tester.get_config(), photos()),
}


def config_suite():
    tester = load("test_configuration_common").ConfigTester

    class Configs(unittest.TestCase):
        model_tester = Tester(joint_config, series)

        def test_pixel(self):
            for kind in ("transformer", "mlp", "tempcnn"):
                fields = {"encoder_type": kind, "hidden_size": 32}
                tester(self, TimeSenCLIPPixelConfig, has_text_modality=False, **fields).run_common_tests()

        def test_joint(self):
            fields = {"projection_dim": 512, "calibration_temperature": 2.0}
            tester(self, TimeSenCLIPConfig, has_text_modality=False, **fields).run_common_tests()

        def test_senclip(self):
            tester(self, SenCLIPConfig, has_text_modality=False, pooling="average").run_common_tests()

    return Configs


def processor_suite(folder):
    common = load("test_processing_common")

    class Processors(common.ProcessorTesterMixin, unittest.TestCase):
        processor_class = TimeSenCLIPProcessor

        @classmethod
        def _setup_feature_extractor(cls):
            return TimeSenCLIPFeatureExtractor()

        @classmethod
        def _setup_image_processor(cls):
            return AutoImageProcessor.from_pretrained(folder)

        @classmethod
        def _setup_tokenizer(cls):
            return AutoTokenizer.from_pretrained(folder)

    return Processors


def feature_extractor_suite():
    common = load("test_feature_extraction_common")

    class FeatureExtractors(common.FeatureExtractionSavingTestMixin, unittest.TestCase):
        feature_extraction_class = TimeSenCLIPFeatureExtractor
        feat_extract_dict = {"composite": "timesenclip", "clamp_max": 2.0, "band_names": ["B02", "B03"]}

        def setUp(self):
            self.feat_extract_dict = {
                **self.feat_extract_dict,
                "band_low": [1.0, 2.0],
                "band_scale": [3.0, 4.0],
            }

    return FeatureExtractors


def image_processor_suite():
    common = load("test_image_processing_common")

    class ImageTester:
        image_processing_classes = {"pil": SenCLIPImageProcessor}
        batch_size, num_channels, image_size = 4, 3, 18
        min_resolution, max_resolution = 30, 60

        def __init__(self, parent):
            pass

        def prepare_image_processor_dict(self):
            return {"size": {"shortest_edge": 20}, "crop_size": {"height": 18, "width": 18}, "white_reflectance": 0.3}

        def expected_output_image_shape(self, images):
            return 3, 18, 18

        def prepare_image_inputs(self, equal_resolution=False, numpify=False, torchify=False):
            random = np.random.default_rng(0)
            sides = [(40, 50)] * 4 if equal_resolution else [(40, 50), (32, 60), (44, 44), (60, 31)]
            arrays = [random.integers(0, 255, (*side, 3), dtype=np.uint8) for side in sides]
            if numpify:
                return arrays
            if torchify:
                return [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]
            return [Image.fromarray(array) for array in arrays]

    class ImageProcessors(common.ImageProcessingTestMixin, unittest.TestCase):
        image_processor_tester_class = ImageTester

    return ImageProcessors


SUITES = {
    "pixel transformer": lambda folder: pixel_suite("transformer"),
    "pixel mlp": lambda folder: pixel_suite("mlp"),
    "pixel tempcnn": lambda folder: pixel_suite("tempcnn"),
    "joint": lambda folder: joint_suite(True),
    "joint without photos": lambda folder: joint_suite(False),
    "senclip": lambda folder: senclip_suite(),
    "configurations": lambda folder: config_suite(),
    "processor": processor_suite,
    "feature extractor": lambda folder: feature_extractor_suite(),
    "image processor": lambda folder: image_processor_suite(),
}


def entries_for(suite, test):
    """Return the entries of the list that a test of a suite is on."""
    return [entry for entry in NOT_APPLICABLE if fnmatchcase(suite, entry[0]) and fnmatchcase(test, entry[1])]


def run_suite(name):
    """Run a suite in this process; return what failed, was skipped and passed, by the name of the test."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        write_tiny_clip(Path(folder))
        return run_case(SUITES[name](Path(folder)))


if __name__ == "__main__":
    print(json.dumps(run_suite(sys.argv[1])))
