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

from model.masks.batches import Batch
from model.network.gpt import GPT, Attention, Block


@dataclass(frozen=True)
class Factored:
    """S gradients of a linear layer: its weight's is the sum over n of left[s, n] x right[n], its bias's that of left.

    N are all T positions, and right is the same for every s; or N is 1, where only position s itself got a gradient.
    """

    left_SNO: Tensor
    """By what the layer gave."""
    right: Tensor
    """What the layer read: (T, I), or (S, 1, I)."""
    has_bias: bool

    def weight(self) -> Tensor:
        return self.left_SNO.mT @ self.right

    def bias(self) -> Tensor:
        return self.left_SNO.sum(1)

    def products(self) -> Tensor:
        """<g_s, g_t> over weight and bias for all pairs, shape (S, S)."""
        # <Σ_n l_snᵀ r_sn, Σ_m l_tmᵀ r_tm> = Σ_nm (l_sn · l_tm) (r_sn · r_tm); a bias is a weight that reads 1: + 1.
        own = self.right.dim() == 3
        right = self.right[:, 0] if own else self.right
        inner = right @ right.T + self.has_bias
        if own:
            return inner * (self.left_SNO[:, 0] @ self.left_SNO[:, 0].T)
        return self.left_SNO.flatten(1) @ (inner @ self.left_SNO).flatten(1).T


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
    tape = _Tape(positions_S)
    with tape.recording(model):
        logits_TV = model(batch.inputs_BT)[0]
    # l_s = -ln p[y], p = softmax(z_s): d(l_s/S)/dz_s = (p - onehot(y)) / S.
    # At the target p - 1 is taken as minus the sum of the others, which does not cancel where p is near 1.
    each_S, own_targets_S = torch.arange(S), targets_T[positions_S]
    own_SV = logits_TV[positions_S].softmax(-1)
    own_SV[each_S, own_targets_S] = 0
    own_SV[each_S, own_targets_S] = -own_SV.sum(-1)
    own_SV /= max(S, 1)
    # z = h Wᵀ, and W embeds the tokens too (Press & Wolf 2017, arXiv 1608.05859): the head gives dW = dzᵀ h, dh = dz W.
    tied_SVD = own_SV[:, :, None] * tape.inputs["head"][positions_S, None]
    gradient_SND = tape.layer_norm("norm", model.norm, (own_SV @ model.head.weight)[:, None])
    for i, block in reversed(list(enumerate(model.all_blocks()))):
        gradient_SND = tape.block(f"blocks.{i}", block, gradient_SND)
    # x_t = W[token_t] + P[t]: dx_t goes to row token_t of W, on top of the head's, and to row t of P.
    tape.dense["token_embedding.weight"] = tied_SVD.index_add_(1, tokens_T, gradient_SND)
    unused_places = model.config.context_length - T
    tape.dense["position_embedding.weight"] = F.pad(gradient_SND, (0, 0, 0, unused_places))
    return PositionGradients(positions_S, logits_TV, own_SV, gradient_SND, tape.factored, tape.dense)


