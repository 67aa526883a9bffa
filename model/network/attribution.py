"""Per-position gradients: what each position does to the weights and to its neighbours.

In: a model and a batch of rows padded on the right. Out: the five quantities below, from one forward and one backward
pass for all rows; a row's do not depend on the others.

For supervised positions S of a row, its loss L = (1/|S|) sum of l_t, and g_t the gradient of l_t/|S| by all parameters:
    logit_norm      ||dL/dz_t||         by position t's logits; exactly 0 where ignored
    parameter_norm  ||g_t||             exactly 0 where ignored
    share           <g_t, G> / ||G||^2  with G = sum of g_t; signed, sums to 1; negative pulls against the rest
    input_norm      ||dL/de_t||         by position t's input embedding; NOT 0 at ignored positions that are attended to
    similarity      cos(g_s, g_t)       all pairs

Norms, shares and cosines need only the products <g_s, g_t>, and those add up over parameters (products.py).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.masks.batches import Batch
from model.network.gpt import GPT
from model.network.products import gradient_products


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


@dataclass(frozen=True)
class Attributions:
    """The same of B sequences of at most T positions; 0 at pads, but for the logits."""

    logits_BTV: Tensor
    logit_norm_BT: Tensor
    parameter_norm_BT: Tensor
    share_BT: Tensor
    input_norm_BT: Tensor
    similarity_BTT: Tensor

    def row(self, row: int) -> Attribution:
        """One sequence's, over all T positions, its pads too."""
        return Attribution(*(values[row] for values in vars(self).values()))


def attribute(model: GPT, batch: Batch) -> Attribution:
    """All five quantities for a batch of one row, T positions."""
    assert batch.inputs_BT.shape[0] == 1, batch.inputs_BT.shape
    return attribute_rows(model, batch).row(0)


@torch.inference_mode()
def attribute_rows(model: GPT, batch: Batch) -> Attributions:
    """All five quantities for a batch of B rows, padded on the right."""
    found = gradient_products(model, batch.inputs_BT, batch.targets_BT, batch.supervised_BT)
    (B, T), positions_S, products_BSS = batch.inputs_BT.shape, found.positions_S, found.products_BSS
    norms_BS = products_BSS.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
    total_B1 = products_BSS.sum((1, 2))[:, None]
    shares_BS = torch.where(total_B1 > 0, products_BSS.sum(2) / total_B1, 0.0)
    # A gradient of length 0 has no direction: its cosines are shown as 0.
    lengths_BSS = (norms_BS[:, :, None] * norms_BS[:, None, :]).clamp(min=torch.finfo(torch.float32).tiny)
    similarity_BTT = torch.zeros(B, T, T)
    similarity_BTT[:, positions_S[:, None], positions_S] = (products_BSS / lengths_BSS).clamp(-1, 1)
    three_3BT = torch.zeros(3, B, T)
    three_3BT[:, :, positions_S] = torch.stack((found.logit_norm_BS, norms_BS, shares_BS))
    logit_BT, parameter_BT, share_BT = three_3BT
    return Attributions(found.logits_BTV, logit_BT, parameter_BT, share_BT, found.input_norm_BT, similarity_BTT)
