import re
from itertools import islice
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidText
from model.text.chat_template import Message
from model.text.tasks import TASKS, Task, is_held_out

tasks = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
single_turn = pytest.mark.parametrize("task", [TASKS["reverse4"], TASKS["reverse"]], ids=["reverse4", "reverse"])
DIALOGUE = TASKS["dialogue"]


@tasks
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_training_word_is_held_out(task: Task, seed: int):
    assert not any(is_held_out(word) for word in islice(task.prompts(seed, held_out=False), 5000))


@tasks
def test_the_two_sides_of_the_split_never_share_a_word(task: Task):
    trained = set(islice(task.prompts(0, held_out=False), 20_000))
    measured = set(islice(task.prompts(0, held_out=True), 2000))
    assert trained.isdisjoint(measured)


@pytest.mark.parametrize(
    ("word", "held_out"), [("model", True), ("student", True), ("g", True), ("hello", False), ("abcd", False)]
)
def test_the_split_is_fixed_for_every_run_and_machine(word: str, held_out: bool):
    assert is_held_out(word) == held_out


def test_about_one_word_in_ten_is_held_out():
    words = [a + b + c for a in ascii_lowercase for b in ascii_lowercase for c in ascii_lowercase]
    assert sum(map(is_held_out, words)) / len(words) == pytest.approx(0.1, abs=0.01)


@tasks
@pytest.mark.parametrize("held_out", [False, True])
def test_the_same_seed_gives_the_same_words_and_another_seed_others(task: Task, held_out: bool):
    def first(seed: int) -> list[str]:
        return list(islice(task.prompts(seed, held_out=held_out), 50))

    assert first(3) == first(3)
    assert first(3) != first(4)


@single_turn
def test_words_have_the_tasks_letters_and_all_of_its_lengths(task: Task):
    words = list(islice(task.prompts(0, held_out=False), 3000))
    assert all(set(word) <= set(task.alphabet) for word in words)
    assert {len(word) for word in words} == set(range(task.min_length, task.max_length + 1))


@single_turn
@given(word=st.text(ascii_lowercase, max_size=12))
def test_the_right_answer_is_the_word_backwards(task: Task, word: str):
    assert task.answer(word) == "".join(reversed(word))
    assert task.conversation(word) == (Message("user", word), Message("assistant", word[::-1]))


def test_a_given_response_replaces_the_right_answer_even_if_empty():
    task = TASKS["reverse"]
    assert task.conversation("hello", "hello")[1] == Message("assistant", "hello")
    assert task.conversation("hello", "")[1] == Message("assistant", "")


@tasks
def test_held_out_prompts_are_that_many_different_held_out_prompts(task: Task):
    words = task.held_out_prompts(1000)
    assert len(words) == len(set(words)) == 1000
    assert all(is_held_out(word) for word in words)
    for word in words:
        task.check_prompt(word)


@tasks
def test_held_out_prompts_are_the_same_each_time_and_a_shorter_list_is_their_beginning(task: Task):
    assert task.held_out_prompts(300) == task.held_out_prompts(300)
    assert task.held_out_prompts(300)[:100] == task.held_out_prompts(100)
    assert task.held_out_prompts(300) != task.held_out_prompts(300, seed=1)


@pytest.mark.parametrize(
    ("slug", "word", "allowed"),
    [
        ("reverse4", "abc", "exactly 4"),
        ("reverse4", "abcde", "exactly 4"),
        ("reverse", "", "1 to 10"),
        ("reverse", "abcdefghijk", "1 to 10"),
    ],
)
def test_a_word_of_a_length_the_task_does_not_have_is_refused(slug: str, word: str, allowed: str):
    message = f"Write {allowed} characters; you wrote {len(word)}"
    with pytest.raises(InvalidText, match=f"^{re.escape(message)}$") as caught:
        TASKS[slug].check_prompt(word)
    assert caught.value.param == "prompt"


@tasks
def test_the_words_of_the_shortest_and_longest_length_are_accepted(task: Task):
    task.check_prompt("a" * task.min_length)
    task.check_prompt("a" * task.max_length)
    fit = [length for length in range(13) if task.fits("a" * length)]
    assert fit == list(range(task.min_length, task.max_length + 1))


@tasks
def test_the_example_is_a_word_of_the_task(task: Task):
    task.check_prompt(task.example)
    assert set(task.example) <= {*task.characters(), " "}


def test_a_dialogue_begins_with_a_word_and_goes_on_with_words_and_requests():
    prompts = [prompt.split(" ") for prompt in islice(DIALOGUE.prompts(0, held_out=False), 2000)]
    assert {len(turns) for turns in prompts} == {2, 3, 4}
    assert all(turns[0].isalpha() for turns in prompts)
    later = [turn for turns in prompts for turn in turns[1:]]
    assert {len(turn) for turn in later if turn.isalpha()} == {2, 3, 4}
    assert {turn for turn in later if not turn.isalpha()} == {"1"}
    assert sum(turn == "1" for turn in later) / len(later) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("abc", ["abc", "cba"]),
        ("abc de", ["abc", "cba", "de", "ed"]),
        ("abc de 1", ["abc", "cba", "de", "ed", "1", "cba"]),
        ("abc 1 de 1", ["abc", "cba", "1", "cba", "de", "ed", "1", "cba"]),
    ],
)
def test_a_dialogues_later_answer_may_need_its_first_turn(prompt: str, said: list[str]):
    conversation = DIALOGUE.conversation(prompt)
    assert [message.content for message in conversation] == said
    assert [message.role for message in conversation] == ["user", "assistant"] * (len(said) // 2)
    assert DIALOGUE.question(prompt) == conversation[:-1]
    assert DIALOGUE.answer(prompt) == said[-1]


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("1 ab", "Turn 1 needs 2 to 4 letters; it has 1"),
        ("ab c", "Turn 2 needs 2 to 4 letters (or 1 alone, to ask for the first word); it has 1"),
        ("ab  cd", "Turn 2 needs 2 to 4 letters (or 1 alone, to ask for the first word); it has 0"),
        ("ab cd ef gh ij", "Write 1 to 4 turns; you wrote 5"),
        ("", "Turn 1 needs 2 to 4 letters; it has 0"),
    ],
)
def test_turns_that_a_dialogue_does_not_have_are_refused(prompt: str, complaint: str):
    with pytest.raises(InvalidText, match=f"^{re.escape(complaint)}$") as caught:
        DIALOGUE.check_prompt(prompt)
    assert caught.value.param == "prompt"


def test_lengths_are_described_in_words():
    assert TASKS["reverse"].describe_lengths() == "1 to 10 letters"
    assert TASKS["reverse4"].describe_lengths() == "exactly 4 letters"
