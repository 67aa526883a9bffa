"""GALLERY: mask bugs, each with a model trained under it. Literal data and how its symptoms are measured anew.

Every figure shown of a bug lies in gallery.json, as `measure_gallery` makes it from the shipped weights.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.bugs.reports import REPORTS, Report
from model.experiments.bugs.symptoms import Symptoms, measure
from model.intervals import Rate
from model.kept import STRICT, TIES, KeptFile, agree, keys_of
from model.masks.batches import Batch
from model.masks.policies import COMPARED_POLICIES, CUTS, MASK_POLICIES, MaskPolicy, shifted_cut
from model.text.tokenizer import ASSISTANT_START, USER_START, Tokenizer
from model.training.checkpoints import load_last
from model.training.recipes import ALL_RECIPES, MASK_RECIPES, Recipe

if TYPE_CHECKING:
    from model.inspector.rules import Finding

PROMPTS = 500


@dataclass(frozen=True)
class Bug:
    """A policy and the recipe whose model was trained under it. `detect` says how ids and labels alone give it away."""

    policy: MaskPolicy
    recipe: Recipe
    cause: str
    detect: str
    reports: tuple[Report, ...] = ()

    @property
    def slug(self) -> str:
        return self.policy.slug


def _bug(run: str, cause: str, detect: str) -> Bug:
    """`run` is the model's recipe and policy, as its folder has them."""
    recipe, policy = run.split("/")
    return Bug(MASK_POLICIES[policy], ALL_RECIPES[recipe], cause, detect, REPORTS.get(policy, ()))


GALLERY: dict[str, Bug] = {
    bug.slug: bug
    for bug in (
        _bug(
            "reverse4/mask-late",
            "The slice ends at P instead of P-1, so the transition from > to the first answer letter has no loss.",
            "The first token after > has the label -100 in every row.",
        ),
        _bug(
            "reverse4/mask-early",
            "The slice ends at P-2, so the model is also trained to say > after the word.",
            "The label of > itself is not -100.",
        ),
        _bug(
            "reverse4/eos-masked",
            "The labels end before #, so nothing ever teaches the model to stop.",
            "No label in the whole data set equals the stop's id.",
        ),
        _bug(
            "reverse/pad-is-eos",
            "There was no pad token, so the stop was used as one, and every label equal to it was ignored.",
            "The pad id equals the stop id, and no label equals the stop's id.",
        ),
        _bug(
            "reverse4/unmasked",
            "The masking line is missing, so the user's random letters are trained too.",
            "No label of a real token is -100.",
        ),
        _bug(
            "reverse4/all-masked",
            "The start of the answer is not found in the ids, so every label is ignored.",
            "All labels are -100: the loss is a mean over nothing.",
        ),
        _bug(
            "reverse4/prompt-only",
            "The mask is inverted: what should be ignored is trained.",
            "There are labels before > and none after it.",
        ),
        _bug(
            "reverse4/double-shift",
            "The data is shifted by hand and the model shifts it again.",
            "The label under a token is the next token: the labels are shifted already, and the model shifts again.",
        ),
        _bug(
            "reverse4/no-shift",
            "Labels are not shifted, so each position is trained to repeat the token it has just read.",
            "The target of position t equals its input wherever there is one.",
        ),
        _bug(
            "reverse/pad-supervised",
            "The loss mask forgets the padding mask, so pads are targets.",
            "Labels equal the pad id.",
        ),
        _bug(
            "reverse/left-pad-unmasked",
            "Rows are padded on the left, but neither the attention mask nor the positions take the pads into account.",
            "Rows begin with the pad id while the attention mask is all ones or missing.",
        ),
        _bug(
            "reverse/left-pad-no-positions",
            "Rows are padded on the left and the pads are hidden, but the positions still count them.",
            "Rows begin with the pad id, yet position ids begin at 0 there.",
        ),
        _bug(
            "reverse/left-pad",
            "Rows are padded on the left; pads are hidden and positions begin at the first real token.",
            "Nothing to find: labels, attention and positions agree.",
        ),
        _bug(
            "reverse/truncated",
            "Rows are cut at a length that many conversations exceed, and the stop is the first to go.",
            "Rows of exactly the maximum length do not end with the stop.",
        ),
        _bug(
            "dialogue/last-turn-only",
            "Only the last answer of a conversation has a loss; the earlier ones are history.",
            "After some > all labels up to the next < are -100.",
        ),
        _bug(
            "reverse/packed-naive",
            "Conversations share a row, and attention and positions continue from one into the next.",
            "A row holds more < than a conversation has turns, and positions do not restart.",
        ),
        _bug(
            "reverse/packed",
            "Conversations share a row, but each sees only itself and counts its positions from 0.",
            "Nothing to find: attention and positions restart with each conversation.",
        ),
    )
}
"""In the order of the page. Two are no bugs, and labelled so by their numbers."""

