"""The numbers in the tour's texts. In: the models in memory and what all seeds said. Out: texts by name.

Asks the models: call it in the engine. Each step has a function that knows what its texts name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from app.catalog import Catalog, RecipeRuns
from app.charts.figure import Written, judge_written
from app.charts.seeds import draw_seed_curves
from app.tours.steps import RECIPE, STOP_IGNORED, WORD, When
from model.experiments.ablation.seeds import SeedsAtStep, seeds_at
from model.experiments.ablation.shipped import ShippedAblation
from model.explain.analysis import Analysis, Position, analyze
from model.masks.policies import MASK_POLICIES, RIGHT, UNMASKED
from model.network.generation import generate
from model.text.tokenizer import ASSISTANT_START, END_OF_TURN, USER_START
from model.training.conversations import prompt_ids
from model.training.recipes import Recipe
from model.writing import compact, joined, percent

Facts = dict[str, str]
COUNTED = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)


@dataclass(frozen=True)
class Models:
    """The tour's word, and what can be asked of its models."""

    catalog: Catalog
    ablation: ShippedAblation
    early: int
    """The step where all seeds agree."""

    @cached_property
    def recipe(self) -> Recipe:
        return self.catalog.recipe(RECIPE)

    @cached_property
    def runs(self) -> RecipeRuns:
        return self.catalog.compared(self.recipe)

    @property
    def question(self) -> str:
        return USER_START + WORD + ASSISTANT_START

    @property
    def answer(self) -> str:
        return self.recipe.task.answer(WORD) + END_OF_TURN

    @property
    def end(self) -> int:
        return self.runs.steps()[-1]

    @cached_property
    def first(self) -> int:
        """The first kept step at which the mask-off model writes the answer; the last if it never does."""
        steps = (step for step in self.runs.steps() if step >= self.early)
        return next((step for step in steps if self.writes(UNMASKED.slug, step) == self.answer), self.end)

    def step(self, when: When) -> int:
        return {"early": self.early, "first": self.first, "end": self.end}[when]

    def analysis(self, policy: str, step: int) -> Analysis:
        model, _ = self.catalog.model(self.recipe, policy, step)
        return analyze(self.recipe, model, MASK_POLICIES[policy], WORD)

    def written(self, policy: str, step: int) -> Written:
        model, _ = self.catalog.model(self.recipe, policy, step)
        ids, tokenizer = prompt_ids(self.recipe, WORD), self.recipe.tokenizer
        (completion,) = generate(model, [ids], stop_id=tokenizer.end_of_turn_id)
        tokens = [tokenizer.tokens[i] for i in completion.token_ids]
        return judge_written(tokens, self.answer, completion.finish_reason == "stop")

    def writes(self, policy: str, step: int) -> str:
        return "".join(letter.token for letter in self.written(policy, step).letters)

    def seeds(self, step: int) -> SeedsAtStep:
        return seeds_at(self.ablation.findings.ablation, self.ablation.comparison(RECIPE).setting, step)

    def curves(self) -> dict[str, str]:
        setting = self.ablation.comparison(RECIPE).setting
        return draw_seed_curves(self.ablation.findings.ablation, setting, self.runs.steps())


def read_facts(number: int, models: Models) -> Facts:
    """What the texts of a step may name."""
    count, answered = len(models.question + models.answer) - 1, len(models.answer)
    facts = {
        "count": COUNTED[count],
        "asked": COUNTED[count - answered],
        "answered": COUNTED[answered],
        "Answered": COUNTED[answered].capitalize(),
        "question": models.question,
        "answer": models.answer,
        "reversed": models.answer.removesuffix(END_OF_TURN),
        "stop": END_OF_TURN,
        "closing": ASSISTANT_START,
        "early": f"{models.early:,}",
        "end": f"{models.end:,}",
    } | _OF_STEP[number - 1](models)
    return {name: text.replace(" %", "\N{NO-BREAK SPACE}%") for name, text in facts.items()}


def _counts(models: Models) -> Facts:
    return {"Letters": COUNTED[len(models.answer) - 1].capitalize()}


