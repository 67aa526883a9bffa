import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from model.errors import InvalidText, OutOfRange
from model.explain.analysis import Analysis, analyze, forecast
from model.masks.batches import make_batch
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES
from model.network.attribution import attribute
from model.network.generation import generate
from model.network.gpt import GPT
from model.text.chat_template import render
from model.training.conversations import prompt_ids
from model.training.recipes import RECIPES

REVERSE, REVERSE4 = RECIPES["reverse"], RECIPES["reverse4"]
policies = pytest.mark.parametrize("slug", COMPARED_POLICIES)


@pytest.fixture
def model(trained_model: Callable[..., GPT]) -> GPT:
    return trained_model("reverse", "prompt-masked", 1000)


def of(model: GPT, slug: str, prompt: str = "hello", response: str | None = None, top_k: int = 5) -> Analysis:
    return analyze(REVERSE, model, MASK_POLICIES[slug], prompt, response, top_k=top_k)


@pytest.mark.parametrize(
    ("slug", "rows"),
    [
        (
            "prompt-masked",
            [
                "<hello>olleh",
                "hello>olleh#",
                "......xxxxxx",
            ],
        ),
        (
            "unmasked",
            [
                "<hello>olleh",
                "hello>olleh#",
                "xxxxxxxxxxxx",
            ],
        ),
    ],
)
def test_each_position_has_its_input_its_target_below_it_and_whether_it_is_trained(
    model: GPT, slug: str, rows: list[str]
):
    positions = of(model, slug).positions
    assert ["".join(p.input for p in positions), "".join(p.target for p in positions)] == rows[:2]
    assert "".join(".x"[p.supervised] for p in positions) == rows[2]
    assert [p.position for p in positions] == list(range(12))


@pytest.mark.parametrize(("slug", "supervised", "ignored"), [("prompt-masked", 6, 6), ("unmasked", 12, 0)])
def test_hello_has_the_counts_of_the_lesson(model: GPT, slug: str, supervised: int, ignored: int):
    analysis = of(model, slug)
    assert (analysis.sequence_length, analysis.prompt_length) == (13, 7)
    assert (analysis.supervised_count, analysis.ignored_count) == (supervised, ignored)
    assert "".join(analysis.tokens) == "<hello>olleh#"
    assert analysis.token_ids == (26, 7, 4, 11, 11, 14, 27, 14, 11, 11, 4, 7, 28)


def test_shares_of_prompt_and_answer_make_up_the_whole(model: GPT):
    analysis = of(model, "unmasked")
    rest = sum(position.gradient.share for position in analysis.positions[6:])
    assert analysis.prompt_share + rest == pytest.approx(1, abs=1e-5)
    assert of(model, "prompt-masked").prompt_share == 0


def test_a_position_knows_the_segments_of_its_input_and_of_its_target(model: GPT):
    positions = of(model, "prompt-masked", "ab").positions
    assert [(p.input, p.input_segment, p.target, p.target_segment) for p in positions] == [
        ("<", "template", "a", "user"),
        ("a", "user", "b", "user"),
        ("b", "user", ">", "template"),
        (">", "template", "b", "assistant"),
        ("b", "assistant", "a", "assistant"),
        ("a", "assistant", "#", "assistant"),
    ]


@policies
@pytest.mark.parametrize("word", ["hello", "a", "abcdefghij"])
def test_the_loss_is_torchs_mean_over_the_batch(model: GPT, slug: str, word: str):
    batch = make_batch(
        [render(REVERSE.task.conversation(word), REVERSE.tokenizer)], MASK_POLICIES[slug], REVERSE.tokenizer
    )
    logits_TV = model(batch.inputs_BT)[0]
    analysis = of(model, slug, word)
    assert analysis.loss == pytest.approx(F.cross_entropy(logits_TV, batch.targets_BT[0]).item(), rel=1e-4, abs=1e-6)
    targets_T = torch.tensor(analysis.token_ids[1:])
    per_position = F.cross_entropy(logits_TV, targets_T, reduction="none").tolist()
    assert [p.loss for p in analysis.positions] == pytest.approx(per_position, rel=1e-4, abs=1e-6)


@policies
def test_a_targets_probability_is_the_one_its_loss_states_and_its_prediction_shows(model: GPT, slug: str):
    for p in of(model, slug, top_k=30).positions:
        assert p.target_probability == pytest.approx(math.exp(-p.loss))
        shown = {prediction.token: prediction.probability for prediction in p.predictions}
        assert shown[p.target] == pytest.approx(p.target_probability, rel=1e-4, abs=1e-7)
        assert sum(shown.values()) == pytest.approx(1, abs=1e-5)
        assert len(shown) == 30


@pytest.mark.parametrize("top_k", [1, 5, 30])
def test_predictions_are_the_most_likely_tokens_most_likely_first(model: GPT, top_k: int):
    for p in of(model, "prompt-masked", top_k=top_k).positions:
        probabilities = [prediction.probability for prediction in p.predictions]
        assert len(probabilities) == top_k
        assert probabilities == sorted(probabilities, reverse=True)


@policies
def test_gradients_and_similarity_are_those_of_attribution(model: GPT, slug: str):
    batch = make_batch(
        [render(REVERSE.task.conversation("hello"), REVERSE.tokenizer)], MASK_POLICIES[slug], REVERSE.tokenizer
    )
    analysis, attribution = of(model, slug), attribute(model, batch)
    for t, p in enumerate(analysis.positions):
        assert p.gradient.logit_norm == attribution.logit_norm_T[t].item()
        assert p.gradient.parameter_norm == attribution.parameter_norm_T[t].item()
        assert p.gradient.share == attribution.share_T[t].item()
        assert p.gradient.input_norm == attribution.input_norm_T[t].item()
    assert torch.equal(torch.tensor(analysis.similarity), attribution.similarity_TT)


