"""model/explain/analysis.py: what is shown of a policy is that policy's own objective, by plain autograd in float64."""

import math
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.explain.analysis import Analysis, analyze
from model.masks.batches import Batch, make_batch
from model.masks.policies import IGNORE_INDEX, MASK_POLICIES, RIGHT
from model.network.gpt import GPT
from model.text.chat_template import render
from model.training.recipes import ALL_RECIPES

every_policy = pytest.mark.parametrize("slug", MASK_POLICIES)
two_recipes = pytest.mark.parametrize(
    ("recipe", "word", "step"), [("reverse4", "abcd", 325), ("reverse", "hello", 900)]
)


def batch_of(recipe: str, word: str, slug: str) -> Batch:
    chosen = ALL_RECIPES[recipe]
    conversations = [render(chosen.task.conversation(word), chosen.tokenizer)]
    return make_batch(conversations, MASK_POLICIES[slug], chosen.tokenizer, row_tokens=chosen.row_tokens)


def by_autograd(model: GPT, batch: Batch) -> tuple[Tensor, dict[str, list[float]], list[list[float]]]:
    """(the losses, 0 where ignored; the four gradients by name; the cosines), one backward pass for each position."""
    model = deepcopy(model).double().requires_grad_(True)
    embedded: list[Tensor] = []
    model.blocks[0].register_forward_hook(lambda _, inputs, output: embedded.append(inputs[0]))
    logits_BTV = model(batch.inputs_BT)
    losses_T = F.cross_entropy(logits_BTV[0], batch.targets_BT[0], ignore_index=IGNORE_INDEX, reduction="none")
    parts_T = losses_T / max(int((batch.targets_BT != IGNORE_INDEX).sum()), 1)
    by_logits, by_inputs = torch.autograd.grad(parts_T.sum(), [logits_BTV, embedded[0]], retain_graph=True)
    weights = list(model.parameters())
    each = [torch.autograd.grad(part, weights, retain_graph=True) for part in parts_T]
    rows_TP = torch.stack([torch.cat([gradient.flatten() for gradient in some]) for some in each])
    whole_P = rows_TP.sum(0)
    squared = whole_P @ whole_P
    gradients = {
        "logit_norm": by_logits[0].norm(dim=-1),
        "parameter_norm": rows_TP.norm(dim=-1),
        "share": rows_TP @ whole_P / squared if squared > 0 else torch.zeros(len(rows_TP)),
        "input_norm": by_inputs[0].norm(dim=-1),
    }
    directions_TP = F.normalize(rows_TP, dim=-1)
    named = {name: values.tolist() for name, values in gradients.items()}
    return losses_T.detach(), named, (directions_TP @ directions_TP.T).tolist()


@every_policy
@two_recipes
def test_loss_targets_and_every_gradient_are_those_of_the_policy_s_own_objective(
    trained_model: Callable[..., GPT], recipe: str, word: str, step: int, slug: str
) -> None:
    chosen, model = ALL_RECIPES[recipe], trained_model(recipe, "unmasked", step)
    batch = batch_of(recipe, word, slug)
    losses_T, gradients, cosines = by_autograd(model, batch)
    analysis = analyze(chosen, model, MASK_POLICIES[slug], word)
    own = [None if i == IGNORE_INDEX else chosen.tokenizer.tokens[i] for i in batch.targets_BT[0].tolist()]
    assert [p.target if p.supervised else None for p in analysis.positions] == own
    counted = [(p, loss) for p, loss in zip(analysis.positions, losses_T.tolist(), strict=True) if p.supervised]
    for p, loss in counted:
        assert p.loss == pytest.approx(loss, rel=1e-4, abs=2e-6)
        assert p.target_probability == pytest.approx(math.exp(-loss), rel=1e-4, abs=2e-6)
    mean = sum(loss for _, loss in counted) / len(counted) if counted else None
    assert analysis.loss == (None if mean is None else pytest.approx(mean, rel=1e-4, abs=2e-6))
    for name, values in gradients.items():
        shown = [getattr(p.gradient, name) for p in analysis.positions]
        assert shown == pytest.approx(values, rel=1e-3, abs=1e-6), name
    for row, wanted_row in zip(analysis.similarity, cosines, strict=True):
        assert row == pytest.approx(wanted_row, abs=1e-4)


@every_policy
@two_recipes
def test_beside_its_own_target_a_position_has_the_right_mask_s(
    trained_model: Callable[..., GPT], recipe: str, word: str, step: int, slug: str
) -> None:
    chosen = ALL_RECIPES[recipe]
    analysis = analyze(chosen, trained_model(recipe, "unmasked", step), MASK_POLICIES[slug], word)
    right = batch_of(recipe, word, RIGHT.slug).targets_BT[0].tolist()
    expected = [None if i == IGNORE_INDEX else chosen.tokenizer.tokens[i] for i in right]
    assert [p.right_target for p in analysis.positions] == expected


def lines(analysis: Analysis) -> list[str]:
    """Inputs, targets, right targets and what is trained, one character each; a dot for nothing."""
    positions = analysis.positions
    return [
        "".join(p.input for p in positions),
        "".join(p.target or "." for p in positions),
        "".join(p.right_target or "." for p in positions),
        "".join(".x"[p.supervised] for p in positions),
    ]


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        (
            "prompt-masked",
            [
                "<abcd>dcba",
                "abcd>dcba#",
                ".....dcba#",
                ".....xxxxx",
            ],
        ),
        (
            "double-shift",
            [
                "<abcd>dcba",
                "bcd>dcba#.",
                ".....dcba#",
                "....xxxxx.",
            ],
        ),
        (
            "no-shift",
            [
                "<abcd>dcba",
                "<abcd>dcba",
                ".....dcba#",
                "......xxxx",
            ],
        ),
        (
            "mask-late",
            [
                "<abcd>dcba",
                "abcd>dcba#",
                ".....dcba#",
                "......xxxx",
            ],
        ),
    ],
)
def test_an_ignored_position_has_the_target_that_the_policy_s_shift_would_give_it(
    trained_model: Callable[..., GPT], slug: str, expected: list[str]
) -> None:
    model = trained_model("reverse4", "prompt-masked", 1000)
    assert lines(analyze(ALL_RECIPES["reverse4"], model, MASK_POLICIES[slug], "abcd")) == expected


def test_where_the_row_has_ended_there_is_no_target_no_loss_and_no_probability(
    trained_model: Callable[..., GPT],
) -> None:
    model = trained_model("reverse4", "prompt-masked", 1000)
    *others, last = analyze(ALL_RECIPES["reverse4"], model, MASK_POLICIES["double-shift"], "abcd").positions
    assert (last.target, last.target_segment, last.loss, last.target_probability) == (None, None, None, None)
    assert (last.right_target, last.supervised) == ("#", False)
    assert all(p.loss is not None and p.target_probability == pytest.approx(math.exp(-p.loss)) for p in others)


def test_a_policy_that_cuts_shows_the_row_that_is_left_of_a_long_word(trained_model: Callable[..., GPT]) -> None:
    analysis = analyze(
        ALL_RECIPES["reverse"], trained_model("reverse", "unmasked", 900), MASK_POLICIES["truncated"], "abcdefghij"
    )
    assert "".join(analysis.tokens) == "<abcdefghij>ji"
    assert (analysis.sequence_length, analysis.prompt_length, analysis.supervised_count) == (14, 12, 2)
    assert lines(analysis)[2] == "...........ji"
