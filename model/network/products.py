"""The products <g_s, g_t> of all positions' gradients, for many short sequences at once, without the gradients.

In: a model, B sequences padded on the right, and which positions are supervised. Out: Products, which tests hold to
autograd.

All cotangents go back together: the S supervised positions of each sequence are rows of every tensor (B, T, S, width).
Down to the last block's attention l_s touches position s alone, and there is no T. A linear layer's part of <g_s, g_t>
needs only what it read, `right`, and the cotangents of what it gave, `left`: the sum over n, m of
(right_n . right_m) (left_sn . left_tm), plus 1 in the first factor for a bias, which reads 1.
Sources: Goodfellow 2015 (arXiv 1510.01799), per-example gradients; Li et al. 2022 (arXiv 2110.05679), products of
gradients without the gradients; Vaswani et al. 2017 (arXiv 1706.03762), attention; Hendrycks & Gimpel 2016 (arXiv
1606.08415), GELU. Those of norms and of the head that shares W: learner.py.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.network.gpt import GPT, Block


@dataclass(frozen=True)
class Products:
    """Of the gradients of l_s/|S|, for B sequences of T positions.

    S counts the positions supervised in any of the sequences; in a sequence that ignores one, its numbers are 0.
    """

    positions_S: Tensor
    logits_BTV: Tensor
    logit_norm_BS: Tensor
    """Lengths of the gradients by position s's own logits."""
    products_BSS: Tensor
    """<g_s, g_t> over all parameters."""
    input_norm_BT: Tensor
    """Lengths of the whole loss's gradient by each embedded input, token plus place."""


@torch.inference_mode()
def gradient_products(model: GPT, tokens_BT: Tensor, targets_BT: Tensor, supervised_BT: Tensor) -> Products:
    """`targets_BT` may be anything where nothing is supervised. A sequence's result does not depend on the others."""
    B, T = tokens_BT.shape
    x_ND = (F.embedding(tokens_BT, model.token_embedding.weight) + model.position_embedding.weight[:T]).flatten(0, 1)
    layers = [_Pass(block, B, T) for block in model.all_blocks()]
    for layer in layers:
        x_ND = layer.forward(x_ND)
    head = _Norm(model.norm, x_ND)
    logits_BTV = (head.output_ND @ model.head.weight.T).view(B, T, -1)
    positions_S = supervised_BT.any(0).nonzero()[:, 0]
    at = _Places(positions_S, B, T)
    own_BSV = _by_own_logits(
        at(logits_BTV.flatten(0, 1)).softmax(-1), at(targets_BT.flatten()), at(supervised_BT.flatten())
    )
    read_BSD = at(head.output_ND)
    sums = _Sums((own_BSV @ own_BSV.mT) * (read_BSD @ read_BSD.mT))
    g = head.backward(own_BSV @ model.head.weight, at, sums)
    g = layers[-1].backward_at_positions(g, at, sums)
    for layer in reversed(layers[:-1]):
        g = layer.backward(g, sums)
    products_BSS = sums.whole()
    # x_t = W[token_t] + P[t]: equal tokens share a row of W, and each place has a row of P.
    same_BTT = (tokens_BT[:, :, None] == tokens_BT[:, None, :]).to(g.dtype)
    same_BTT.diagonal(dim1=1, dim2=2).add_(1)
    products_BSS += _over_positions(g, same_BTT)
    # W is the head's too: its gradient there is own_s x read_s, here g_s[t] at row token_t.
    S = len(positions_S)
    own_of_tokens_BST = own_BSV.gather(2, tokens_BT[:, None, :].expand(B, S, T))
    met_BTSS = (g.reshape(B, T * S, x_ND.shape[1]) @ read_BSD.mT).view(B, T, S, S)  # [t, s', s]
    crossed_BSS = (own_of_tokens_BST.transpose(1, 2)[:, :, None] * met_BTSS).sum(1)
    products_BSS += crossed_BSS + crossed_BSS.mT
    return Products(positions_S, logits_BTV, own_BSV.norm(dim=-1), products_BSS, g.sum(2).norm(dim=-1))


def _by_own_logits(own_BSV: Tensor, targets_BS: Tensor, supervised_BS: Tensor) -> Tensor:
    """d(l_s/|S|)/dz_s = (p - onehot(y)) / |S|, from the probabilities, which are overwritten; 0 where ignored."""
    # At the target p - 1 is taken as minus the sum of the others, which does not cancel where p is near 1.
    targets_BS1 = targets_BS.clamp(min=0)[..., None]
    own_BSV.scatter_(2, targets_BS1, 0.0)
    own_BSV.scatter_(2, targets_BS1, -own_BSV.sum(-1, keepdim=True))
    weights_BS = supervised_BS.to(own_BSV.dtype) / supervised_BS.sum(1, keepdim=True).clamp(min=1)
    return own_BSV.mul_(weights_BS[..., None])


