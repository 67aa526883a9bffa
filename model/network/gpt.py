"""A decoder-only transformer that computes exactly what GPT-2 computes: pre-LN, learned positions, GELU,
tied embeddings. In: token ids. Out: logits. Knows no tokenizer, mask policy or task.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; no dropout, since these models
see fresh data at every step.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.network.config import GPTConfig


class Attention(nn.Module):
    """Causal self-attention with H heads of width K."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x_BTD: Tensor, visible_B1TS: Tensor | None) -> Tensor:
        B, T, D = x_BTD.shape
        q, k, v = self.qkv(x_BTD).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        mixed_BHTK = F.scaled_dot_product_attention(q, k, v, attn_mask=visible_B1TS, is_causal=visible_B1TS is None)
        out_BTD: Tensor = self.out(mixed_BHTK.transpose(1, 2).reshape(B, T, D))
        return out_BTD


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.norm_2 = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, 4 * config.width)
        self.contract = nn.Linear(4 * config.width, config.width)

    def forward(self, x_BTD: Tensor, visible_B1TS: Tensor | None) -> Tensor:
        x_BTD = x_BTD + self.attention(self.norm_1(x_BTD), visible_B1TS)
        mlp_BTD: Tensor = self.contract(F.gelu(self.expand(self.norm_2(x_BTD))))
        return x_BTD + mlp_BTD


class GPT(nn.Module):
    """Token ids (B, T) -> logits (B, T, V)."""

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None):
        """Weights are drawn from `generator` as GPT-2 draws them; without one a checkpoint is to fill them."""
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = nn.Embedding(config.context_length, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)
        self.head.weight = self.token_embedding.weight
        if generator is not None:
            self._initialize(generator)

    def forward(
        self, tokens_BT: Tensor, *, positions_BT: Tensor | None = None, visible_B1TS: Tensor | None = None
    ) -> Tensor:
        """Logits (B, T, V) of the token after each input token.

        Attention is causal, or goes where `visible_B1TS` is True. `positions_BT` default to 0, 1, ...
        """
        T = tokens_BT.shape[1]
        assert 0 < T <= self.config.context_length, (T, self.config.context_length)
        place_TD = self.position_embedding.weight[:T] if positions_BT is None else self.position_embedding(positions_BT)
        x_BTD = self.token_embedding(tokens_BT) + place_TD
        for block in self.blocks:
            x_BTD = block(x_BTD, visible_B1TS)
        logits_BTV: Tensor = self.head(self.norm(x_BTD))
        return logits_BTV

    def all_blocks(self) -> list[Block]:
        """The blocks in order, by their type."""
        return [block for block in self.blocks if isinstance(block, Block)]

    @torch.no_grad()
    def _initialize(self, generator: torch.Generator) -> None:
        """Normal(0, 0.02), the projections into the residual stream scaled by 1/sqrt(2 layers); biases 0, norms 1."""
        for name, parameter in self.named_parameters():
            if "norm" in name:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                residual = name.endswith(("out.weight", "contract.weight"))
                std = 0.02 / math.sqrt(2 * self.config.layers) if residual else 0.02
                parameter.normal_(0.0, std, generator=generator)
