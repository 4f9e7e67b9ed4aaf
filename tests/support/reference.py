"""Upstream's encoder, written with PyTorch's own transformer: what converted weights are compared with."""

import torch
from torch import nn

# The ways in which released and older files name and nest the encoder's keys.
KEY_FORMS = {
    "bare": lambda state: state,
    "bare with class_token": lambda state: {k.replace("time_token", "class_token"): v for k, v in state.items()},
    "nested": lambda state: {"state_dict": state},
    "ts_encoder": lambda state: under("ts_encoder.", state),
    "TS_ViT": lambda state: under("TS_ViT.", state),
    "learner.ts_encoder nested": lambda state: {"state_dict": under("learner.ts_encoder.", state)},
    "learner.TS_ViT nested": lambda state: {"state_dict": under("learner.TS_ViT.", state), "epoch": 3},
}


class UpstreamEncoder(nn.Module):
    """The released encoder, from PyTorch's own layers: post-LN, ReLU, class token in front without a position."""

    def __init__(self, dim=32, depth=2, heads=4, mlp_dim=16, months=12, bands=10, side=1, joint=32) -> None:
        super().__init__()
        self.spectral_embedding = nn.Sequential(nn.Flatten(2), nn.Linear(bands * side * side, dim))
        self.time_pos_encoding = nn.Parameter(torch.randn(1, months, dim))
        self.time_token = nn.Parameter(torch.randn(1, 1, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, mlp_dim, dropout=0.2, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, depth)
        self.mlp_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, joint))

    def forward(self, series: torch.Tensor, observed: torch.Tensor | None = None) -> torch.Tensor:
        tokens = self.spectral_embedding(series) + self.time_pos_encoding
        tokens = torch.cat([self.time_token.expand(len(series), -1, -1), tokens], dim=1)
        hidden = None if observed is None else nn.functional.pad(~observed, (1, 0), value=False)
        return self.mlp_head(self.transformer(tokens, src_key_padding_mask=hidden)[:, 0])


def random_upstream_encoder(**sizes: int) -> UpstreamEncoder:
    torch.manual_seed(1)
    encoder = UpstreamEncoder(**sizes).eval()
    for parameter in encoder.parameters():
        # PyTorch starts biases at 0 and LayerNorms at 1, which would hide a swapped key.
        nn.init.normal_(parameter, std=0.3)
    return encoder


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + key: tensor for key, tensor in state.items()}