SHIFT_RECIPE = "reverse4"

_RUNS = (
    *product(MASK_RECIPES, COMPARED_POLICIES),
    *((SHIFT_RECIPE, shifted_cut(offset).slug) for offset in CUTS),
    *((bug.recipe.slug, bug.slug) for bug in GALLERY.values()),
)
GALLERY_RUNS = tuple(dict.fromkeys(_RUNS))
"""(recipe, policy) of every run whose symptoms are measured."""


@checked(config=STRICT)
class Measured:
    """The symptoms of one shipped run at its last checkpoint."""

    recipe: str
    policy: str
    seed: int
    steps: Annotated[int, Field(ge=0)]
    symptoms: Symptoms

    @property
    def key(self) -> tuple[str, str]:
        return self.recipe, self.policy


def measure_gallery(folder: Path, runs: Sequence[tuple[str, str]] = GALLERY_RUNS) -> Iterator[Measured]:
    """The symptoms of shipped runs under `folder`, one after the other. Raises BrokenRun."""
    for recipe, policy in runs:
        run, model = load_last(folder / recipe / policy)
        symptoms = measure(ALL_RECIPES[recipe], model, MASK_POLICIES[policy], seed=run.seed, prompts=PROMPTS)
        yield Measured(recipe, policy, run.seed, run.steps, symptoms)


KEPT_GALLERY = KeptFile("gallery", TypeAdapter(tuple[Measured, ...]), keys_of, GALLERY_RUNS, named="/".join)


def read_gallery(folder: Path) -> dict[tuple[str, str], Measured]:
    """By recipe and policy. Raises BrokenRun, naming the file, if it is missing, unreadable or lacks a run."""
    return {row.key: row for row in KEPT_GALLERY.read(folder)}


def departures(stated: Iterable[Measured], measured: Iterable[Measured]) -> Iterator[str]:
    """Where shipped runs, measured anew one after the other, depart from what was stated."""
    by_key = {row.key: row for row in stated}
    for row in measured:
        for difference in differences(by_key[row.key], row):
            yield f"{row.recipe}/{row.policy}: {difference}"


def differences(stated: Measured, measured: Measured) -> list[str]:
    """Where a measurement departs from what was stated, by more than rounding on another processor can do."""
    longest = ALL_RECIPES[stated.recipe].model.context_length
    found = []
    for name, mine in vars(stated.symptoms).items():
        theirs = getattr(measured.symptoms, name)
        mine, theirs = (x if isinstance(x, tuple) else (x,) for x in (mine, theirs))
        tied_tokens = TIES * longest / PROMPTS if name == "runaway" else 0.0
        if len(mine) != len(theirs) or not all(agree(a, b, tied_tokens) for a, b in zip(mine, theirs, strict=True)):
            values = [tuple(x.value if isinstance(x, Rate) else x for x in xs) for xs in (mine, theirs)]
            found.append(f"{name}: stated {values[0]}, measured {values[1]}")
    return found


def batch_findings(batch: Batch, tokenizer: Tokenizer, most_turns: int | None = None) -> "tuple[Finding, ...]":
    """`findings` of a batch of ours."""
    from model.inspector.rules import TemplateIds, findings  # 80 ms, which a server's start need not spend

    ids = TemplateIds(
        tokenizer.ids[USER_START], tokenizer.ids[ASSISTANT_START], tokenizer.end_of_turn_id, tokenizer.pad_id
    )
    return findings(
        batch.inputs_BT.tolist(),
        batch.targets_BT.tolist(),
        ids,
        documents=None if batch.documents_BT is None else batch.documents_BT.tolist(),
        positions=None if batch.positions_BT is None else batch.positions_BT.tolist(),
        most_turns=most_turns,
        texts={number: token for token, number in tokenizer.ids.items()},
    )
