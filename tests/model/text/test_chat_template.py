from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidText
from model.network.config import GPTConfig
from model.network.export import export_run
from model.network.gpt import GPT
from model.text.chat_template import Message, Rendered, Segment, render
from model.text.tokenizer import Tokenizer

TOKENIZER = Tokenizer(ascii_lowercase)
HELLO = (Message("user", "hello"), Message("assistant", "olleh"))
TWO_TURNS = (Message("user", "ab"), Message("assistant", "ba"), Message("user", "xyz"), Message("assistant", "zyx"))
SEGMENT_LETTERS = {"user": "u", "assistant": "a", "template": "t"}

roles = st.sampled_from(["user", "assistant"])
message = st.builds(Message, roles, st.text(ascii_lowercase, max_size=8))
conversations = st.lists(message, max_size=6)


def written(rendered: Rendered) -> str:
    return TOKENIZER.decode(rendered.token_ids)


def kinds(rendered: Rendered) -> str:
    return "".join(SEGMENT_LETTERS[kind] for kind in rendered.segment_kinds())


def test_hello_has_the_ids_segments_and_lengths_of_the_lesson():
    rendered = render(HELLO, TOKENIZER)
    assert rendered.token_ids == (26, 7, 4, 11, 11, 14, 27, 14, 11, 11, 4, 7, 28)
    assert rendered.segments == (
        Segment("template", 0, 1),
        Segment("user", 1, 6),
        Segment("template", 6, 7),
        Segment("assistant", 7, 13),
    )
    assert rendered.prompt_length == 7
    assert len(rendered.token_ids) == 13


@pytest.mark.parametrize(
    ("messages", "generation_prompt", "tokens", "segments", "prompt_length"),
    [
        pytest.param(
            HELLO,
            False,
            "<hello>olleh#",  # the end of turn is the assistant's own
            "tuuuuutaaaaaa",
            7,
            id="one turn",
        ),
        pytest.param(
            TWO_TURNS,
            False,
            "<ab>ba#<xyz>zyx#",
            "tuutaaatuuutaaaa",
            4,
            id="two turns: the prompt ends at the first answer",
        ),
        pytest.param(
            HELLO[:1],
            True,
            "<hello>",
            "tuuuuut",
            7,
            id="a generation prompt",
        ),
        pytest.param(
            TWO_TURNS[:3],
            True,
            "<ab>ba#<xyz>",
            "tuutaaatuuut",
            4,
            id="a generation prompt after a turn",
        ),
        pytest.param(
            HELLO[:1],
            False,
            "<hello",
            "tuuuuu",
            6,
            id="a user alone: all is prompt",
        ),
        pytest.param(
            (Message("user", ""), Message("assistant", "")),
            False,
            "<>#",
            "tta",
            2,
            id="nothing said",
        ),
        pytest.param((), False, "", "", 0, id="no messages"),
    ],
)
def test_a_conversation_renders_to_these_tokens_and_segments(
    messages: Sequence[Message], generation_prompt: bool, tokens: str, segments: str, prompt_length: int
):
    rendered = render(messages, TOKENIZER, generation_prompt=generation_prompt)
    assert written(rendered) == tokens
    assert kinds(rendered) == segments
    assert rendered.prompt_length == prompt_length


@given(conversations, st.booleans())
def test_segments_cover_the_tokens_without_gap_or_overlap(messages: list[Message], generation_prompt: bool):
    rendered = render(messages, TOKENIZER, generation_prompt=generation_prompt)
    borders = [0, *(segment.stop for segment in rendered.segments)]
    assert [segment.start for segment in rendered.segments] == borders[:-1]
    assert borders[-1] == len(rendered.token_ids) == len(rendered.segment_kinds())
    assert all(segment.start < segment.stop for segment in rendered.segments)


@given(conversations)
def test_the_generation_prompt_of_a_conversation_is_how_its_answer_begins(messages: list[Message]):
    asked = render([*messages, Message("user", "hello")], TOKENIZER, generation_prompt=True).token_ids
    answered = render([*messages, *HELLO], TOKENIZER).token_ids
    assert answered[: len(asked)] == asked


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ((Message("user", "a>b"),), "prompt"),
        ((Message("user", "ab"), Message("assistant", "ba#")), "response"),
    ],
)
def test_a_message_that_would_forge_a_turn_is_refused_and_the_field_named(messages: Sequence[Message], param: str):
    with pytest.raises(InvalidText) as caught:
        render(messages, TOKENIZER)
    assert caught.value.param == param


@pytest.fixture(scope="module")
def exported_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("exported")
    export_run(GPT(GPTConfig(TOKENIZER.vocab_size, 64, 1, 1, 8)), TOKENIZER, folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


def as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


@given(st.lists(message, min_size=1, max_size=6), st.booleans())
def test_transformers_renders_the_jinja_template_to_the_same_text(
    exported_tokenizer: Any, messages: list[Message], generation_prompt: bool
):
    text = exported_tokenizer.apply_chat_template(
        as_dicts(messages), tokenize=False, add_generation_prompt=generation_prompt
    )
    assert text == written(render(messages, TOKENIZER, generation_prompt=generation_prompt))


@pytest.mark.parametrize("messages", [HELLO, TWO_TURNS], ids=["one turn", "two turns"])
def test_transformers_assistant_mask_marks_our_assistant_segments(exported_tokenizer: Any, messages: Sequence[Message]):
    rendered = render(messages, TOKENIZER)
    encoded = exported_tokenizer.apply_chat_template(
        as_dicts(messages), return_dict=True, return_assistant_tokens_mask=True
    )
    assert tuple(encoded["input_ids"]) == rendered.token_ids
    assert encoded["assistant_masks"] == [int(kind == "assistant") for kind in rendered.segment_kinds()]


def test_the_jinja_template_refuses_a_role_it_does_not_know(exported_tokenizer: Any):
    with pytest.raises(Exception, match="roles are user and assistant, got system"):
        exported_tokenizer.apply_chat_template([{"role": "system", "content": "be kind"}], tokenize=False)