class _Places:
    """The supervised positions' rows out of N = B * T."""

    def __init__(self, positions_S: Tensor, B: int, T: int):
        self._B, self._T = B, T
        first, last = (int(positions_S[0]), int(positions_S[-1])) if len(positions_S) else (0, -1)
        # A run is a slice, and what it takes a view.
        self.where = slice(first, last + 1) if last - first + 1 == len(positions_S) else positions_S

    def __call__(self, x_NX: Tensor) -> Tensor:
        return x_NX.view(self._B, self._T, *x_NX.shape[1:])[:, self.where]

    def add(self, own_BSD: Tensor, spread_BTSD: Tensor) -> None:
        """What position s does at itself, to what it does at all."""
        if isinstance(self.where, slice):
            spread_BTSD[:, self.where].diagonal(dim1=1, dim2=2).add_(own_BSD.mT)
        else:
            spread_BTSD[:, self.where, torch.arange(len(self.where))] += own_BSD


@dataclass
class _Sums:
    """<g_s, g_t> so far, and gradients of small parameters, whose products are taken all at once at the end."""

    products_BSS: Tensor
    rows: list[Tensor] = field(default_factory=list)

    def whole(self) -> Tensor:
        rows_BSP = torch.cat(self.rows, -1)
        return self.products_BSS.add_(rows_BSP @ rows_BSP.mT)

    def own(self, left_BSO: Tensor, right_BSI: Tensor) -> None:
        """A linear layer with bias that position s's loss reaches at s alone."""
        self.products_BSS += (left_BSO @ left_BSO.mT) * (right_BSI @ right_BSI.mT + 1)

    def everywhere(self, left_BTSO: Tensor, right_BTI: Tensor) -> None:
        """A linear layer with bias that it reaches at all positions."""
        self.products_BSS += _over_positions(left_BTSO, right_BTI @ right_BTI.mT + 1)


def _over_positions(left_BTSO: Tensor, inner_BTT: Tensor) -> Tensor:
    """The sum over n, m of inner[n, m] <left[n, s], left[m, t]>, shape (B, S, S)."""
    B, T, S, width = left_BTSO.shape
    weighed = torch.bmm(inner_BTT, left_BTSO.reshape(B, T, S * width)).view(B * T, S, width)
    return torch.bmm(left_BTSO.reshape(B * T, S, width), weighed.mT).view(B, T, S, S).sum(1)


class _Norm:
    """A layer norm of N = B * T rows: y = w x^ + b, x^ = (x - mean) / s."""

    def __init__(self, module: nn.LayerNorm, x_ND: Tensor):
        self._weight_D = module.weight
        self._normed_ND, _, self._scale_N1 = torch.native_layer_norm(
            x_ND, module.normalized_shape, None, None, module.eps
        )
        self.output_ND = torch.addcmul(module.bias, self._normed_ND, module.weight)

    def backward(self, g: Tensor, at: _Places | None, sums: _Sums) -> Tensor:
        """By what it read, from that by what it gave: (B, S, D) at its positions, or with at=None (B, T, S, D)."""
        # dw = sum of dy x^, db = sum of dy, dx^ = w dy, dx = (dx^ - mean(dx^) - x^ mean(dx^ x^)) / s.
        if at:
            normed, scale = at(self._normed_ND), at(self._scale_N1)
        else:
            normed, scale = (x.view(*g.shape[:2], 1, -1) for x in (self._normed_ND, self._scale_N1))
        scaled = g * normed
        sums.rows += [scaled, g] if at else [scaled.sum(1), g.sum(1)]
        weighed = g * self._weight_D
        lost = normed * ((scaled @ self._weight_D[:, None]) / len(self._weight_D))
        return weighed.sub_(weighed.mean(-1, keepdim=True)).sub_(lost).mul_(scale)


