"""The door from what somebody wrote to rendered conversations. In: a recipe and a text, prompts or messages. Out:
Rendered. Refuses what no model of the recipe could read; every limit and every message stands here or in the task.

An assistant's message without a text stands for the right answer to the user's turns before it.
"""

import re
from collections.abc import Sequence

from model.errors import InvalidText, OutOfRange, outside
from model.masks.policies import MaskPolicy
from model.masks.rows import Rows, make_rows
from model.text.chat_template import Message, Rendered, render
from model.training.recipes import Recipe

MOST_CONVERSATIONS = 8
MOST_MESSAGES = 12


def render_prompt(recipe: Recipe, prompt: str, response: str | None = None) -> Rendered:
    """`<prompt>response#`; the response defaults to the task's right answer.

    Raises:
        InvalidText: a prompt that the task does not know, or a character that is not the recipe's.
        OutOfRange: the response does not fit into the model's context.
    """
    recipe.task.check_prompt(prompt)
    rendered = render(recipe.task.conversation(prompt, response), recipe.tokenizer)
    too_many = len(rendered.token_ids) - recipe.row_tokens
    if too_many > 0:
        allowed = len(rendered.token_ids) - rendered.prompt_length - 1 - too_many
        message = f"The response is too long: {allowed} characters at most fit behind this prompt"
        raise OutOfRange(message, param="response")
    return rendered


def render_prompts(recipe: Recipe, prompts: Sequence[str], *, uneven: bool = False) -> tuple[Rendered, ...]:
    """Prompts with their right answers; `uneven` ones are of two lengths at least, so that a batch of them is padded.

    Raises:
        InvalidText: a prompt that the task does not know, a character that is not the recipe's, or one length alone.
    """
    messages = [messages_of(recipe, prompt) for prompt in prompts]
    if uneven and len(set(map(len, prompts))) < 2:
        message = "Write words of different lengths: of one length alone, none gets a pad"
        raise InvalidText(message, param="words")
    return tuple(render(conversation, recipe.tokenizer) for conversation in messages)


def render_text(recipe: Recipe, text: str, *, most: int) -> tuple[Rendered, ...]:
    """Conversations written into one field, commas between; where each is one word, spaces do as well.

    Raises:
        InvalidText: there are none or too many, or one that `render_prompts` refuses.
    """
    parts = text.split(",") if recipe.task.most_turns > 1 else re.split(r"[,\s]+", text)
    prompts = [" ".join(part.split()) for part in parts if part.strip()]
    _check_count("conversations", len(prompts), most, "words", between=", with commas between")
    return render_prompts(recipe, prompts)


def prompt_ids(recipe: Recipe, prompt: str) -> tuple[int, ...]:
    """The ids of `<prompt>`, ready for the model to answer. Raises InvalidText as `render_prompt` does."""
    recipe.task.check_prompt(prompt)
    return render(recipe.task.question(prompt), recipe.tokenizer, generation_prompt=True).token_ids


def messages_of(recipe: Recipe, prompt: str) -> tuple[Message, ...]:
    """A prompt's conversation with its right answers. Raises InvalidText for one that the task does not know."""
    recipe.task.check_prompt(prompt)
    return recipe.task.conversation(prompt)


def fill_in(recipe: Recipe, messages: Sequence[tuple[str, str | None]]) -> tuple[Message, ...]:
    """(role, text) of each message; an assistant's text that is missing is the right answer.

    Raises:
        InvalidText: there are none or too many, a role is no role, or there is nothing to answer.
    """
    _check_count("messages", len(messages), MOST_MESSAGES, "messages")
    filled: list[Message] = []
    asked: list[str] = []
    for role, text in messages:
        if role == "user":
            asked.append(text or "")
            filled.append(Message("user", text or ""))
        elif role == "assistant":
            filled.append(Message("assistant", _answer(recipe, asked) if text is None else text))
        else:
            raise InvalidText(f"A role must be user or assistant, not {role[:64]!a}", param="messages")
    return tuple(filled)


def _answer(recipe: Recipe, asked: Sequence[str]) -> str:
    if not asked:
        message = "The assistant speaks before the user has asked: write out what it says"
        raise InvalidText(message, param="messages")
    return recipe.task.solve(asked)[: recipe.task.answer_length]


def render_messages(
    recipe: Recipe, conversations: Sequence[Sequence[Message]], policy: MaskPolicy, row_tokens: int | None = None
) -> tuple[Rendered, ...]:
    """Conversations message by message, to be laid out under a policy, packed rows of at most `row_tokens` tokens.

    Raises:
        InvalidText: there are none or too many, one holds a character that is not the recipe's, or rows differ in
            length and the recipe has no pad.
        OutOfRange: one is longer than the recipe's context, or than a packed row.
    """
    _check_count("conversations", len(conversations), MOST_CONVERSATIONS, "conversations")
    most = recipe.row_tokens
    row = most if row_tokens is None else row_tokens
    if not 2 <= row <= most:
        raise outside("row_tokens", f"2 to {most}", row, param="row_tokens")
    rendered = tuple(render(messages, recipe.tokenizer) for messages in conversations)
    longest = max(len(conversation.token_ids) for conversation in rendered)
    fits = row if policy.packing != "none" else most
    if longest > fits:
        message = f"A conversation can have {fits} tokens at most; this one has {longest}"
        raise OutOfRange(message, param="conversations")
    if longest < 2:
        message = "There is nothing to predict: a conversation needs 2 tokens or more"
        raise InvalidText(message, param="conversations")
    uneven = len(rendered) > 1 and (policy.packing != "none" or len({len(c.token_ids) for c in rendered}) > 1)
    if uneven and recipe.tokenizer.pad_id is None:
        message = f"Rows must have one length: {recipe.slug} has no pad token"
        raise InvalidText(message, param="conversations")
    return rendered


def rows_of(
    recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy, row_tokens: int | None = None
) -> Rows:
    """What a model of the recipe reads; a packed row has at most `row_tokens` tokens, by default the most."""
    return make_rows(conversations, policy, recipe.tokenizer, row_tokens=row_tokens or recipe.row_tokens)


def _check_count(what: str, count: int, most: int, param: str, between: str = "") -> None:
    if not 1 <= count <= most:
        raise InvalidText(f"Give 1 to {most} {what}{between}; there are {count}", param=param)
