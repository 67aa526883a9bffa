import math
from collections.abc import Callable, Sequence
from copy import deepcopy

import pytest
import torch

from model.explain.analysis import analyze
from model.intervals import wilson
from model.masks.policies import MASK_POLICIES
from model.network.generation import generate
from model.network.gpt import GPT
from model.training.evaluation import ROWS_AT_ONCE, GivenAnswer, Metrics, answers, complete_prompts, evaluate
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
TOKENIZER, TASK = REVERSE.tokenizer, REVERSE.task


@torch.inference_mode()
def by_hand(model: GPT, words: Sequence[str]) -> dict[str, float]:
    """One word at a time, straight from the definitions."""
    exact = stopped = right = tokens = 0
    for word in words:
        prompt, answer = f"<{word}>", word[::-1] + "#"
        ids = [TOKENIZER.ids[character] for character in prompt + answer]
        (completion,) = generate(model, [ids[: len(prompt)]], stop_id=TOKENIZER.end_of_turn_id)
        exact += completion.token_ids == tuple(ids[len(prompt) :])
        stopped += completion.finish_reason == "stop"
        predicted = model(torch.tensor([ids[:-1]]))[0].argmax(-1).tolist()
        right += sum(predicted[t] == ids[t + 1] for t in range(len(prompt) - 1, len(ids) - 1))
        tokens += len(answer)
    return {"exact_match": exact / len(words), "token_accuracy": right / tokens, "stop_rate": stopped / len(words)}


@pytest.mark.parametrize(
    ("policy", "step"), [("prompt-masked", 0), ("prompt-masked", 500), ("unmasked", 700), ("prompt-masked", 3000)]
)
def test_the_rates_are_what_one_counts_by_hand(trained_model: Callable[..., GPT], policy: str, step: int):
    model, words = trained_model("reverse", policy, step), TASK.held_out_prompts(100)
    metrics = evaluate(model, TASK, TOKENIZER, words)
    for name, value in by_hand(model, words).items():
        rate = getattr(metrics, name)
        assert rate.value == pytest.approx(value, abs=1e-12), name
        assert rate == wilson(rate.value, 100), name


def test_a_model_that_has_learned_nothing_is_right_about_nothing(trained_model: Callable[..., GPT]):
    metrics = evaluate(trained_model("reverse", "prompt-masked", 0), TASK, TOKENIZER, TASK.held_out_prompts(100))
    assert metrics.exact_match == wilson(0.0, 100)
    assert metrics.token_accuracy.value < 0.1


def test_a_right_answer_that_does_not_stop_is_no_exact_match(trained_model: Callable[..., GPT]):
    mute = deepcopy(trained_model("reverse", "prompt-masked", 3000))
    mute.token_embedding.weight[TOKENIZER.end_of_turn_id] = 0  # the tied head: `#` is never the most likely
    words = TASK.held_out_prompts(50)
    completions = complete_prompts(mute, TASK, TOKENIZER, words)
    assert all(text.startswith(word[::-1]) for word, text in zip(words, completions, strict=True))
    metrics = evaluate(mute, TASK, TOKENIZER, words)
    assert metrics.exact_match == metrics.stop_rate == wilson(0.0, 50)
    letters = sum(map(len, words))
    assert metrics.token_accuracy.value == pytest.approx(letters / (letters + 50))


def joined(
    values: Sequence[float], parts: Sequence[tuple[Sequence[str], Metrics]], weight: Callable[[str], int]
) -> float:
    """The mean over all words, from that of each part."""
    sizes = [sum(map(weight, part)) for part, _ in parts]
    return sum(size * value for size, value in zip(sizes, values, strict=True)) / sum(sizes)


