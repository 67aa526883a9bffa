"""The GPT's backward pass for many losses of one sequence at once: gradients of each supervised position's own loss.

In: a model and a batch of one row. Out: per-position parameter gradients, mostly in factored form.

Autograd would repeat the pass for every position, or the forward pass for every copy of the sequence. Here all S
cotangents go back together as one tensor (S, T, ...) through activations kept once, and a weight's gradient stays the
pair of factors whose product it is, since <g_s, g_t> can be had from the factors. Tests hold it equal to autograd.
Sources: Goodfellow 2015 (arXiv 1510.01799), per-example gradients; Li et al. 2022 (arXiv 2110.05679), products of
gradients without the gradients.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.batches import Batch
from model.gpt import GPT, Attention, Block


@dataclass(frozen=True)
class Factored:
    """S gradients of a linear layer: its weight's is left_STO' right_TI summed over T, its bias's is left_STO so summed."""

    left_STO: Tensor
    """By what the layer gave."""
    right_TI: Tensor
    """What the layer read."""
    has_bias: bool

    def weight(self) -> Tensor:
        return self.left_STO.mT @ self.right_TI

    def bias(self) -> Tensor:
        return self.left_STO.sum(1)

    def products(self) -> Tensor:
        """<g_s, g_t> over weight and bias for all pairs, shape (S, S)."""
        inner_TT = self.right_TI @ self.right_TI.T
        if self.has_bias:
            inner_TT = inner_TT + 1
        return self.left_STO.flatten(1) @ (inner_TT @ self.left_STO).flatten(1).T


@dataclass(frozen=True)
class PositionGradients:
    """Gradients of l_s/|S| for each supervised position s."""

    positions_S: Tensor
    """The supervised positions, in order."""
    logits_TV: Tensor
    by_own_logits_SV: Tensor
    """By the logits at s, the only ones l_s depends on."""
    by_inputs_STD: Tensor
    """By the embedded inputs at every position, token plus place."""
    factored: dict[str, Factored]
    """Of linear layers, by module name."""
    dense: dict[str, Tensor]
    """Of all other parameters, (S, *shape), by parameter name."""

    def products(self) -> Tensor:
        """<g_s, g_t> over all parameters, shape (S, S)."""
        rows_SP = torch.cat([gradient.flatten(1) for gradient in self.dense.values()], 1)
        products_SS = rows_SP @ rows_SP.T
        for gradient in self.factored.values():
            products_SS += gradient.products()
        return products_SS

    def by_parameter(self) -> dict[str, Tensor]:
        """(S, *shape) by parameter name. Their sum over S is what `loss.backward()` leaves in `.grad`."""
        weights = {f"{name}.weight": gradient.weight() for name, gradient in self.factored.items()}
        biases = {f"{name}.bias": gradient.bias() for name, gradient in self.factored.items() if gradient.has_bias}
        return self.dense | weights | biases


@torch.inference_mode()
def position_gradients(model: GPT, batch: Batch) -> PositionGradients:
    """g_s for every supervised position s of a batch of one row of T positions."""
    assert batch.inputs_BT.shape[0] == 1, batch.inputs_BT.shape
    tokens_T, targets_T = batch.inputs_BT[0], batch.targets_BT[0]
    positions_S = batch.supervised_BT[0].nonzero()[:, 0]
    S, T = len(positions_S), len(tokens_T)
    tape = _Tape()
    with tape.recording(model):
        logits_TV = model(batch.inputs_BT)[0]
    own_SV = logits_TV[positions_S].softmax(-1)
    own_SV[torch.arange(S), targets_T[positions_S]] -= 1
    own_SV /= max(S, 1)
    logits_STV = own_SV.new_zeros(S, *logits_TV.shape)
    logits_STV[torch.arange(S), positions_S] = own_SV
    tied_SVD = logits_STV.mT @ tape.inputs["head"]
    gradient_STD = tape.layer_norm("norm", model.norm, logits_STV @ model.head.weight)
    for i, block in reversed(list(enumerate(model.blocks))):
        gradient_STD = tape.block(f"blocks.{i}", block, gradient_STD)
    tape.dense["token_embedding.weight"] = tied_SVD.index_add_(1, tokens_T, gradient_STD)
    unused_places = model.config.context_length - T
    tape.dense["position_embedding.weight"] = F.pad(gradient_STD, (0, 0, 0, unused_places))
    return PositionGradients(positions_S, logits_TV, own_SV, gradient_STD, tape.factored, tape.dense)


