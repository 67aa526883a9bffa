"""A base model's greedy continuation of plain text, as it comes. Over the engine."""

from app.catalog import LoadedBase
from app.engine import Engine
from app.generations import Generation
from model.errors import InvalidText
from model.network.generation import new_token_cap
from model.text.chat import Message, render
from model.training.recipes import TEXT_TOKENIZER

CONTINUED_TOKENS = 32
"""By default, or what fits."""


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
        raise InvalidText(f"the text has {len(ids)} tokens; allowed: 1 to {longest}", param="text")
    cap = new_token_cap(base.model, len(ids), max_new_tokens)
    if max_new_tokens is None:
        cap = min(cap, CONTINUED_TOKENS)
    source = engine.generate(base.model, ids, stop_id=TEXT_TOKENIZER.end_of_turn_id, max_new_tokens=cap)
    return Generation(text, TEXT_TOKENIZER.decode(ids), TEXT_TOKENIZER, source)
