from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTokenizer

from training import small_clip

CAPTIONS = 3 * ["a photo of wheat", "winter wheat", "a field of maize", "maize field", "a photo of winter maize"]


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return small_clip.train_tokenizer(CAPTIONS)


def test_words_of_the_captions_become_single_tokens(tokenizer: CLIPTokenizer) -> None:
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("A Photo of MAIZE")["input_ids"])
    assert tokens == ["<|startoftext|>", "a</w>", "photo</w>", "of</w>", "maize</w>", "<|endoftext|>"]


def test_the_same_captions_give_the_same_tokenizer() -> None:
    # Every pair of letters is as frequent as many others: only ties decide.
    captions = ["ab cd ef gh", "ba dc fe hg", "ac bd eg fh"]
    first, *others = (small_clip.train_tokenizer(captions, vocab_size=530).backend_tokenizer.to_str() for _ in range(5))
    assert all(other == first for other in others)


def test_any_text_can_be_written_and_read_back(tokenizer: CLIPTokenizer) -> None:
    ids = tokenizer("zebra café 42")["input_ids"]
    assert max(ids) < len(tokenizer)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "zebra café 4 2"


def test_a_saved_tokenizer_reloads_the_same(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert len(again) == len(tokenizer)
    assert again.model_max_length == tokenizer.model_max_length
    assert (again.bos_token_id, again.eos_token_id, again.pad_token_id) == (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )
    for text in ("winter wheat", "Unknown words, café!"):
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_a_vocabulary_without_room_for_merges_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 515"):
        small_clip.train_tokenizer(CAPTIONS, vocab_size=514)


def test_the_vocabulary_stays_within_its_bound() -> None:
    assert len(small_clip.train_tokenizer(CAPTIONS, vocab_size=520)) == 520


def test_the_model_is_small_and_padding_changes_no_embedding(tokenizer: CLIPTokenizer) -> None:
    model = small_clip.build_small_clip(tokenizer).eval()
    assert 0.9e6 < model.num_parameters() < 1.5e6
    together = small_clip.tokenize(tokenizer, ["maize", "a field of winter maize photo"])
    alone = small_clip.tokenize(tokenizer, ["maize"])
    assert together["input_ids"].shape[1] > alone["input_ids"].shape[1]
    with torch.no_grad():
        padded = model.get_text_features(**together).pooler_output[:1]
        assert torch.allclose(padded, model.get_text_features(**alone).pooler_output, atol=1e-5)


def test_texts_that_are_too_long_are_cut(tokenizer: CLIPTokenizer) -> None:
    assert small_clip.tokenize(tokenizer, ["maize " * 100])["input_ids"].shape == (1, small_clip.MAX_TOKENS)


def test_photo_values_equal_the_image_processor(tokenizer: CLIPTokenizer) -> None:
    processor = small_clip.build_image_processor(small_clip.build_small_clip(tokenizer))
    photos = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    expected = processor([Image.fromarray(photo) for photo in photos], return_tensors="pt")["pixel_values"]
    assert torch.allclose(small_clip.photo_values(photos, processor), expected, atol=1e-6)


def test_seeing_all_patches_equals_the_model_and_fewer_do_not(tokenizer: CLIPTokenizer) -> None:
    model = small_clip.build_small_clip(tokenizer).eval()
    values = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.get_image_features(values).pooler_output
        assert torch.allclose(small_clip.sparse_image_features(model, values, 1.0), expected, atol=1e-5)
        assert not torch.allclose(small_clip.sparse_image_features(model, values, 0.5), expected, atol=1e-5)
