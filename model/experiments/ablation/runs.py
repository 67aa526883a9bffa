"""An ablation: settings x policies x seeds, each measured while it trains, as one JSON file. Reads, writes, refuses.

A Setting is a recipe under a variation with every value written out. The file holds no clock and no machine: the same
code gives the same bytes, however often it was interrupted. Knows neither training nor what the numbers say
(findings.py does).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from model.errors import BrokenAblation, OutOfRange
from model.intervals import Fraction, NonNegative
from model.kept import STRICT, read_checked
from model.text.chat_template import SegmentKind
from model.text.tasks import SPLIT
from model.training.conversations import render_prompts
from model.training.evaluation import Metrics
from model.training.recipes import RECIPES, Recipe, Variation, vary

ABLATION_FILE = "ablation.json"
REMEDY = "`maskscope ablate --shipped` makes it anew"
"""Its name in the folder of trained runs."""

UNCOERCED = ConfigDict(**STRICT, strict=True)
SIGNIFICANT_DIGITS = 5

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

CODES = {
    "min_length": "from",
    "max_length": "to",
    "answer_length": "ask",
    "layers": "layers",
    "width": "width",
    "learning_rate": "lr",
    "batch_size": "batch",
    "steps": "steps",
}
"""What a slug calls a value that differs from the recipe's."""


@dataclass(config=UNCOERCED)
class Setting:
    """What one group of runs has in common, resolved. Lengths are in characters, tokens are means of a conversation."""

    slug: str
    """The recipe's, followed by what differs from it: `reverse4-width16-lr0.001`."""
    recipe: str
    min_length: Count
    max_length: Count
    answer_length: Count | None
    layers: Count
    width: Count
    heads: Count
    learning_rate: Positive
    batch_size: Count
    steps: Count
    decay_steps: Annotated[int, Field(ge=0)]
    evaluate_every: Count
    evaluation_words: Count
    parameters: Count
    prompt_tokens: Positive
    answer_tokens: Positive
    """The stop included."""

    def ignored_share(self) -> float:
        """Of all positions, those that the prompt-masked loss leaves out; the first token is nobody's target."""
        return (self.prompt_tokens - 1) / (self.prompt_tokens - 1 + self.answer_tokens)

    def evaluated_steps(self) -> tuple[int, ...]:
        return self.varied().training.evaluated_steps()

    def varied(self) -> Recipe:
        """The recipe that these runs train, without its checkpoints: they are measured at equal distances."""
        return vary(RECIPES[self.recipe], self.variation()).keeping_the_last_checkpoint()

    def variation(self) -> Variation:
        """Every value of it given."""
        return Variation(**{field.name: getattr(self, field.name) for field in fields(Variation)})


@dataclass(config=UNCOERCED)
class Plan:
    """What is to be trained: every policy and seed of every setting."""

    settings: tuple[Setting, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]

    def runs(self) -> Iterator[tuple[Setting, str, int]]:
        return product(self.settings, self.policies, self.seeds)

    def steps(self) -> int:
        """Training steps of all runs together."""
        return sum(setting.steps for setting, _, _ in self.runs())


@dataclass(config=UNCOERCED)
class MeasuredRun:
    """What one run could do at each of its setting's evaluated steps."""

    setting: str
    policy: str
    seed: Annotated[int, Field(ge=0)]
    exact_match: tuple[Fraction, ...]
    loss: dict[SegmentKind, tuple[NonNegative, ...]]
    """-ln p of the targets in a segment, mean over the held-out words' tokens, trained on or not."""


@dataclass(config=UNCOERCED)
class Ablation:
    """What the file holds: every policy and seed of every setting."""

    version: Literal[1]
    commit: str
    """Of the code that trained and measured; `+changes` if it was not as committed."""
    torch: str
    split: str
    """How prompts are held out."""
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: tuple[Setting, ...]
    runs: tuple[MeasuredRun, ...]

    def run(self, setting: Setting, policy: str, seed: int) -> MeasuredRun:
        """Runs are in the order of settings, policies and seeds."""
        place = self.settings.index(setting) * len(self.policies) + self.policies.index(policy)
        return self.runs[place * len(self.seeds) + self.seeds.index(seed)]


_ABLATION = TypeAdapter(Ablation)


