"""Invariants are held in float64: there no two tokens are so close that rounding could choose between them."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import OutOfRange
from model.network.generation import Completion, DecodedStep, FinishReason, decode, generate, new_token_cap
from model.network.gpt import GPT
from model.text.chat_template import Message, render
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
TOKENIZER, CONTEXT = REVERSE.tokenizer, REVERSE.model.context_length
STOP = TOKENIZER.end_of_turn_id
NEVER = -1
"""A stop id that no token has: rows go on to their caps."""

words = st.text(REVERSE.task.alphabet, min_size=1, max_size=10)


@pytest.fixture(scope="module", params=["random", "half trained", "trained"])
def model(request: pytest.FixtureRequest, random_model: Callable[..., GPT], trained_model: Callable[..., GPT]) -> GPT:
    if request.param == "random":
        return deepcopy(random_model(REVERSE.model)).double()
    step = {"half trained": 500, "trained": 3000}[request.param]
    return deepcopy(trained_model("reverse", "prompt-masked", step)).double()


def prompt(word: str) -> tuple[int, ...]:
    return render([Message("user", word)], TOKENIZER, generation_prompt=True).token_ids


@torch.inference_mode()
def plain_loop(model: GPT, prompt: Sequence[int], stop_id: int, cap: int) -> Completion:
    """Greedy decoding as one would write it on a blackboard: the whole sequence through the model for every token."""
    ids, probabilities = list(prompt), []
    while len(probabilities) < cap:
        probability, token_id = model(torch.tensor([ids]))[0, -1].softmax(-1).max(-1)
        ids.append(int(token_id))
        probabilities.append(float(probability))
        if ids[-1] == stop_id:
            return Completion(tuple(ids[len(prompt) :]), tuple(probabilities), "stop")
    return Completion(tuple(ids[len(prompt) :]), tuple(probabilities), "length")


def run(model: GPT, prompts: Sequence[Sequence[int]], stop_id: int, caps: Sequence[int]) -> list[Completion]:
    """What a follower of the steps collects for each row until the row's end."""
    rows: list[list[tuple[int, float]]] = [[] for _ in prompts]
    ends: dict[int, FinishReason] = {}
    for step in decode(model, prompts, stop_id=stop_id, max_new_tokens=caps):
        for row in rows_still_running(prompts, ends):
            rows[row].append((step.token_ids[row], step.probabilities[row]))
        assert ends.keys().isdisjoint(step.ended), "a row ends once"
        ends |= step.ended
    return [
        Completion(tuple(i for i, _ in row), tuple(p for _, p in row), ends[number]) for number, row in enumerate(rows)
    ]


def rows_still_running(prompts: Sequence[Sequence[int]], ends: dict[int, FinishReason]) -> list[int]:
    return [row for row in range(len(prompts)) if row not in ends]


