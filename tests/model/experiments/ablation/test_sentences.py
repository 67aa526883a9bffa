"""model/experiments/ablation/sentences.py: what is said is what the data say, in whatever direction they point."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.experiments.ablation.findings import Comparison, find
from model.experiments.ablation.runs import Ablation
from model.experiments.ablation.sentences import (
    budget_sentence,
    catching_up,
    conditions,
    counted,
    gap_sentence,
    headline,
    missing_sentence,
    sweep_sentence,
    verdict_sentence,
    write_rate,
    write_ratio,
)
from model.intervals import Interval
from model.training.recipes import Variation

TINY = Variation(width=8, steps=400, evaluate_every=20, evaluation_words=10)
Steps = Sequence[int | None]
EARLY: Steps = [100, 120, 140, 100, 120, 140]
LATE: Steps = [200, 220, 260, 240, 200, 300]
NEVER: Steps = [None] * 6
SPLIT: Steps = [100, 120, 140, 100, None, None]


@pytest.fixture(scope="session")
def compared(make_ablation: Callable[..., Ablation]) -> Callable[..., tuple[Comparison, ...]]:
    """`compared((masked, unmasked), ...)`: one setting for each pair of steps at which the seeds have learned."""

    def make(*pairs: tuple[Steps, Steps]) -> tuple[Comparison, ...]:
        given = (
            ("reverse4", replace(TINY, width=8 * n), {"prompt-masked": masked, "unmasked": unmasked})
            for n, (masked, unmasked) in enumerate(pairs, start=1)
        )
        return find(make_ablation(*given)).comparisons

    return make


Compared = Callable[..., tuple[Comparison, ...]]


def all_sentences(comparisons: Sequence[Comparison]) -> str:
    """Everything that is said of settings."""
    each = (f(c) for c in comparisons for f in (verdict_sentence, missing_sentence, gap_sentence))
    return " ".join((headline(comparisons), catching_up(comparisons), sweep_sentence(comparisons), *each))


# Each verdict


def test_where_masking_helped_it_says_so_with_ratio_interval_and_seeds(compared: Compared) -> None:
    (comparison,) = compared((EARLY, LATE))
    ratio = comparison.ratio
    assert verdict_sentence(comparison) == (
        f"Masking helped: training with the mask off took {ratio.value:.2f} times as many steps to 90 % "
        f"(95 % interval {ratio.low:.2f} to {ratio.high:.2f}, 6 seeds), 237 on average against 120."
    )
    assert ratio.low > 1
    assert missing_sentence(comparison) == ""


def test_where_masking_hurt_it_says_so_and_never_that_it_helped(compared: Compared) -> None:
    comparisons = compared((LATE, EARLY), (NEVER, EARLY))
    first, second = map(verdict_sentence, comparisons)
    assert first.startswith(
        "Masking hurt: training with the mask off took 0.51 times as many steps to 90 %, which is fewer"
    )
    assert "120 on average against 237" in first
    assert second.startswith("Masking hurt")
    assert (
        missing_sentence(comparisons[1]) == "6 of 6 mask-on runs had not reached 90 % after 400 steps and count as 400."
    )
    assert headline(comparisons) == (
        "Steps to 90 %: of 2 settings, masking the prompt hurt in 2. "
        "Where it hurt, training with the mask off took at most 0.30 to 0.51 times as many steps."
    )
    assert "helped" not in all_sentences(comparisons)


def test_where_it_made_no_difference_it_says_neither(compared: Compared) -> None:
    comparisons = compared((EARLY, EARLY), (EARLY, [80, 140, 140, 100, 160, 120]))
    assert verdict_sentence(comparisons[0]) == (
        "No clear difference: training with the mask off took 1.00 times as many steps to 90 %, "
        "120 on average against 120; the 95 % interval (1.00 to 1.00, 6 seeds) contains 1."
    )
    assert headline(comparisons) == ("Steps to 90 %: of 2 settings, masking the prompt made no clear difference in 2.")
    assert not re.search("helped|hurt", all_sentences(comparisons))


def test_where_nothing_was_learned_it_says_only_that(compared: Compared) -> None:
    comparisons = compared(([100, *NEVER[1:]], NEVER))
    assert verdict_sentence(comparisons[0]) == (
        "Not learned: 1 of 6 mask-on and 0 of 6 mask-off runs reached 90 % within 400 steps, too few to compare."
    )
    assert headline(comparisons) == (
        "Of 1 setting, masking the prompt could not be judged in 1 where too few runs learned the task."
    )
    assert not re.search("helped|hurt|No clear", all_sentences(comparisons))


def test_two_seeds_are_no_verdict(compared: Compared) -> None:
    comparisons = compared((EARLY[:2], LATE[:2]))
    assert verdict_sentence(comparisons[0]).startswith("Too few seeds for a verdict: 2, and it takes 5.")
    assert not re.search("helped|hurt|No clear", all_sentences(comparisons))


def test_the_headline_counts_every_verdict(compared: Compared) -> None:
    comparisons = compared((EARLY, LATE), (EARLY, EARLY), (LATE, EARLY), (NEVER, NEVER), (EARLY, LATE))
    assert headline(comparisons).startswith(
        "Steps to 90 %: of 4 settings, masking the prompt helped in 2, hurt in 1 and made no clear difference in 1. "
        "Where it helped, training with the mask off "
    )
    assert headline(comparisons).endswith(
        "Of 5 settings, masking the prompt could not be judged in 1 where too few runs learned the task."
    )


@given(st.data())
def test_no_sentence_says_helped_or_hurt_unless_the_interval_does(compared: Compared, data: st.DataObject) -> None:
    steps = st.lists(st.sampled_from([20, 100, 180, 400, None]), min_size=6, max_size=6)
    pairs = data.draw(st.lists(st.tuples(steps, steps), min_size=1, max_size=3))
    comparisons = compared(*pairs)
    said = all_sentences(comparisons)
    learned = [c for c in comparisons if c.verdict != "not learned"]
    assert ("helped" in said) == any(c.ratio.low > 1 or c.end.low > 0.01 for c in learned)
    assert ("hurt" in said) == any(c.ratio.high < 1 or c.end.high < -0.01 for c in learned)
    for comparison in comparisons:
        sentence = verdict_sentence(comparison)
        assert sentence.startswith("Masking helped") == (comparison.verdict == "helped")
        assert sentence.startswith("Masking hurt") == (comparison.verdict == "hurt")


# The gap and its end


def test_the_gap_is_told_with_its_step_and_its_end(compared: Compared) -> None:
    assert gap_sentence(compared((EARLY, LATE))[0]) == (
        "The mean curves are furthest apart at step 140: 100.0 % right with the mask on against 0.0 % with it off. "
        "They end at step 400: 100.0 % right with the mask on against 100.0 % with it off."
    )


def test_catching_up_is_counted(compared: Compared) -> None:
    said = catching_up(compared((EARLY, LATE), (EARLY, NEVER), (NEVER, NEVER), (NEVER, LATE), (EARLY, SPLIT)))
    assert said == (
        "Accuracy when training ends: of 4 settings, masking the prompt helped in 1, hurt in 1 and made no clear "
        "difference in 2; in 1 the mean exact matches were within 1 percentage point of each other. "
        "Where it helped, the mask-off models ended 100.0 percentage points behind. "
        "Where it hurt, the mask-on models ended 100.0 percentage points behind."
    )
    assert catching_up(compared((NEVER, NEVER))) == ""


def test_half_the_runs_missing_is_told_in_points_not_hidden_behind_steps(compared: Compared) -> None:
    half: Steps = [40, 60, 60, 40, 60, *[None] * 5]
    (comparison,) = compared((half, [200, 220, 260, 240, 200, 240, 200, 220, 260, 240]))
    said = verdict_sentence(comparison)
    assert said.startswith("Masking hurt: after 400 steps the mask-on models were 50.0 percentage points behind")
    assert "The steps alone do not show it: training with the mask off took at most " in said
    assert headline([comparison]).endswith("masking the prompt made no clear difference in 1.")
    assert "masking the prompt hurt in 1;" in catching_up([comparison])
    assert "ended 50.0 percentage points behind." in catching_up([comparison])
    assert "No clear difference" not in all_sentences([comparison])


def test_a_bound_is_called_one_wherever_the_ratio_is_given(compared: Compared) -> None:
    comparisons = compared((EARLY, [360, 380, 400, 380, 400, None]), (EARLY, LATE))
    value = f"{comparisons[0].ratio.value:.2f}"
    for sentence in (verdict_sentence(comparisons[0]), headline(comparisons), sweep_sentence(comparisons)):
        assert f"at least {value}" in sentence


def test_faster_but_behind_is_said_as_both(compared: Compared) -> None:
    (comparison,) = compared((EARLY, LATE))
    behind = replace(comparison, verdict="mixed", end=Interval(-0.2, -0.3, -0.1))
    said = verdict_sentence(behind)
    assert said.startswith("Masking helped and hurt: training with the mask off took 1.97 times as many steps")
    assert said.endswith("the mask-on models were 20.0 percentage points behind (95 % interval 10.0 to 30.0, 6 seeds).")
    assert "masking the prompt helped in 1." in headline([behind])
    assert "hurt" not in headline([behind])
    assert "masking the prompt hurt in 1;" in catching_up([behind])
    assert counted([behind]) == "helped in one way and hurt in another in 1"


# Conditions and numbers


@pytest.mark.parametrize(
    ("recipe", "variation", "words"),
    [
        ("reverse4", Variation(), "words of 4 letters; 1 layer of width 32; learning rate 0.0003; batches of 32"),
        ("reverse", Variation(), "words of 1 to 10 letters; 2 layers of width 64; learning rate 0.001; batches of 64"),
        (
            "reverse4",
            Variation(answer_length=1),
            "words of 4 letters, the last one asked for; 1 layer of width 32; learning rate 0.0003; batches of 32",
        ),
        (
            "reverse4",
            Variation(answer_length=2, learning_rate=1e-5),
            "words of 4 letters, the last 2 of them asked for, reversed; 1 layer of width 32; learning rate 0.00001; "
            "batches of 32",
        ),
    ],
)
def test_conditions_are_those_of_the_setting(
    make_ablation: Callable[..., Ablation], recipe: str, variation: Variation, words: str
) -> None:
    setting = make_ablation((recipe, variation, {"unmasked": [None]})).settings[0]
    assert conditions(setting) == words
    assert f"{setting.steps:,} steps" in budget_sentence(setting)
    assert "on 1000 unseen words" in budget_sentence(setting)


def test_the_sweep_names_every_share_and_verdict(compared: Compared) -> None:
    first, second = compared((EARLY, LATE), (EARLY, EARLY))
    assert sweep_sentence([first, second]) == (
        "Steps without the mask over steps with it, by the share of positions without a loss: "
        "1.97 with 50 % (helped) and 1.00 with 50 % (no clear difference)."
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.00"), (1.0049, "1.005"), (0.99951, "0.9995"), (1.5, "1.50"), (12.345, "12.35"), (1 + 1e-9, "1.000000")],
)
def test_a_ratio_is_written_so_that_its_side_of_one_is_seen(value: float, text: str) -> None:
    assert write_ratio(value) == text


def test_a_learning_rate_is_written_plainly() -> None:
    assert [write_rate(rate) for rate in (3e-4, 1e-3, 1e-5, 0.1)] == ["0.0003", "0.001", "0.00001", "0.1"]


def test_a_ratio_just_above_one_helped_only_with_its_interval(compared: Compared) -> None:
    (comparison,) = compared((EARLY, LATE))
    close = replace(comparison, ratio=Interval(1.004, 1.001, 1.007))
    assert "1.004 times" in verdict_sentence(close)
    assert "1.001 to 1.01," in verdict_sentence(close)
