"""Completions as standard clients ask for them: models by name, rows drawn through the engine, stops held back.

In: an order. Out: pieces of text as they come, each with its tokens. Knows no HTTP. Over the catalog and the engine.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from app.catalog import Catalog
from app.engine import Engine
from model.errors import InvalidText, UnknownName, outside
from model.network.generation import FinishReason
from model.network.gpt import GPT
from model.network.sampling import ScoredToken, draw, score
from model.text.tokenizer import Tokenizer
from model.training.recipes import BASE, RECIPES, TEXT_TOKENIZER

LIMITS_TOKENIZER = RECIPES["reverse4"].tokenizer
"""Of the models on /limits: they differ from the recipe's in size and in their labels."""


@dataclass(frozen=True)
class NamedModel:
    """A model in memory under the name that clients use."""

    name: str
    model: GPT
    tokenizer: Tokenizer


def model_names(catalog: Catalog) -> tuple[str, ...]:
    """`reverse/prompt-masked@900` for each checkpoint in memory, then the base and the models of /limits."""
    runs = (f"{recipe}/{policy}@{step}" for (recipe, policy), run in catalog.runs.items() for step in run.models)
    return (*runs, _base_name(catalog), *(f"limits/{arm}/{seed}" for arm, seed in catalog.several))


def find_model(catalog: Catalog, name: str) -> NamedModel:
    """The model of that name; without `@step` that of the run's last step.

    Raises:
        UnknownName: there is none.
    """
    path, at, step = name.partition("@")
    match path.split("/"):
        case [recipe, policy] if (recipe, policy) in catalog.runs and (step.isdecimal() or not at):
            loaded, found = catalog.runs[recipe, policy], catalog.recipe(recipe)
            kept = int(step[:9]) if step else loaded.run.steps
            if kept in loaded.models:
                return NamedModel(f"{path}@{kept}", loaded.models[kept], found.tokenizer)
        case [_] if name in (BASE, _base_name(catalog)):
            return NamedModel(_base_name(catalog), catalog.base.model, TEXT_TOKENIZER)
        case ["limits", *rest] if (key := _asked(catalog, "/".join(rest))) and not at:
            return NamedModel(name, catalog.several[key], LIMITS_TOKENIZER)
    raise UnknownName(f"There is no model {name[:64]!a}; GET /v1/models lists all of them", param="model")


@dataclass(frozen=True)
class Order:
    """What to complete, and how."""

    named: NamedModel
    prompts: tuple[tuple[int, ...], ...]
    max_tokens: int
    """For each row; 0 draws nothing."""
    rows: int = 1
    """Completions of each prompt."""
    temperature: float = 1.0
    seed: int = 0
    stops: tuple[str, ...] = ()
    top: int | None = None
    """How many of the likeliest tokens to tell of each place; None: no scores are told."""
    echo: bool = False
    """Begin each completion with its prompt."""


@dataclass(frozen=True)
class Told:
    """A token as clients are told of it: as text, with the likeliest ones at its place."""

    token: str
    log_probability: float | None
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Piece:
    """The next of one completion's text; the last has a reason to end, and may be empty."""

    index: int
    tokens: tuple[Told, ...]
    finish_reason: FinishReason | None = None
    drawn: int = 0
    """Tokens that the model drew for this piece, the stop included."""

    @property
    def text(self) -> str:
        return "".join(told.token for told in self.tokens)


def fitting(named: NamedModel, prompts: Sequence[Sequence[int]], max_tokens: int | None, default: int) -> int:
    """`max_tokens`, or `default` or what fits: a model reads a whole prompt, and all of a text but its last token.

    Raises:
        InvalidText: a prompt is empty or longer than the model's context.
        OutOfRange: so many do not fit behind the longest prompt.
    """
    context = named.model.config.context_length
    for prompt in prompts:
        if not 1 <= len(prompt) <= context:
            raise InvalidText(f"{named.name} reads 1 to {context} tokens; given {len(prompt)}", param="prompt")
    fits = context + 1 - max(map(len, prompts))
    if max_tokens is None:
        return min(default, fits)
    if max_tokens > fits:
        raise outside("max_tokens", f"0 to {fits} behind this prompt", max_tokens, param="max_tokens")
    return max_tokens


async def complete(engine: Engine, order: Order) -> AsyncIterator[Piece]:
    """All completions of all prompts, prompt by prompt and token by token; each ends with its reason.

    Raises:
        EngineBusy, EngineStopped: no place, too late, or the server ends.
    """
    named = order.named
    for number, prompt in enumerate(order.prompts):
        rows = [_Row(number * order.rows + row, named.tokenizer, order.stops) for row in range(order.rows)]
        if order.echo:
            scored = await engine.call(partial(score, named.model, prompt, order.top or 0))
            for row in rows:
                yield Piece(row.index, tuple(_told(token, named.tokenizer) for token in scored))
        steps = draw(
            named.model,
            prompt,
            rows=order.rows,
            tokens=order.max_tokens,
            temperature=order.temperature,
            seed=order.seed + number,
            top=order.top or 0,
        )
        while any(row.finish_reason is None for row in rows):
            engine.check_goes_on()
            step = await engine.call(partial(next, steps, None))
            for row in rows:
                if row.finish_reason is None:
                    yield row.end() if step is None else row.take(step[row.index % order.rows])


@dataclass
class _Row:
    """One completion as it grows. What could be the beginning of a stop is held back until it is known."""

    index: int
    tokenizer: Tokenizer
    stops: tuple[str, ...]
    finish_reason: FinishReason | None = None
    held: list[Told] = field(default_factory=list)

    def take(self, scored: ScoredToken) -> Piece:
        if scored.token_id == self.tokenizer.end_of_turn_id:
            return self._piece(len(self._text()), "stop", drawn=1)
        self.held.append(_told(scored, self.tokenizer))
        text = self._text()
        found = [text.find(stop) for stop in self.stops if stop in text]
        if found:
            return self._piece(min(found), "stop", drawn=1)
        lengths = range(len(text), 0, -1)
        held = next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in self.stops)), 0)
        return self._piece(len(text) - held, None, drawn=1)

    def end(self) -> Piece:
        return self._piece(len(self._text()), "length", drawn=0)

    def _piece(self, characters: int, reason: FinishReason | None, drawn: int) -> Piece:
        """So much of what is held."""
        told: list[Told] = []
        while self.held and sum(len(t.token) for t in (*told, self.held[0])) <= characters:
            told.append(self.held.pop(0))
        self.finish_reason = reason
        return Piece(self.index, tuple(told), reason, drawn)

    def _text(self) -> str:
        return "".join(told.token for told in self.held)


def _told(scored: ScoredToken, tokenizer: Tokenizer) -> Told:
    top = tuple((tokenizer.tokens[token_id], log_probability) for token_id, log_probability in scored.top)
    return Told(tokenizer.tokens[scored.token_id], scored.log_probability, top)


def _base_name(catalog: Catalog) -> str:
    return f"{BASE}@{catalog.base.run.steps}"


def _asked(catalog: Catalog, path: str) -> tuple[str, int] | None:
    return next(((arm, seed) for arm, seed in catalog.several if f"{arm}/{seed}" == path), None)
