"""What a model trained under a mask policy does: the symptoms of a mask bug, measured. In: a model. Out: Symptoms."""

import math
from collections.abc import Sequence

import torch
from pydantic.dataclasses import dataclass as checked

from model.intervals import NonNegative, Rate, rate_of
from model.kept import STRICT
from model.masks.policies import RIGHT, MaskPolicy
from model.network.gpt import GPT
from model.network.loss import batch_logits, summed_cross_entropy
from model.text.tasks import TURN_SEPARATOR
from model.training.batches import batch_of
from model.training.conversations import render_prompts
from model.training.evaluation import answers, some_at_once
from model.training.loop import initial_model
from model.training.recipes import Recipe


@checked(config=STRICT)
class Symptoms:
    """Of one model, on n held-out prompts, greedy decoding, prompts as they are at inference: unpadded, unpacked."""

    exact_match: Rate
    """The right answer and its END_OF_TURN, nothing else."""
    first_right: Rate
    """The first answer token is right."""
    answer_right: Rate
    """The text begins with the right answer, whatever comes then."""
    stops: Rate
    """END_OF_TURN came before the context was full."""
    runaway: NonNegative
    """Mean number of tokens beyond the right answer's length and its END_OF_TURN; 0 if none is longer."""
    own_loss: NonNegative | None
    """Mean loss in nats over what the policy supervises, as a training log would show it; None if that is nothing."""
    answer_loss: NonNegative
    """Mean loss in nats over the answers and their END_OF_TURN: what the right mask would show."""
    moved: NonNegative
    """How far training took the weights: the length of their change over their length at the start."""
    by_turn: tuple[Rate, ...]
    """Exact match of each of the user's turns, the right history fed in."""


def measure(recipe: Recipe, model: GPT, policy: MaskPolicy, *, seed: int, prompts: int) -> Symptoms:
    """Measure a run's model on `prompts` held-out prompts. Deterministic."""
    held_out = recipe.task.held_out_prompts(prompts)
    last = answers(model, recipe.task, recipe.tokenizer, held_out)
    return Symptoms(
        exact_match=rate_of(a.exact for a in last),
        first_right=rate_of(a.given[:1] == a.right[:1] for a in last),
        answer_right=rate_of(a.given.startswith(a.right) for a in last),
        stops=rate_of(a.stops for a in last),
        runaway=sum(max(0, len(a.given) - len(a.right) - 1) for a in last) / len(last),
        own_loss=mean_loss(recipe, model, policy, held_out),
        answer_loss=mean_loss(recipe, model, RIGHT, held_out) or 0.0,
        moved=_moved(initial_model(recipe, seed), model),
        by_turn=_by_turn(recipe, model, held_out),
    )


@torch.inference_mode()
def mean_loss(recipe: Recipe, model: GPT, policy: MaskPolicy, prompts: Sequence[str]) -> float | None:
    """In nats over what the policy supervises of the prompts' conversations, laid out as in its training."""
    conversations = render_prompts(recipe, prompts)
    total, count = torch.zeros(()), 0
    for some in some_at_once(conversations):
        batch = batch_of(recipe, some, policy)
        loss, supervised = summed_cross_entropy(batch_logits(model, batch), batch.targets_BT)
        total, count = total + loss, count + int(supervised)
    return float(total) / count if count else None


def _by_turn(recipe: Recipe, model: GPT, prompts: Sequence[str]) -> tuple[Rate, ...]:
    rates = []
    for turn in range(1, recipe.task.most_turns + 1):
        histories = dict.fromkeys(
            TURN_SEPARATOR.join(turns[:turn]) for p in prompts if len(turns := p.split(TURN_SEPARATOR)) >= turn
        )
        rates.append(rate_of(a.exact for a in answers(model, recipe.task, recipe.tokenizer, tuple(histories))))
    return tuple(rates)


@torch.inference_mode()
def _moved(before: GPT, after: GPT) -> float:
    pairs = list(zip(before.parameters(), after.parameters(), strict=True))
    change = sum(float((a - b).square().sum()) for b, a in pairs)
    return math.sqrt(change / sum(float(b.square().sum()) for b, _ in pairs))
