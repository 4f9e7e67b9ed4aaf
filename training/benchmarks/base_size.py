"""Fit a throwaway checkpoint of the published size, good enough to see what rounding does to its answers.

The released weights cannot be had here. This tower is fitted for some minutes to the embeddings that the embedded
default gives to simulated series, and stands before its text tower.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoProcessor

from tests.support.reference import UpstreamEncoder
from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPConfig, TimeSenCLIPModel, TimeSenCLIPPixelConfig, encode
from timesenclip_hf.files import whole_folder
from timesenclip_hf.runtimes.exported import export_tower
from timesenclip_hf.runtimes.products import use_onednn_matmul
from timesenclip_hf.simulator import simulate

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "base_size"
POINTS, STEPS, BATCH, WARM_UP, RATE = 40_000, 400, 256, 40, 5e-4


def base_size_checkpoint(folder: Path = FOLDER) -> str:
    """Return its folder; fit it first where it is not there, some four minutes on two cores."""
    if not (folder / "model.safetensors").is_file():
        model = _fit()
        with whole_folder(folder) as partial:
            model.save_pretrained(partial)
            AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT).save_pretrained(partial)
    return str(folder)


def int8_tower() -> str:
    """Return the file of its pixel tower in int8, calibrated on simulated series; export it first where need be."""
    file = FOLDER.with_suffix(".int8.onnx")
    if not file.is_file():
        model = AutoModel.from_pretrained(base_size_checkpoint()).eval()
        extractor = AutoProcessor.from_pretrained(base_size_checkpoint()).feature_extractor
        export_tower(model, extractor, file, quantize="int8")
    return str(file)


def _fit() -> TimeSenCLIPModel:
    teacher: Any = AutoModel.from_pretrained(DEFAULT_CHECKPOINT).eval()
    extractor = AutoProcessor.from_pretrained(DEFAULT_CHECKPOINT).feature_extractor
    features = extractor(simulate(POINTS, seed=5).series, allow_empty=True, return_tensors="pt")
    wanted = encode(teacher, features)
    width = teacher.config.projection_dim
    torch.manual_seed(0)
    config = TimeSenCLIPConfig(
        pixel_config=TimeSenCLIPPixelConfig(projection_dim=width),
        text_config=teacher.config.text_config,
        projection_dim=width,
    )
    model = TimeSenCLIPModel(config)
    words = {name: values for name, values in teacher.state_dict().items() if not name.startswith("pixel_model.")}
    model.load_state_dict({name: values for name, values in words.items() if name in model.state_dict()}, strict=False)
    tower = model.pixel_model.train()
    optimizer = torch.optim.AdamW(tower.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP, (STEPS - step) / STEPS * 2)
    )
    precision = torch.get_float32_matmul_precision()
    use_onednn_matmul()
    try:
        for step in range(STEPS):
            rows = torch.randint(POINTS, (BATCH,), generator=torch.Generator().manual_seed(step))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                embeds = tower(**{name: values[rows] for name, values in features.items()}, pooled_only=True)
            loss = 1 - torch.cosine_similarity(embeds.pooler_output.float(), wanted[rows]).mean()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    finally:
        torch.set_float32_matmul_precision(precision)
    print(f"a throwaway tower of the published size: mean cosine {1 - loss.item():.3f} with the embedded default")
    model.eval()
    return model


def upstream_of(tower: Any) -> UpstreamEncoder:
    """Build the published architecture from PyTorch's own layers, with the weights of a tower."""
    config = tower.config
    encoder = UpstreamEncoder(
        config.hidden_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.intermediate_size,
        joint=config.projection_dim,
    ).eval()
    state, layers = tower.state_dict(), {}
    for index in range(config.num_hidden_layers):
        ours, theirs = f"layers.{index}.", f"transformer.layers.{index}."
        for kind in ("weight", "bias"):
            qkv = [state[f"{ours}self_attn.{name}_proj.{kind}"] for name in "qkv"]
            layers[f"{theirs}self_attn.in_proj_{kind}"] = torch.cat(qkv)
            for our_name, their_name in (
                ("self_attn.out_proj", "self_attn.out_proj"),
                ("fc1", "linear1"),
                ("fc2", "linear2"),
                ("layer_norm1", "norm1"),
                ("layer_norm2", "norm2"),
            ):
                layers[f"{theirs}{their_name}.{kind}"] = state[f"{ours}{our_name}.{kind}"]
    for ours, theirs in (
        ("embeddings.band_projection", "spectral_embedding.1"),
        ("post_layernorm", "mlp_head.0"),
        ("projection", "mlp_head.1"),
    ):
        for kind in ("weight", "bias"):
            layers[f"{theirs}.{kind}"] = state[f"{ours}.{kind}"]
    layers["time_pos_encoding"] = state["embeddings.position_embedding"][None]
    layers["time_token"] = state["embeddings.class_embedding"][None, None]
    encoder.load_state_dict(layers)
    return encoder
