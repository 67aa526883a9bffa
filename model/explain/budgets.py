"""How much of the text a policy trains on: by policy, by answer, by segment. In: conversations. Out: counts and shares.

Counted from the batches that training reads; the loss by segment is what a run has measured. Of conversations of which
only the lengths are known, the counts follow from the shift and the right mask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from model.explain.cells import Inspection
from model.intervals import MeanLoss
from model.masks.policies import MASK_POLICIES, MaskPolicy
from model.text.chat_template import Rendered, SegmentKind
from model.training.batches import batch_of
from model.training.checkpoints import Run
from model.training.loop import training_conversations
from model.training.recipes import Recipe

BATCH_SEED = 0
"""Of the training batch that is counted."""


@dataclass(frozen=True)
class PolicyBudget:
    """Of all predictions that the conversations hold, how many a policy gives a gradient."""

    policy: MaskPolicy
    positions: int
    supervised: int

    @property
    def share(self) -> float:
        return self.supervised / self.positions

    @property
    def ignored(self) -> float:
        """Below 0 where pads are trained too."""
        return 1 - self.share


MOST_TOKENS, MOST_TURNS, MOST_ROWS = 100_000, 1_000, 100_000
"""Of a length, of a conversation and of a batch that are reckoned with."""


@dataclass(frozen=True)
class LengthBudget:
    """What the right mask trains of conversations that nobody has written: only their lengths are given."""

    prompt_tokens: int = 200
    """Of each turn's prompt, the template's tokens with it."""
    response_tokens: int = 50
    """Of each turn's response, its stop with it."""
    turns: int = 1
    batch: int = 1
    """Conversations."""

    def __post_init__(self) -> None:
        assert 1 <= self.prompt_tokens <= MOST_TOKENS, self.prompt_tokens
        assert 1 <= self.response_tokens <= MOST_TOKENS, self.response_tokens
        assert 1 <= self.turns <= MOST_TURNS, self.turns
        assert 1 <= self.batch <= MOST_ROWS, self.batch

    @property
    def positions(self) -> int:
        """Of one conversation: its last token predicts nothing."""
        return self.turns * (self.prompt_tokens + self.response_tokens) - 1

    @property
    def supervised(self) -> int:
        """Of one conversation: as many as its responses have tokens, since a prompt stands before each of them."""
        return self.turns * self.response_tokens

    @property
    def share(self) -> float:
        return self.supervised / self.positions

    @property
    def ignored(self) -> float:
        return 1 - self.share


LESSON_LENGTHS = LengthBudget(prompt_tokens=200, response_tokens=50)
"""The lesson's example of a chat."""
PRACTICE = (0.6, 0.9)
"""Shares of ignored positions that the lesson calls typical."""


def prompt_per_response(ignored: float) -> float:
    """How many ignored positions there are for each trained one, at a share of ignored ones."""
    assert 0 <= ignored < 1, ignored
    return ignored / (1 - ignored)


@dataclass(frozen=True)
class TurnBudget:
    """One of the assistant's answers: its part in the loss."""

    turn: int
    text: str
    """With its END_OF_TURN, as far as the row goes."""
    positions: int
    supervised: int
    weight: float
    """The sum of its positions' weights in the mean loss."""


@dataclass(frozen=True)
class SegmentBudget:
    """A kind of segment: its part in the tokens that are predicted, and in the loss if all of them are trained."""

    kind: SegmentKind
    tokens: int
    token_share: float
    mean_loss: float
    """In nats per token, as the run measured it on held-out prompts."""
    loss_share: float
    """Of the summed loss over all tokens."""


@dataclass(frozen=True)
class RecipeBudget:
    """Of the conversations of a recipe's first training batch, and of the losses that a run's last step has."""

    recipe: Recipe
    conversations: int
    policies: dict[str, PolicyBudget]
    segments: tuple[SegmentBudget, ...]
    steps: int


def recipe_budget(recipe: Recipe, run: Run) -> RecipeBudget:
    conversations = training_conversations(recipe, BATCH_SEED)
    return RecipeBudget(
        recipe=recipe,
        conversations=len(conversations),
        policies=policy_budgets(recipe, conversations),
        segments=segment_budgets(conversations, run.metrics_at(run.steps).loss),
        steps=run.steps,
    )


def policy_budgets(recipe: Recipe, conversations: Sequence[Rendered]) -> dict[str, PolicyBudget]:
    """By slug, of each policy of the table that the recipe can have: without a pad token rows must not differ."""
    positions = sum(len(c.token_ids) - 1 for c in conversations)
    return {
        slug: PolicyBudget(policy, positions, int(batch_of(recipe, conversations, policy).supervised_BT.sum()))
        for slug, policy in MASK_POLICIES.items()
        if _can_be_laid_out(recipe, conversations, policy)
    }


def _can_be_laid_out(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> bool:
    even = len({len(c.token_ids) for c in conversations}) == 1 and policy.packing == "none"
    return recipe.tokenizer.pad_id is not None or even or len(conversations) == 1


def turn_budgets(inspection: Inspection) -> tuple[TurnBudget, ...]:
    """Of each answer, in order; an inspection of one conversation."""
    turns = sorted({cell.turn for cell in inspection.cells()} - {0})
    budgets = []
    for turn in turns:
        cells = [cell for cell in inspection.cells() if cell.turn == turn]
        supervised = sum(cell.supervised for cell in cells)
        text = "".join(cell.next for cell in cells)
        budgets.append(TurnBudget(turn, text, len(cells), supervised, sum(cell.weight for cell in cells)))
    return tuple(budgets)


def segment_budgets(
    conversations: Sequence[Rendered], losses: Mapping[SegmentKind, MeanLoss]
) -> tuple[SegmentBudget, ...]:
    """By the kind of segment the predicted token lies in."""
    kinds = [kind for conversation in conversations for kind in conversation.segment_kinds()[1:]]
    counts = {kind: kinds.count(kind) for kind in get_args(SegmentKind)}
    summed = sum(count * losses[kind].value for kind, count in counts.items())
    return tuple(
        SegmentBudget(
            kind, count, count / len(kinds), losses[kind].value, count * losses[kind].value / summed if summed else 0.0
        )
        for kind, count in counts.items()
    )
