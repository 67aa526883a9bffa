"""Models asked in the place of each of a conversation's answers, all that is before it fed in. In: messages, models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.network.generation import generate
from model.network.gpt import GPT
from model.text.chat_template import Message, render
from model.text.tokenizer import END_OF_TURN
from model.training.recipes import Recipe


@dataclass(frozen=True)
class Asked:
    """One of the assistant's messages, and what models say in its place."""

    turn: int
    question: str
    right: str
    answers: tuple[tuple[str, str], ...]
    """Model and completion."""


def ask_in_place(recipe: Recipe, models: Mapping[str, GPT], messages: Sequence[Message]) -> tuple[Asked, ...]:
    """Greedy; nothing is asked where the conversation begins with an answer."""
    places = [place for place, message in enumerate(messages) if message.role == "assistant" and place]
    if not places:
        return ()
    tokenizer = recipe.tokenizer
    prompts = [render(messages[:place], tokenizer, generation_prompt=True).token_ids for place in places]
    given = {
        name: [tokenizer.decode(c.token_ids) for c in generate(model, prompts, stop_id=tokenizer.end_of_turn_id)]
        for name, model in models.items()
    }
    return tuple(
        Asked(
            turn,
            messages[place - 1].content,
            messages[place].content + END_OF_TURN,
            tuple((name, texts[turn - 1]) for name, texts in given.items()),
        )
        for turn, place in enumerate(places, 1)
    )
