"""Build a CLIP small enough to be trained on simulated photos within minutes, and its byte-level BPE tokenizer.

Both are stock transformers classes, so that the checkpoint needs no code of ours: `CLIPModel` with a vision
tower for 64-pixel photos, and `CLIPTokenizer` with a vocabulary learned from captions.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

BOS, EOS = "<|startoftext|>", "<|endoftext|>"

END_OF_WORD = "</w>"
"""Suffix of a word's last token in CLIP's vocabularies."""

# The first of Unicode's private letters, which no text holds.
_PRIVATE_USE = 0xE000

MAX_TOKENS = 32
"""Longest text in tokens; the longest caption has half as many."""


def train_tokenizer(captions: Iterable[str], vocab_size: int = 2048) -> CLIPTokenizer:
    """Learn a CLIP tokenizer from captions.

    The vocabulary holds every byte, alone and as a word's end, so that any text can be written; then the
    merges learned from the captions; then CLIP's two special tokens, of which the second also pads.

    The same captions give the same tokenizer. The trainer breaks ties between pairs by the numbers of their tokens,
    which it gives to letters in alphabetical order but to letters with a suffix in the order of a hash table
    (huggingface/tokenizers#2066); so the last letter of a word is written as one letter of its own while merges are
    learned.

    Args:
        captions: texts to learn merges from.
        vocab_size: upper bound of the number of tokens.

    Raises:
        ValueError: where ``vocab_size`` leaves no room for a merge.
    """
    alphabet = sorted(ByteLevel.alphabet())
    alphabet += [letter + END_OF_WORD for letter in alphabet]
    room = vocab_size - len(alphabet) - 2
    if room < 1:
        raise ValueError(f"vocab_size must be at least {len(alphabet) + 3}, got {vocab_size}")
    stock = CLIPTokenizer().backend_tokenizer
    last = {letter: chr(_PRIVATE_USE + index) for index, letter in enumerate(sorted(ByteLevel.alphabet()))}
    words = (
        word[:-1] + last[word[-1]]
        for caption in captions
        for word, _ in stock.pre_tokenizer.pre_tokenize_str(stock.normalizer.normalize_str(caption))
    )
    learner = Tokenizer(BPE())
    learner.train_from_iterator(words, BpeTrainer(vocab_size=vocab_size, show_progress=False))
    endings = str.maketrans({private: letter + END_OF_WORD for letter, private in last.items()})
    learned = json.loads(learner.to_str())["model"]["merges"][:room]
    merges = [(first.translate(endings), second.translate(endings)) for first, second in learned]
    tokens = [*alphabet, *dict.fromkeys(first + second for first, second in merges), BOS, EOS]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)


def build_small_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """Build an untrained CLIP of about 1.2 million parameters for 64-pixel photos and this tokenizer."""
    tower = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4}
    config = CLIPConfig(
        text_config={
            **tower,
            "num_hidden_layers": 3,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": MAX_TOKENS,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "projection_dim": 128,
        },
        vision_config={
            **tower,
            "num_hidden_layers": 4,
            "image_size": 64,
            "patch_size": 8,
            "projection_dim": 128,
        },
        projection_dim=128,
    )
    return CLIPModel(config)


def build_image_processor(model: CLIPModel) -> CLIPImageProcessor:
    """Build the image processor for a CLIP's photo size, with OpenAI CLIP's normalisation."""
    side = model.config.vision_config.image_size
    return CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def photo_values(photos: npt.NDArray[np.uint8] | torch.Tensor, processor: CLIPImageProcessor) -> torch.Tensor:
    """Turn photos (N, side, side, 3) that already have the right size into pixel values (N, 3, side, side).

    Equal to calling the processor, without its per-image cost.
    """
    values = torch.as_tensor(photos).permute(0, 3, 1, 2).float() / 255.0
    mean, std = (
        torch.tensor(channels, device=values.device) for channels in (processor.image_mean, processor.image_std)
    )
    return (values - mean[:, None, None]) / std[:, None, None]


def sparse_image_features(model: CLIPModel, pixel_values: torch.Tensor, keep: float) -> torch.Tensor:
    """Embed photos from a random part of their patches, as FLIP does in training (Li et al. 2023, arXiv 2212.00794).

    A step costs the less, the fewer patches are seen.

    Args:
        model: a CLIP in training.
        pixel_values: (batch, 3, side, side).
        keep: share of the patches that are seen; 1 sees all, as `get_image_features` does.

    Returns:
        Projected embeddings (batch, projection_dim), not normalised.
    """
    tower = model.vision_model
    tokens = tower.embeddings(pixel_values)
    batch, patches = tokens.shape[0], tokens.shape[1] - 1
    order = torch.rand(batch, patches, device=tokens.device).argsort(dim=1) + 1
    seen = order[:, : max(round(keep * patches), 1)] if keep < 1 else order.sort(dim=1).values
    chosen = tokens.gather(1, seen[:, :, None].expand(-1, -1, tokens.shape[2]))
    hidden = tower.pre_layrnorm(torch.cat([tokens[:, :1], chosen], dim=1))
    hidden = tower.encoder(inputs_embeds=hidden).last_hidden_state
    embeds: torch.Tensor = model.visual_projection(tower.post_layernorm(hidden[:, 0]))
    return embeds


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> dict[str, torch.Tensor]:
    """Tokenise texts to padded ``input_ids`` and ``attention_mask``, cutting what is too long."""
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
