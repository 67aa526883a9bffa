"""model/experiments/prompts.py: what models say inside the prompt, measured anew and against the model's own words."""

from pathlib import Path

import pytest

from model.experiments.prompts import KEPT_PROMPTS, PROMPT_WORDS, departures, measure_prompts, summarize, top_choices
from model.intervals import rate_of
from model.network.generation import generate
from model.training.checkpoints import load_last
from model.training.recipes import RECIPES

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"
STATED = KEPT_PROMPTS.read(TRAINED)
BY_KEY = {row.key: row for row in STATED}


def test_what_is_stated_is_what_the_shipped_models_say():
    assert departures(STATED, measure_prompts(TRAINED)) == []


@pytest.mark.parametrize(("slug", "word"), [("reverse", "hello"), ("reverse", "a"), ("reverse4", "mask")])
def test_a_top_choice_is_what_the_model_goes_on_with(slug: str, word: str):
    recipe = RECIPES[slug]
    _, model = load_last(TRAINED / slug / "prompt-masked")
    (row,) = top_choices(model, recipe, [word])
    assert [choice.read for choice in row] == list(word)
    for choice in row:
        prompt = [recipe.tokenizer.tokens.index("<"), *recipe.tokenizer.encode(word[: choice.position])]
        (completion,) = generate(model, [prompt], stop_id=-1, max_new_tokens=1)
        assert recipe.tokenizer.decode(completion.token_ids) == choice.token
        assert choice.seen == (choice.token in word[: choice.position] + "#")
        assert choice.comes == (choice.token == (word + ">")[choice.position])
        assert choice.is_before == (choice.position > 1 and choice.token == word[choice.position - 2])


def test_positions_count_the_words_that_have_them():
    for row in STATED:
        lengths = [len(word) for word in RECIPES[row.recipe].task.held_out_prompts(PROMPT_WORDS)]
        for place in row.positions:
            assert place.before.n == place.seen.n == place.comes.n == sum(n >= place.position for n in lengths)
        assert row.seen.n == row.positions[0].seen.n


def test_under_the_mask_of_reverse_the_letter_just_before_comes_first_at_two_positions():
    masked, unmasked = BY_KEY["reverse", "prompt-masked"], BY_KEY["reverse", "unmasked"]
    for position in (2, 3):
        assert masked.at(position).before.value == 1
        assert masked.at(position).probability > 0.99
        assert unmasked.at(position).before.value == 0
        assert unmasked.at(position).probability < 0.2


def test_a_word_counts_only_if_all_of_its_choices_were_read():
    _, model = load_last(TRAINED / "reverse4" / "prompt-masked")
    rows = [row[1:] for row in top_choices(model, RECIPES["reverse4"], ["mask", "abcd", "zzzy"])]
    summary = summarize("reverse4", "prompt-masked", 0, 1000, rows)
    assert summary.seen == rate_of(all(choice.seen for choice in row) for row in rows)
    every = [choice.probability for row in rows for choice in row]
    assert summary.probability == pytest.approx(sum(every) / len(every))


def test_a_figure_that_departs_is_named():
    (first, *others) = STATED
    wrong = [type(first)(**{**vars(first), "positions": (others[0].positions)}), *others]
    lines = departures(wrong, STATED)
    assert any("reverse/prompt-masked, position 2: before: stated 0.000, measured 1.000" in line for line in lines)
