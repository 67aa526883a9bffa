from dataclasses import fields, replace

import pytest

from model.errors import OutOfRange
from model.text.chat_template import render
from model.training.loop import initial_model
from model.training.recipes import DEFAULT_RECIPE, LIMITS, RECIPES, Recipe, TrainingConfig, Variation, vary

recipes = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
CONFIG = TrainingConfig(batch_size=1, learning_rate=0.5, checkpoint_steps=(0, 10), evaluate_every=1)


def test_the_page_opens_with_the_recipe_that_reads_hello():
    assert DEFAULT_RECIPE == "reverse"
    assert RECIPES["reverse"].task.example == "hello"


def test_reverse4_is_the_lessons_toy():
    recipe = RECIPES["reverse4"]
    rendered = render(recipe.task.conversation("abcd"), recipe.tokenizer)
    T, P = len(rendered.token_ids), rendered.prompt_length
    assert (T, P, T - P) == (11, 6, 5)
    assert recipe.training.learning_rate == 3e-4
    assert recipe.tokenizer.vocab_size == 29


def test_only_the_recipe_whose_words_differ_in_length_pads():
    assert RECIPES["reverse4"].tokenizer.pad_id is None
    assert RECIPES["reverse"].tokenizer.pad_id == 29


@recipes
def test_recipes_are_found_under_their_own_slugs_and_their_tasks(recipe: Recipe):
    assert RECIPES[recipe.slug] is recipe
    assert recipe.slug == recipe.task.slug


@recipes
def test_the_longest_word_and_its_answer_fit_into_the_context(recipe: Recipe):
    rendered = render(recipe.task.conversation("a" * recipe.task.max_length), recipe.tokenizer)
    assert len(rendered.token_ids) <= recipe.model.context_length


@recipes
def test_the_model_has_a_token_for_everything_the_tokenizer_says(recipe: Recipe):
    assert recipe.model.vocab_size == recipe.tokenizer.vocab_size
    assert recipe.model.width % recipe.model.heads == 0


@recipes
def test_checkpoints_begin_before_anything_is_learned_and_end_the_run(recipe: Recipe):
    steps = recipe.training.checkpoint_steps
    assert steps[0] == 0
    assert steps[-1] == recipe.training.steps
    assert list(steps) == sorted(set(steps))


def test_without_decay_the_learning_rate_stays():
    assert [CONFIG.learning_rate_at(step) for step in range(1, 11)] == [0.5] * 10


def test_with_decay_it_falls_in_equal_parts_over_the_last_steps_and_is_never_0():
    rates = [replace(CONFIG, decay_steps=4).learning_rate_at(step) for step in range(1, 11)]
    assert rates == pytest.approx([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1])


# Variations


@pytest.mark.parametrize("slug", RECIPES)
def test_a_variation_of_nothing_is_the_recipe_itself(slug: str):
    assert vary(RECIPES[slug], Variation()) == RECIPES[slug]


def test_a_variation_changes_what_it_names_and_what_follows_from_it():
    varied = vary(
        RECIPES["reverse4"],
        Variation(min_length=2, max_length=9, answer_length=3, layers=2, width=48, learning_rate=1e-3, steps=50),
    )
    assert (varied.task.min_length, varied.task.max_length) == (2, 9)
    assert varied.task.answer("abcdefghi") == "ihg"
    assert varied.task.answer("ab") == "ba"
    assert varied.tokenizer.pad_id is not None  # words differ in length now
    assert varied.model.vocab_size == varied.tokenizer.vocab_size
    assert (varied.model.layers, varied.model.width) == (2, 48)
    assert varied.longest_sequence() == 9 + 3 + 3
    assert varied.training.steps == 50
    assert varied.training.learning_rate == 1e-3


def test_longer_words_get_a_longer_context():
    varied = vary(RECIPES["reverse4"], Variation(min_length=4, max_length=12))
    assert varied.model.context_length >= varied.longest_sequence() == 27


def test_fewer_steps_keep_the_decay_s_share():
    assert vary(RECIPES["reverse"], Variation(steps=300)).training.decay_steps == 100


@pytest.mark.parametrize("name", [field.name for field in fields(Variation)])
def test_every_field_of_a_variation_has_limits_and_keeps_them(name: str):
    lowest, highest = LIMITS[name]
    for value in (lowest - 1, highest + 1, -(10**9), 10**9):
        with pytest.raises(OutOfRange, match=f"{name} must be .*, not ") as caught:
            vary(RECIPES["reverse"], Variation(**{name: value}))
        assert caught.value.param == name


@pytest.mark.parametrize(
    ("variation", "param", "message"),
    [
        (Variation(width=36), "width", "a multiple of 8"),
        (Variation(min_length=5), "min_length", "must be 1 to 4"),
        (Variation(min_length=1, max_length=3), "max_length", "only 439 words as short as these"),
    ],
)
def test_what_does_not_go_together_is_refused(variation: Variation, param: str, message: str):
    with pytest.raises(OutOfRange, match=message) as caught:
        vary(RECIPES["reverse4"], variation)
    assert caught.value.param == param


@pytest.mark.parametrize("slug", RECIPES)
def test_cost_is_parameters_times_the_tokens_trained_and_measured_on(slug: str):
    recipe = RECIPES[slug]
    longest = 2 * recipe.task.max_length + 3
    parameters = sum(p.numel() for p in initial_model(recipe, 0).parameters())
    training = recipe.training
    measured = {*range(0, training.steps + 1, training.evaluate_every), *training.checkpoint_steps}
    words = training.batch_size * training.steps + training.evaluation_words * len(measured) * 2 // 3
    assert recipe.cost() == parameters * (longest - 1) * words
