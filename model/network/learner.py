"""One training step of a GPT by hand: loss, gradient and AdamW for a whole batch. In: batches. Out: losses.

The same sums as `loss.backward()` through GPT.forward, written for speed: models this small spend most of a step in
autograd's bookkeeping and in kernels made for long rows. Here pads are left out of every product, behind the last
attention only positions with a loss go on, and all weights lie in one vector, so that AdamW is one call. Tests hold
the gradients equal to autograd's.

Axes besides those of model/__init__.py: N the real positions of a batch, row after row; M those of them that have a
loss; G rows x heads. In comments dx is the gradient of the loss by x, and vectors are rows.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.adamw import adamw

from model.masks.batches import Batch
from model.masks.policies import IGNORE_INDEX
from model.network.gpt import GPT, Attention, Block

aten = torch.ops.aten
ADAM_EPSILON = 1e-8
"""As in torch.optim.AdamW."""


class Learner:
    """Owns a model's weights while it learns: they become views of one vector, which every step changes in place."""

    def __init__(self, model: GPT, *, betas: tuple[float, float], weight_decay: float):
        weights_P = torch.cat([p.detach().flatten() for p in model.parameters()])
        self._gradient_P = torch.zeros_like(weights_P)
        self.gradients: dict[str, Tensor] = {}
        """By parameter name, of the last batch; the next one overwrites them."""
        start = 0
        for name, parameter in model.named_parameters():
            stop = start + parameter.numel()
            parameter.data = weights_P[start:stop].view_as(parameter)
            self.gradients[name] = self._gradient_P[start:stop].view_as(parameter)
            start = stop
        self._model = model.requires_grad_(True)  # not frozen: nothing of it may be kept, as folded.py does
        self._norm = _Norm(model.norm, "norm", self.gradients)
        self._blocks = [_Block(b, f"blocks.{i}", self.gradients) for i, b in enumerate(model.all_blocks())]
        self._weights_P = weights_P
        self._mean_P, self._square_P = torch.zeros_like(weights_P), torch.zeros_like(weights_P)
        self._steps = torch.tensor(0.0)
        self._betas, self._weight_decay = betas, weight_decay

    @torch.no_grad()
    def step(self, batch: Batch, learning_rate: float) -> float:
        """Take one step; returns the mean loss in nats over the supervised positions before it."""
        loss = self.backward(batch)
        # Step k = 1, 2, ... at rate η (Loshchilov & Hutter 2019, arXiv 1711.05101), g² and √ entry by entry:
        #   θ <- θ - η λ θ                           decay beside the gradient; of every weight, biases and norms too
        #   m <- β1 m + (1 - β1) g                   v <- β2 v + (1 - β2) g²
        #   θ <- θ - η m̂ / (√v̂ + ε)                  m̂ = m / (1 - β1^k), v̂ = v / (1 - β2^k): both began at 0
        adamw(  # the function under torch.optim.AdamW, whose bookkeeping takes longer than the arithmetic here
            [self._weights_P],
            [self._gradient_P],
            [self._mean_P],
            [self._square_P],
            [],
            [self._steps],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=learning_rate,
            weight_decay=self._weight_decay,
            eps=ADAM_EPSILON,
            maximize=False,
        )
        return loss

    @torch.no_grad()
    def backward(self, batch: Batch) -> float:
        """The mean loss over the supervised positions, 0 if there are none; leaves its gradient in `gradients`."""
        layout = _Layout(batch)
        if len(layout.targets_M1) == 0:
            self._gradient_P.zero_()
            return 0.0
        # x_n = W[token_n] + P[place_n], z = h Wᵀ with the same W (Press & Wolf 2017, arXiv 1608.05859).
        embedding_VD = self._model.token_embedding.weight
        x = F.embedding(layout.tokens_N, embedding_VD)
        x += F.embedding(layout.places_N, self._model.position_embedding.weight)
        for block in self._blocks:
            x = block.forward(x, layout, narrows=block is self._blocks[-1])
        normed_MD = self._norm.forward(x)
        logarithms_MV = (normed_MD @ embedding_VD.T).log_softmax(-1)
        loss = -logarithms_MV.gather(1, layout.targets_M1).mean()
        # L = -(1/M) Σ ln p[y], p = softmax(z): dz = (p - onehot(y)) / M, dh = dz W.
        by_logits_MV = logarithms_MV.exp_()
        by_logits_MV.scatter_add_(1, layout.targets_M1, by_logits_MV.new_full(layout.targets_M1.shape, -1.0))
        by_logits_MV /= len(layout.targets_M1)
        gradient = self._norm.backward(by_logits_MV @ embedding_VD)
        for block in reversed(self._blocks):
            gradient = block.backward(gradient)
        # dW = dzᵀ h from the head, and each dx_n on row token_n; dP: each dx_n on row place_n.
        by_embedding_VD = self.gradients["token_embedding.weight"]
        torch.mm(by_logits_MV.T, normed_MD, out=by_embedding_VD)
        by_embedding_VD.index_add_(0, layout.tokens_N, gradient)
        self.gradients["position_embedding.weight"].zero_().index_add_(0, layout.places_N, gradient)
        return float(loss)


