"""What models answer when they are asked in padded batches, by word length. Shipped in padding.json.

A batch is as long as its longest prompt, so the longest words get no pads: they are counted apart.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.padding.arms import PADDING_RECIPE, PADDINGS, TRAINED_PADDINGS
from model.experiments.padding.rows import LOGIT_ROUNDING, logit_changes
from model.intervals import NonNegative, Rate, wilson
from model.kept import STRICT, KeptFile, compare_rates, keys_of
from model.masks.batches import Batch
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.network.gpt import GPT
from model.network.loss import batch_logits
from model.text.chat_template import Rendered, Segment
from model.text.tokenizer import END_OF_TURN
from model.training.batches import batch_of
from model.training.checkpoints import Run, load_last
from model.training.conversations import prompt_ids, render_prompts
from model.training.recipes import ALL_RECIPES, Recipe

PADDED_PROMPTS = 300
CHANGED_WORDS = ("hello", "ab", "abcdefghij", "x", "pad", "maskscope")
"""Of many lengths, so that most rows are padded."""


@checked(config=STRICT)
class LengthCount:
    """Of the words of one length, how many were answered right, and in which way the others were wrong."""

    letters: Annotated[int, Field(ge=1)]
    right: Annotated[int, Field(ge=0)]
    too_short: Annotated[int, Field(ge=0)]
    too_long: Annotated[int, Field(ge=0)]
    """Longer than the right answer, whether it stopped or not."""
    n: Annotated[int, Field(ge=1)]

    @property
    def wrong_letters(self) -> int:
        """As long as the right answer, and another one."""
        return self.n - self.right - self.too_short - self.too_long


@checked(config=STRICT)
class PaddedAccuracy:
    """Exact match of a model trained with one padding and asked with another, all words in one batch; greedy."""

    trained: str
    used: str
    seed: int
    steps: Annotated[int, Field(ge=0)]
    by_length: tuple[LengthCount, ...]
    """From the shortest words to the longest."""

    @property
    def key(self) -> tuple[str, str]:
        return self.trained, self.used

    @property
    def exact_match(self) -> Rate:
        """Of all words."""
        return _rate(self.by_length)

    @property
    def with_pads(self) -> Rate:
        """Of the words that get pads: all but the longest."""
        return _rate(self.by_length[:-1])

    @property
    def without_pads(self) -> Rate:
        """Of the longest words, which no padding touches."""
        return _rate(self.by_length[-1:])

    def right_with_pads(self, most_letters: int | None = None) -> int:
        """How many of the words that get pads are right, among those of at most so many letters."""
        return sum(c.right for c in self.by_length[:-1] if most_letters is None or c.letters <= most_letters)

    def wrong_with_pads(self) -> dict[str, int]:
        """How many of the words that get pads are wrong, by the way in which they are."""
        counts = self.by_length[:-1]
        return {
            "too short": sum(count.too_short for count in counts),
            "too long": sum(count.too_long for count in counts),
            "of the right length with wrong letters": sum(count.wrong_letters for count in counts),
        }


def _rate(counts: Sequence[LengthCount]) -> Rate:
    n = sum(count.n for count in counts)
    return wilson(sum(count.right for count in counts) / n, n)


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
        batch = _inputs(recipe, written, policy)
        ends = [len(row) - 1 for row in written] if policy.padding == "right" else [-1] * len(written)
        chosen = batch_logits(model, batch)[torch.arange(len(written)), ends].argmax(-1).tolist()
        written = [(*row, token) for row, token in zip(written, chosen, strict=True)]
    texts = []
    for row, length in zip(written, lengths, strict=True):
        answer = row[length:]
        texts.append(tokenizer.decode(answer[: answer.index(stop) + 1] if stop in answer else answer))
    return texts


def asked_batch(recipe: Recipe, words: Sequence[str], policy: MaskPolicy) -> Batch:
    """Words as they are asked together: the prompts alone, padded under a policy."""
    return _inputs(recipe, [prompt_ids(recipe, word) for word in words], policy)


def _inputs(recipe: Recipe, rows: Sequence[tuple[int, ...]], policy: MaskPolicy) -> Batch:
    """The batch of which `rows` are the inputs: a batch's last tokens are never among them, so any one follows."""
    followed = [(*row, recipe.tokenizer.end_of_turn_id) for row in rows]
    conversations = [Rendered(row, (Segment("user", 0, len(row)),)) for row in followed]
    return batch_of(recipe, conversations, policy)


