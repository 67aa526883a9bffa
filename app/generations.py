"""One model's answer to one prompt as it comes, in words: what the API streams and a page shows. Over the engine."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from app.catalog import LoadedBase
from app.engine import Engine
from app.rows import NewToken
from model.errors import InvalidText
from model.network.generation import FinishReason, new_token_cap
from model.network.gpt import GPT
from model.text.chat_template import Message, render
from model.text.tokenizer import Tokenizer
from model.training.conversations import prompt_ids
from model.training.recipes import TEXT_TOKENIZER, Recipe

CONTINUED_TOKENS = 32
"""By default, or what fits."""


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
    source: AsyncIterator[list[NewToken]]
    received: list[Token] = field(default_factory=list)
    finish_reason: FinishReason = "length"
    ended: bool = False

    async def tokens(self) -> AsyncIterator[list[Token]]:
        """The tokens as they are decoded, each time all that have come meanwhile. Raises what the engine raises."""
        async for new in self.source:
            tokens = [Token(self.tokenizer.tokens[token.token_id], token.probability) for token in new]
            self.received += tokens
            if new[-1].finish_reason:
                self.finish_reason, self.ended = new[-1].finish_reason, True
            yield tokens

    async def whole(self) -> "Generation":
        """This, once all of its tokens are there."""
        async for _ in self.tokens():
            pass
        return self

    @property
    def completion(self) -> str:
        return "".join(token.token for token in self.received)

    @property
    def text(self) -> str:
        return self.prompt_text + self.completion


def admit(
    engine: Engine,
    recipe: Recipe,
    model: GPT,
    prompt: str,
    max_new_tokens: int | None = None,
    *,
    begun: Sequence[str] = (),
) -> Generation:
    """Check the prompt and the cap and queue the generation, before any answer has begun.

    `begun`: tokens that the model has written already. They count as the prompt's; what comes behind is generated.

    Raises:
        InvalidText, OutOfRange: the prompt or the cap is not one the recipe's model can take behind what is begun.
        EngineBusy, EngineStopped: no place.
    """
    ids = (*prompt_ids(recipe, prompt), *(recipe.tokenizer.ids[token] for token in begun))
    cap = new_token_cap(model, len(ids), max_new_tokens)
    source = engine.generate(model, ids, stop_id=recipe.tokenizer.end_of_turn_id, max_new_tokens=cap)
    return Generation(prompt, recipe.tokenizer.decode(ids), recipe.tokenizer, source)


def admit_text(
    engine: Engine, base: LoadedBase, text: str, max_new_tokens: int | None = None, *, templated: bool = False
) -> Generation:
    """Check the text and the cap and queue the continuation. `templated`: the text is a user's turn, in the template.

    Raises:
        InvalidText, OutOfRange: the text or the cap is not one the base can take.
        EngineBusy, EngineStopped: no place.
    """
    ids = TEXT_TOKENIZER.encode(text, param="text")
    if templated:
        ids = render((Message("user", text),), TEXT_TOKENIZER, generation_prompt=True).token_ids
    longest = base.model.config.context_length
    if not 1 <= len(ids) <= longest:
        raise InvalidText(f"Write 1 to {longest} tokens; you wrote {len(ids)}", param="text")
    cap = new_token_cap(base.model, len(ids), max_new_tokens)
    if max_new_tokens is None:
        cap = min(cap, CONTINUED_TOKENS)
    source = engine.generate(base.model, ids, stop_id=TEXT_TOKENIZER.end_of_turn_id, max_new_tokens=cap)
    return Generation(text, TEXT_TOKENIZER.decode(ids), TEXT_TOKENIZER, source)
