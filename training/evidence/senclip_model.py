"""Measure the claims of SenCLIP's model and converter, as parts of `training.evidence.senclip`.

parity: a state dict in OpenAI's layout, random weights at the size of ViT-B/32 and at small ones, against the same CLIP
written with PyTorch's own layers. swapped_bands: how often blue handed as red is noticed on real pictures.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

from tests.support.openai_clip import KEY_FORMS, VIT_B32, OpenAICLIP, random_openai_clip, random_texts
from timesenclip_hf.conversion import convert
from timesenclip_hf.models.senclip.image_processing_senclip import seems_bgr
from training.evidence.claims import Ledger
from training.real_sets import real_data_folder

SMALL = {"size": 48, "patch": 8, "vision_width": 128, "vision_layers": 3, "text_width": 64, "text_layers": 2}
BATCH = 8


@torch.no_grad()
def parity(ledger: Ledger) -> None:
    """Compare converted weights with the definition that they were drawn for, in every key form."""
    worst, parameters = {"image": 0.0, "text": 0.0}, 0
    with tempfile.TemporaryDirectory() as folder:
        # ViT-B/32 as the released files have it; the ways to nest it do not depend on the size.
        cases: list[tuple[dict[str, int], Callable[..., Any]]] = [(VIT_B32, KEY_FORMS["bare"])]
        cases += [(SMALL, form) for form in KEY_FORMS.values()]
        for sizes, form in cases:
            clip = random_openai_clip(**sizes)
            converted = _converted(clip, form, Path(folder))
            parameters = max(parameters, converted.num_parameters())
            side = converted.config.vision_config.image_size
            images, texts = torch.randn(8, 3, side, side), random_texts(16, clip)
            pairs = {
                "image": (converted.get_image_features(images).pooler_output, clip.encode_image(images)),
                "text": (converted.get_text_features(texts).pooler_output, clip.encode_text(texts)),
            }
            for kind, (ours, theirs) in pairs.items():
                worst[kind] = max(worst[kind], (ours - theirs).abs().max().item())
    note = f"ViT-B/32 and a small ViT, {len(KEY_FORMS)} key forms, quick GELU, features of unit spread, float32"
    for kind, difference in worst.items():
        name = f"largest difference of {kind} features between a converted CLIP and OpenAI's from PyTorch's layers"
        ledger.add(name, difference, "<=", 1e-5, note)
    ledger.add("parameters of the converted ViT-B/32", parameters, "==", 151_277_313, "OpenAI's own")


def _converted(clip: OpenAICLIP, form: Callable[..., Any], folder: Path) -> CLIPModel:
    words = clip.token_embedding.num_embeddings - 2
    tokens = [*map(str, range(words)), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder / "tokenizer")
    torch.save(form(clip.state_dict()), folder / "upstream.ckpt")
    convert(folder / "upstream.ckpt", folder / "tokenizer", folder / "converted")
    return CLIPModel.from_pretrained(folder / "converted")


def swapped_bands(ledger: Ledger) -> None:
    """EuroSAT's pictures as they are, and with red and blue exchanged."""
    claims = {
        "share of EuroSAT pictures, one by one, that are wrongly taken for BGR": ("<=", 0.005),
        "share of EuroSAT pictures with leaf or soil in them that are noticed as BGR, one by one": (">=", 0.85),
        f"share of batches of {BATCH} EuroSAT pictures that are wrongly taken for BGR": ("<=", 0.0),
        f"share of batches of {BATCH} EuroSAT pictures that are noticed as BGR": (">=", 0.99),
    }
    try:
        folder = real_data_folder()
    except FileNotFoundError as error:
        for claim, (comparison, bar) in claims.items():
            ledger.skip(claim, comparison, bar, str(error))
        return
    pictures = [np.asarray(Image.open(file)) for file in sorted(folder.glob("eurosat_rgb_2000/*/*.jpg"))]
    order = np.random.default_rng(0).permutation(len(pictures))
    shuffled = [[pictures[index] for index in order[start : start + BATCH]] for start in range(0, len(order), BATCH)]
    textured = [picture for picture in pictures if picture[..., 1].std() >= 4]
    shares = [
        _share([[picture] for picture in pictures]),
        _share([[picture[..., ::-1]] for picture in textured]),
        _share(shuffled),
        _share([[picture[..., ::-1] for picture in batch] for batch in shuffled]),
    ]
    note = f"{len(pictures):,} pictures, of which {len(textured):,} vary in green by 4 grey levels or more"
    for (claim, (comparison, bar)), share in zip(claims.items(), shares, strict=True):
        ledger.add(claim, round(share, 4), comparison, bar, note)


def _share(batches: list[list[np.ndarray]]) -> float:
    return float(np.mean([seems_bgr(batch) for batch in batches]))


PARTS: dict[str, Callable[[Ledger], None]] = {"parity": parity, "swapped_bands": swapped_bands}
