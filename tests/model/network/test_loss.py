from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from torch.nn import functional as F

from model.masks.batches import make_batch
from model.masks.policies import COMPARED_POLICIES, IGNORE_INDEX, MASK_POLICIES, supervised_tokens
from model.network.export import export_run
from model.network.gpt import GPT
from model.network.loss import summed_cross_entropy
from model.text.chat_template import render
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
WORDS = ("hello", "a", "abcdefghij", "zz")


def conversations(words: tuple[str, ...] = WORDS):
    return [render(REVERSE.task.conversation(word), REVERSE.tokenizer) for word in words]


def test_divided_by_the_count_it_is_torchs_mean_over_what_is_not_ignored():
    generator = torch.Generator().manual_seed(0)
    logits_BTV = torch.randn(4, 12, 30, generator=generator)
    targets_BT = torch.randint(30, (4, 12), generator=generator)
    targets_BT[torch.rand(4, 12, generator=generator) < 0.5] = IGNORE_INDEX
    total, count = summed_cross_entropy(logits_BTV, targets_BT)
    mean = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=-100)
    assert 0 < count < 48
    torch.testing.assert_close(total / count, mean)


def test_it_is_the_sum_of_minus_log_p_of_each_target():
    probabilities_BTV = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5]]])
    total, count = summed_cross_entropy(probabilities_BTV.log(), torch.tensor([[1, IGNORE_INDEX, 2]]))
    assert total.item() == pytest.approx(-(torch.tensor(0.25).log() + torch.tensor(0.5).log()).item())
    assert count.item() == 2


def test_where_nothing_is_supervised_it_is_0_of_0_and_so_is_its_gradient():
    logits_BTV = torch.randn(2, 5, 30, generator=torch.Generator().manual_seed(0)).requires_grad_()
    total, count = summed_cross_entropy(logits_BTV, torch.full((2, 5), IGNORE_INDEX))
    total.backward()
    assert (total.item(), count.item()) == (0.0, 0)
    assert logits_BTV.grad is not None
    assert not logits_BTV.grad.any()


@torch.inference_mode()
def test_a_batch_has_the_sum_and_the_count_of_its_rows(random_model):
    model = random_model(REVERSE.model)
    for policy in (MASK_POLICIES[slug] for slug in COMPARED_POLICIES):
        rows = [make_batch([row], policy, REVERSE.tokenizer) for row in conversations()]
        batch = make_batch(conversations(), policy, REVERSE.tokenizer)
        total, count = summed_cross_entropy(model(batch.inputs_BT), batch.targets_BT)
        parts = [summed_cross_entropy(model(row.inputs_BT), row.targets_BT) for row in rows]
        torch.testing.assert_close(total, sum(part for part, _ in parts))
        assert count == sum(part for _, part in parts)


@torch.inference_mode()
@pytest.mark.parametrize("slug", COMPARED_POLICIES)
@pytest.mark.parametrize("kind", ["random", "half trained"])
def test_it_is_transformers_loss_for_labels_of_minus_100(
    slug: str,
    kind: str,
    random_model: Callable[..., GPT],
    trained_model: Callable[..., GPT],
    tmp_path: Path,
):
    model = random_model(REVERSE.model) if kind == "random" else trained_model("reverse", slug, 500)
    policy, pad_id = MASK_POLICIES[slug], REVERSE.tokenizer.pad_id
    export_run(model, REVERSE.tokenizer, tmp_path)
    gpt2 = transformers.GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    # transformers shifts by itself: its labels stand under the very tokens they name.
    longest = max(len(row.token_ids) for row in conversations())
    input_ids, labels = [], []
    for row in conversations():
        pads = longest - len(row.token_ids)
        counted = supervised_tokens(row, policy)
        input_ids.append([*row.token_ids, *[pad_id] * pads])
        labels.append(
            [t if c else -100 for t, c in zip(row.token_ids, counted, strict=True)] + [-100] * pads,
        )
    expected = gpt2(input_ids=torch.tensor(input_ids), labels=torch.tensor(labels)).loss

    batch = make_batch(conversations(), policy, REVERSE.tokenizer)
    total, count = summed_cross_entropy(model(batch.inputs_BT), batch.targets_BT)
    torch.testing.assert_close(total / count, expected, rtol=0, atol=1e-5)
