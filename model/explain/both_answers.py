"""One word, one model, two answers: the reversal and the word itself, token by token, and what the model writes.

In: a model, its recipe, a word. Out: probabilities. Knows no experiment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from model.masks.batches import make_batch
from model.masks.policies import RIGHT
from model.network.gpt import GPT
from model.network.loss import batch_logits, token_losses
from model.text.chat_template import Message, Rendered, render
from model.text.tokenizer import END_OF_TURN
from model.training.evaluation import complete_prompts
from model.training.recipes import Recipe


@dataclass(frozen=True)
class AnswerOdds:
    """An answer with its stop; each token's probability if all before it is fed in, and that of the whole."""

    text: str
    tokens: tuple[tuple[str, float], ...]
    probability: float


@dataclass(frozen=True)
class BothAnswers:
    word: str
    reversal: AnswerOdds
    copied: AnswerOdds
    """The word itself; the same answer as the reversal where the word reads the same backwards."""
    mixed: float
    """The probability of all mixtures of the two together."""
    written: str
    """Greedy, with its stop if there is one."""

    @property
    def palindrome(self) -> bool:
        return self.copied.text == self.reversal.text

    @property
    def rest(self) -> float:
        """The probability of everything else."""
        both = self.reversal.probability + self.copied.probability * (not self.palindrome)
        return max(0.0, 1 - both - self.mixed)

    @property
    def writes(self) -> str:
        """Which answer is written: `the reversal` (also of a palindrome), `the word itself`, `a mixture`, `neither`."""
        named = {self.copied.text: "the word itself", self.reversal.text: "the reversal"}
        named |= {mixture + END_OF_TURN: "a mixture" for mixture in mixtures(self.word)}
        return named.get(self.written, "neither")


def mixtures(word: str) -> tuple[str, ...]:
    """What takes each letter from the word or from its reversal, in its place, and is neither of them."""
    mixed = {"".join(letters) for letters in product(*zip(word, word[::-1], strict=True))}
    return tuple(sorted(mixed - {word, word[::-1]}))


def ask_for_both(model: GPT, recipe: Recipe, word: str) -> BothAnswers:
    """Raises InvalidText for a word that the recipe's task does not know."""
    recipe.task.check_prompt(word)
    (written,) = complete_prompts(model, recipe.task, recipe.tokenizer, [word])
    reversal, copied = (_odds(model, recipe, word, answer) for answer in (word[::-1], word))
    pairs = [(word, mixture) for mixture in mixtures(word)]
    mixed = float(answer_probabilities(model, recipe, pairs).sum()) if pairs else 0.0
    return BothAnswers(word, reversal, copied, mixed, written)


def answer_row(recipe: Recipe, word: str, answer: str) -> Rendered:
    return render((Message("user", word), Message("assistant", answer)), recipe.tokenizer)


def answer_probabilities(model: GPT, recipe: Recipe, pairs: Sequence[tuple[str, str]]) -> Tensor:
    """(B,): of each answer with its stop, behind its word."""
    return (-_answer_losses(model, recipe, pairs).sum(1)).exp()


def _odds(model: GPT, recipe: Recipe, word: str, answer: str) -> AnswerOdds:
    losses_T = _answer_losses(model, recipe, [(word, answer)])[0]
    probabilities = (-losses_T[-len(answer) - 1 :]).exp().tolist()
    return AnswerOdds(
        answer + END_OF_TURN,
        tuple(zip(answer + END_OF_TURN, probabilities, strict=True)),
        float((-losses_T.sum()).exp()),
    )


@torch.inference_mode()
def _answer_losses(model: GPT, recipe: Recipe, pairs: Sequence[tuple[str, str]]) -> Tensor:
    """(B, T) of words of one length: -ln p of each token of the answer and its stop, 0 before them."""
    batch = make_batch([answer_row(recipe, *pair) for pair in pairs], RIGHT, recipe.tokenizer)
    return token_losses(batch_logits(model, batch), batch.targets_BT)
