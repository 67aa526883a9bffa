"""The gallery at a glance: by where the mistake lies, each bug's row as training reads it and what its model writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from model.experiments.bugs.gallery import GALLERY, Bug
from model.explain.cells import Cell, Mistake, inspect_mask
from model.network.gpt import GPT
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompts
from model.training.evaluation import complete_prompts

LONGEST = 12
"""Of what is shown of an answer, in tokens."""


@dataclass(frozen=True)
class Sketch:
    """How a bug is shown small: a short name, the words of one batch, and the word that its model is asked."""

    name: str
    words: tuple[str, ...]
    """The first is shown; the others give the batch its shape."""
    asked: str


ONE = ("live",)
UNEVEN = ("a", "abc")
PLACES: Mapping[str, Mapping[str, Sketch]] = {
    "Where the mask ends": {
        "mask-late": Sketch("Mask 1 token late", ONE, "live"),
        "mask-early": Sketch("Mask 1 token early", ONE, "live"),
        "eos-masked": Sketch("Stop ignored", ONE, "live"),
        "pad-is-eos": Sketch("Pad = stop, so ignored", UNEVEN, "cat"),
        "truncated": Sketch("Long rows lose their end", ("gradient",), "gradient"),
    },
    "What is trained": {
        "unmasked": Sketch("Mask off: all trained", ONE, "live"),
        "all-masked": Sketch("Nothing trained", ONE, "live"),
        "prompt-only": Sketch("Only the prompt trained", ONE, "live"),
        "last-turn-only": Sketch("Only last answer trained", ("ab 1",), "abc"),
        "pad-supervised": Sketch("Pads trained", UNEVEN, "cat"),
    },
    "How rows are laid out": {
        "left-pad-unmasked": Sketch("Pads left, seen", UNEVEN, "cat"),
        "left-pad-no-positions": Sketch("Pads left, only hidden", UNEVEN, "cat"),
        "left-pad": Sketch("Pads left, done right", UNEVEN, "cat"),
        "packed-naive": Sketch("Packed, not kept apart", ("ab", "c"), "akxncmwpb"),
        "packed": Sketch("Packed, kept apart", ("ab", "c"), "akxncmwpb"),
    },
    "How labels are shifted": {
        "double-shift": Sketch("Labels shifted twice", ONE, "live"),
        "no-shift": Sketch("Labels not shifted", ONE, "live"),
    },
}
"""Every bug of GALLERY, once."""


@dataclass(frozen=True)
class Square:
    """A token of the row, as the target of the position before it."""

    token: str
    state: str
    """`trained`, `ignored` or `pad`."""
    mistake: Mistake | None
    place: int | None
    """The position that the model is told of it, where layouts differ in that; the last token is never read."""


@dataclass(frozen=True)
class Glance:
    bug: Bug
    name: str
    squares: tuple[Square, ...]
    cut: int
    """Tokens that the row has lost."""
    asked: str
    written: tuple[tuple[str, bool], ...]
    """What its model writes, token by token, and whether the right answer has it at that place."""
    more: bool
    """It writes more than is shown."""


def glance(bug: Bug, sketch: Sketch, model: GPT) -> Glance:
    """`model` is the bug's own. Answers are greedy, to one word alone, as when it was measured."""
    recipe = bug.recipe
    shown = inspect_mask(recipe, render_prompts(recipe, sketch.words), bug.policy)
    told = bug.policy.padding != "right" or bug.policy.packing != "none"
    (answer,) = complete_prompts(model, recipe.task, recipe.tokenizer, [sketch.asked])
    right = recipe.task.answer(sketch.asked) + END_OF_TURN
    written = tuple((token, right[i : i + 1] == token) for i, token in enumerate(answer))
    return Glance(
        bug,
        sketch.name,
        _squares(shown.rows[0], told),
        shown.cut_tokens,
        sketch.asked,
        written[:LONGEST],
        len(written) > LONGEST,
    )


def glances(model_of: Callable[[Bug], GPT]) -> dict[str, tuple[Glance, ...]]:
    """Of every bug, by place."""
    return {
        place: tuple(glance(GALLERY[slug], sketch, model_of(GALLERY[slug])) for slug, sketch in sketches.items())
        for place, sketches in PLACES.items()
    }


def sketched(slug: str) -> Sketch:
    return next(sketches[slug] for sketches in PLACES.values() if slug in sketches)


def name_of(slug: str) -> str:
    """The short name of a mask, where there is one: what pages say instead of the slug."""
    return sketched(slug).name if slug in GALLERY else slug


def _squares(row: tuple[Cell, ...], told: bool) -> tuple[Square, ...]:
    places = [*(cell.place for cell in row[1:]), None]
    return tuple(
        Square(
            cell.next,
            "trained" if cell.supervised else "pad" if cell.next_kind == "pad" else "ignored",
            cell.mistake,
            place if told else None,
        )
        for cell, place in zip(row, places, strict=True)
    )
