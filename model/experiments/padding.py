"""What padding does to a model: its logits, attention and answers; cells computed for nothing. In: models, words.

Everything goes through the batches that training reads; only the words' order in them is chosen here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.intervals import Rate, rate_of
from model.kept import STRICT, KeptFile, compare_rates, keys_of
from model.masks.batches import Batch, lay_out
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.network.attention import attention_weights
from model.network.gpt import GPT
from model.network.loss import batch_logits
from model.text.chat_template import Rendered, Segment
from model.text.tokenizer import END_OF_TURN
from model.training.checkpoints import Run, load_last
from model.training.conversations import batch_of, prompt_ids
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES, Recipe
from model.writing import compact, percent

PADDING_RECIPE = "reverse"
PADDINGS = {
    RIGHT.slug: "right",
    "left-pad": "left, hidden, positions corrected",
    "left-pad-no-positions": "left, hidden only",
    "left-pad-unmasked": "left, bare",
}
"""The policies that differ in padding alone, and what they are called beside each other."""
PADDED_PROMPTS = 300
BUCKET_SIZE = 16
EXAMPLE_WORDS = ("hello", "ab")
LOGIT_ROUNDING = 1e-4
"""Logits in single precision differ by less than this if nothing but the order of sums differs."""
SHAPES_SEED = 0
"""Of the training batch whose cells are counted."""


@checked(config=STRICT)
class PaddedAccuracy:
    """Exact match of a model trained with one padding and asked with another, on n held-out words."""

    trained: str
    used: str
    steps: Annotated[int, Field(ge=0)]
    exact_match: Rate

    @property
    def key(self) -> tuple[str, str]:
        return self.trained, self.used


@dataclass(frozen=True)
class PaddedRow:
    """One word of a padded batch, as a model sees it."""

    tokens: tuple[str, ...]
    real: tuple[bool, ...]
    sees: tuple[tuple[int, ...], ...]
    """For each position the ones it can attend to."""
    weights: tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]
    """Layer, head, position t, position s."""
    logit_change: float
    """The largest difference of a logit at a real position from what it is without padding."""

    def positions(self) -> tuple[int, ...]:
        """The real ones."""
        return tuple(t for t, real in enumerate(self.real) if real)

    def seen_pads(self, position: int) -> int:
        return sum(not self.real[s] for s in self.sees[position])

    def on_pads(self, layer: int, head: int, position: int) -> float:
        """The share of its attention that a position spends on pads."""
        weights = self.weights[layer][head][position]
        return sum(weight for weight, real in zip(weights, self.real, strict=True) if not real)


@dataclass(frozen=True)
class BatchShape:
    """Rectangles of a batch: rows and columns of each, and the tokens in each row."""

    title: str
    rectangles: tuple[tuple[int, tuple[int, ...]], ...]
    """Columns, and how many tokens each row holds."""

    @property
    def cells(self) -> int:
        return sum(columns * len(rows) for columns, rows in self.rectangles)

    @property
    def tokens(self) -> int:
        return sum(sum(rows) for _, rows in self.rectangles)

    @property
    def wasted(self) -> float:
        return 1 - self.tokens / self.cells


def padded_rows(
    model: GPT, recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy
) -> tuple[PaddedRow, ...]:
    """Each conversation in the batch that a policy pads."""
    batch = batch_of(recipe, conversations, policy)
    real_BT = lay_out(conversations, policy).real_BT[:, :-1]
    weights = attention_weights(model, batch)
    changes = logit_changes(model, recipe, conversations, policy)
    visible_BTS = batch.visible_BTS()
    rows = []
    for b, inputs in enumerate(batch.inputs_BT.tolist()):
        seen = torch.ones(len(inputs), len(inputs)).tril().bool() if visible_BTS is None else visible_BTS[b]
        rows.append(
            PaddedRow(
                tuple(recipe.tokenizer.tokens[i] for i in inputs),
                tuple(real_BT[b].tolist()),
                tuple(tuple(line.nonzero().flatten().tolist()) for line in seen),
                tuple(tuple(tuple(map(tuple, head)) for head in layer) for layer in weights[b].tolist()),
                changes[b],
            )
        )
    return tuple(rows)


@torch.inference_mode()
def logit_changes(
    model: GPT, recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy
) -> tuple[float, ...]:
    """For each conversation the largest |logit difference| at its positions, padded under a policy against alone."""
    logits_BTV = batch_logits(model, batch_of(recipe, conversations, policy))
    real_BT = lay_out(conversations, policy).real_BT[:, :-1]
    changes = []
    for b, conversation in enumerate(conversations):
        alone_TV = batch_logits(model, batch_of(recipe, [conversation], RIGHT))[0]
        first = int(real_BT[b].int().argmax())
        padded_TV = logits_BTV[b, first : first + len(alone_TV)]
        changes.append(float((padded_TV - alone_TV).abs().max()))
    return tuple(changes)


def padding_changes(model: GPT, recipe: Recipe, conversations: Sequence[Rendered]) -> dict[str, float]:
    """The largest change of any logit under each of PADDINGS."""
    return {slug: max(logit_changes(model, recipe, conversations, MASK_POLICIES[slug])) for slug in PADDINGS}


@torch.inference_mode()
def complete_padded(model: GPT, recipe: Recipe, words: Sequence[str], policy: MaskPolicy) -> list[str]:
    """Greedy completions of words that are asked in one batch, padded under a policy, up to the longest right answer.

    Every token is predicted by a whole forward pass over the batch, as training runs it.
    """
    tokenizer = recipe.tokenizer
    written = [prompt_ids(recipe, word) for word in words]
    lengths = [len(row) for row in written]
    stop = tokenizer.end_of_turn_id
    for _ in range(recipe.task.longest_answer() + 1):
        batch = _inputs(written, policy, recipe)
        ends = [len(row) - 1 for row in written] if policy.padding == "right" else [-1] * len(written)
        chosen = batch_logits(model, batch)[torch.arange(len(written)), ends].argmax(-1).tolist()
        written = [(*row, token) for row, token in zip(written, chosen, strict=True)]
    texts = []
    for row, length in zip(written, lengths, strict=True):
        answer = row[length:]
        texts.append(tokenizer.decode(answer[: answer.index(stop) + 1] if stop in answer else answer))
    return texts


def _inputs(rows: Sequence[tuple[int, ...]], policy: MaskPolicy, recipe: Recipe) -> Batch:
    """The batch of which `rows` are the inputs: a batch's last tokens are never among them, so any one follows."""
    followed = [(*row, recipe.tokenizer.end_of_turn_id) for row in rows]
    conversations = [Rendered(row, (Segment("user", 0, len(row)),)) for row in followed]
    return batch_of(recipe, conversations, policy)