def setting_of(recipe_slug: str, variation: Variation) -> Setting:
    """A recipe under a variation, every value written out.

    Raises:
        OutOfRange: what cannot be trained; names the field.
    """
    recipe, varied = RECIPES[recipe_slug], vary(RECIPES[recipe_slug], variation)
    values, own = varied.values(), recipe.values()
    differences = [f"{CODES[name]}{values[name]:g}" for name in CODES if values[name] != own[name]]
    prompt_tokens, answer_tokens = mean_tokens(varied)
    return Setting(
        slug="-".join((recipe_slug, *differences)),
        recipe=recipe_slug,
        heads=varied.model.heads,
        decay_steps=varied.training.decay_steps,
        parameters=varied.model.parameter_count(),
        prompt_tokens=prompt_tokens,
        answer_tokens=answer_tokens,
        **values,
    )


def mean_tokens(recipe: Recipe) -> tuple[float, float]:
    """Tokens of the prompt (P) and of the answer, means over the task's word lengths, which are drawn evenly."""
    lengths = range(recipe.task.min_length, recipe.task.max_length + 1)
    words = [recipe.task.alphabet[0] * length for length in lengths]
    rendered = render_prompts(recipe, words)
    prompt = sum(conversation.prompt_length for conversation in rendered)
    return prompt / len(words), (sum(len(c.token_ids) for c in rendered) - prompt) / len(words)


def measured_run(setting: Setting, policy: str, seed: int, metrics: Sequence[Metrics]) -> MeasuredRun:
    """The record of a run from its metrics at each evaluated step."""
    assert len(metrics) == len(setting.evaluated_steps()), len(metrics)
    loss = {kind: tuple(_rounded(m.loss[kind].value) for m in metrics) for kind in metrics[0].loss}
    return MeasuredRun(setting.slug, policy, seed, tuple(_rounded(m.exact_match.value) for m in metrics), loss)


def ablation_of(runs: Sequence[MeasuredRun], plan: Plan, commit: str) -> Ablation:
    """A plan's runs in their order, whatever order they come in."""
    by_key = {(run.setting, run.policy, run.seed): run for run in runs}
    ordered = tuple(by_key[setting.slug, policy, seed] for setting, policy, seed in plan.runs())
    return Ablation(1, commit, version("torch"), SPLIT, plan.policies, plan.seeds, plan.settings, ordered)


def write_ablation(ablation: Ablation) -> bytes:
    """JSON with one setting or run a line."""
    document: dict[str, Any] = _ABLATION.dump_python(ablation, mode="json")
    members = []
    for name, value in document.items():
        text = json.dumps(value)
        if name in ("settings", "runs"):
            text = "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"
        members.append(f'"{name}": {text}')
    return ("{\n" + ",\n".join(members) + "\n}\n").encode()


def read_ablation(path: Path) -> Ablation:
    """Raises BrokenAblation, naming the file, if it is missing, no ablation, incomplete, or of recipes as they were."""
    ablation = read_checked(path, _ABLATION, REMEDY, BrokenAblation)
    for setting in ablation.settings:
        if setting.recipe not in RECIPES:
            raise BrokenAblation(f"{path}: is of a recipe {setting.recipe!a}; known: {', '.join(RECIPES)}")
        if not _is_current(setting):
            raise BrokenAblation(f"{path}: {setting.slug} is of another recipe than {setting.recipe} is now")
    plan = Plan(ablation.settings, ablation.policies, ablation.seeds)
    expected = [(setting.slug, policy, seed) for setting, policy, seed in plan.runs()]
    if not expected or [(run.setting, run.policy, run.seed) for run in ablation.runs] != expected:
        raise BrokenAblation(f"{path}: its runs are not one for each setting, policy and seed, in this order")
    steps = {setting.slug: len(setting.evaluated_steps()) for setting in ablation.settings}
    for run in ablation.runs:
        lengths = {len(values) for values in (run.exact_match, *run.loss.values())}
        if lengths != {steps[run.setting]} or set(run.loss) != set(get_args(SegmentKind)):
            raise BrokenAblation(f"{path}: {run.setting} {run.policy} seed {run.seed} has not one value for each step")
    return ablation


def _is_current(setting: Setting) -> bool:
    try:
        return setting == setting_of(setting.recipe, setting.variation())
    except OutOfRange:
        return False


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
