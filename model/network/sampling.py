"""Sampling at temperature 1: where a model's probability mass goes. In: a model, a prompt, a seed. Out: texts as ids.

A share of the samples estimates the probability of what they have in common.
"""

from collections.abc import Sequence

import torch

from model.errors import OutOfRange
from model.network.decoder import Decoder
from model.network.gpt import GPT


@torch.inference_mode()
def sample(
    model: GPT, prompt_ids: Sequence[int], *, stop_id: int, samples: int, tokens: int, seed: int
) -> list[tuple[int, ...]]:
    """So many continuations of so many tokens each, drawn from the model's own distribution; a stop ends one.

    Raises:
        OutOfRange: prompt and tokens together do not fit into the model's context.
    """
    fits = model.config.context_length - len(prompt_ids)
    if tokens > fits:
        raise OutOfRange(
            f"The text has {len(prompt_ids)} tokens and leaves room for {fits}, not {tokens}", param="prompt"
        )
    generator = torch.Generator().manual_seed(seed)
    decoder = Decoder(model, samples, len(prompt_ids) + tokens)
    logits_BV = decoder.read(torch.tensor([list(prompt_ids)]), None).expand(samples, -1)
    drawn = []
    for produced in range(tokens):
        tokens_B = torch.multinomial(logits_BV.softmax(-1), 1, generator=generator)[:, 0]
        drawn.append(tokens_B)
        if produced < tokens - 1:
            logits_BV = decoder.step(tokens_B, len(prompt_ids) + produced)
    rows = torch.stack(drawn, 1).tolist()
    return [tuple(row[: row.index(stop_id) + 1] if stop_id in row else row) for row in rows]
