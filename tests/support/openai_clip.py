"""OpenAI's CLIP with a ViT, written with PyTorch's own layers: what converted SenCLIP weights are compared with.

From the paper (Radford et al. 2021, arXiv 2103.00020, section 2.4) and the names of the released weights: pre-LN blocks
with quick GELU, images read at a class token, texts at their end token under a causal mask.
"""

import torch
from torch import nn

from tests.support.reference import under

# The ways in which SenCLIP's files name and nest the CLIP's keys, and what lies beside them.
KEY_FORMS = {
    "bare": lambda state: state,
    "nested": lambda state: {"state_dict": state},
    "model": lambda state: under("model.", state),
    "encoder.model": lambda state: under("encoder.model.", state),
    "learner.encoder.model nested": lambda state: {
        "state_dict": under("learner.encoder.model.", state) | beside(state),
        "epoch": 19,
        "hyper_parameters": {"architecture": "ViT-B/32", "pooling": "avgpool", "queue_data": None},
    },
}


def beside(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a Lightning file of upstream's holds beside the CLIP."""
    joint = state["visual.proj"].shape[1]
    return {
        "logit_scale": torch.tensor(2.6),
        "learner.queue": torch.rand(joint, 8),
        "learner.queue_ptr": torch.zeros(1, dtype=torch.long),
        "learner.pooling_layer.linear.weight": torch.rand(1, joint),
        "learner.projection_head.projection.weight": torch.rand(joint, joint),
        "learner.projection_head.projection.bias": torch.rand(joint),
        "learner.projection_head.fc.weight": torch.rand(joint, joint),
        "learner.projection_head.fc.bias": torch.rand(joint),
        "learner.projection_head.layer_norm.weight": torch.rand(joint),
        "learner.projection_head.layer_norm.bias": torch.rand(joint),
    }


class QuickGELU(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", QuickGELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class VisionTransformer(nn.Module):
    def __init__(self, size: int, patch: int, width: int, layers: int, joint: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((size // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, layers, width // 64)
        self.proj = nn.Parameter(torch.empty(width, joint))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(len(images), 1, -1), patches], dim=1)
        tokens = self.transformer(self.ln_pre(tokens + self.positional_embedding))
        return self.ln_post(tokens[:, 0]) @ self.proj


class OpenAICLIP(nn.Module):
    def __init__(
        self,
        size=32,
        patch=16,
        vision_width=128,
        vision_layers=3,
        text_width=64,
        text_layers=2,
        vocab=514,
        length=77,
        joint=48,
    ) -> None:
        super().__init__()
        self.visual = VisionTransformer(size, patch, vision_width, vision_layers, joint)
        self.token_embedding = nn.Embedding(vocab, text_width)
        self.positional_embedding = nn.Parameter(torch.empty(length, text_width))
        self.transformer = Transformer(text_width, text_layers, text_width // 64)
        self.ln_final = nn.LayerNorm(text_width)
        self.text_projection = nn.Parameter(torch.empty(text_width, joint))
        self.logit_scale = nn.Parameter(torch.empty(()))

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return self.visual(images)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Texts (batch, length) of token ids, padded with 0; the end token has the highest id."""
        length = tokens.shape[1]
        causal = torch.full((length, length), -torch.inf).triu(1)
        hidden = self.token_embedding(tokens) + self.positional_embedding[:length]
        hidden = self.ln_final(self.transformer(hidden, causal))
        return hidden[torch.arange(len(tokens)), tokens.argmax(dim=1)] @ self.text_projection


VIT_B32 = {
    "size": 224,
    "patch": 32,
    "vision_width": 768,
    "vision_layers": 12,
    "text_width": 512,
    "text_layers": 12,
    "vocab": 49_408,
    "joint": 512,
}


def random_openai_clip(**sizes: int) -> OpenAICLIP:
    """Every weight random, those of norms and biases too, which would otherwise hide a swapped key."""
    torch.manual_seed(1)
    clip = OpenAICLIP(**sizes).eval()
    for name, parameter in clip.named_parameters():
        if ".ln_" in name or name.startswith("ln_"):
            nn.init.normal_(parameter, mean=float(name.endswith("weight")), std=0.2)
        elif parameter.ndim >= 2 and "embedding" not in name:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        else:
            nn.init.normal_(parameter, std=0.3)
    return clip


def random_texts(count: int, clip: OpenAICLIP) -> torch.Tensor:
    """Token ids (count, length) of texts of any length, from the start token to the end token, then zeros."""
    length, vocab = len(clip.positional_embedding), clip.token_embedding.num_embeddings
    tokens = torch.zeros(count, length, dtype=torch.long)
    for row, words in enumerate(torch.randint(1, length - 1, (count,)).tolist()):
        tokens[row, : words + 1] = torch.cat([torch.tensor([vocab - 2]), torch.randint(vocab - 2, (words,))])
        tokens[row, words + 1] = vocab - 1
    return tokens