class _Layout:
    """Where the N real and the M supervised positions of a batch lie."""

    def __init__(self, batch: Batch):
        self.rows, self.columns = batch.inputs_BT.shape
        inputs, targets = batch.inputs_BT.flatten(), batch.targets_BT.flatten()
        rows_BT = torch.arange(self.columns).expand(self.rows, -1) if batch.positions_BT is None else batch.positions_BT
        places = rows_BT.reshape(-1)
        supervised_M = (targets != IGNORE_INDEX).nonzero()[:, 0]
        self.targets_M1 = targets[supervised_M, None]
        visible_BTS = batch.visible_BTS()
        future_ST = torch.full((self.columns, self.columns), -torch.inf).tril(-1)
        self.hidden_BST = future_ST if visible_BTS is None else torch.zeros(()).where(visible_BTS.mT, -torch.inf)
        """-inf where position t must not look at position s, 0 elsewhere; one (S, T) for all rows if they are alike."""
        self.cell_N: Tensor | None = None
        """The cell of the (B, T) grid each real position lies in; None if all are real."""
        self.cell_M = supervised_M
        self.real_M = supervised_M
        """Each supervised position's number among the N."""
        if not batch.real_BT.all():
            real = batch.real_BT.flatten()
            self.cell_N = real.nonzero()[:, 0]
            self.real_M = (real.cumsum(0) - 1)[supervised_M]
            inputs, places = inputs[self.cell_N], places[self.cell_N]
        self.tokens_N, self.places_N = inputs, places


class _Linear:
    """y = x Wᵀ + b. Remembers what it read: dW = dyᵀ x, db = Σ_n dy_n, dx = dy W."""

    def __init__(self, module: nn.Linear, name: str, gradients: dict[str, Tensor]):
        self._module = module
        self._by_weight, self._by_bias = gradients[f"{name}.weight"], gradients[f"{name}.bias"]

    def forward(self, x: Tensor) -> Tensor:
        self._x = x
        return torch.addmm(self._module.bias, x, self._module.weight.T)

    def backward(self, gradient: Tensor) -> Tensor:
        torch.mm(gradient.T, self._x, out=self._by_weight)
        torch.sum(gradient, 0, out=self._by_bias)
        return gradient @ self._module.weight


class _Norm:
    """y = w x̂ + b, x̂ = (x - mean(x)) / s, s² = var(x) + eps, over the width (Ba et al. 2016, arXiv 1607.06450).

    dw = Σ_n dy x̂, db = Σ_n dy, dx̂ = w dy, dx = (dx̂ - mean(dx̂) - x̂ mean(dx̂ x̂)) / s; `scale` is 1 / s.
    """

    def __init__(self, module: nn.LayerNorm, name: str, gradients: dict[str, Tensor]):
        self._weight, self._bias, self._eps = module.weight, module.bias, module.eps
        self._shape = list(module.normalized_shape)
        self._by_weight, self._by_bias = gradients[f"{name}.weight"], gradients[f"{name}.bias"]

    def forward(self, x: Tensor) -> Tensor:
        out, mean, scale = aten.native_layer_norm(x, self._shape, self._weight, self._bias, self._eps)
        self._read = (x, self._shape, mean, scale, self._weight, self._bias)
        return cast(Tensor, out)

    def backward(self, gradient: Tensor) -> Tensor:
        by_x, by_weight, by_bias = aten.native_layer_norm_backward(gradient, *self._read, [True] * 3)
        self._by_weight.copy_(by_weight)
        self._by_bias.copy_(by_bias)
        return cast(Tensor, by_x)


class _Block:
    """x + attention(norm(x)), then x + mlp(norm(x)); the last block's second half runs at the M positions only."""

    def __init__(self, block: Block, name: str, gradients: dict[str, Tensor]):
        self._norm_1 = _Norm(block.norm_1, f"{name}.norm_1", gradients)
        self._attention = _Attention(block.attention, f"{name}.attention", gradients)
        self._norm_2 = _Norm(block.norm_2, f"{name}.norm_2", gradients)
        self._expand = _Linear(block.expand, f"{name}.expand", gradients)
        self._contract = _Linear(block.contract, f"{name}.contract", gradients)

    def forward(self, x: Tensor, layout: _Layout, narrows: bool) -> Tensor:
        self._narrowed = layout.real_M if narrows and len(layout.real_M) < len(x) else None
        self._all = len(x)
        cells = layout.cell_N if self._narrowed is None else layout.cell_M
        mixed = self._attention.forward(self._norm_1.forward(x), layout, cells)
        x = mixed.add_(x if self._narrowed is None else x[self._narrowed])
        self._wide = self._expand.forward(self._norm_2.forward(x))
        return self._contract.forward(F.gelu(self._wide)).add_(x)

    def backward(self, gradient: Tensor) -> Tensor:
        # A sum hands its gradient to both: dx = dy + what comes back through the branch; rows that were left out get
        # none of dy, only the branch's. gelu(u) = u Φ(u) in its exact form: du = dg (Φ(u) + u φ(u)).
        wide = aten.gelu_backward(self._contract.backward(gradient), self._wide)
        gradient = gradient + self._norm_2.backward(self._expand.backward(wide))
        before = self._norm_1.backward(self._attention.backward(gradient))
        return before.add_(gradient) if self._narrowed is None else before.index_add_(0, self._narrowed, gradient)