def measure_paddings(folder: Path) -> Iterator[PaddedAccuracy]:
    """Each of the shipped models asked with each padding. Raises BrokenRun, before anything is asked."""
    loaded = {policy: load_last(folder / PADDING_RECIPE / policy) for policy in PADDINGS}
    return (_measure_padding(trained, *loaded[trained], used) for trained, used in product(PADDINGS, PADDINGS))


def _measure_padding(trained: str, run: Run, model: GPT, used: str) -> PaddedAccuracy:
    recipe = ALL_RECIPES[PADDING_RECIPE]
    words = recipe.task.held_out_prompts(PADDED_PROMPTS)
    given = complete_padded(model, recipe, words, MASK_POLICIES[used])
    right = (text == recipe.task.answer(word) + END_OF_TURN for word, text in zip(words, given, strict=True))
    return PaddedAccuracy(trained, used, run.steps, rate_of(right))


_ROWS = TypeAdapter(tuple[PaddedAccuracy, ...])
KEPT_PADDINGS = KeptFile("padding", _ROWS, keys_of, tuple(product(PADDINGS, PADDINGS)), named="/".join)


def read_paddings(folder: Path) -> dict[tuple[str, str], PaddedAccuracy]:
    """By (trained, used). Raises BrokenRun, naming the file, if it is missing, unreadable or lacks a pair."""
    return {row.key: row for row in KEPT_PADDINGS.read(folder)}


def departures(stated: Iterable[PaddedAccuracy], measured: Iterable[PaddedAccuracy]) -> list[str]:
    """Where shipped models, asked anew, depart from what was stated."""
    by_key = {row.key: row for row in stated}
    return compare_rates(
        (f"{row.trained} asked with {row.used}", by_key[row.key].exact_match, row.exact_match) for row in measured
    )


def accuracy_sentence(measured: Mapping[tuple[str, str], PaddedAccuracy]) -> str:
    """What the accuracies say of the right model and of those trained with a left padding."""

    def told(trained: str, used: str) -> str:
        return percent(measured[trained, used].exact_match.value, 1)

    right, left, bare = RIGHT.slug, "left-pad", "left-pad-unmasked"
    return (
        f"Trained right-padded, the model answers {told(right, right)} of unseen words right. Asked left-padded it "
        f"answers {told(right, left)} with pads hidden and positions corrected, {told(right, bare)} with neither. "
        f"Trained with bare left padding it answers {told(bare, bare)} asked the same way, "
        f"{told(bare, right)} right-padded."
    )


def changes_sentence(changes: Mapping[str, float]) -> str:
    """Whether it is the pads' being seen or the shifted positions that changes the logits; `changes` by padding."""
    hidden, bare, left = (compact(changes[slug]) for slug in ("left-pad-no-positions", "left-pad-unmasked", "left-pad"))
    return (
        f"Hiding the pads alone leaves a difference of {hidden} where bare padding has {bare}; "
        f"correcting the positions too leaves {left}."
    )


def attention_sentence(row: PaddedRow, layer: int, position: int) -> str:
    """How much of their attention a layer's heads spend on pads at most."""
    most = percent(max(row.on_pads(layer, head, position) for head in range(len(row.weights[layer]))), 1)
    return f"At the position above, no head of this layer spends more than {most} of its attention on pads."


def batch_shapes(recipe: Recipe, seed: int) -> tuple[BatchShape, ...]:
    """The first training batch padded to its longest, in buckets of alike lengths, and packed."""
    conversations = training_conversations(recipe, seed)
    in_order = sorted(conversations, key=lambda c: len(c.token_ids))
    buckets = [tuple(islice(in_order, i, i + BUCKET_SIZE)) for i in range(0, len(in_order), BUCKET_SIZE)]
    right, packed = RIGHT, MASK_POLICIES["packed"]
    return (
        BatchShape("Padded to the longest", (_rectangle(recipe, conversations, right),)),
        BatchShape(f"In buckets of {BUCKET_SIZE}, by length", tuple(_rectangle(recipe, b, right) for b in buckets)),
        BatchShape("Packed", (_rectangle(recipe, conversations, packed),)),
    )


def _rectangle(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> tuple[int, tuple[int, ...]]:
    real_BT = lay_out(conversations, policy, recipe.row_tokens).real_BT
    return real_BT.shape[1], tuple(real_BT.sum(1).tolist())
