"""QUESTIONS a teacher can ask a room: a literal table. In: a word, the models in memory. Out: polls with their truth.

Every truth, and every figure in its sentence, is computed here; the choices of a question leave no other outcome.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from app.votes.polls import OFF, ON, Choice, Material, Poll, Truth
from model.experiments.ablation.findings import COMPARED_AT, Comparison
from model.explain.analysis import analyze, forecast
from model.masks.policies import POLICY_NAMES, RIGHT
from model.network.generation import Completion, generate
from model.network.gpt import GPT
from model.text.tokenizer import END_OF_TURN, USER_START
from model.training.conversations import prompt_ids, render_prompt
from model.writing import compact, joined, percent

UNSURE, SURE = 0.1, 0.5
"""Below and above these probabilities a guess is called unsure and sure."""


@dataclass(frozen=True)
class Question:
    slug: str
    text: Callable[[Material], str]
    choices: Callable[[Material], tuple[Choice, ...]]
    truth: Callable[[Material], Truth]
    """Asks the models: in the engine."""
    can_be_asked: Callable[[Material], bool] = lambda material: True

    def put(self, material: Material) -> Poll:
        """Raises InvalidText for a word that the recipe cannot read."""
        render_prompt(material.recipe, material.word)
        return Poll(self.slug, self.text(material), self.choices(material), self.truth(material))


def _first_choices(material: Material) -> tuple[Choice, ...]:
    return (
        *(Choice(policy, POLICY_NAMES[policy].capitalize(), policy) for policy in (ON, OFF)),
        Choice("both", "Both at the same step"),
        Choice("neither", f"Neither, in {material.steps()[-1]:,} steps"),
    )


def _first_truth(material: Material) -> Truth:
    """Of the kept steps, the first at which each model writes the whole answer and its stop."""
    arrived = {policy: _arrival(material, policy) for policy in (ON, OFF)}
    told = [
        f"{name} first writes `{material.right}` at step {arrived[policy]:,}"
        if arrived[policy] is not None
        else f"{name} never writes `{material.right}`"
        for policy, name in ((ON, "mask on"), (OFF, "mask off"))
    ]
    kept = len(material.steps())
    sentence = f"Of the {kept} steps kept, {joined(told)}. That is one word and one pair of runs. "
    first = min((step for step in arrived.values() if step is not None), default=None)
    link = material.link(material.steps()[-1] if first is None else first)
    return Truth(leader(arrived), sentence + over_seeds(material.comparison), link)


def _arrival(material: Material, policy: str) -> int | None:
    models = material.models[policy]
    return next((step for step in material.steps() if _writes(material, models[step])[0] == material.right), None)


def leader(arrived: Mapping[str, int | None]) -> str:
    """The one that arrived first, `both` if several did at once, `neither` if none did."""
    steps = [step for step in arrived.values() if step is not None]
    leaders = [slug for slug, step in arrived.items() if steps and step == min(steps)]
    return leaders[0] if len(leaders) == 1 else "both" if leaders else "neither"


def over_seeds(comparison: Comparison) -> str:
    """Which of two models was at COMPARED_AT first, over all pairs of runs that ship."""
    pairs = comparison.arrivals[COMPARED_AT]
    first = Counter(leader({ON: pair.masked, OFF: pair.unmasked}) for pair in pairs)
    said = (
        f"Over {len(pairs)} pairs of runs, mask on was first to {percent(COMPARED_AT)} of unseen words in {first[ON]}, "
        f"mask off in {first[OFF] or 'none'}"
    )
    if comparison.arrived() == (len(pairs), len(pairs)):
        said += f"; they took {comparison.masked_steps:,.0f} and {comparison.unmasked_steps:,.0f} steps on average"
    return f"{said}."


def _spill_place(material: Material) -> int:
    """The last letter of the word is predicted here."""
    return len(material.word) - 1


def _read_up_to(material: Material, place: int) -> str:
    return f"`{USER_START}{material.word[:place]}`"


def _spill_choices(material: Material) -> tuple[Choice, ...]:
    return (
        Choice("letter", f"The letter `{material.word[_spill_place(material)]}`"),
        Choice("sure", "Another character, and it is sure: over 50 %"),
        Choice("unsure", "Another character, and it is unsure: 50 % or less"),
    )


def _spill_truth(material: Material) -> Truth:
    at = forecast(material.recipe, material.models[ON][material.step], material.word)[_spill_place(material)]
    best = at.predictions[0]
    choice = "letter" if best.token == at.target else "sure" if best.probability > SURE else "unsure"
    sentence = (
        f"It predicts `{best.token}` with {percent(best.probability, 1)}; the word goes on with `{at.target}`. "
        "It was never scored inside the question, so nothing told it what to say there. That does no harm: "
        f"the question is always given. One model, at step {material.step:,}."
    )
    return Truth(choice, sentence, material.link(material.step, position=str(at.position)))


def _guess_place(material: Material) -> int:
    return min(1, len(material.word) - 1)


def _guess_choices(material: Material) -> tuple[Choice, ...]:
    return (
        Choice("unsure", "Under 10 %: it has nothing to go by"),
        Choice("some", "10 to 50 %: it has found some pattern"),
        Choice("sure", "Over 50 %: it has learned the letters"),
    )


def _guess_truth(material: Material) -> Truth:
    at = forecast(material.recipe, material.models[OFF][material.step], material.word)[_guess_place(material)]
    best, letters = at.predictions[0], len(material.recipe.task.characters())
    choice = "unsure" if best.probability < UNSURE else "sure" if best.probability > SURE else "some"
    sentence = (
        f"Its best guess is `{best.token}`, with {percent(best.probability, 1)}; blind choice among {letters} letters "
        f"gives {percent(1 / letters, 1)}. The letters were drawn at random, so nothing gives the next one away. "
        f"One model, at step {material.step:,}."
    )
    return Truth(choice, sentence, material.link(material.step, OFF, position=str(at.position)))


def _gradient_truth(material: Material) -> Truth:
    analysis = analyze(material.recipe, material.models[ON][material.step], RIGHT, material.word)
    letters = analysis.positions[1 : len(material.word) + 1]
    norms = [position.gradient.input_norm for position in letters]
    reached = sum(norm > 0 for norm in norms)
    largest = max(letters, key=lambda position: position.gradient.input_norm)
    answers = max(p.gradient.input_norm for p in analysis.positions[analysis.prompt_length - 1 :])
    sentence = (
        f"A gradient reaches {reached} of the {len(letters)} letters: the answer has the loss, and it looks back at "
        f"them. It is largest on `{largest.input}`, {compact(largest.gradient.input_norm)}; the largest from `>` on is "
        f"{compact(answers)}. One model, at step {material.step:,}."
    )
    link = material.link(material.step, gradient="input_norm", position=str(largest.position))
    return Truth("none" if not reached else "all" if reached == len(letters) else "some", sentence, link)


def _stop_choices(material: Material) -> tuple[Choice, ...]:
    return (
        Choice("stops", f"`{material.answer}`, and then it stops"),
        Choice("runs", f"`{material.answer}`, and then it cannot stop"),
        Choice("else", "Something else"),
    )


def _stop_truth(material: Material) -> Truth:
    assert material.stopless
    assert material.stops
    text, done = _writes(material, material.stopless)
    runs = text.startswith(material.answer) and done.finish_reason == "length"
    cut = f", cut off after {len(text)} characters" if done.finish_reason == "length" else ""
    stopped = round(material.stops.value * material.stops.n)
    sentence = (
        f"It writes `{text}`{cut}. It stopped on {stopped or 'none'} of {material.stops.n} unseen words. That is "
        "one model, of one seed; only the label of the stop was missing."
    )
    link = "/bugs?" + urlencode({"bug": "eos-masked", "prompt": material.word, "generate": "true"})
    return Truth("stops" if text == material.right else "runs" if runs else "else", sentence, link)


def _writes(material: Material, model: GPT) -> tuple[str, Completion]:
    tokenizer = material.recipe.tokenizer
    (done,) = generate(model, [prompt_ids(material.recipe, material.word)], stop_id=tokenizer.end_of_turn_id)
    return tokenizer.decode(done.token_ids), done


QUESTIONS: Mapping[str, Question] = {
    question.slug: question
    for question in (
        Question(
            "first",
            lambda m: f"Two models learn to reverse `{m.word}`. Which one writes `{m.right}` first?",
            _first_choices,
            _first_truth,
        ),
        Question(
            "guess",
            lambda m: (
                f"With the mask off, the model is trained on the question too. After {m.step:,} steps it reads "
                f"{_read_up_to(m, _guess_place(m))}: how sure is it of its best guess?"
            ),
            _guess_choices,
            _guess_truth,
        ),
        Question(
            "gradient",
            lambda m: f"With the mask on, the letters of `{m.word}` have no loss. Does any gradient still reach them?",
            lambda m: (
                Choice("none", "No: without a loss there is no gradient"),
                Choice("all", "Yes, all of them"),
                Choice("some", "Yes, but only some of them"),
            ),
            _gradient_truth,
        ),
        Question(
            "spill",
            lambda m: (
                f"After {m.step:,} steps, what does the mask-on model predict after {_read_up_to(m, _spill_place(m))}?"
            ),
            _spill_choices,
            _spill_truth,
        ),
        Question(
            "stop",
            lambda m: (
                f"A third model was trained with the stop `{END_OF_TURN}` ignored as well. "
                f"What will it write after `{m.word}`?"
            ),
            _stop_choices,
            _stop_truth,
            lambda m: m.stopless is not None,
        ),
    )
}
"""In the order of the tour. The texts and choices are the table's; the rest is computed."""


def questions_for(material: Material) -> Sequence[Question]:
    return [question for question in QUESTIONS.values() if question.can_be_asked(material)]
