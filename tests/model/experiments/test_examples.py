"""model/experiments/examples.py: example words are held out, and are those the rule finds in the shipped models."""

from dataclasses import replace

import pytest

from app.catalog import load_catalog
from app.settings import Settings
from model.errors import BrokenRun
from model.experiments.ablation.shipped import load_ablation
from model.experiments.examples import KEPT_EXAMPLES, STORIES, WORDS, Answers, Shown, departures, find_examples
from model.text.tasks import is_held_out


@pytest.fixture(scope="module")
def shown() -> dict[str, Shown]:
    folder = Settings().trained_folder
    catalog = load_catalog(folder)
    return catalog.shown(catalog.openings(load_ablation(folder)))


def test_words_are_held_out_and_none_is_there_twice() -> None:
    assert [word for word in WORDS if not is_held_out(word)] == []
    assert len(set(WORDS)) == len(WORDS)


def test_the_shipped_examples_are_those_that_the_rule_finds(shown: dict[str, Shown]) -> None:
    stated = KEPT_EXAMPLES.read(Settings().trained_folder)
    found = tuple(find_examples(shown))
    assert list(departures(stated, found)) == []
    assert stated == found
    for example in found:
        answers = Answers(example.word[::-1] + "#", example.on, example.off)
        assert STORIES[example.story].holds(example.word, answers)
    assert len({example.word for example in found}) == len(STORIES)


def test_the_first_one_is_told_where_all_seeds_agree(shown: dict[str, Shown]) -> None:
    first = KEPT_EXAMPLES.read(Settings().trained_folder)[0]
    assert (first.recipe, first.step) == ("reverse4", shown["reverse4"].opening)
    ablation = load_ablation(Settings().trained_folder)
    assert ablation.comparison("reverse4").setting.slug == "reverse4"


def test_a_word_that_is_another_one_is_named() -> None:
    stated = KEPT_EXAMPLES.read(Settings().trained_folder)
    other = (replace(stated[0], word="ship", step=300), *stated[1:])
    assert list(departures(stated, other)) == [f"differ: stated {stated[0].word} at step 325, found ship at step 300"]


@pytest.mark.parametrize(
    ("on", "off", "misses"),
    [
        ("evil#", "evi#", True),
        ("evilll", "evil#", True),
        ("evil#", "evxl#", False),
        ("evil#", "evil#", False),
        ("ev#", "evi#", False),
    ],
)
def test_a_misplaced_stop_is_told_beside_a_right_answer(on: str, off: str, misses: bool) -> None:
    assert Answers("evil#", on, off).one_misses_the_stop() == misses


def test_a_story_that_no_word_tells_is_an_error(shown: dict[str, Shown]) -> None:
    mixed_up = shown["reverse4"].models
    alike = replace(shown["reverse4"], models=dict.fromkeys(mixed_up, mixed_up["prompt-masked"]))
    with pytest.raises(BrokenRun, match="tells the story 'differ'"):
        tuple(find_examples({**shown, "reverse4": alike}))
