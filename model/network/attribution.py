"""Per-position gradients of one sequence: what each position does to the weights and to its neighbours.

In: a model and a batch of one row. Out: the five quantities below, from one forward and one backward pass.

For supervised positions S, loss L = (1/|S|) sum of l_t, and g_t the gradient of l_t/|S| by all parameters:
    logit_norm      ||dL/dz_t||         by position t's logits; exactly 0 where ignored
    parameter_norm  ||g_t||             exactly 0 where ignored
    share           <g_t, G> / ||G||^2  with G = sum of g_t; signed, sums to 1; negative pulls against the rest
    input_norm      ||dL/de_t||         by position t's input embedding; NOT 0 at ignored positions that are attended to
    similarity      cos(g_s, g_t)       all pairs

Norms, shares and cosines need only the products <g_s, g_t>, and those add up over parameters (backward.py).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.masks.batches import Batch
from model.network.backward import position_gradients
from model.network.gpt import GPT


@dataclass(frozen=True)
class Attribution:
    """Float32 tensors over the T positions of one sequence."""

    logits_TV: Tensor
    logit_norm_T: Tensor
    parameter_norm_T: Tensor
    share_T: Tensor
    input_norm_T: Tensor
    similarity_TT: Tensor
    """0 in rows and columns of ignored positions, which have no gradient and so no direction."""


@torch.inference_mode()
def attribute(model: GPT, batch: Batch) -> Attribution:
    """All five quantities for a batch of one row, T positions."""
    gradients = position_gradients(model, batch)
    supervised_S, T = gradients.positions_S, batch.inputs_BT.shape[1]
    products_SS = gradients.products()
    norms_S = products_SS.diagonal().clamp(min=0).sqrt()
    total = products_SS.sum()
    shares_S = products_SS.sum(1) / total if total > 0 else torch.zeros_like(norms_S)
    # A gradient of length 0 has no direction: its cosines are shown as 0.
    lengths_SS = (norms_S[:, None] * norms_S[None, :]).clamp(min=torch.finfo(torch.float32).tiny)
    similarity_TT = torch.zeros(T, T)
    similarity_TT[supervised_S[:, None], supervised_S] = (products_SS / lengths_SS).clamp(-1, 1)
    return Attribution(
        logits_TV=gradients.logits_TV,
        logit_norm_T=_scatter(gradients.by_own_logits_SV.norm(dim=-1), supervised_S, T),
        parameter_norm_T=_scatter(norms_S, supervised_S, T),
        share_T=_scatter(shares_S, supervised_S, T),
        input_norm_T=gradients.by_inputs_STD.sum(0).norm(dim=-1),
        similarity_TT=similarity_TT,
    )


def _scatter(values_S: Tensor, positions_S: Tensor, T: int) -> Tensor:
    return values_S.new_zeros(T).index_copy_(0, positions_S, values_S)
