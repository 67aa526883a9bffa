"""model/explain/turns.py: what a model says in the place of each answer of a conversation."""

from collections.abc import Callable

from model.explain.turns import ask_in_place
from model.network.gpt import GPT
from model.text.chat_template import Message
from model.training.evaluation import complete_prompts
from model.training.recipes import ALL_RECIPES

DIALOGUE = ALL_RECIPES["dialogue"]


def test_each_answer_is_asked_for_with_all_that_is_before_it(trained_model: Callable[[str, str, int], GPT]):
    model = trained_model("dialogue", "prompt-masked", DIALOGUE.training.steps)
    asked = ask_in_place(DIALOGUE, {"right": model}, DIALOGUE.task.conversation("abc de 1"))
    given = complete_prompts(model, DIALOGUE.task, DIALOGUE.tokenizer, ["abc", "abc de", "abc de 1"])
    assert [(a.turn, a.question, a.right) for a in asked] == [(1, "abc", "cba#"), (2, "de", "ed#"), (3, "1", "cba#")]
    assert [a.answers for a in asked] == [(("right", text),) for text in given]


def test_an_answer_that_nothing_stands_before_is_not_asked_for():
    assert ask_in_place(DIALOGUE, {}, [Message("assistant", "ab"), Message("user", "cd")]) == ()
