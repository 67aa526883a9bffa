"""The symptoms of a mask bug: what is counted of a model's answers, and what real models show."""

import math
from collections.abc import Callable
from dataclasses import asdict

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from model.experiments.bugs.symptoms import Symptoms, mean_loss, measure
from model.intervals import Rate, wilson
from model.masks.policies import MASK_POLICIES
from model.network.generation import generate
from model.network.gpt import GPT
from model.text.chat_template import Rendered, render
from model.training import evaluation
from model.training.evaluation import complete_prompts
from model.training.loop import initial_model
from model.training.recipes import ALL_RECIPES, Recipe

REVERSE4, REVERSE, DIALOGUE = ALL_RECIPES["reverse4"], ALL_RECIPES["reverse"], ALL_RECIPES["dialogue"]
RIGHT = MASK_POLICIES["prompt-masked"]
PROMPTS = 60

TrainedModel = Callable[[str, str, int], GPT]
SpoiledAnswers = Callable[..., Symptoms]


@pytest.fixture
def symptoms_of(monkeypatch: pytest.MonkeyPatch) -> SpoiledAnswers:
    """The symptoms of a model that makes these of the right answers, one after the other."""

    def symptoms_of(*spoil: Callable[[str], str]) -> Symptoms:
        words = REVERSE4.task.held_out_prompts(len(spoil))
        given = {word: change(REVERSE4.task.answer(word)) for word, change in zip(words, spoil, strict=True)}
        monkeypatch.setattr(
            evaluation, "complete_prompts", lambda model, task, tokenizer, words: [given[w] for w in words]
        )
        return measure(REVERSE4, initial_model(REVERSE4, 0), RIGHT, seed=0, prompts=len(spoil))

    return symptoms_of


def last_model(trained_model: TrainedModel, recipe: Recipe, policy: str) -> GPT:
    return trained_model(recipe.slug, policy, recipe.training.steps)


def another(letter: str) -> str:
    return "b" if letter == "a" else "a"


def test_each_rate_counts_its_own_claim(symptoms_of: SpoiledAnswers):
    s = symptoms_of(
        lambda right: right + "#",
        lambda right: right,  # the context was full before the stop
        lambda right: right + "ab#",  # goes on
        lambda right: another(right[0]) + right[1:] + "#",
        lambda right: right[0] + another(right[1]) + "#",
        lambda right: "",
    )
    assert s.exact_match == wilson(1 / 6, 6)
    assert s.first_right == wilson(4 / 6, 6)
    assert s.answer_right == wilson(3 / 6, 6)
    assert s.stops == wilson(4 / 6, 6)
    assert s.by_turn == (s.exact_match,)


def test_runaway_is_the_mean_of_tokens_beyond_the_answer_and_its_stop_and_short_answers_count_0(
    symptoms_of: SpoiledAnswers,
):
    assert symptoms_of(lambda right: right + "#", lambda right: right[:2] + "#").runaway == 0
    assert symptoms_of(lambda right: right + "abc#", lambda right: "#").runaway == 3 / 2
    assert symptoms_of(lambda right: right + "abcdef").runaway == 5


@pytest.mark.parametrize(
    ("recipe", "policy"), [("reverse4", "mask-late"), ("reverse4", "eos-masked"), ("dialogue", "last-turn-only")]
)
def test_the_rates_are_those_of_prompts_completed_one_by_one(trained_model: TrainedModel, recipe: str, policy: str):
    known = ALL_RECIPES[recipe]
    model, tokenizer = last_model(trained_model, known, policy), known.tokenizer
    s = measure(known, model, MASK_POLICIES[policy], seed=0, prompts=PROMPTS)
    exact = first = stops = beyond = 0
    for word in known.task.held_out_prompts(PROMPTS):
        prompt = render(known.task.question(word), tokenizer, generation_prompt=True).token_ids
        (completion,) = generate(model, [prompt], stop_id=tokenizer.end_of_turn_id)
        right = tokenizer.encode(known.task.answer(word))
        exact += completion.token_ids == (*right, tokenizer.end_of_turn_id)
        first += completion.token_ids[0] == right[0]
        stops += completion.token_ids[-1] == tokenizer.end_of_turn_id
        beyond += max(0, len(completion.token_ids) - len(right) - 1)
    assert [s.exact_match, s.first_right, s.stops] == [
        wilson(hits / PROMPTS, PROMPTS) for hits in (exact, first, stops)
    ]
    assert s.runaway == pytest.approx(beyond / PROMPTS)


def test_a_turn_is_measured_on_the_conversations_that_have_it_with_the_right_history(trained_model: TrainedModel):
    model = last_model(trained_model, DIALOGUE, "last-turn-only")
    words = DIALOGUE.task.held_out_prompts(PROMPTS)
    s = measure(DIALOGUE, model, RIGHT, seed=0, prompts=PROMPTS)
    for turn, rate in enumerate(s.by_turn, 1):
        assert rate.n == len({tuple(w.split()[:turn]) for w in words if len(w.split()) >= turn}), "none counts twice"
    second = sorted({" ".join(word.split()[:2]) for word in words})
    exact = [
        text == DIALOGUE.task.answer(word) + "#"
        for word, text in zip(second, complete_prompts(model, DIALOGUE.task, DIALOGUE.tokenizer, second), strict=True)
    ]
    assert s.by_turn[1] == wilson(sum(exact) / len(second), len(second))


