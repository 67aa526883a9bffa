"""Questions to a room: each truth is what the models in memory do, and every outcome has its choice."""

import pytest

from app.catalog import Catalog
from app.settings import Settings
from app.votes.polls import OFF, ON, Material, Truth
from app.votes.questions import QUESTIONS, leader, over_seeds, questions_for
from model.errors import InvalidText
from model.experiments.ablation.shipped import ShippedAblation, load_ablation
from model.explain.analysis import analyze
from model.masks.policies import MASK_POLICIES, RIGHT
from model.training.evaluation import complete_prompts
from model.training.recipes import RECIPES


@pytest.fixture(scope="module")
def ablation() -> ShippedAblation:
    return load_ablation(Settings().trained_folder)


@pytest.fixture(scope="module")
def live(catalog: Catalog, ablation: ShippedAblation) -> Material:
    return material_of("reverse4", "live", catalog, ablation)


def material_of(slug: str, word: str, catalog: Catalog, ablation: ShippedAblation) -> Material:
    runs = catalog.compared(RECIPES[slug])
    stopless = (slug, "eos-masked")
    return Material(
        recipe=runs.recipe,
        word=word,
        step=runs.opening(ablation).step,
        models={policy: loaded.models for policy, loaded in runs.by_policy.items()},
        comparison=ablation.comparison(slug),
        stopless=catalog.model(runs.recipe, stopless[1], None)[0] if stopless in catalog.runs else None,
        stops=catalog.measured[stopless].symptoms.stops if stopless in catalog.measured else None,
    )


def truth_of(slug: str, material: Material) -> Truth:
    poll = QUESTIONS[slug].put(material)
    assert poll.truth is not None
    return poll.truth


def test_of_any_word_every_truth_is_one_of_the_choices(catalog: Catalog, ablation: ShippedAblation) -> None:
    for slug, word in (("reverse4", "live"), ("reverse4", "zzzz"), ("reverse", "a"), ("reverse", "foundation")):
        material = material_of(slug, word, catalog, ablation)
        for question in questions_for(material):
            poll = question.put(material)
            assert poll.truth is not None
            assert poll.truth.choice in {choice.slug for choice in poll.choices}, (word, question.slug)
            assert len({choice.text for choice in poll.choices}) == len(poll.choices)


def test_who_writes_it_first_is_what_the_kept_models_write(live: Material) -> None:
    arrived = {}
    for policy in (ON, OFF):
        for step in live.steps():
            written = complete_prompts(live.models[policy][step], live.recipe.task, live.recipe.tokenizer, ["live"])
            if written == ["evil#"]:
                arrived[policy] = step
                break
    truth = truth_of("first", live)
    assert truth.choice == min(arrived, key=lambda policy: arrived[policy])
    assert f"mask on first writes `evil#` at step {arrived[ON]}" in truth.sentence
    assert f"mask off first writes `evil#` at step {arrived[OFF]}" in truth.sentence
    assert f"step={min(arrived.values())}&" in truth.link


def test_the_seeds_are_told_as_the_ablation_has_them(live: Material) -> None:
    pairs = live.comparison.arrivals[0.9]
    ahead = sum(pair.masked is not None and (pair.unmasked or 10_000) > pair.masked for pair in pairs)
    assert f"Over {len(pairs)} pairs of runs, mask on was first to 90 % of unseen words in {ahead}" in over_seeds(
        live.comparison
    )


def test_what_is_asked_of_one_position_is_what_the_figure_shows_there(live: Material) -> None:
    on = analyze(live.recipe, live.models[ON][live.step], RIGHT, "live").positions
    off = analyze(live.recipe, live.models[OFF][live.step], MASK_POLICIES[OFF], "live").positions
    best = on[3].predictions[0]
    assert f"It predicts `{best.token}` with {100 * best.probability:.1f} %" in truth_of("spill", live).sentence
    best = off[1].predictions[0]
    assert f"Its best guess is `{best.token}`, with {100 * best.probability:.1f} %" in truth_of("guess", live).sentence
    assert all(position.gradient.parameter_norm == 0 < position.gradient.input_norm for position in on[1:5])
    assert truth_of("gradient", live).choice == "all"


def test_the_model_without_a_stop_is_asked_and_its_measured_rate_told(live: Material) -> None:
    assert live.stopless
    assert live.stops
    (written,) = complete_prompts(live.stopless, live.recipe.task, live.recipe.tokenizer, ["live"])
    truth = truth_of("stop", live)
    assert f"It writes `{written}`, cut off after {len(written)} characters" in truth.sentence
    stopped = round(live.stops.value * live.stops.n) or "none"
    assert f"It stopped on {stopped} of {live.stops.n} unseen words" in truth.sentence
    assert truth.choice == "runs"


def test_a_recipe_without_such_a_model_does_not_offer_the_question(catalog: Catalog, ablation: ShippedAblation) -> None:
    offered = [question.slug for question in questions_for(material_of("reverse", "castle", catalog, ablation))]
    assert "stop" not in offered
    assert "first" in offered


def test_what_is_no_word_is_refused(catalog: Catalog, ablation: ShippedAblation) -> None:
    for word in ("", "l1ve", "lives"):
        with pytest.raises(InvalidText):
            QUESTIONS["first"].put(material_of("reverse4", word, catalog, ablation))


@pytest.mark.parametrize(
    ("arrived", "first"),
    [
        ({"a": 100, "b": 200}, "a"),
        ({"a": None, "b": 200}, "b"),
        ({"a": 100, "b": 100}, "both"),
        ({"a": 100, "b": 50, "c": 50}, "both"),
        ({"a": None, "b": None}, "neither"),
    ],
)
def test_the_leader_is_the_one_that_arrived_first_alone(arrived: dict[str, int | None], first: str) -> None:
    assert leader(arrived) == first
