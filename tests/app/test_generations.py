"""app/generations.py: checked before it is queued, and in words while it comes."""

import pytest

from app.engine import Engine, EngineStopped
from app.generations import admit
from model.errors import InvalidText, OutOfRange
from model.network.gpt import GPT
from model.training.recipes import RECIPES

pytestmark = pytest.mark.anyio

REVERSE = RECIPES["reverse"]


async def test_a_generation_grows_token_by_token_to_its_text(engine: Engine, trained: GPT) -> None:
    generation = admit(engine, REVERSE, trained, "hello")
    assert (generation.text, generation.completion) == ("<hello>", "")
    seen = []
    async for tokens in generation.tokens():
        seen += tokens
        assert generation.received == seen
        assert generation.text == "<hello>" + "".join(t.token for t in seen)
    assert generation.completion == "olleh#"
    assert (generation.finish_reason, generation.ended) == ("stop", True)
    assert all(0 < token.probability <= 1 for token in seen)


async def test_a_generation_that_meets_its_cap_says_length(engine: Engine, trained: GPT) -> None:
    generation = await admit(engine, REVERSE, trained, "hello", 2).whole()
    assert (generation.completion, generation.finish_reason) == ("ol", "length")


async def test_the_stop_at_the_very_cap_is_a_stop(engine: Engine, trained: GPT) -> None:
    generation = await admit(engine, REVERSE, trained, "hello", 6).whole()
    assert (generation.completion, generation.finish_reason) == ("olleh#", "stop")


async def test_what_has_been_begun_is_gone_on_with(engine: Engine, trained: GPT) -> None:
    whole = await admit(engine, REVERSE, trained, "hello").whole()
    for count in range(len(whole.received)):
        begun = [token.token for token in whole.received[:count]]
        rest = await admit(engine, REVERSE, trained, "hello", begun=begun).whole()
        assert rest.text == whole.text
        assert [token.token for token in rest.received] == [token.token for token in whole.received[count:]]
        assert rest.finish_reason == whole.finish_reason


@pytest.mark.parametrize(
    ("prompt", "cap", "error", "param"),
    [
        ("", None, InvalidText, "prompt"),
        ("abcdefghijk", None, InvalidText, "prompt"),
        ("a#", None, InvalidText, "prompt"),
        ("hello", 0, OutOfRange, "max_new_tokens"),
        ("hello", 27, OutOfRange, "max_new_tokens"),
    ],
)
async def test_what_cannot_be_generated_takes_no_place(
    engine: Engine, trained: GPT, prompt: str, cap: int | None, error: type[InvalidText | OutOfRange], param: str
) -> None:
    with pytest.raises(error) as caught:
        admit(engine, REVERSE, trained, prompt, cap)
    assert caught.value.param == param
    assert engine.load == 0


async def test_an_engine_that_has_ended_is_met_before_the_answer_begins(engine: Engine, trained: GPT) -> None:
    engine.close()
    with pytest.raises(EngineStopped):
        admit(engine, REVERSE, trained, "hello")
