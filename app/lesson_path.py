"""LESSON: the lesson as a path of twelve parts, in our own words, each with the page behind it.

Literal data. A live page that is opened from the path carries its part's number, and shows its text beside the figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

PARAMETER = "lesson"
"""The name under which a live page's address carries the part."""


@dataclass(frozen=True)
class Part:
    slug: str
    title: str
    text: tuple[str, ...]
    """Paragraphs."""
    page: str
    """The live page, as an address on this site."""
    look: str
    """What to do there."""


LESSON: tuple[Part, ...] = (
    Part(
        "gap",
        "The gap that pretraining leaves",
        (
            "A pretrained model has learned P(text): which text is likely to follow which. "
            "To it, a question is just more text.",
            "Give it the first line of a worksheet, and the likeliest next line is another question. "
            "That is no mistake: it is what it was trained to do.",
        ),
        "/dispatcher?generate=1#answers-heading",
        "Read what the base writes after the plain question, and after Q: and A:.",
    ),
    Part(
        "fix",
        "The fix in one sentence",
        (
            "Count the loss at response tokens only, on pairs of prompt and response.",
            "Architecture, optimizer, vocabulary and loss stay the same. What changes is the data, and which positions "
            "count. The learning rate and the number of steps are chosen again.",
        ),
        "/dispatcher#outcomes-heading",
        "Compare SFT from the base with the same SFT from random weights.",
    ),
    Part(
        "template",
        "The template",
        (
            "A model has one input: tokens. So tokens must also say whose turn it is.",
            "Here three characters do it: < opens the user's turn, > opens the answer, and # ends it.",
        ),
        "/",
        "Type a word and see which part belongs to the template, the user and the assistant.",
    ),
    Part(
        "loss",
        "The loss",
        (
            "It is the cross-entropy of pretraining, summed over fewer positions. The prompt still goes through the "
            "model: the answer attends to it.",
            "Prompt positions have no loss of their own, but the answer's loss flows back through them. "
            "Ignored does not mean unimportant.",
            "What a trained model predicts there was never scored, but it is no noise: nearly always a letter it has "
            "read, or the stop.",
        ),
        "/?step=1000&gradient=input_norm",
        "The bars show the gradient “on its input”: they are not zero at ignored positions.",
    ),
    Part(
        "line",
        "One line of code",
        (
            "y[: P-1] = -100. It is P-1 and not P because targets are shifted: position t is scored on token t+1.",
            "One off in one direction, and the answer's first token is never trained. "
            "One off in the other, and the model is also trained to predict the end of the prompt.",
        ),
        "/shift",
        "Move the cut, and see what becomes of a model trained with it.",
    ),
    Part(
        "ablation",
        "Does the mask matter?",
        (
            "Take two models with the same words, seed, steps and optimizer; only the mask differs.",
            "The outcome depends on the training budget and on the model, so it was measured in many settings "
            "with many seeds.",
        ),
        "/ablation",
        "Look at two things separately: how many steps the mask saves, and who is ahead when training ends.",
    ),
    Part(
        "padding",
        "Pads on the right",
        (
            "A batch is a rectangle, so shorter rows are padded. A causal model never sees pads that come after the "
            "text.",
            "It does see pads that come before it. Two things then need putting right: attention must not see the "
            "pads, and positions must be counted from the first real token.",
        ),
        "/padding",
        "Compare the four squares: which repair does what, and is one of them enough?",
    ),
    Part(
        "slice",
        "A slice of P(text)",
        (
            "The loss of SFT points at one part of the distribution over text: what follows the template.",
            "But the same weights write all other text, and nothing in the loss holds them in place. "
            "So the rest moves too, and how much of it is left has to be measured.",
            "Bayes: P(response | prompt) = P(prompt, response) / P(prompt). With the mask on, the loss trains this "
            "quotient; the probability of the prompt itself, P(prompt), has no loss.",
        ),
        "/dispatcher#mass-heading",
        "Compare the three openings: the same weights, three different distributions. Below them: what each mask does "
        "to P(prompt) and to P(response | prompt).",
    ),
    Part(
        "reference",
        "No reference policy",
        (
            "The loss matches labelled tokens. It holds no reward to chase, so nothing has to hold the model back.",
            "Drift is what SFT is for, and it is larger where requests are answered than on plain text. The part "
            "before this one shows the price: the rest moves too.",
            "Methods that follow a reward, like DPO and RLVR, bring the reference back: "
            "their loss could be improved by text that no one would want.",
        ),
        "/dispatcher#drift-heading",
        "Read how far each part of the model has moved, and after which tokens.",
    ),
    Part(
        "limits",
        "What SFT cannot do",
        (
            "Its contract is one answer per prompt. It sees no order between answers, gives each of several "
            "valid ones a part of its probability, and copies mistakes that follow a rule.",
            "Preferences need a loss that compares two answers: that is DPO. Getting past the labeller needs a reward "
            "that checks the answer: that is RLVR.",
        ),
        "/limits",
        "Ask a model that was shown both answers to each word, then one that was shown a wrong one to 30 % of them.",
    ),
    Part(
        "trade-offs",
        "Trade-offs",
        (
            "Long prompts and short answers leave most positions without a gradient. Packing fills rows, "
            "if conversations in a row cannot see each other.",
            "In a dialogue each answer is a response. Train the last one alone, and first answers "
            "are learned only from conversations of one turn.",
            "A small learning rate keeps what the base can do and may teach too little. A large one teaches the "
            "answers and overwrites the rest.",
        ),
        "/packing",
        "Join conversations, kept apart and not; then open Turns, and the learning rates on Dispatcher.",
    ),
    Part(
        "reasoning",
        "Reasoning: the same machinery",
        (
            "Put the steps into the response and keep the code as it is. The mask still ignores the prompt, "
            "the model still writes until #.",
            "Each token of the trace is one more forward pass, and later passes can read what earlier ones wrote.",
        ),
        "/reasoning",
        "Ask for a long sum of large numbers, with and without the trace.",
    ),
)


