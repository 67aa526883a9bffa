"""model/training/conversations.py: whatever somebody wrote is rendered, or refused with the reason."""

import pytest

from model.errors import InvalidText, OutOfRange
from model.masks.policies import MASK_POLICIES
from model.text.chat import Message
from model.training.conversations import MOST_MESSAGES, fill_in, messages_of, render_all
from model.training.recipes import ALL_RECIPES

REVERSE4, REVERSE, DIALOGUE = (ALL_RECIPES[slug] for slug in ("reverse4", "reverse", "dialogue"))
RIGHT, PACKED = MASK_POLICIES["prompt-masked"], MASK_POLICIES["packed"]


def test_an_answer_that_is_missing_is_the_right_one_to_all_turns_before():
    given = [
        ("user", "abc"),
        ("assistant", None),
        ("user", "de"),
        ("assistant", "xx"),
        ("user", "1"),
        ("assistant", None),
    ]
    texts = [message.content for message in fill_in(DIALOGUE, given)]
    assert texts == ["abc", "cba", "de", "xx", "1", "cba"]
    assert fill_in(REVERSE, [("user", "hello"), ("assistant", None)]) == messages_of(REVERSE, "hello")


def test_two_turns_of_one_role_and_an_open_end_are_conversations_too():
    messages = fill_in(DIALOGUE, [("user", "ab"), ("user", "cd"), ("assistant", None), ("user", "ef")])
    ((rendered,), _) = render_all(DIALOGUE, [messages], RIGHT)
    assert DIALOGUE.tokenizer.decode(rendered.token_ids) == "<ab<cd>dc#<ef"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "there are 0 messages"),
        ([("user", "ab")] * (MOST_MESSAGES + 1), "there are 13 messages"),
        ([("system", "ab")], "role is 'system'; allowed: user, assistant"),
        ([("\u202e" * 200, "ab")], "role is "),
        ([("assistant", None)], "before the user asked"),
    ],
)
def test_what_is_no_conversation_is_refused(messages: list[tuple[str, str | None]], said: str):
    with pytest.raises(InvalidText, match=said) as refused:
        fill_in(DIALOGUE, messages)
    assert refused.value.message.isascii()


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text), Message("assistant", text[::-1]))


@pytest.mark.parametrize(
    ("recipe", "conversations", "policy", "row_tokens", "error", "said"),
    [
        (REVERSE, [], RIGHT, None, InvalidText, "there are 0 conversations"),
        (REVERSE, [user("a")] * 9, RIGHT, None, InvalidText, "there are 9 conversations"),
        (REVERSE, [user("a" * 16)], RIGHT, None, OutOfRange, "a conversation has 35 tokens; allowed: 33"),
        (REVERSE, [user("hello")], PACKED, 12, OutOfRange, "a conversation has 13 tokens; allowed: 12"),
        (REVERSE, [user("hello")], PACKED, 34, OutOfRange, "row_tokens is 34; allowed: 2 to 33"),
        (REVERSE, [user("hello")], PACKED, -1, OutOfRange, "row_tokens is -1"),
        (REVERSE, [user("HI")], RIGHT, None, InvalidText, "allowed: a-z"),
        (REVERSE, [user("<")], RIGHT, None, InvalidText, "allowed: a-z"),
        (REVERSE, [(Message("user", ""),)], RIGHT, None, InvalidText, "nothing to predict"),
        (REVERSE4, [user("ab"), user("abc")], RIGHT, None, InvalidText, "reverse4 has no pad token"),
        (REVERSE4, [user("ab"), user("cd")], PACKED, None, InvalidText, "reverse4 has no pad token"),
    ],
)
def test_what_no_model_could_read_is_refused(recipe, conversations, policy, row_tokens, error, said: str):
    with pytest.raises(error, match=said):
        render_all(recipe, conversations, policy, row_tokens)