class _Attention:
    """Causal self-attention over the (B, T) grid, by plain products.

    Weights lie with the key's axis S first: a softmax down the first axis takes whole vectors at a time, while torch's
    kernels go along rows of T, which are too short for them here.
    """

    def __init__(self, module: Attention, name: str, gradients: dict[str, Tensor]):
        self._heads = module.heads
        self._qkv = _Linear(module.qkv, f"{name}.qkv", gradients)
        self._out = _Linear(module.out, f"{name}.out", gradients)

    def forward(self, x_ND: Tensor, layout: _Layout, cells: Tensor | None) -> Tensor:
        """At the positions in `cells` of the grid; None: all."""
        self._layout, self._cells = layout, cells
        B, T, D = layout.rows, layout.columns, x_ND.shape[1]
        qkv = self._to_grid(self._qkv.forward(x_ND), layout.cell_N)
        grid_3BHTK = qkv.view(B, T, 3, self._heads, -1).permute(2, 0, 3, 1, 4).contiguous()
        self._q_GTK, self._k_GTK, self._v_GTK = grid_3BHTK.view(3, B * self._heads, T, -1)
        self._scale = self._k_GTK.shape[2] ** -0.5
        hidden_GST = layout.hidden_BST.to(x_ND.dtype)
        if hidden_GST.ndim == 3:
            hidden_GST = hidden_GST.repeat_interleave(self._heads, 0)
        scores_GST = torch.baddbmm(hidden_GST, self._k_GTK, self._q_GTK.mT, alpha=self._scale)
        self._weights_SGT = scores_GST.transpose(0, 1).contiguous().softmax(0)
        mixed_GTK = torch.bmm(self._weights_SGT.permute(1, 2, 0), self._v_GTK)
        mixed = mixed_GTK.view(B, self._heads, T, -1).transpose(1, 2).reshape(B * T, D)
        return self._out.forward(mixed if cells is None else mixed[cells])

    def backward(self, gradient: Tensor) -> Tensor:
        B, T, D = self._layout.rows, self._layout.columns, gradient.shape[1]
        mixed = self._to_grid(self._out.backward(gradient), self._cells)
        mixed_GTK = mixed.view(B, T, self._heads, -1).transpose(1, 2).reshape(B * self._heads, T, -1)
        by_weights_SGT = torch.bmm(self._v_GTK, mixed_GTK.mT).transpose(0, 1).contiguous()
        # m = w v, w = softmax(a) over S, a = q kᵀ / √K: dw = dm vᵀ, da = w (dw - Σ_S w dw), `scores` is da / √K,
        # dq = da k / √K, dk = daᵀ q / √K, dv = wᵀ dm. Hidden cells need no mask again: w is 0 there.
        weighted_SGT = by_weights_SGT.mul_(self._weights_SGT)
        scores_SGT = weighted_SGT.addcmul_(self._weights_SGT, weighted_SGT.sum(0), value=-1).mul_(self._scale)
        by_3GTK = mixed.new_empty(3, B * self._heads, T, D // self._heads)
        torch.bmm(scores_SGT.permute(1, 2, 0), self._k_GTK, out=by_3GTK[0])
        torch.bmm(scores_SGT.transpose(0, 1), self._q_GTK, out=by_3GTK[1])
        torch.bmm(self._weights_SGT.transpose(0, 1), mixed_GTK, out=by_3GTK[2])
        qkv = by_3GTK.view(3, B, self._heads, T, -1).permute(1, 3, 0, 2, 4).reshape(B * T, 3 * D)
        return self._qkv.backward(qkv if self._layout.cell_N is None else qkv[self._layout.cell_N])

    def _to_grid(self, rows: Tensor, cells: Tensor | None) -> Tensor:
        """Rows at their cells of the grid, zeros elsewhere."""
        if cells is None:
            return rows
        return rows.new_zeros(self._layout.rows * self._layout.columns, rows.shape[1]).index_copy_(0, cells, rows)
