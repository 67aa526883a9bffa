"""TOUR: what each of the tour's steps says, asks and shows. Literal data: a number in a text is a name in braces.

`facts.py` reads the numbers from the models, `stage.py` draws what a Frame says. Backticks hold what is a token.
"""

from dataclasses import dataclass
from typing import Literal

from model.masks.policies import MASK_POLICIES, RIGHT, UNMASKED

RECIPE = "reverse4"
WORD = "live"
"""Held out, and its reversal is a word."""
STOP_IGNORED = MASK_POLICIES["eos-masked"]

When = Literal["early", "first", "end"]
"""Where all seeds agree; where the mask-off model first writes the answer; where training ends."""
Row = Literal["targets", "stop", "gradient", "on", "off", "on-writes", "off-writes"]
"""What can be looked at. `stop` is the last of the targets."""


@dataclass(frozen=True)
class Frame:
    """What the figure shows at a moment. A row that is not shown is not on the page at all."""

    look: tuple[Row, ...]
    """What is outlined."""
    policy: str = RIGHT.slug
    """The mask, and the model whose gradients are drawn."""
    when: When = "early"
    shows_mask: bool = True
    gradient: str | None = None
    predicts: tuple[Row, ...] = ()
    only_question: bool = False
    """Whether predictions end with the question's."""
    writes: bool = False
    has_curve: bool = False


@dataclass(frozen=True)
class Choice:
    """One of three. `reply` is what a wrong guess is told; empty for the right one."""

    text: str
    reply: str = ""

    @property
    def is_right(self) -> bool:
        return not self.reply


@dataclass(frozen=True)
class Step:
    title: str
    text: str
    question: str
    choices: tuple[Choice, ...]
    """In the order of GUESSES; one of them is right."""
    act: str
    """What the button does."""
    told: tuple[str, ...]
    """Paragraphs."""
    asked_frame: Frame
    told_frame: Frame


@dataclass(frozen=True)
class Exit:
    """Where the tour leads on to."""

    address: str
    title: str


GUESSES = ("a", "b", "c")
WEIGHTS, INPUT = "parameter_norm", "input_norm"


PREDICT: tuple[Row, ...] = ("on", "off")
WRITE: tuple[Row, ...] = ("on-writes", "off-writes")