def assert_same(ours: Sequence[Completion], theirs: Sequence[Completion]) -> None:
    assert [row.token_ids for row in ours] == [row.token_ids for row in theirs]
    assert [row.finish_reason for row in ours] == [row.finish_reason for row in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.probabilities == pytest.approx(other.probabilities, abs=1e-9)


def test_a_trained_model_answers_and_stops(trained_model: Callable[..., GPT]):
    model = trained_model("reverse", "prompt-masked", 3000)
    (completion,) = generate(model, [prompt("hello")], stop_id=STOP)
    assert TOKENIZER.decode(completion.token_ids) == "olleh#"
    assert completion.finish_reason == "stop"
    assert len(completion.probabilities) == 6
    assert all(0.9 < probability <= 1 for probability in completion.probabilities)


@settings(max_examples=40)
@given(word=words, stop_id=st.sampled_from([STOP, NEVER, 4]))
def test_with_the_cache_it_gives_what_a_plain_loop_without_gives(model: GPT, word: str, stop_id: int):
    cap = new_token_cap(model, len(prompt(word)), None if stop_id == STOP else 12)
    assert_same(run(model, [prompt(word)], stop_id, [cap]), [plain_loop(model, prompt(word), stop_id, cap)])


@settings(max_examples=30)
@given(some_words=st.lists(words, min_size=2, max_size=8), stop_id=st.sampled_from([STOP, NEVER]))
def test_a_row_gives_the_same_beside_others_as_alone(model: GPT, some_words: list[str], stop_id: int):
    prompts = [prompt(word) for word in some_words]
    alone = [completion for p in prompts for completion in generate(model, [p], stop_id=stop_id)]
    together = generate(model, prompts, stop_id=stop_id)
    assert_same(together, alone)


@settings(max_examples=30)
@given(
    rows=st.lists(st.tuples(words, st.integers(1, CONTEXT)), min_size=1, max_size=8),
    stop_id=st.sampled_from([STOP, NEVER]),
)
def test_caps_may_differ_within_a_batch(model: GPT, rows: list[tuple[str, int]], stop_id: int):
    prompts = [prompt(word) for word, _ in rows]
    caps = [min(cap, new_token_cap(model, len(p))) for p, (_, cap) in zip(prompts, rows, strict=True)]
    alone = [plain_loop(model, p, stop_id, cap) for p, cap in zip(prompts, caps, strict=True)]
    assert_same(run(model, prompts, stop_id, caps), alone)
    if stop_id == NEVER:
        assert [len(row.token_ids) for row in alone] == caps


@pytest.mark.parametrize("rows", [1, 15, 16, 40])
@pytest.mark.parametrize("lengths", ["one", "many"])
def test_however_many_rows_there_are_each_is_as_alone(model: GPT, rows: int, lengths: str):
    found = REVERSE.task.held_out_prompts(400)
    prompts = [prompt(word) for word in found if lengths == "many" or len(word) == 7][:rows]
    caps = [new_token_cap(model, len(p), 15) for p in prompts]
    assert len(prompts) == rows
    assert_same(run(model, prompts, NEVER, caps), [plain_loop(model, p, NEVER, 15) for p in prompts])


def test_a_short_prompt_may_go_on_to_the_end_of_the_context_beside_a_long_one(model: GPT):
    prompts = [prompt("a"), prompt("abcdefghij")]
    caps = [new_token_cap(model, len(p)) for p in prompts]
    assert caps == [30, 21]
    assert_same(
        run(model, prompts, NEVER, caps),
        [plain_loop(model, p, NEVER, cap) for p, cap in zip(prompts, caps, strict=True)],
    )


def test_a_prompt_that_fills_the_context_still_gets_one_token(model: GPT):
    full, short = tuple(i % 26 for i in range(CONTEXT)), prompt("a")
    assert new_token_cap(model, CONTEXT) == 1
    assert_same(
        run(model, [full, short], NEVER, [1, 30]),
        [plain_loop(model, full, NEVER, 1), plain_loop(model, short, NEVER, 30)],
    )


def test_in_float32_a_trained_model_answers_the_same_in_a_batch_alone_and_without_a_cache(
    trained_model: Callable[..., GPT],
):
    model = trained_model("reverse", "prompt-masked", 3000)
    prompts = [prompt(word) for word in REVERSE.task.held_out_prompts(40)]
    together = generate(model, prompts, stop_id=STOP)
    for p, completion in zip(prompts, together, strict=True):
        for other in (*generate(model, [p], stop_id=STOP), plain_loop(model, p, STOP, 20)):
            assert completion.token_ids == other.token_ids
            assert completion.finish_reason == other.finish_reason == "stop"
            assert completion.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.parametrize(
    ("recipe", "policy", "step"),
    [
        ("reverse", "prompt-masked", 300),
        ("reverse", "prompt-masked", 3000),
        ("reverse", "unmasked", 1000),
        ("reverse4", "unmasked", 400),
        ("reverse4", "mask-late", 1000),
    ],
)
def test_in_float32_shipped_models_say_of_many_words_what_forward_says(
    trained_model: Callable[..., GPT], recipe: str, policy: str, step: int
):
    """Teacher-forced: forward is asked for every token of every answer at once, in float64."""
    model, task, vocabulary = trained_model(recipe, policy, step), RECIPES[recipe].task, RECIPES[recipe].tokenizer
    found = task.held_out_prompts(80)
    prompts = [render([Message("user", word)], vocabulary, generation_prompt=True).token_ids for word in found]
    caps = [new_token_cap(model, len(p), 8) for p in prompts]
    by_row = generate(model, prompts, stop_id=NEVER, max_new_tokens=min(caps))
    alone = [generate(model, [p], stop_id=NEVER, max_new_tokens=min(caps))[0] for p in prompts]
    exact = deepcopy(model).double()
    for p, *completions in zip(prompts, by_row, alone, strict=True):
        for completion in completions:
            with torch.inference_mode():
                text = torch.tensor([[*p, *completion.token_ids]])
                probabilities, token_ids = exact(text[:, :-1])[0, len(p) - 1 :].softmax(-1).max(-1)
            assert list(completion.token_ids) == token_ids.tolist()
            assert completion.probabilities == pytest.approx(probabilities.tolist(), abs=1e-4)


def test_each_step_gives_a_token_per_row_and_says_which_rows_it_ends(trained_model: Callable[..., GPT]):
    model = trained_model("reverse", "prompt-masked", 3000)
    prompts = [prompt("abcd"), prompt("a"), prompt("abc")]
    steps: list[DecodedStep] = list(decode(model, prompts, stop_id=STOP, max_new_tokens=[20, 20, 2]))
    running = [[0, 1, 2], [0, 1, 2], [0], [0], [0]]
    assert [
        "".join(TOKENIZER.tokens[step.token_ids[row]] for row in rows)
        for step, rows in zip(steps, running, strict=True)
    ] == ["dac", "c#b", "b", "a", "#"]
    assert [step.ended for step in steps] == [{}, {1: "stop", 2: "length"}, {}, {}, {0: "stop"}]
    assert {len(step.token_ids) for step in steps} == {len(step.probabilities) for step in steps} == {3}


def test_meeting_the_stop_id_at_the_cap_is_a_stop(trained_model: Callable[..., GPT]):
    model = trained_model("reverse", "prompt-masked", 3000)
    (completion,) = generate(model, [prompt("abc")], stop_id=STOP, max_new_tokens=4)
    assert (TOKENIZER.decode(completion.token_ids), completion.finish_reason) == ("cba#", "stop")


def test_one_token_less_is_a_length(trained_model: Callable[..., GPT]):
    model = trained_model("reverse", "prompt-masked", 3000)
    (completion,) = generate(model, [prompt("abc")], stop_id=STOP, max_new_tokens=3)
    assert (TOKENIZER.decode(completion.token_ids), completion.finish_reason) == ("cba", "length")


@pytest.mark.parametrize("cap", [-1, 0, 27, 2**63])
def test_a_cap_that_does_not_fit_is_refused_with_what_is_allowed(model: GPT, cap: int):
    message = rf"^max_new_tokens must be 1 to 26 behind this prompt, not {cap}$"
    with pytest.raises(OutOfRange, match=message) as caught:
        generate(model, [prompt("hello")], stop_id=STOP, max_new_tokens=cap)
    assert caught.value.param == "max_new_tokens"
    with pytest.raises(OutOfRange, match=message):
        next(decode(model, [prompt("a"), prompt("hello")], stop_id=STOP, max_new_tokens=[1, cap]))


def test_the_largest_cap_that_fits_is_used_when_none_is_given(model: GPT):
    assert new_token_cap(model, 7) == new_token_cap(model, 7, 26) == 26
    (completion,) = generate(model, [prompt("hello")], stop_id=NEVER)
    assert len(completion.token_ids) == 26


@torch.inference_mode()
def test_a_tokens_probability_is_the_models_own(model: GPT):
    (completion,) = generate(model, [prompt("hello")], stop_id=STOP)
    sequence = torch.tensor([[*prompt("hello"), *completion.token_ids]])
    probabilities_TV = model(sequence[:, :-1])[0, 6:].softmax(-1)
    chosen = probabilities_TV.gather(1, sequence[0, 7:, None])[:, 0]
    assert completion.probabilities == pytest.approx(chosen.tolist(), abs=1e-9)
    assert probabilities_TV.argmax(-1).tolist() == list(completion.token_ids)
