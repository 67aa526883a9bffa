"""P(prompt, answer) = P(prompt) P(answer | prompt): what a model makes of each factor. In: models, requests. Out: nats.

The first token of a conversation is given, so P(prompt) is that of all its others: the request and the `>` behind it.
"""

from collections.abc import Sequence
from dataclasses import astuple

import torch
from pydantic.dataclasses import dataclass as checked

from model.kept import STRICT
from model.masks.batches import make_batch
from model.masks.policies import UNMASKED
from model.network.gpt import GPT
from model.network.loss import batch_logits, token_losses
from model.training.conversations import render_prompts
from model.training.recipes import Recipe


@checked(config=STRICT)
class Factors:
    """Natural logarithms of probabilities, at most 0: of one conversation, or the mean over several."""

    request: float
    """Of the user's words, behind `<`."""
    template: float
    """Of the `>` behind them."""
    answer: float
    """Of the right answer and its stop, behind the prompt."""

    @property
    def prompt(self) -> float:
        return self.request + self.template

    @property
    def both(self) -> float:
        return self.prompt + self.answer


def mean_factors(several: Sequence[Factors]) -> Factors:
    """Of each part."""
    return Factors(*(sum(part) / len(several) for part in zip(*(astuple(one) for one in several), strict=True)))


@torch.inference_mode()
def factors(model: GPT, recipe: Recipe, requests: Sequence[str]) -> Factors:
    """The mean over requests, each with its right answer.

    Raises:
        InvalidText: a request is not one the task knows, or holds a character that the tokenizer does not.
    """
    rows = render_prompts(recipe, requests)
    batch = make_batch(rows, UNMASKED, recipe.tokenizer)
    logs_BT = -token_losses(batch_logits(model, batch), batch.targets_BT)
    # position t is scored on token t+1, so the prompt's last token, `>`, is scored at prompt_length - 2
    ends = [row.prompt_length - 2 for row in rows]
    parts = [
        (float(logs_T[:end].sum()), float(logs_T[end]), float(logs_T[end + 1 :].sum()))
        for logs_T, end in zip(logs_BT, ends, strict=True)
    ]
    request, template, answer = (sum(column) / len(rows) for column in zip(*parts, strict=True))
    return Factors(request, template, answer)