def measure_right_pad_change(folder: Path) -> float:
    """By CHANGED_WORDS, of the shipped model that was trained with pads on the right. Raises BrokenRun."""
    recipe = ALL_RECIPES[PADDING_RECIPE]
    _, model = load_last(folder / recipe.slug / RIGHT.slug)
    return max(logit_changes(model, recipe, render_prompts(recipe, CHANGED_WORDS), RIGHT))


def measure_paddings(folder: Path) -> Iterator[PaddedAccuracy]:
    """Each of the shipped models asked with each padding. Raises BrokenRun, before anything is asked."""
    loaded = {policy: load_last(folder / PADDING_RECIPE / policy) for policy in TRAINED_PADDINGS}
    return (_measure_padding(trained, *loaded[trained], used) for trained, used in product(TRAINED_PADDINGS, PADDINGS))


def _measure_padding(trained: str, run: Run, model: GPT, used: str) -> PaddedAccuracy:
    recipe = ALL_RECIPES[PADDING_RECIPE]
    words = recipe.task.held_out_prompts(PADDED_PROMPTS)
    given = complete_padded(model, recipe, words, MASK_POLICIES[used])
    answers = [(text, recipe.task.answer(word) + END_OF_TURN) for word, text in zip(words, given, strict=True)]
    return PaddedAccuracy(trained, used, run.seed, run.steps, count_by_length(words, answers))


def count_by_length(words: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[LengthCount, ...]:
    """(written, right) behind each of different words, both with their stops; each word is counted once."""
    assert len(set(words)) == len(words), "a word is asked twice"
    counts = []
    for letters in sorted(set(map(len, words))):
        found = [answer for word, answer in zip(words, answers, strict=True) if len(word) == letters]
        right = sum(text == wanted for text, wanted in found)
        short = sum(len(text) < len(wanted) for text, wanted in found)
        long = sum(len(text) > len(wanted) for text, wanted in found)
        counts.append(LengthCount(letters, right, short, long, len(found)))
    return tuple(counts)


@checked(config=STRICT)
class Paddings:
    """What the file holds."""

    right_pad_change: NonNegative
    """The largest change of any logit at a real position when CHANGED_WORDS are padded on the right."""
    rows: tuple[PaddedAccuracy, ...]


KEPT_PADDINGS = KeptFile(
    "padding",
    TypeAdapter(Paddings),
    lambda kept: keys_of(kept.rows),
    tuple(product(TRAINED_PADDINGS, PADDINGS)),
    named="/".join,
)


def read_paddings(folder: Path) -> dict[tuple[str, str], PaddedAccuracy]:
    """By (trained, used). Raises BrokenRun, naming the file, if it is missing, unreadable or lacks a pair."""
    return {row.key: row for row in KEPT_PADDINGS.read(folder).rows}


def departures(stated: Paddings, measured: Paddings) -> list[str]:
    """Where shipped models, asked anew, depart from what was stated: with pads, without, and at each length."""
    by_key = {row.key: row for row in stated.rows}
    changes = stated.right_pad_change, measured.right_pad_change
    changed = [f"logits with pads on the right: stated {changes[0]:.1e}, measured {changes[1]:.1e}"]
    return [
        *(changed if abs(changes[0] - changes[1]) > LOGIT_ROUNDING else ()),
        *compare_rates(line for row in measured.rows for line in _beside(by_key[row.key], row)),
    ]


def _beside(stated: PaddedAccuracy, measured: PaddedAccuracy) -> Iterator[tuple[str, Rate, Rate]]:
    name = f"{measured.trained} asked with {measured.used}"
    yield f"{name}, words with pads", stated.with_pads, measured.with_pads
    yield f"{name}, words without", stated.without_pads, measured.without_pads
    before = {count.letters: count for count in stated.by_length}
    for now in measured.by_length:
        if old := before.get(now.letters):
            for kind, was, is_now in (
                ("right", old.right, now.right),
                ("too short", old.too_short, now.too_short),
                ("too long", old.too_long, now.too_long),
            ):
                yield (
                    f"{name}, {now.letters} letters, {kind}",
                    wilson(was / old.n, old.n),
                    wilson(is_now / now.n, now.n),
                )
