"""Our gradients and decoding against the plain way, alternately in one process with one thread: medians and ratios.

In: shipped models. Out: Speedups. Needs the `bench` extra: transformers.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from model.experiments.benchmarks.training import seconds_of, times_of
from model.masks.batches import Batch
from model.masks.policies import UNMASKED
from model.network.attribution import Attribution, attribute, attribute_rows
from model.network.export import export_run
from model.network.generation import generate
from model.network.gpt import GPT
from model.training.batches import batch_of
from model.training.conversations import prompt_ids, render_prompt
from model.training.recipes import Recipe

REPEATS, BATCHED = 60, 16
NEW_TOKENS = 25


@dataclass(frozen=True)
class Speedup:
    """Medians in milliseconds; `ratio` says how many times faster we are, `goal` what was asked for."""

    name: str
    ours_ms: float
    reference_ms: float
    ratio: float
    goal: float

    def line(self) -> str:
        times = times_of(self.ratio, self.goal)
        return f"{self.name:62} ours {self.ours_ms:8.2f} ms   reference {self.reference_ms:8.2f} ms   {times}"


def compare_gradients(recipe: Recipe, model: GPT) -> Iterator[Speedup]:
    """All five quantities of attribution.py against one autograd.grad per position."""
    torch.set_num_threads(1)
    for response, goal in (("olleh", 7.0), ("olleh" + "a" * 12, 4.0)):
        batch = batch_of(recipe, [render_prompt(recipe, "hello", response)], UNMASKED)
        positions = batch.inputs_BT.shape[1]
        trainable = GPT(model.config)
        trainable.load_state_dict(model.state_dict())
        ours, plain = attribute(model, batch), attribute_plainly(trainable, batch)
        for field in ("parameter_norm_T", "share_T", "input_norm_T", "logit_norm_T", "similarity_TT"):
            torch.testing.assert_close(getattr(ours, field), getattr(plain, field), atol=1e-4, rtol=1e-3)
        name = f"per-position gradients, {positions} positions, all five quantities"
        yield _compare(name, partial(attribute, model, batch), partial(attribute_plainly, trainable, batch), goal)


def compare_batched_gradients(recipe: Recipe, model: GPT) -> Iterator[Speedup]:
    """The same for a batch of words of about one, middle length, as the server makes them, against autograd by word."""
    torch.set_num_threads(1)
    trainable = GPT(model.config)
    trainable.load_state_dict(model.state_dict())
    words = sorted(islice(recipe.task.prompts(0, held_out=True), 16 * BATCHED), key=len)[6 * BATCHED : 7 * BATCHED]
    rendered = [render_prompt(recipe, word) for word in words]
    together = batch_of(recipe, rendered, UNMASKED)
    singles = [batch_of(recipe, [row], UNMASKED) for row in rendered]

    def plainly() -> None:
        for batch in singles:
            attribute_plainly(trainable, batch)

    name = f"the same, {BATCHED} words of {len(words[0])} to {len(words[-1])} letters as one batch"
    yield _compare(name, partial(attribute_rows, model, together), plainly, 12.0)


def attribute_plainly(model: GPT, batch: Batch) -> Attribution:
    """The five quantities by the book, one backward pass per position; every position must be supervised."""
    parameters = list(model.parameters())
    embedded: list[Tensor] = []
    hook = model.token_embedding.register_forward_hook(lambda _m, _i, output: embedded.append(output))
    logits_BTV = model(batch.inputs_BT)
    hook.remove()
    losses_T = F.cross_entropy(logits_BTV[0], batch.targets_BT[0], reduction="none") / batch.targets_BT.shape[1]
    rows = []
    for loss in losses_T:
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    rows_TP = torch.stack(rows)
    total_P = rows_TP.sum(0)
    norms_T = rows_TP.norm(dim=1)
    directions_TP = rows_TP / norms_T[:, None]
    by_logits, by_inputs = torch.autograd.grad(losses_T.sum(), (logits_BTV, embedded[0]))
    return Attribution(
        logits_TV=logits_BTV[0].detach(),
        logit_norm_T=by_logits[0].norm(dim=-1),
        parameter_norm_T=norms_T,
        share_T=rows_TP @ total_P / total_P.dot(total_P),
        input_norm_T=by_inputs[0].norm(dim=-1),
        similarity_TT=directions_TP @ directions_TP.T,
    )


def compare_decoding(recipe: Recipe, model: GPT) -> Iterator[Speedup]:
    """Greedy decoding of a fixed number of tokens against transformers' `generate` on the exported weights."""
    from transformers import GPT2LMHeadModel  # the bench extra

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        export_run(model, recipe.tokenizer, Path(folder))
        reference: Any = GPT2LMHeadModel.from_pretrained(folder)
    reference.generation_config.eos_token_id = None
    reference.generation_config.max_length = None
    prompt = prompt_ids(recipe, "hello")
    for streams, goal in ((1, 10.0), (64, 3.0)):
        prompts = [prompt] * streams
        tokens_BT = torch.tensor(prompts)

        def ours(prompts: list[tuple[int, ...]] = prompts) -> list[tuple[int, ...]]:
            completions = generate(model, prompts, stop_id=-1, max_new_tokens=NEW_TOKENS)
            return [completion.token_ids for completion in completions]

        def theirs(tokens_BT: Tensor = tokens_BT) -> list[tuple[int, ...]]:
            mask = torch.ones_like(tokens_BT)
            sequences = reference.generate(tokens_BT, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False)
            return [tuple(row[len(prompt) :]) for row in sequences.tolist()]

        assert ours() == theirs(), "the two decoders disagree"
        yield _compare(f"greedy decoding, {streams} streams of {NEW_TOKENS} tokens", ours, theirs, goal)


def _compare(name: str, ours: Callable[[], object], reference: Callable[[], object], goal: float) -> Speedup:
    """Run both alternately, so that a slow moment of the machine hits both."""
    ours_ms, reference_ms = [], []
    for function in (ours, reference) * 3:
        function()
    for _ in range(REPEATS):
        ours_ms.append(1e3 * seconds_of(ours))
        reference_ms.append(1e3 * seconds_of(reference))
    fast, slow = median(ours_ms), median(reference_ms)
    return Speedup(name, fast, slow, slow / fast, goal)