@dataclass(frozen=True)
class Place:
    """Where in the path one is: at a part's text, or at the live page behind it."""

    number: int
    part: Part
    previous: str
    next: str
    """Addresses."""
    closed: str = ""
    """Of the live page as it is, without the part."""


def text_address(number: int) -> str:
    return f"/lesson?part={number}"


def live_address(number: int) -> str:
    """The part's live page, which then knows its part."""
    parts = urlsplit(LESSON[number - 1].page)
    query = f"{parts.query}&{PARAMETER}={number}" if parts.query else f"{PARAMETER}={number}"
    return parts._replace(query=query).geturl()


def at_text(number: int) -> Place:
    """A part's text and verdicts by themselves; from there on to the page behind it."""
    previous = text_address(number - 1) if number > 1 else "/lesson"
    return Place(number, LESSON[number - 1], previous, live_address(number))


def at_page(path: str, query: Mapping[str, str]) -> Place | None:
    """The place of a live page whose address carries the number of a part that it belongs to.

    The way leads from live page to live page, each with its text beside it.
    """
    given = query.get(PARAMETER, "")
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:4]) <= len(LESSON)):
        return None
    number = int(given[:4])
    if urlsplit(LESSON[number - 1].page).path != path:
        return None
    previous = live_address(number - 1) if number > 1 else "/lesson"
    following = live_address(number + 1) if number < len(LESSON) else "/lesson"
    kept = urlencode([(name, value) for name, value in query.items() if name != PARAMETER])
    return Place(number, LESSON[number - 1], previous, following, f"{path}?{kept}" if kept else path)


def with_part(address: str, path: str, query: Mapping[str, str]) -> str:
    """Another address of the same live page, which stays in the part that it is shown with."""
    place = at_page(path, query)
    return f"{address}&{PARAMETER}={place.number}" if place else address
