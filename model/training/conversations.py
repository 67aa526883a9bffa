"""Conversations that somebody wrote, checked and rendered. In: a recipe and messages. Out: Rendered. Refuses what no
model of the recipe could read.

An assistant's message without a text stands for the right answer to the user's turns before it.
"""

from collections.abc import Sequence

from model.errors import InvalidText, OutOfRange
from model.masks.policies import MaskPolicy
from model.text.chat import Message, Rendered, render
from model.training.recipes import Recipe

MOST_CONVERSATIONS = 8
MOST_MESSAGES = 12


def messages_of(recipe: Recipe, prompt: str) -> tuple[Message, ...]:
    """A prompt's conversation with its right answers. Raises InvalidText for one that the task does not know."""
    recipe.task.check_prompt(prompt)
    return recipe.task.conversation(prompt)


def fill_in(recipe: Recipe, messages: Sequence[tuple[str, str | None]]) -> tuple[Message, ...]:
    """(role, text) of each message; an assistant's text that is missing is the right answer.

    Raises:
        InvalidText: there are none or too many, a role is no role, or there is nothing to answer.
    """
    if not 1 <= len(messages) <= MOST_MESSAGES:
        raise InvalidText(f"there are {len(messages)} messages; allowed: 1 to {MOST_MESSAGES}", param="messages")
    filled: list[Message] = []
    asked: list[str] = []
    for role, text in messages:
        if role == "user":
            asked.append(text or "")
            filled.append(Message("user", text or ""))
        elif role == "assistant":
            filled.append(Message("assistant", _answer(recipe, asked) if text is None else text))
        else:
            raise InvalidText(f"role is {role[:64]!a}; allowed: user, assistant", param="messages")
    return tuple(filled)


def _answer(recipe: Recipe, asked: Sequence[str]) -> str:
    if not asked:
        raise InvalidText(
            "the assistant answers before the user asked; allowed: an answer of its own", param="messages"
        )
    return recipe.task.solve(asked)[: recipe.task.answer_length]


def render_all(
    recipe: Recipe, conversations: Sequence[Sequence[Message]], policy: MaskPolicy, row_tokens: int | None = None
) -> tuple[tuple[Rendered, ...], int]:
    """Every conversation as ids, and how many tokens a packed row may have.

    Raises:
        InvalidText: there are none or too many, one holds a character that is not the recipe's, or rows differ in
            length and the recipe has no pad.
        OutOfRange: one is longer than the recipe's context, or than a packed row.
    """
    if not 1 <= len(conversations) <= MOST_CONVERSATIONS:
        count = f"there are {len(conversations)} conversations"
        raise InvalidText(f"{count}; allowed: 1 to {MOST_CONVERSATIONS}", param="conversations")
    most = recipe.row_tokens
    row = most if row_tokens is None else row_tokens
    if not 2 <= row <= most:
        raise OutOfRange(f"row_tokens is {row}; allowed: 2 to {most}", param="row_tokens")
    rendered = tuple(render(messages, recipe.tokenizer) for messages in conversations)
    longest = max(len(conversation.token_ids) for conversation in rendered)
    fits = row if policy.packing != "none" else most
    if longest > fits:
        raise OutOfRange(f"a conversation has {longest} tokens; allowed: {fits}", param="conversations")
    if longest < 2:
        raise InvalidText(
            "there is nothing to predict; allowed: a conversation of 2 tokens or more", param="conversations"
        )
    uneven = len(rendered) > 1 and (policy.packing != "none" or len({len(c.token_ids) for c in rendered}) > 1)
    if uneven and recipe.tokenizer.pad_id is None:
        raise InvalidText(f"rows differ in length and {recipe.slug} has no pad token", param="conversations")
    return rendered, row


def prompt_ids(recipe: Recipe, prompt: str) -> tuple[int, ...]:
    """The ids of `<prompt>`, ready for the model to answer. Raises InvalidText as `analyze` does."""
    recipe.task.check_prompt(prompt)
    return render(recipe.task.question(prompt), recipe.tokenizer, generation_prompt=True).token_ids