def test_the_mask_changes_the_loss_and_the_gradients_but_no_prediction(model: GPT):
    masked, unmasked = of(model, "prompt-masked"), of(model, "unmasked")
    assert [p.predictions for p in masked.positions] == [p.predictions for p in unmasked.positions]
    assert [p.loss for p in masked.positions] == [p.loss for p in unmasked.positions]
    assert masked.loss != unmasked.loss
    assert [p.gradient for p in masked.positions] != [p.gradient for p in unmasked.positions]


def test_a_given_response_takes_the_place_of_the_right_answer(model: GPT):
    wrong = of(model, "prompt-masked", "hello", "hello")
    assert "".join(wrong.tokens) == "<hello>hello#"
    right = of(model, "prompt-masked", "hello")
    assert wrong.loss is not None
    assert right.loss is not None
    assert wrong.loss > right.loss + 1


def test_an_empty_response_is_only_the_end_of_turn(model: GPT):
    analysis = of(model, "prompt-masked", "hello", "")
    assert "".join(analysis.tokens) == "<hello>#"
    assert analysis.supervised_count == 1


def test_a_response_may_fill_the_context_and_not_more(model: GPT):
    assert of(model, "prompt-masked", "hello", "o" * 25).sequence_length == 33
    with pytest.raises(OutOfRange, match="25 characters at most fit behind this prompt") as caught:
        of(model, "prompt-masked", "hello", "o" * 26)
    assert caught.value.param == "response"


@pytest.mark.parametrize("top_k", [-1, 0, 31, 2**63])
def test_a_top_k_outside_the_vocabulary_is_refused_with_what_is_allowed(model: GPT, top_k: int):
    with pytest.raises(OutOfRange, match=f"^top_k must be 1 to 30, not {top_k}$") as caught:
        of(model, "prompt-masked", top_k=top_k)
    assert caught.value.param == "top_k"


@pytest.mark.parametrize(
    ("prompt", "response", "param"),
    [
        ("", None, "prompt"),
        ("abcdefghijk", None, "prompt"),
        ("Hello", None, "prompt"),
        ("he>lo", None, "prompt"),
        ("hello", "olle#", "response"),
        ("hello", "\x00", "response"),
    ],
)
def test_a_text_the_recipe_cannot_read_is_refused_and_the_field_named(
    model: GPT, prompt: str, response: str | None, param: str
):
    with pytest.raises(InvalidText) as caught:
        of(model, "prompt-masked", prompt, response)
    assert caught.value.param == param


@policies
@pytest.mark.parametrize("step", [0, 300, 1000])
def test_it_knows_what_the_model_writes_up_to_the_first_token_that_is_not_the_row_s(
    trained_model: Callable[..., GPT], slug: str, step: int
) -> None:
    model, words = trained_model("reverse", slug, step), REVERSE.task.held_out_prompts(40)
    prompts = [prompt_ids(REVERSE, word) for word in words]
    stop_id, wrong = REVERSE.tokenizer.end_of_turn_id, 0
    for word, whole in zip(words, generate(model, prompts, stop_id=stop_id), strict=True):
        begun, right = of(model, slug, word).begins_to_write, f"{word[::-1]}#"
        written = REVERSE.tokenizer.decode(whole.token_ids)
        assert "".join(begun) == written[: len(begun)]
        assert "".join(begun[:-1]) == right[: len(begun) - 1]
        assert (begun[-1] != right[len(begun) - 1]) or "".join(begun) == right, (
            "it ends at no right letter but the last"
        )
        wrong += "".join(begun) != right
    assert wrong or step == 1000


def test_prompt_ids_are_the_prompt_ready_to_be_answered():
    assert REVERSE.tokenizer.decode(prompt_ids(REVERSE, "hello")) == "<hello>"
    with pytest.raises(InvalidText, match="exactly 4"):
        prompt_ids(REVERSE4, "hello")


@pytest.mark.parametrize("prompt", ["a", "hello", "abcdefghij"])
def test_a_forecast_says_of_predictions_what_an_analysis_says(model: GPT, prompt: str) -> None:
    analysis = of(model, "unmasked", prompt, top_k=3)
    forecasts = forecast(REVERSE, model, prompt)
    assert [(f.position, f.input, f.target) for f in forecasts] == [
        (p.position, p.input, p.target) for p in analysis.positions
    ]
    for ahead, position in zip(forecasts, analysis.positions, strict=True):
        assert ahead.target_probability == pytest.approx(position.target_probability, rel=1e-4)
        assert [p.token for p in ahead.predictions] == [p.token for p in position.predictions]
        probabilities = [p.probability for p in position.predictions]
        assert [p.probability for p in ahead.predictions] == pytest.approx(probabilities, rel=1e-4)


def test_a_forecast_leaves_no_gradient_and_refuses_what_the_task_does_not_know(model: GPT) -> None:
    before = [parameter.grad for parameter in model.parameters()]
    forecast(REVERSE, model, "hello")
    assert [parameter.grad for parameter in model.parameters()] == before
    for prompt in ("", "abcdefghijk", "a<b"):
        with pytest.raises(InvalidText):
            forecast(REVERSE, model, prompt)
