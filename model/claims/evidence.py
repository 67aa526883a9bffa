"""All that was measured and shipped, in one place: what claims are judged by. In: the folder of trained runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.experiments.ablation.findings import Comparison, find
from model.experiments.ablation.runs import ABLATION_FILE, read_ablation
from model.experiments.bugs.gallery import Measured, read_gallery
from model.experiments.dispatcher.arms import KEPT_DISPATCHED, Dispatched
from model.experiments.dispatcher.rates import KEPT_RATES, Tried
from model.experiments.limits import KEPT_LIMITS, Limits
from model.experiments.padding.accuracies import KEPT_PADDINGS, PaddedAccuracy
from model.experiments.prompts import KEPT_PROMPTS, PromptPredictions
from model.experiments.reasoning.controls import KEPT_CONTROLS, ControlRuns
from model.experiments.reasoning.traces import KEPT_REASONING, Reasoning
from model.experiments.shipped import SEEDS
from model.experiments.turns import KEPT_TURNS, TurnsRuns
from model.masks.policies import COMPARED_POLICIES
from model.training.checkpoints import Run, read_run
from model.training.pretraining import BaseRun, base_folder, read_base
from model.training.recipes import RECIPES


@dataclass(frozen=True)
class Evidence:
    comparisons: tuple[Comparison, ...]
    """Of the ablation, one per setting."""
    gallery: Mapping[tuple[str, str], Measured]
    paddings: Mapping[tuple[str, str], PaddedAccuracy]
    prompts: Mapping[tuple[str, str], PromptPredictions]
    """By (recipe, policy)."""
    bases: tuple[BaseRun, ...]
    """One per seed, with what it knew at each measured step of its pretraining."""
    dispatched: Dispatched
    tried: Tried
    """SFT at several learning rates."""
    reasoning: Reasoning
    controls: ControlRuns
    limits: Limits
    turns: TurnsRuns
    runs: Mapping[tuple[str, str], Run]
    """Of RECIPES under the compared policies."""
    right_pad_change: float
    """The largest change of any logit at a real position when words are padded on the right (CHANGED_WORDS)."""


def gather(folder: Path, comparisons: tuple[Comparison, ...] | None = None) -> Evidence:
    """Everything shipped; the ablation is analysed unless its comparisons are given.

    Raises:
        BrokenRun, BrokenAblation: a file is missing, unreadable or incomplete; names it.
    """
    paddings = KEPT_PADDINGS.read(folder)
    return Evidence(
        find(read_ablation(folder / ABLATION_FILE)).comparisons if comparisons is None else comparisons,
        read_gallery(folder),
        {row.key: row for row in paddings.rows},
        {row.key: row for row in KEPT_PROMPTS.read(folder)},
        tuple(read_base(base_folder(folder, seed)) for seed in SEEDS),
        KEPT_DISPATCHED.read(folder),
        KEPT_RATES.read(folder),
        KEPT_REASONING.read(folder),
        KEPT_CONTROLS.read(folder),
        KEPT_LIMITS.read(folder),
        KEPT_TURNS.read(folder),
        {(recipe, policy): read_run(folder / recipe / policy) for recipe in RECIPES for policy in COMPARED_POLICIES},
        paddings.right_pad_change,
    )