@dataclass
class _Tape:
    """What each layer read and gave in one forward pass, by name, then the gradients found on the way back.

    Each method takes the gradient by what a module gave, keeps those by its parameters, returns that by what it read.
    """

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    factored: dict[str, Factored] = field(default_factory=dict)
    dense: dict[str, Tensor] = field(default_factory=dict)

    @contextmanager
    def recording(self, model: GPT) -> Iterator[None]:
        """While open, notes what each linear layer and norm reads and gives for the batch's only row."""

        def note(name: str, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.inputs[name], self.outputs[name] = inputs[0][0], output[0]

        layers = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.LayerNorm))
        hooks = [layer.register_forward_hook(partial(note, name)) for name, layer in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def block(self, name: str, block: Block, gradient_STD: Tensor) -> Tensor:
        inner = self.linear(f"{name}.contract", block.contract, gradient_STD)
        inner = inner * _gelu_slope(self.outputs[f"{name}.expand"])
        inner = self.linear(f"{name}.expand", block.expand, inner)
        gradient_STD = gradient_STD + self.layer_norm(f"{name}.norm_2", block.norm_2, inner)
        inner = self.attention(f"{name}.attention", block.attention, gradient_STD)
        return gradient_STD + self.layer_norm(f"{name}.norm_1", block.norm_1, inner)

    def attention(self, name: str, module: Attention, gradient_STD: Tensor) -> Tensor:
        S, T, D = gradient_STD.shape
        H, K = module.heads, D // module.heads
        scale = 1 / math.sqrt(K)
        queries_HTK, keys_HTK, values_HTK = self.outputs[f"{name}.qkv"].view(T, 3, H, K).permute(1, 2, 0, 3)
        future_TT = torch.ones(T, T, dtype=torch.bool).triu(1)
        weights_HTT = (queries_HTK @ keys_HTK.mT * scale).masked_fill(future_TT, -math.inf).softmax(-1)
        mixed_STD = self.linear(f"{name}.out", module.out, gradient_STD)
        mixed_SHTK = mixed_STD.view(S, T, H, K).transpose(1, 2)
        by_weights_SHTT = mixed_SHTK @ values_HTK.mT
        mean_SHT1 = (by_weights_SHTT * weights_HTT).sum(-1, keepdim=True)
        scores_SHTT = (by_weights_SHTT - mean_SHT1) * (weights_HTT * scale)
        qkv_3SHTK = torch.stack((scores_SHTT @ keys_HTK, scores_SHTT.mT @ queries_HTK, weights_HTT.mT @ mixed_SHTK))
        return self.linear(f"{name}.qkv", module.qkv, qkv_3SHTK.permute(1, 3, 0, 2, 4).reshape(S, T, 3 * D))

    def linear(self, name: str, module: nn.Linear, gradient_STO: Tensor) -> Tensor:
        self.factored[name] = Factored(gradient_STO, self.inputs[name], module.bias is not None)
        return gradient_STO @ module.weight

    def layer_norm(self, name: str, module: nn.LayerNorm, gradient_STD: Tensor) -> Tensor:
        x_TD = self.inputs[name]
        normed_TD = F.layer_norm(x_TD, module.normalized_shape, eps=module.eps)
        scale_T1 = (x_TD.var(-1, correction=0, keepdim=True) + module.eps).rsqrt()
        scaled_STD = gradient_STD * normed_TD
        self.dense[f"{name}.weight"] = scaled_STD.sum(1)
        self.dense[f"{name}.bias"] = gradient_STD.sum(1)
        # Take out what a norm cannot pass on: the mean of the weighed gradient, and its part along the normed input.
        average_D1 = module.weight[:, None] / module.weight.numel()
        lost_STD = torch.addcmul(gradient_STD @ average_D1, normed_TD, scaled_STD @ average_D1)
        return (gradient_STD * module.weight - lost_STD) * scale_T1


def _gelu_slope(x: Tensor) -> Tensor:
    """The derivative of GELU in its tanh form."""
    factor, cubic = math.sqrt(2 / math.pi), 0.044715
    square = x * x
    tanh = (factor * x * (1 + cubic * square)).tanh()
    return 0.5 * (1 + tanh + x * (1 - tanh * tanh) * (factor + 3 * factor * cubic * square))
