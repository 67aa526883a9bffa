"""/v1: what standard clients get, from clients that nobody here wrote, held to the models themselves.

Those clients take seconds to import: that is for the process that runs these tests, not for each that collects them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
from fastapi import FastAPI

from app.catalog import Catalog
from app.completions import model_names
from model.network.sampling import sample, score
from model.training.recipes import RECIPES

if TYPE_CHECKING:
    from openai import AsyncOpenAI

pytestmark = pytest.mark.anyio

RIGHT = "reverse/prompt-masked"
HELLO: Any = {"model": RIGHT, "messages": [{"role": "user", "content": "hello"}]}
TOKENIZER = RECIPES["reverse"].tokenizer


@pytest.fixture
async def openai(app: FastAPI) -> AsyncIterator[AsyncOpenAI]:
    """The official client, speaking to the application in this process."""
    from openai import AsyncOpenAI

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
        yield AsyncOpenAI(api_key="none", base_url="http://localhost/v1", http_client=http, max_retries=0)


async def test_every_model_in_memory_has_a_name_and_answers_to_it(openai: AsyncOpenAI, catalog: Catalog) -> None:
    names = [model.id for model in (await openai.models.list()).data]
    assert tuple(names) == model_names(catalog)
    assert len(set(names)) == sum(len(run.models) for run in catalog.runs.values()) + 1 + len(catalog.several)
    for name in (names[0], "reverse4/unmasked@325", "worksheet", *names[-2:]):
        assert (await openai.models.retrieve(name)).id.startswith(name)
        told = await openai.completions.create(model=name, prompt="a", max_tokens=1)
        assert told.usage
        assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (1, 1)


@pytest.mark.parametrize(
    "name",
    ["", "nope", "reverse", f"{RIGHT}@7", f"{RIGHT}@-1", f"{RIGHT}@", f"{RIGHT}@9e9", "limits/x/0", "@", "a/b/c@1"],
)
async def test_no_other_name_does(openai: AsyncOpenAI, name: str) -> None:
    from openai import BadRequestError, NotFoundError

    with pytest.raises((NotFoundError, BadRequestError)) as caught:
        await openai.completions.create(model=name, prompt="a")
    assert caught.value.param == "model"


async def test_a_chat_is_answered_in_the_template(openai: AsyncOpenAI) -> None:
    told = await openai.chat.completions.create(**HELLO, temperature=0, logprobs=True, top_logprobs=2)
    (choice,) = told.choices
    assert (choice.message.content, choice.finish_reason, told.model) == ("olleh", "stop", f"{RIGHT}@3000")
    assert told.usage
    assert (told.usage.prompt_tokens, told.usage.completion_tokens, told.usage.total_tokens) == (7, 6, 13)
    assert choice.logprobs
    assert choice.logprobs.content
    assert "".join(token.token for token in choice.logprobs.content) == "olleh"
    assert all(token.top_logprobs[0].logprob == token.logprob for token in choice.logprobs.content)
    several = [
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "ba"},
        {"role": "user", "content": "1"},
    ]
    dialogue = await openai.chat.completions.create(
        model="dialogue/prompt-masked",
        messages=several,
        temperature=0,  # type: ignore[arg-type]
    )
    assert dialogue.choices[0].message.content == "ba"


async def test_a_stream_says_the_same_as_the_whole_answer_and_ends_with_its_usage(openai: AsyncOpenAI) -> None:
    for options in ({"temperature": 0}, {"seed": 4, "n": 3, "stop": ["l", "eh"], "logprobs": True}):
        whole = await openai.chat.completions.create(**HELLO, **options)
        stream = await openai.chat.completions.create(
            **HELLO, **options, stream=True, stream_options={"include_usage": True}
        )
        *chunks, last = [chunk async for chunk in stream]
        assert (last.choices, last.usage) == ([], whole.usage)
        for choice in whole.choices:
            mine = [c for chunk in chunks for c in chunk.choices if c.index == choice.index]
            assert mine[0].delta.role == "assistant"
            assert "".join(c.delta.content or "" for c in mine) == choice.message.content
            assert mine[-1].finish_reason == choice.finish_reason
            if choice.logprobs:
                assert [t for c in mine if c.logprobs for t in c.logprobs.content or []] == choice.logprobs.content


async def test_a_text_is_scored_as_the_model_scores_it(openai: AsyncOpenAI, catalog: Catalog) -> None:
    text = "<hello>olleh#"
    ids = list(TOKENIZER.encode_marked(text))
    model, _ = catalog.model(RECIPES["reverse"], "prompt-masked", None)
    expected = [token.log_probability for token in score(model, ids)]
    for prompt in (text, ids, [text], [ids]):
        told = await openai.completions.create(model=RIGHT, prompt=prompt, echo=True, max_tokens=0, logprobs=2)
        (choice,) = told.choices
        assert (choice.text, choice.finish_reason) == (text, "length")
        assert choice.logprobs
        assert choice.logprobs.token_logprobs == expected
        assert choice.logprobs.text_offset == list(range(len(text)))
        assert choice.logprobs.tokens == list(text)
        assert choice.logprobs.top_logprobs
        assert choice.logprobs.top_logprobs[0] is None
        assert all(
            value and token in value for token, value in zip(text[1:], choice.logprobs.top_logprobs[1:], strict=True)
        )


async def test_several_prompts_and_rows_are_numbered_prompt_by_prompt(openai: AsyncOpenAI) -> None:
    prompts = ["<ab>", "<hello>"]
    told = await openai.completions.create(model=RIGHT, prompt=prompts, n=2, temperature=0)
    assert [(c.index, c.text) for c in told.choices] == [(0, "ba"), (1, "ba"), (2, "olleh"), (3, "olleh")]
    stream = await openai.completions.create(model=RIGHT, prompt=prompts, n=2, temperature=0, stream=True, echo=True)
    texts = dict.fromkeys(range(4), "")
    async for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert list(texts.values()) == ["<ab>ba", "<ab>ba", "<hello>olleh", "<hello>olleh"]


async def test_a_seed_draws_what_the_model_draws_with_it(openai: AsyncOpenAI, catalog: Catalog) -> None:
    model, step = catalog.model(RECIPES["reverse"], "prompt-masked", 0)
    prompt = TOKENIZER.encode_marked("<ab>")
    (drawn,) = sample(model, [prompt], stop_id=TOKENIZER.end_of_turn_id, samples=8, tokens=6, seed=9)
    ask: Any = {"model": f"{RIGHT}@{step}", "prompt": "<ab>", "n": 8, "max_tokens": 6}
    told = await openai.completions.create(**ask, seed=9)
    assert [c.text for c in told.choices] == [TOKENIZER.decode(row).split("#")[0] for row in drawn]
    assert (await openai.completions.create(**ask, seed=10)).choices != told.choices
    assert (await openai.completions.create(**ask)).choices == (await openai.completions.create(**ask, seed=0)).choices


@pytest.mark.parametrize(
    ("stop", "text"), [("l", "o"), ("ll", "o"), ("le", "ol"), (["x", "he", "eh"], "oll"), ("lle", "o"), ("lx", "olleh")]
)
async def test_a_stop_ends_the_text_before_it_however_many_tokens_it_spans(
    openai: AsyncOpenAI, stop: Any, text: str
) -> None:
    told = await openai.completions.create(model=RIGHT, prompt="<hello>", stop=stop, temperature=0)
    assert (told.choices[0].text, told.choices[0].finish_reason) == (text, "stop")
    stream = await openai.completions.create(model=RIGHT, prompt="<hello>", stop=stop, temperature=0, stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == text


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    *(
        ("chat/", {name: value}, name)
        for name, value in (("tools", []), ("top_p", 1), ("user", "me"), ("logit_bias", {}))
    ),
    *(("chat/", {"temperature": value}, "temperature") for value in (-1, 2.1, 1e-9, "1")),
    ("chat/", {"n": 9}, "n"),
    ("chat/", {"n": 0}, "n"),
    ("chat/", {"seed": 2**64}, "seed"),
    ("chat/", {"max_tokens": 27}, "max_tokens"),
    ("chat/", {"max_tokens": 3, "max_completion_tokens": 3}, "max_tokens"),
    ("chat/", {"top_logprobs": 1}, "top_logprobs"),
    ("chat/", {"stream_options": {"include_usage": True}}, "stream_options"),
    ("chat/", {"messages": []}, "messages"),
    ("chat/", {"messages": [{"role": "system", "content": "a"}]}, "messages.0.role"),
    ("chat/", {"messages": [{"role": "assistant", "content": "a"}]}, "messages"),
    ("chat/", {"messages": [{"role": "user", "content": "a<b"}]}, "prompt"),
    ("", {"prompt": "<hello>!"}, "prompt"),
    ("", {"prompt": "a" * 33}, "prompt"),
    ("", {"prompt": [99]}, "prompt"),
    ("", {"prompt": [[]]}, "prompt.lists of ids.0"),
    ("", {"prompt": []}, "prompt.texts"),
    ("", {"prompt": ["a"] * 17}, "prompt.texts"),
    ("", {"prompt": 3}, "prompt.text"),
    ("", {"stop": ""}, "stop"),
    ("", {"stop": ["a"] * 5}, "stop"),
    ("", {"best_of": 2}, "best_of"),
    ("", {"suffix": "a"}, "suffix"),
]


@pytest.mark.parametrize(("kind", "given", "param"), REFUSED)
async def test_what_is_not_supported_or_wrong_is_refused_by_name(
    client: httpx.AsyncClient, kind: str, given: dict[str, Any], param: str
) -> None:
    body = {**(HELLO if kind else {"model": RIGHT, "prompt": "<hello>"}), **given}
    response = await client.post(f"/v1/{kind}completions", json=body)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error"), error
    assert error["param"].startswith(param)
    assert list(error) == ["type", "message", "param", "code"]


async def test_a_client_of_another_house_gets_the_same(live_server: str) -> None:
    from huggingface_hub import InferenceClient

    other = InferenceClient(base_url=f"{live_server}/v1", api_key="none")
    whole = other.chat_completion(HELLO["messages"], model=RIGHT, temperature=0.0, logprobs=True, top_logprobs=1)
    assert whole.choices[0].message.content == "olleh"
    stream = other.chat_completion(HELLO["messages"], model=RIGHT, temperature=0.0, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "olleh"


async def test_a_stream_is_data_alone_and_ends_with_done(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/chat/completions", json={**HELLO, "temperature": 0, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in response.text.splitlines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[0].removeprefix("data: "))["choices"][0]["delta"] == {"role": "assistant", "content": ""}


async def test_a_stream_that_takes_too_long_ends_with_an_error(start_app: Any, connect: Any) -> None:
    async with start_app(stream_timeout_seconds=1e-9) as app, connect(app) as client:
        response = await client.post("/v1/chat/completions", json={**HELLO, "stream": True})
    *_, last = [line for line in response.text.splitlines() if line]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert (error["type"], error["code"]) == ("server_error", "busy")


@pytest.mark.parametrize("seed", [2**63, -(2**63)])
async def test_the_largest_seed_that_openai_describes_is_taken(client: httpx.AsyncClient, seed: int) -> None:
    body = {"model": "reverse/prompt-masked", "prompt": "<hello>", "seed": seed, "max_tokens": 2}
    answers = [(await client.post("/v1/completions", json=body)).json()["choices"] for _ in range(2)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/api/v1/generate",
            {"recipe": "reverse", "policy": "unmasked", "prompt": "hello", "step": 0.0, "max_new_tokens": 2.0},
        ),
        ("/v1/completions", {"model": "reverse/prompt-masked", "prompt": [1.0, 2.0], "max_tokens": 2.0}),
    ],
)
async def test_a_number_without_a_fraction_is_an_integer_as_json_has_it(
    client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    assert (await client.post(path, json=body)).status_code == 200
    name = "max_tokens" if "max_tokens" in body else "max_new_tokens"
    assert (await client.post(path, json=body | {name: 2.5})).status_code in (400, 422)