TOUR: tuple[Step, ...] = (
    Step(
        "Which predictions count?",
        "The model reads one character and predicts the next. It does this {count} times here: {asked} times inside "
        "the question `{question}`, {answered} times inside the answer `{answer}`.",
        "The mask is on. How many of the {count} predictions count in training?",
        (
            Choice("All {count}", "All {count} are made, but not all are scored: that would be the mask switched off."),
            Choice("{Answered}: the answer and its stop"),
            Choice("{Letters}: the answer's letters", "Nearly: the stop `{stop}` is part of the answer too."),
        ),
        "Show the mask",
        (
            "{Answered}. The hatched ones are ignored: the model still reads those characters, but a wrong guess there "
            "costs nothing.",
            "Switch the mask off, and all {count} count. The text stays the same; only the score changes.",
        ),
        Frame(("targets",), shows_mask=False),
        Frame(("targets",)),
    ),
    Step(
        "Can the question be guessed?",
        "With the mask off, the model must also predict the question: after `{opening}`, which letter? "
        "It was trained on random letters, so it knows no English words.",
        "After {early} steps, how sure is the mask-off model of its best guess?",
        (
            Choice("Hardly surer than a die with {alphabet} sides"),
            Choice(
                "About one in three: it has found some pattern", "There is no pattern to find: each letter is random."
            ),
            Choice("Nearly certain: it has learned the letters", "It cannot learn them: each word's letters are new."),
        ),
        "Show its guesses",
        (
            "It gives its best guess {sure}; blind choice would give it {blind}. More training will not help: at "
            "step {end} it is {later}. Nothing gives a random letter away.",
            "Only the question's last place is different. There `{closing}` always follows, and the model is "
            "{closed} sure of it.",
        ),
        Frame(("off",), UNMASKED.slug),
        Frame(("off",), UNMASKED.slug, predicts=("off",), only_question=True),
    ),
    Step(
        "Ignored, but not unused",
        "A bar shows how hard a place pulls on the model's weights: the gradient of its own loss. The mask is "
        "on again, so the question's {asked} places have no loss, and their bars are exactly {nothing}.",
        "Does any gradient still reach the letters of the question?",
        (
            Choice("No: without a loss there is no gradient", "None of their own, true. But the answer has a loss."),
            Choice("Yes: from the answer, which looks back at them"),
            Choice("Only the last one, right before the answer", "Attention looks further back than one place."),
        ),
        "Show the gradient on what is read",
        (
            "The answer's loss flows back through attention to everything it looked at. On the question's `{pulled}` "
            "it is {pull}, more than at any place of the answer, where {answer_pull} is the most.",
            "That is how the model learns to use the question without ever having to predict it.",
        ),
        Frame(("targets", "gradient"), gradient=WEIGHTS, predicts=("off",), only_question=True),
        Frame(("targets", "gradient"), gradient=INPUT, predicts=("off",), only_question=True),
    ),
    Step(
        "What does each model predict?",
        "Now both models, side by side. The mask-on model was never scored inside the question, so nothing ever"
        " told it what to say there.",
        "What does the mask-on model predict after `{surest_after}`?",
        (
            Choice(
                "A bit of everything: it knows nothing here", "It was told nothing here, and still it is not unsure."
            ),
            Choice("The letter `{surest_right}`", "It does follow in the text, but nothing ever rewarded saying so."),
            Choice("Something definite, and wrong"),
        ),
        "Show its predictions",
        (
            "`{surest}`, the stop, with {surest_sure}. It was scored in answers only, and what it learned there shows "
            "up in the question too: confident, untrained, and harmless, because the question is always given.",
            "In the answer it is right {on_right} times out of {answered}, though only {on_low} to {on_high} sure of "
            "each letter. The mask-off model gets {off_wrong} wrong.",
        ),
        Frame(("on",), gradient=WEIGHTS, predicts=("off",), only_question=True),
        Frame(("on", "off"), gradient=WEIGHTS, predicts=PREDICT),
    ),
    Step(
        "Who answers right, and when?",
        "Now each model answers alone: it reads its own last letter and writes the next. At step {early} mask "
        "on writes `{on_writes}`, mask off `{off_writes}`.",
        "When will the mask-off model write `{answer}`?",
        (
            Choice("Soon, by step {first}"),
            Choice("Late, in the second half of the training", "It is quicker than that."),
            Choice("Never", "It gets there: the answer is trained with the mask off as well."),
        ),
        "Train on",
        (
            "{between} at {first} `{answer}`.",
            "Not a fluke of one word: over {pairs} pairs of runs, mask on is ahead in {ahead} at step {early}, "
            "with {on_rate} of {words} unseen words right against {off_rate} on average. At step {end} each of "
            "the {runs} runs has {least} right.",
            "Here the mask saves time; it does not decide who gets there.",
        ),
        Frame(WRITE, gradient=WEIGHTS, predicts=PREDICT, writes=True),
        Frame(WRITE, when="first", gradient=WEIGHTS, predicts=PREDICT, writes=True, has_curve=True),
    ),
    Step(
        "Why is the stop trained?",
        "Now at step {end}, the end. The last character, `{stop}`, says “I have finished”. It belongs to the "
        "answer, so it is trained like a letter, and both models stop in time.",
        "A third model was trained with `{stop}` ignored as well. What does it write?",
        (
            Choice("`{reversed}`, then it stops", "Stopping is a prediction too, and nothing has trained it."),
            Choice("`{reversed}`, and then it cannot stop"),
            Choice("Nothing that makes sense", "The letters were trained as before, and they are right."),
        ),
        "Ignore the stop",
        (
            "`{third_writes}`, cut off after {cut} characters. This model stopped on {stopped} of {unseen} unseen "
            "words.",
            "And its loss, as a log would show it, looks fine: {third_loss} on these words, where the right mask "
            "shows {right_loss}. One wrong position in the mask, and the log will not tell you.",
        ),
        Frame(("stop",), when="end", gradient=WEIGHTS, predicts=PREDICT, writes=True, has_curve=True),
        Frame(
            ("stop", "on-writes"),
            STOP_IGNORED.slug,
            when="end",
            gradient=WEIGHTS,
            predicts=PREDICT,
            writes=True,
            has_curve=True,
        ),
    ),
)

EXITS = (
    Exit("/", "Try your own word"),
    Exit("/lesson", "Read the lesson"),
    Exit(f"/bugs?bug={STOP_IGNORED.slug}", "See more broken masks"),
    Exit("/race", "Watch a race"),
)


def first_step_of(row: Row) -> int:
    """The number of the step that brings a row."""
    return next(n for n, step in enumerate(TOUR, 1) if row in shown_rows(step.told_frame))


def shown_rows(frame: Frame) -> tuple[Row, ...]:
    gradient: tuple[Row, ...] = ("gradient",) if frame.gradient else ()
    return ("targets", *gradient, *frame.predicts, *(WRITE if frame.writes else ()))