def row_loss(model: GPT, rendered: Rendered, tokens: range) -> torch.Tensor:
    """Summed -log p of some tokens of one conversation alone."""
    ids = torch.tensor(rendered.token_ids)
    log_p_TV = model(ids[None, :-1])[0].log_softmax(-1)
    return -log_p_TV[range(tokens.start - 1, tokens.stop - 1), ids[tokens.start : tokens.stop]].sum()


@torch.inference_mode()
def test_the_answer_loss_is_the_mean_over_the_answers_tokens_of_unpadded_conversations(trained_model: TrainedModel):
    model = last_model(trained_model, REVERSE, "truncated")
    conversations = [render(REVERSE.task.conversation(w), REVERSE.tokenizer) for w in REVERSE.task.held_out_prompts(40)]
    spans = [range(c.prompt_length, len(c.token_ids)) for c in conversations]
    total = sum(row_loss(model, c, span) for c, span in zip(conversations, spans, strict=True))
    s = measure(REVERSE, model, MASK_POLICIES["truncated"], seed=0, prompts=40)
    assert s.answer_loss == pytest.approx(float(total) / sum(map(len, spans)), rel=1e-4)
    assert s.own_loss is not None
    assert s.own_loss < s.answer_loss / 10, "what is cut off is what it gets wrong"


@torch.inference_mode()
def test_the_own_loss_counts_what_the_policy_trains(trained_model: TrainedModel):
    model = last_model(trained_model, REVERSE4, "eos-masked")
    words = REVERSE4.task.held_out_prompts(40)
    conversations = [render(REVERSE4.task.conversation(word), REVERSE4.tokenizer) for word in words]
    answer = sum(row_loss(model, c, range(6, 10)) for c in conversations) / (4 * 40)
    stop = sum(row_loss(model, c, range(10, 11)) for c in conversations) / 40
    assert mean_loss(REVERSE4, model, MASK_POLICIES["eos-masked"], words) == pytest.approx(float(answer), rel=1e-4)
    assert mean_loss(REVERSE4, model, RIGHT, words) == pytest.approx(float(4 * answer + stop) / 5, rel=1e-4)


def test_over_no_positions_there_is_no_loss_but_the_answers_still_have_one(trained_model: TrainedModel):
    model = last_model(trained_model, REVERSE4, "all-masked")
    s = measure(REVERSE4, model, MASK_POLICIES["all-masked"], seed=0, prompts=PROMPTS)
    assert s.own_loss is None
    assert s.answer_loss == pytest.approx(math.log(REVERSE4.tokenizer.vocab_size), abs=0.1), "it knows nothing"


def test_a_model_that_was_not_trained_has_not_moved_and_one_of_doubled_weights_by_its_own_length():
    model = initial_model(REVERSE4, 3)
    assert measure(REVERSE4, model, RIGHT, seed=3, prompts=5).moved == 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 2
    assert measure(REVERSE4, model, RIGHT, seed=3, prompts=5).moved == pytest.approx(1)
    assert measure(REVERSE4, model, RIGHT, seed=4, prompts=5).moved != pytest.approx(1)


def test_nothing_but_weight_decay_moves_a_model_without_targets(trained_model: TrainedModel):
    def moved(policy: str) -> float:
        model = last_model(trained_model, REVERSE4, policy)
        return measure(REVERSE4, model, RIGHT, seed=0, prompts=5).moved

    training = REVERSE4.training
    rates = sum(training.learning_rate_at(step) for step in range(1, training.steps + 1))
    assert 0 < moved("all-masked") <= rates * training.weight_decay * 1.01 < moved("prompt-masked") / 100


def test_measuring_twice_gives_the_same(trained_model: TrainedModel):
    model = last_model(trained_model, REVERSE4, "unmasked")
    first, second = (measure(REVERSE4, model, MASK_POLICIES["unmasked"], seed=0, prompts=PROMPTS) for _ in range(2))
    assert first == second
    assert measure(REVERSE4, model, RIGHT, seed=0, prompts=PROMPTS // 2).exact_match.n == PROMPTS // 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("runaway", -1), ("own_loss", math.nan), ("answer_loss", math.inf), ("moved", None), ("stops", 1.0), ("what", 0)],
)
def test_symptoms_that_no_model_can_have_are_refused(symptoms_of: SpoiledAnswers, name: str, value: object):
    s = symptoms_of(lambda right: right + "#")
    reader = TypeAdapter(Symptoms)
    assert reader.validate_python(asdict(s)) == s
    with pytest.raises(ValidationError):
        reader.validate_python(asdict(s) | {name: value})
    assert isinstance(s.stops, Rate)
