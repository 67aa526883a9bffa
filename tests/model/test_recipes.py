from dataclasses import replace

import pytest

from model.chat import render
from model.recipes import DEFAULT_RECIPE, RECIPES, Recipe, TrainingConfig

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
