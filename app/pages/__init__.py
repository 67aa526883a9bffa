"""HTML, one module per page. PAGES is the menu, the list of routers and the README's table.

Imports deps and below; never the API or commands.
"""

from app.lesson_path import at_page
from app.menu import Menu, Page
from app.pages import (
    ablation,
    bugs,
    claims,
    dispatcher,
    inspect,
    lesson,
    limits,
    packing,
    padding,
    race,
    reasoning,
    room,
    shift,
    turns,
    visualizer,
    votes,
)
from app.templating import ENVIRONMENT

PAGES: tuple[Page, ...] = (
    Page(
        "visualizer",
        "Visualizer",
        "Explore",
        "One word, one mask, two models",
        "the visualizer on one screen: what each position reads and must predict, its gradient, what both models "
        "predict and write, live as a word is typed; `m` switches the mask and the model in front, `p` plays the "
        "training along the curve; all ten seeds beside the two shown; a tour in six steps, each guessed before it is "
        "seen",
        visualizer.router,
    ),
    Page(
        "lesson",
        "Lesson",
        "Lesson",
        "From start to end, each part beside its live figure",
        "the lesson from start to end, with the right-arrow key: a few sentences, beside the live figure they speak of",
        lesson.router,
    ),
    Page(
        "race",
        "Race",
        "Explore",
        "Models train live; which is right first?",
        "two or three models training live from the same weights, for everybody who opens the address",
        race.router,
    ),
    Page(
        "ablation",
        "Ablation",
        "Evidence",
        "Mask on against mask off, ten seeds of 15 settings",
        "mask on against mask off, ten seeds of 15 settings: where masking helped, where not",
        ablation.router,
    ),
    Page(
        "shift",
        "Shift",
        "Getting it wrong",
        "The cut between prompt and answer, moved by one",
        "s, x and y of a word, a cut that can be moved, and what a model trained with that cut answers",
        shift.router,
    ),
    Page(
        "bugs",
        "Mask bugs",
        "Getting it wrong",
        "Ways to break the mask, each with the model it gave",
        "ways to get a mask wrong, each with a model trained that way, beside the right one; how to find it in "
        "ids and labels; public reports",
        bugs.router,
    ),
    Page(
        "padding",
        "Padding",
        "Getting it wrong",
        "Short words in a long row",
        "pads on the left, hidden or seen, positions corrected or not: what each repair does by word length; "
        "attention spent on pads, head by head; what pads cost",
        padding.router,
    ),
    Page(
        "turns",
        "Turns",
        "Getting it wrong",
        "Several answers in one conversation",
        "a conversation's editor, one mask with several regions, models trained on all answers and on the "
        "last, with and without single turns in the data; token budgets",
        turns.router,
    ),
    Page(
        "packing",
        "Packing",
        "Getting it wrong",
        "Several conversations in one row",
        "several conversations in one row, kept apart or not: who sees whom, and what it does to loss and gradient",
        packing.router,
    ),
    Page(
        "dispatcher",
        "Dispatcher",
        "The bigger picture",
        "What fine-tuning adds to a pretrained model",
        "a pretrained model, SFT from it, SFT from random weights: one request to all; where the "
        "probability goes; how far the weights drifted",
        dispatcher.router,
    ),
    Page(
        "limits",
        "Several answers",
        "The bigger picture",
        "What a model says after two answers to one question",
        "models shown one answer to a word, or two, or wrong ones: ask one for the probability of both, beside "
        "what was measured",
        limits.router,
    ),
    Page(
        "reasoning",
        "Reasoning",
        "The bigger picture",
        "Sums at once, or step by step",
        "sums answered at once and with a trace: masks, answers, accuracy by number of terms, forward "
        "passes; the same with equal targets, and with a filler instead of the steps",
        reasoning.router,
    ),
    Page(
        "inspect",
        "Inspect",
        "Explore",
        "Your own data: what would be trained, what is wrong",
        "your own rows, template and tokenizer, or a dump of what a trainer saw: each token trained, ignored or "
        "supplied, and what is wrong with that",
        inspect.router,
    ),
    Page(
        "room",
        "Room",
        "Explore",
        "A QR code and a short address for a class",
        "a view's short address and QR code, by a host that others can reach; what to do if the server listens on this "
        "machine only",
        room.router,
    ),
    Page(
        "votes",
        "Vote",
        "Explore",
        "Ask the class, then show what the models say",
        "a question to the class about a word: phones answer, the count shows, then the bars, then the truth, computed "
        "from the models in memory",
        votes.router,
    ),
    Page(
        "claims",
        "Claims",
        "Evidence",
        "What the lesson says, each with its verdict",
        "what the lesson states, each with figures, n, interval, conditions, and a verdict that a rule computes",
        claims.router,
    ),
)

# Every page shows the menu, also those of errors, which know no page.
ENVIRONMENT.globals |= {"lesson_place": at_page, "menu": Menu(PAGES)}
