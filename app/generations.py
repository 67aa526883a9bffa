"""One model's answer to one prompt as it comes, in words: what the API streams and a page shows. Over the engine."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from app.engine import Engine, NewToken
from model.network.generation import FinishReason, new_token_cap
from model.network.gpt import GPT
from model.text.tokenizer import Tokenizer
from model.training.conversations import prompt_ids
from model.training.recipes import Recipe


@dataclass(frozen=True)
class Token:
    token: str
    probability: float


@dataclass
class Generation:
    """Admitted; its tokens are there once they have been iterated over."""

    prompt: str
    prompt_text: str
    """The prompt as the model reads it, specials included."""
    tokenizer: Tokenizer
    source: AsyncIterator[NewToken]
    received: list[Token] = field(default_factory=list)
    finish_reason: FinishReason = "length"

    async def tokens(self) -> AsyncIterator[Token]:
        """Each token as it is decoded. Raises what the engine raises."""
        async for new in self.source:
            token = Token(self.tokenizer.tokens[new.token_id], new.probability)
            self.received.append(token)
            self.finish_reason = new.finish_reason or self.finish_reason
            yield token

    @property
    def completion(self) -> str:
        return "".join(token.token for token in self.received)

    @property
    def text(self) -> str:
        return self.prompt_text + self.completion


def admit(engine: Engine, recipe: Recipe, model: GPT, prompt: str, max_new_tokens: int | None = None) -> Generation:
    """Check the prompt and the cap and queue the generation, before any answer has begun.

    Raises:
        InvalidText, OutOfRange: the prompt or the cap is not one the recipe's model can take.
        EngineBusy, EngineStopped: no place.
    """
    ids = prompt_ids(recipe, prompt)
    cap = new_token_cap(model, len(ids), max_new_tokens)
    source = engine.generate(model, ids, stop_id=recipe.tokenizer.end_of_turn_id, max_new_tokens=cap)
    return Generation(prompt, recipe.tokenizer.decode(ids), recipe.tokenizer, source)