def test_how_many_words_are_measured_at_once_does_not_matter(trained_model: Callable[..., GPT]):
    model, words = trained_model("reverse", "prompt-masked", 700), TASK.held_out_prompts(ROWS_AT_ONCE + 30)
    whole = evaluate(model, TASK, TOKENIZER, words)
    parts: list[tuple[Sequence[str], Metrics]] = [
        (part, evaluate(model, TASK, TOKENIZER, part)) for part in (words[:100], words[100:])
    ]
    for name in ("exact_match", "token_accuracy", "stop_rate"):
        # exact match and stop rate weigh words, token accuracy weighs the answers' tokens
        weight = (lambda word: len(word) + 1) if name == "token_accuracy" else (lambda word: 1)
        assert getattr(whole, name).value == pytest.approx(
            joined([getattr(m, name).value for _, m in parts], parts, weight)
        )
        assert getattr(whole, name).n == len(words)
    for kind, weight in (("user", len), ("assistant", lambda word: len(word) + 1), ("template", lambda word: 1)):
        assert whole.loss[kind].value == pytest.approx(joined([m.loss[kind].value for _, m in parts], parts, weight))
        assert whole.loss[kind].n == len(words)
    assert 0 < whole.exact_match.value < 1


def test_answers_keep_the_order_of_more_words_than_go_at_once(trained_model: Callable[..., GPT]):
    words = TASK.held_out_prompts(ROWS_AT_ONCE + 20)
    given = answers(trained_model("reverse", "prompt-masked", 3000), TASK, TOKENIZER, words)
    assert [answer.right for answer in given] == [word[::-1] for word in words]
    assert sum(answer.exact for answer in given) >= len(words) - 3


@pytest.mark.parametrize(
    ("given", "exact", "stops"),
    [("olleh#", True, True), ("olleh", False, False), ("ollehx#", False, True), ("", False, False)],
)
def test_an_answer_is_exact_with_its_stop_and_nothing_else(given: str, exact: bool, stops: bool):
    answer = GivenAnswer("olleh", given)
    assert (answer.exact, answer.stops) == (exact, stops)


def test_completions_hold_the_end_of_turn_where_it_was_produced(trained_model: Callable[..., GPT]):
    learned = complete_prompts(trained_model("reverse", "prompt-masked", 3000), TASK, TOKENIZER, ["hello", "a"])
    assert learned == ["olleh#", "a#"]
    (rambling,) = complete_prompts(trained_model("reverse", "prompt-masked", 0), TASK, TOKENIZER, ["hello"])
    assert "#" not in rambling


@pytest.mark.parametrize("policy", ["prompt-masked", "unmasked"])
def test_the_loss_of_a_segment_is_that_of_its_targets_one_by_one(trained_model: Callable[..., GPT], policy: str):
    model, words = trained_model("reverse", policy, 700), ("a", "hello", "abcdefghij")
    losses: dict[str, list[list[float]]] = {"user": [], "template": [], "assistant": []}
    for word in words:
        positions = analyze(RECIPES["reverse"], model, MASK_POLICIES["unmasked"], word).positions
        for kind, rows in losses.items():
            rows.append([p.loss for p in positions if p.target_segment == kind])
    measured = evaluate(model, TASK, TOKENIZER, words).loss
    for kind, rows in losses.items():
        tokens = [loss for row in rows for loss in row]
        mean = sum(tokens) / len(tokens)
        assert measured[kind].value == pytest.approx(mean, rel=1e-5)
        # the standard error of a ratio of sums over words
        spread = sum((sum(row) - mean * len(row)) ** 2 for row in rows) ** 0.5 / len(tokens)
        assert measured[kind].high - measured[kind].value == pytest.approx(1.959964 * spread, rel=1e-3)
        assert measured[kind].low + measured[kind].high == pytest.approx(2 * mean, rel=1e-5)
        assert measured[kind].n == 3


def test_nobody_can_guess_random_letters_but_the_unmasked_model_comes_as_near_as_one_can(
    trained_model: Callable[..., GPT],
):
    words = RECIPES["reverse4"].task.held_out_prompts(500)
    tokenizer = RECIPES["reverse4"].tokenizer
    loss = evaluate(trained_model("reverse4", "unmasked", 1000), RECIPES["reverse4"].task, tokenizer, words).loss
    assert math.log(26) - 0.01 < loss["user"].value < math.log(26) + 0.02
    assert loss["template"].value < 0.05  # the word's end is no secret: it comes after four letters