def _guesses(models: Models) -> Facts:
    before, after = (models.analysis(UNMASKED.slug, step) for step in (models.early, models.end))
    asked = before.prompt_length - 1
    letters = len(models.recipe.task.alphabet)
    return {
        "opening": models.question[:2],
        "alphabet": str(letters),
        "blind": percent(1 / letters, 1),
        "sure": _between([_chance(p) for p in before.positions[: asked - 1]]),
        "later": _between([_chance(p) for p in after.positions[: asked - 1]]),
        "closed": percent(_chance(before.positions[asked - 1])),
    }


def _gradients(models: Models) -> Facts:
    analysis = models.analysis(RIGHT.slug, models.early)
    asked = analysis.prompt_length - 1
    question, answer = analysis.positions[:asked], analysis.positions[asked:]
    pulled = max(question, key=lambda p: p.gradient.input_norm)
    return {
        "nothing": compact(max(p.gradient.parameter_norm for p in question)),
        "pulled": pulled.input,
        "pull": compact(pulled.gradient.input_norm),
        "answer_pull": compact(max(p.gradient.input_norm for p in answer)),
    }


def _predictions(models: Models) -> Facts:
    on, off = (models.analysis(policy, models.early) for policy in (RIGHT.slug, UNMASKED.slug))
    asked = on.prompt_length - 1
    surest = max(on.positions[:asked], key=_chance)
    letters = [_chance(p) for p in on.positions[asked:-1]]
    return {
        "surest_after": models.question[: surest.position + 1],
        "surest_right": surest.target or "",
        "surest": surest.predictions[0].token,
        "surest_sure": percent(_chance(surest)),
        "on_right": COUNTED[sum(map(_is_right, on.positions[asked:]))],
        "on_low": f"{100 * min(letters):.0f}",
        "on_high": percent(max(letters)),
        "off_wrong": COUNTED[sum(not _is_right(p) for p in off.positions[asked:])],
    }


def _answers(models: Models) -> Facts:
    between = [step for step in models.runs.steps() if models.early < step < models.first]
    written = [f"at {step:,} it writes `{models.writes(UNMASKED.slug, step)}`" for step in between]
    early, end = models.seeds(models.early), models.seeds(models.end)
    rights = [right for pair in end.pairs for right in (pair.masked, pair.unmasked)]
    return {
        "on_writes": models.writes(RIGHT.slug, models.early),
        "off_writes": models.writes(UNMASKED.slug, models.early),
        "first": f"{models.first:,}",
        "between": f"A{joined(written)[1:]}," if written else "It writes it",
        "pairs": COUNTED[len(early.pairs)],
        "ahead": f"all {COUNTED[early.ahead]}" if early.ahead == len(early.pairs) else COUNTED[early.ahead],
        "words": f"{early.setting.evaluation_words:,}",
        "on_rate": percent(early.masked.value, 1),
        "off_rate": percent(early.unmasked.value, 1),
        "runs": COUNTED[len(rights)],
        "least": percent(min(rights)) if len(set(rights)) == 1 else f"at least {percent(min(rights), 1)}",
    }


def _stops(models: Models) -> Facts:
    measured, right = (models.catalog.measured[RECIPE, policy].symptoms for policy in (STOP_IGNORED.slug, RIGHT.slug))
    written = models.writes(STOP_IGNORED.slug, models.end)
    stopped = round(measured.stops.value * measured.stops.n)
    return {
        "third_writes": written,
        "cut": str(len(written)),
        "stopped": f"{stopped:,}" if stopped else "none",
        "unseen": f"{measured.stops.n:,}",
        "third_loss": f"{measured.own_loss or 0:.3f}",
        "right_loss": f"{right.own_loss or 0:.3f}",
    }


_OF_STEP: tuple[Callable[[Models], Facts], ...] = (_counts, _guesses, _gradients, _predictions, _answers, _stops)


def _chance(position: Position) -> float:
    return position.predictions[0].probability


def _is_right(position: Position) -> bool:
    return position.predictions[0].token == position.target


def _between(chances: list[float]) -> str:
    """`4 to 5 %`, or `4 %` where no more can be told."""
    low, high = (f"{100 * chance:.0f}" for chance in (min(chances), max(chances)))
    return f"{high} %" if low == high else f"{low} to {high} %"
