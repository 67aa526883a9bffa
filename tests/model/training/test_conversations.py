"""model/training/conversations.py: whatever somebody wrote is rendered, or refused with the reason."""

from collections.abc import Sequence

import pytest

from model.errors import InvalidText, OutOfRange
from model.masks.policies import MASK_POLICIES
from model.text.chat_template import Message, Rendered
from model.training.conversations import (
    MOST_MESSAGES,
    fill_in,
    messages_of,
    prompt_ids,
    render_messages,
    render_prompt,
    render_prompts,
    render_text,
    rows_of,
)
from model.training.recipes import ALL_RECIPES, Recipe

REVERSE4, REVERSE, DIALOGUE = (ALL_RECIPES[slug] for slug in ("reverse4", "reverse", "dialogue"))
RIGHT, PACKED = MASK_POLICIES["prompt-masked"], MASK_POLICIES["packed"]


def texts(recipe: Recipe, conversations: Sequence[Rendered]) -> list[str]:
    return [recipe.tokenizer.decode(conversation.token_ids) for conversation in conversations]


def test_a_prompt_is_rendered_with_its_right_answer_or_with_another_one():
    given = [render_prompt(REVERSE, "hello"), render_prompt(REVERSE, "hello", "hi"), render_prompt(REVERSE, "ab", "")]
    assert texts(REVERSE, given) == ["<hello>olleh#", "<hello>hi#", "<ab>#"]
    assert texts(DIALOGUE, render_prompts(DIALOGUE, ["abc 1", "de"])) == ["<abc>cba#<1>cba#", "<de>ed#"]
    assert REVERSE.tokenizer.decode(prompt_ids(REVERSE, "hello")) == "<hello>"


@pytest.mark.parametrize(
    ("recipe", "text", "expected"),
    [
        (REVERSE, "hello, ab cat,,\n a", ["<hello>olleh#", "<ab>ba#", "<cat>tac#", "<a>a#"]),
        (DIALOGUE, " abc  de 1 , fg", ["<abc>cba#<de>ed#<1>cba#", "<fg>gf#"]),
    ],
)
def test_conversations_in_one_field_have_commas_between_and_words_spaces_as_well(recipe, text, expected):
    assert texts(recipe, render_text(recipe, text, most=4)) == expected


@pytest.mark.parametrize("text", ["", " , ", "a b c", "hello, Hello", "hello, abcdefghijk"])
def test_a_field_that_cannot_be_read_is_refused(text: str):
    with pytest.raises(InvalidText) as refused:
        render_text(REVERSE, text, most=2)
    assert ("Give 1 to 2 conversations, with commas between" in refused.value.message) == (
        refused.value.param == "words"
    )


@pytest.mark.parametrize("words", [("ab", "cd"), ("hello", "HI"), ("", "a"), ("a", "abcdefghijk")])
def test_words_that_show_no_padding_or_cannot_be_read_are_refused(words: tuple[str, ...]):
    with pytest.raises(InvalidText):
        render_prompts(REVERSE, words, uneven=True)


def test_a_packed_row_holds_what_the_recipe_s_context_does_or_less():
    conversations = render_prompts(REVERSE, ["hello", "ab", "mask"])  # 13, 7 and 11 tokens
    assert len(rows_of(REVERSE, conversations, PACKED).inputs_BT) == 1
    assert len(rows_of(REVERSE, conversations, PACKED, 20).inputs_BT) == 2


def test_an_answer_that_is_missing_is_the_right_one_to_all_turns_before():
    given = [
        ("user", "abc"),
        ("assistant", None),
        ("user", "de"),
        ("assistant", "xx"),
        ("user", "1"),
        ("assistant", None),
    ]
    contents = [message.content for message in fill_in(DIALOGUE, given)]
    assert contents == ["abc", "cba", "de", "xx", "1", "cba"]
    assert fill_in(REVERSE, [("user", "hello"), ("assistant", None)]) == messages_of(REVERSE, "hello")


def test_two_turns_of_one_role_and_an_open_end_are_conversations_too():
    messages = fill_in(DIALOGUE, [("user", "ab"), ("user", "cd"), ("assistant", None), ("user", "ef")])
    (rendered,) = render_messages(DIALOGUE, [messages], RIGHT)
    assert DIALOGUE.tokenizer.decode(rendered.token_ids) == "<ab<cd>dc#<ef"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "there are 0"),
        ([("user", "ab")] * (MOST_MESSAGES + 1), "there are 13"),
        ([("system", "ab")], "A role must be user or assistant, not 'system'"),
        ([("\u202e" * 200, "ab")], "A role must be "),
        ([("assistant", None)], "before the user has asked"),
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
        (REVERSE, [], RIGHT, None, InvalidText, "there are 0"),
        (REVERSE, [user("a")] * 9, RIGHT, None, InvalidText, "there are 9"),
        (
            REVERSE,
            [user("a" * 16)],
            RIGHT,
            None,
            OutOfRange,
            "A conversation can have 33 tokens at most; this one has 35",
        ),
        (
            REVERSE,
            [user("hello")],
            PACKED,
            12,
            OutOfRange,
            "A conversation can have 12 tokens at most; this one has 13",
        ),
        (REVERSE, [user("hello")], PACKED, 34, OutOfRange, "row_tokens must be 2 to 33, not 34"),
        (REVERSE, [user("hello")], PACKED, -1, OutOfRange, "row_tokens must be 2 to 33, not -1"),
        (REVERSE, [user("HI")], RIGHT, None, InvalidText, "Use letters a to z only"),
        (REVERSE, [user("<")], RIGHT, None, InvalidText, "Use letters a to z only"),
        (REVERSE, [(Message("user", ""),)], RIGHT, None, InvalidText, "nothing to predict"),
        (REVERSE4, [user("ab"), user("abc")], RIGHT, None, InvalidText, "reverse4 has no pad token"),
        (REVERSE4, [user("ab"), user("cd")], PACKED, None, InvalidText, "reverse4 has no pad token"),
    ],
)
def test_what_no_model_could_read_is_refused(recipe, conversations, policy, row_tokens, error, said: str):
    with pytest.raises(error, match=said):
        render_messages(recipe, conversations, policy, row_tokens)