@dataclass
class _Tape:
    """What each layer read and gave in one forward pass, by name, then the gradients found on the way back.

    Each method takes the gradient by what a module gave, keeps those by its parameters, returns that by what it read.
    Gradients are (S, N, width). Down to the last block's attention l_s touches position s alone, and N is 1; attention
    spreads it to all T. In comments dx is the gradient by x, and vectors are rows.
    """

    positions_S: Tensor
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

    def block(self, name: str, block: Block, gradient_SND: Tensor) -> Tensor:
        # y = x' + contract(gelu(expand(norm_2(x')))), x' = x + attention(norm_1(x)): a sum hands its gradient to both,
        # so dx' = dy + what comes back through its branch, dx = dx' + what comes back through the other.
        inner = self.linear(f"{name}.contract", block.contract, gradient_SND)
        inner = inner * _gelu_slope(self._at(self.outputs[f"{name}.expand"], inner))
        inner = self.linear(f"{name}.expand", block.expand, inner)
        gradient_SND = gradient_SND + self.layer_norm(f"{name}.norm_2", block.norm_2, inner)
        inner = self.attention(f"{name}.attention", block.attention, gradient_SND)
        inner = self.layer_norm(f"{name}.norm_1", block.norm_1, inner)
        return self._spread(gradient_SND, T=inner.shape[1]) + inner

    def attention(self, name: str, module: Attention, gradient_SND: Tensor) -> Tensor:
        """Always returns all T positions.

        Per head m = w v, w = softmax(a), a = q kᵀ / √K with -inf at the future (Vaswani et al. 2017, arXiv 1706.03762).
        """
        S, T, D = len(gradient_SND), len(self.outputs[f"{name}.qkv"]), gradient_SND.shape[2]
        H, K = module.heads, D // module.heads
        scale = 1 / math.sqrt(K)
        queries_HTK, keys_HTK, values_HTK = self.outputs[f"{name}.qkv"].view(T, 3, H, K).permute(1, 2, 0, 3)
        future_TT = keys_HTK.new_full((T, T), -math.inf).triu(1)
        weights_HTT = torch.baddbmm(future_TT, queries_HTK, keys_HTK.mT, alpha=scale).softmax(-1)
        mixed_STD = self._spread(self.linear(f"{name}.out", module.out, gradient_SND), T)
        mixed_SHTK = mixed_STD.view(S, T, H, K).transpose(1, 2)
        # dw = dm vᵀ, da = w (dw - Σ w dw) along each row, dq = da k / √K, dk = daᵀ q / √K, dv = wᵀ dm.
        # No mask is needed on the way back: w is 0 at the future. `scores` is da / √K.
        by_weights_SHTT = mixed_SHTK @ values_HTK.mT
        mean_SHT1 = (by_weights_SHTT * weights_HTT).sum(-1, keepdim=True)
        scores_SHTT = (by_weights_SHTT - mean_SHT1) * (weights_HTT * scale)
        qkv_3SHTK = torch.stack((scores_SHTT @ keys_HTK, scores_SHTT.mT @ queries_HTK, weights_HTT.mT @ mixed_SHTK))
        return self.linear(f"{name}.qkv", module.qkv, qkv_3SHTK.permute(1, 3, 0, 2, 4).reshape(S, T, 3 * D))

    def linear(self, name: str, module: nn.Linear, gradient_SNO: Tensor) -> Tensor:
        # y = x Wᵀ + b: dW = Σ_n dy_nᵀ x_n, db = Σ_n dy_n, dx = dy W.
        self.factored[name] = Factored(gradient_SNO, self._at(self.inputs[name], gradient_SNO), module.bias is not None)
        return gradient_SNO @ module.weight

    def layer_norm(self, name: str, module: nn.LayerNorm, gradient_SND: Tensor) -> Tensor:
        x = self._at(self.inputs[name], gradient_SND)
        # y = w x̂ + b, x̂ = (x - mean(x)) / s, s² = var(x) + eps, over the width (Ba et al. 2016, arXiv 1607.06450):
        # dw = Σ_n dy x̂, db = Σ_n dy, dx̂ = w dy, dx = (dx̂ - mean(dx̂) - x̂ mean(dx̂ x̂)) / s.
        # `scale` is 1 / s; a product with w / D weighs and takes the mean at once: dy gives mean(dx̂), dy x̂ mean(dx̂ x̂).
        normed, _, scale = torch.native_layer_norm(x, module.normalized_shape, None, None, module.eps)
        scaled_SND = gradient_SND * normed
        self.dense[f"{name}.weight"] = scaled_SND.sum(1)
        self.dense[f"{name}.bias"] = gradient_SND.sum(1)
        average_D1 = module.weight[:, None] / module.weight.numel()
        lost_SND = torch.addcmul(gradient_SND @ average_D1, normed, scaled_SND @ average_D1)
        return (gradient_SND * module.weight - lost_SND) * scale

    def _at(self, activation: Tensor, gradient_SND: Tensor) -> Tensor:
        """An activation (T, width) where the gradients are: as it is, or (S, 1, width)."""
        return activation if gradient_SND.shape[1] == len(activation) else activation[self.positions_S, None]

    def _spread(self, gradient_SND: Tensor, T: int) -> Tensor:
        """Gradients at position s alone among zeros at all T positions."""
        S, N, D = gradient_SND.shape
        if N == T:
            return gradient_SND
        gradient_STD = gradient_SND.new_zeros(S, T, D)
        gradient_STD[torch.arange(S), self.positions_S] = gradient_SND[:, 0]
        return gradient_STD


def _gelu_slope(x: Tensor) -> Tensor:
    """The derivative of the exact GELU, x Φ(x) (Hendrycks & Gimpel 2016, arXiv 1606.08415): Φ(x) + x φ(x)."""
    # Φ(x) = (1 + erf(x / √2)) / 2, and its density φ(x) = exp(-x² / 2) / √(2π).
    return 0.5 * (1 + (x * math.sqrt(0.5)).erf()) + x * (-0.5 * x * x).exp() / math.sqrt(2 * math.pi)
