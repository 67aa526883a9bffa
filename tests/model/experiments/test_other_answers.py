"""model/experiments/other_answers.py: which labels are the word itself, and how often a word is shown."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice

import pytest
import torch

from model.experiments import other_answers
from model.experiments.other_answers import (
    APPEARANCES,
    BOTH_SHARES,
    OTHER_SHARES,
    SPREADS,
    limit_batches,
    limit_recipe,
)
from model.masks.batches import Batch
from model.masks.policies import RIGHT
from model.training.loop import training_batches


@pytest.mark.parametrize("where", ["scattered", "predictable"])
@pytest.mark.parametrize("share", OTHER_SHARES)
def test_that_share_of_the_training_words_gets_the_other_answer(where: str, share: float):
    task = limit_recipe(where, share).task
    words = [word for word in islice(task.prompts(0, held_out=False), 4000) if word != word[::-1]]
    other = sum(task.answer(word) == word for word in words) / len(words)
    assert all(task.answer(word) in (word, word[::-1]) for word in words)
    assert other == pytest.approx(share, abs=0.035)  # a share of 26 letters is rounded


def labels_of(batch: Batch, where: str) -> list[tuple[str, str]]:
    """(word, label) of each row, the label with its stop."""
    tokenizer = limit_recipe(where, 0.5).tokenizer
    rows = [
        tokenizer.decode([*inputs, targets[-1]])
        for inputs, targets in zip(batch.inputs_BT.tolist(), batch.targets_BT.tolist(), strict=True)
    ]
    return [(row[1:5], row[6:]) for row in rows]


@pytest.mark.parametrize("share", BOTH_SHARES)
def test_every_word_appears_with_both_answers_in_exactly_that_share(share: float, monkeypatch: pytest.MonkeyPatch):
    """In a shorter training than those that were measured, at the words of each pass's first twenty batches."""
    monkeypatch.setattr(other_answers, "VARIATION", replace(other_answers.VARIATION, steps=400, evaluate_every=400))
    batches = tuple(limit_batches("both", share, seed=0))
    passes = len(batches) // APPEARANCES
    assert len(batches) == limit_recipe("both", share).training.steps
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for first in range(0, len(batches), passes):
        for batch in batches[first : first + 20]:
            for word, label in labels_of(batch, "both"):
                shown[word][label] += 1
    once = {word: labels for word, labels in shown.items() if labels.total() == APPEARANCES and word != word[::-1]}
    assert len(once) > 1200
    for word, labels in once.items():
        assert labels == {f"{word}#": round(APPEARANCES * share), f"{word[::-1]}#": round(APPEARANCES * (1 - share))}


def test_in_every_pass_about_that_share_of_the_labels_is_the_word_itself():
    spread = SPREADS["both"]
    words = list(islice(limit_recipe("both", 0.3).task.prompts(0, held_out=False), 3000))
    for appearance in range(APPEARANCES):
        share = sum(spread.is_other(word, 0.3, appearance) for word in words) / len(words)
        assert share == pytest.approx(0.3, abs=0.04)


def test_words_shown_once_are_those_of_any_other_training():
    recipe = limit_recipe("scattered", 0.3)
    ours, usual = limit_batches("scattered", 0.3, seed=1), training_batches(recipe, RIGHT, seed=1)
    for mine, theirs in zip(islice(ours, 3), usual, strict=False):
        assert torch.equal(mine.inputs_BT, theirs.inputs_BT)
        assert torch.equal(mine.targets_BT, theirs.targets_BT)