class _Pass:
    """A block's forward pass over B sequences of T positions, with what the way back needs of it."""

    def __init__(self, block: Block, B: int, T: int):
        self._block, self._B, self._T, self._heads = block, B, T, block.attention.heads

    def forward(self, x_ND: Tensor) -> Tensor:
        B, T, H, block = self._B, self._T, self._heads, self._block
        D = x_ND.shape[1]
        K = D // H
        self._scale = 1 / math.sqrt(K)
        self._norm_1 = _Norm(block.norm_1, x_ND)
        qkv = F.linear(self._norm_1.output_ND, block.attention.qkv.weight, block.attention.qkv.bias)
        parts = qkv.view(B, T, 3, H, K).permute(2, 0, 3, 1, 4).reshape(3, B * H, T, K)
        self._q, self._k, self._v = parts.unbind(0)
        future_TT = x_ND.new_full((T, T), -math.inf).triu_(1)
        self._weights = torch.baddbmm(future_TT, self._q, self._k.mT, alpha=self._scale).softmax(-1)
        self._mixed_ND = (self._weights @ self._v).view(B, H, T, K).transpose(1, 2).reshape(B * T, D)
        x_ND = x_ND + F.linear(self._mixed_ND, block.attention.out.weight, block.attention.out.bias)
        self._norm_2 = _Norm(block.norm_2, x_ND)
        wide = F.linear(self._norm_2.output_ND, block.expand.weight, block.expand.bias)
        # gelu(x) = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2; its slope is Phi(x) + x phi(x).
        below = (wide * math.sqrt(0.5)).erf_().add_(1).mul_(0.5)
        self._active = wide * below
        density = (wide * wide).mul_(-0.5).exp_()
        self._slope = torch.addcmul(below, wide, density, value=1 / math.sqrt(2 * math.pi))
        return x_ND + F.linear(self._active, block.contract.weight, block.contract.bias)

    def backward_at_positions(self, g: Tensor, at: _Places, sums: _Sums) -> Tensor:
        """From (B, S, D), each loss at its own position, to (B, T, S, D): the attention spreads it."""
        block, B, T, H = self._block, self._B, self._T, self._heads
        S, D = g.shape[1:]
        K = D // H
        sums.own(g, at(self._active))
        inner = (g @ block.contract.weight).mul_(at(self._slope))
        sums.own(inner, at(self._norm_2.output_ND))
        g = g + self._norm_2.backward(inner @ block.expand.weight, at, sums)
        sums.own(g, at(self._mixed_ND))
        # dw = dm v', da = w (dw - sum of w dw), dq = da k / sqrt K, dk = da' q / sqrt K, dv = w' dm; s reads in row s.
        mixed_BHSK = (g @ block.attention.out.weight).view(B, S, H, K).transpose(1, 2)
        q, k, v = (x.view(B, H, T, K) for x in (self._q, self._k, self._v))
        read_BHST = self._weights.view(B, H, T, T)[:, :, at.where]
        by_weights = mixed_BHSK @ v.mT
        lost = (by_weights * read_BHST).sum(-1, keepdim=True)
        scores = (by_weights - lost).mul_(read_BHST).mul_(self._scale)
        right_BTD = self._norm_1.output_ND.view(B, T, D)
        asked_BSD = (scores @ k).transpose(1, 2).reshape(B, S, D)
        sums.own(asked_BSD, at(self._norm_1.output_ND))
        # Position t is reached by s as a key and as a value: in head h by a number times a vector that is the same for
        # all t, scores[s, t] q_s and w[s, t] dm_s. C = 2H such pairs stand for the cotangents (B, T, S, 2D).
        numbers_BCST = torch.cat((scores, read_BHST), 1)
        vectors_BCSK = torch.cat((q[:, :, at.where], mixed_BHSK), 1)
        met_BCSS = numbers_BCST @ (right_BTD @ right_BTD.mT + 1)[:, None] @ numbers_BCST.mT
        sums.products_BSS += met_BCSS.mul_(vectors_BCSK @ vectors_BCSK.mT).sum(1)
        asking_DD, reading_2DD = block.attention.qkv.weight[:D], block.attention.qkv.weight[D:]
        read_by_BCSD = vectors_BCSK @ reading_2DD.view(2 * H, K, D)
        spread = (numbers_BCST.permute(0, 2, 3, 1) @ read_by_BCSD.transpose(1, 2)).transpose(1, 2).contiguous()
        at.add(asked_BSD @ asking_DD, spread)
        spread = self._norm_1.backward(spread, None, sums)
        at.add(g, spread)
        return spread

    def backward(self, g: Tensor, sums: _Sums) -> Tensor:
        """All of it (B, T, S, D)."""
        block, B, T, H = self._block, self._B, self._T, self._heads
        S, D = g.shape[2:]
        K = D // H
        sums.everywhere(g, self._active.view(B, T, -1))
        inner = (g @ block.contract.weight).mul_(self._slope.view(B, T, 1, -1))
        sums.everywhere(inner, self._norm_2.output_ND.view(B, T, D))
        g = self._norm_2.backward(inner @ block.expand.weight, None, sums).add_(g)
        sums.everywhere(g, self._mixed_ND.view(B, T, D))
        mixed = g @ block.attention.out.weight
        mixed = mixed.view(B, T, S, H, K).permute(0, 3, 1, 2, 4).reshape(B * H, T * S, K)
        weights = self._weights.view(B * H, T, 1, T)
        scores = torch.bmm(mixed, self._v.mT).view(B * H, T, S, T)
        scores = scores.sub_((scores * weights).sum(-1, keepdim=True)).mul_(weights * self._scale)
        left = g.new_empty(B, T, S, 3, H, K)
        put = left.permute(3, 0, 4, 1, 2, 5)  # 3, B, H, T, S, K
        put[0] = torch.bmm(scores.view(B * H, T * S, T), self._k).view(B, H, T, S, K)
        put[1] = torch.bmm(scores.permute(0, 3, 2, 1).reshape(B * H, T * S, T), self._q).view(B, H, T, S, K)
        put[2] = torch.bmm(self._weights.mT, mixed.reshape(B * H, T, S * K)).view(B, H, T, S, K)
        left = left.view(B, T, S, 3 * D)
        sums.everywhere(left, self._norm_1.output_ND.view(B, T, D))
        return self._norm_1.backward(left @ block.attention.qkv.weight, None, sums).add_(g)
