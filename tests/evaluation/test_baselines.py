import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, CLIPImageProcessor, CLIPModel

from timesenclip_hf.evaluation.baselines import (
    embed_images,
    load_image_model,
    nearest_mean_scores,
    score_images,
)
from timesenclip_hf.models.senclip.image_processing_senclip import to_eight_bit
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import expand_prompts
from timesenclip_hf.simulator import simulate
from timesenclip_hf.simulator.patches import simulate_patches
from timesenclip_hf.taxonomies import load_taxonomy

REFUSED = """
from timesenclip_hf.evaluation.baselines import load_image_model
HfApi().create_repo("tester/RemoteCLIP")
HfApi().upload_file(path_or_fileobj=b"x", path_in_repo="RemoteCLIP-ViT-B-32.pt", repo_id="tester/RemoteCLIP")
try:
    load_image_model("tester/RemoteCLIP")
except ValueError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def image_model(tiny_clip):
    return load_image_model(str(tiny_clip))


def random_pictures(count, size=40):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_two_classes_of_constant_reflectance_are_told_apart_by_their_distance():
    train = np.concatenate([np.full((2, 12, 10), 0.1), np.full((2, 12, 10), 0.5)])
    scores = nearest_mean_scores(train, np.array([0, 0, 1, 1]), np.full((1, 12, 10), 0.2), 2)
    assert scores == pytest.approx(np.array([[-0.1, -0.3]]))


def test_a_missing_month_counts_on_neither_side():
    train = np.full((3, 12, 10), 0.2)
    train[0, 5] = np.nan  # the other sample of class 0 has it
    train[2, :6] = np.nan  # class 1 has the second half of the year only
    series = np.full((1, 12, 10), 0.3)
    series[0, :3] = np.nan
    assert nearest_mean_scores(train, np.array([0, 0, 1]), series, 2) == pytest.approx(np.full((1, 2), -0.1))


@given(
    arrays(np.float64, (5, 3, 2), elements=st.one_of(st.just(np.nan), st.floats(0, 1, width=16))),
    arrays(np.float64, (4, 3, 2), elements=st.one_of(st.just(np.nan), st.floats(0, 1, width=16))),
)
def test_distances_are_those_of_a_plain_loop(train, series):
    train[:, 0, 0], series[:, 0, 0] = 0.5, 0.25  # one value in common
    labels = np.array([0, 0, 1, 1, -1])
    scores = nearest_mean_scores(train, labels, series, 3)
    for row, sample in enumerate(series):
        for place in (0, 1):
            values = []
            for step in np.ndindex(3, 2):
                known = [one[step] for one in train[labels == place] if not np.isnan(one[step])]
                if known and not np.isnan(sample[step]):
                    values.append((sample[step] - np.mean(known)) ** 2)
            assert scores[row, place] == pytest.approx(-np.sqrt(np.mean(values)), abs=1e-7)
    assert np.isfinite(scores).all()
    assert (scores[:, 2] < scores[:, :2].min(axis=1)).all()


@pytest.mark.parametrize(
    ("train", "labels", "series", "message"),
    [
        (np.zeros((2, 12, 10)), [0, 1], np.zeros((1, 4, 10)), r"must have the shape of the series"),
        (np.zeros((2, 12, 10)), [0], np.zeros((1, 12, 10)), r"one label each"),
        (np.zeros((2, 12, 10)), [0, 2], np.zeros((1, 12, 10)), r"below the number of classes, 2"),
        (np.zeros((2, 12, 10)), [-1, -1], np.zeros((1, 12, 10)), r"one of them known"),
        (np.zeros((0, 12, 10)), [], np.zeros((1, 12, 10)), r"one of them known"),
        (np.zeros((2, 12, 10)), [0, 1], np.full((3, 12, 10), np.nan), r"3 series, the first at row 0, have no"),
    ],
)
def test_what_cannot_be_compared_is_named(train, labels, series, message):
    with pytest.raises(ValueError, match=message):
        nearest_mean_scores(train, np.array(labels, dtype=int), series, 2)


def test_scores_are_the_logits_of_clip_itself(image_model, tiny_clip):
    pictures = random_pictures(5)
    prompts = expand_prompts(["maize", "a lake", "wood"], "a photo of {}.")
    logits = score_images(image_model, embed_images(image_model, pictures, batch_size=2), prompts)
    clip, tokenizer = CLIPModel.from_pretrained(tiny_clip).eval(), AutoTokenizer.from_pretrained(tiny_clip)
    inputs = tokenizer([texts[0] for texts in prompts.values()], padding=True, return_tensors="pt")
    pixels = CLIPImageProcessor.from_pretrained(tiny_clip)(list(pictures), return_tensors="pt")
    with torch.no_grad():
        expected = clip(**inputs, **pixels).logits_per_image
    assert torch.allclose(logits, expected, atol=1e-5)


def test_reflectance_is_embedded_as_its_stretched_picture(image_model):
    reflectance = np.random.default_rng(2).random((3, 16, 16, 3)) * 0.3
    assert torch.equal(embed_images(image_model, reflectance), embed_images(image_model, to_eight_bit(reflectance)))


def test_blue_handed_as_red_is_warned_of_once(image_model, monkeypatch):
    heard = []
    monkeypatch.setattr("timesenclip_hf.evaluation.baselines.logger.warning", heard.append)
    pictures = simulate_patches(simulate(48, seed=5), seed=5)
    embed_images(image_model, pictures, batch_size=24)
    assert not heard
    embed_images(image_model, pictures[..., ::-1], batch_size=24)
    assert len(heard) == 1
    assert "blue and red seem to be swapped" in heard[0]


def test_centring_is_that_of_the_common_scorer(image_model):
    embeds = embed_images(image_model, random_pictures(6))
    prompts = expand_prompts(["maize", "a lake"])
    raw, centred = (score_images(image_model, embeds, prompts, centring=name) for name in ("none", "class_mean"))
    scale = image_model.model.logit_scale.detach().exp()
    cosines = raw / scale
    assert torch.allclose(centred, scale * cosines / (cosines.mean(dim=0) + 1e-6), atol=1e-4)


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (8, 8, 3), (2, 3, 8, 8)])
def test_images_of_another_shape_are_refused(image_model, shape):
    with pytest.raises(ValueError, match=r"must be \(samples, height, width, 3\)"):
        embed_images(image_model, np.zeros(shape, dtype=np.uint8))


def test_a_folder_of_open_clip_weights_is_refused_in_one_line(tmp_path):
    (tmp_path / "RemoteCLIP-ViT-B-32.pt").write_bytes(b"weights")
    with pytest.raises(ValueError, match=r"finds no config.json that names a model.*convert it") as caught:
        load_image_model(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_hub_repository_of_open_clip_weights_is_refused_in_one_line(hub, tmp_path):
    said = hub.run(tmp_path, REFUSED)
    assert "transformers cannot load tester/RemoteCLIP" in said
    assert "\n" not in said


def test_a_config_without_a_model_type_or_of_another_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"embed_dim": 512}')
    with pytest.raises(ValueError, match="names a model"):
        load_image_model(str(tmp_path))
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a bert model: give a CLIP model"):
        load_image_model(str(tmp_path))


def test_a_vision_tower_alone_is_no_whole_clip(tiny_clip, tmp_path):
    folder = tmp_path / "tower"
    shutil.copytree(tiny_clip, folder)
    weights = load_file(folder / "model.safetensors")
    tower = {name: tensor for name, tensor in weights.items() if name.startswith("vis")}
    save_file(tower, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"it lacks .*, which would be random"):
        load_image_model(str(folder))


def test_a_device_that_is_not_there_is_refused_in_one_line(tiny_clip):
    with pytest.raises(ValueError, match=r"PyTorch cannot compute on fpga here: [^\n]+\.$"):
        load_image_model(str(tiny_clip), device="fpga")


def test_a_clip_without_its_tokenizer_is_refused_in_one_line(tiny_clip, tmp_path):
    shutil.copy(tiny_clip / "config.json", tmp_path)
    with pytest.raises(ValueError, match="cannot load the CLIP model"):
        load_image_model(str(tmp_path))


@pytest.mark.real_data
def test_eurosat_pictures_are_scored_against_all_views_of_their_classes(real_data, image_model):
    taxonomy = load_taxonomy("eurosat")
    files = [sorted((real_data / "eurosat_rgb_2000" / label.code).glob("*.jpg"))[:3] for label in taxonomy.labels]
    pictures = np.stack([np.asarray(Image.open(file)) for some in files for file in some])
    embeds = embed_images(image_model, pictures)
    for view in ("generic", "ground", "aerial"):
        logits = score_images(image_model, embeds, taxonomy.prompts_of(view))
        assert logits.shape == (30, 10)
        assert torch.isfinite(logits).all()
