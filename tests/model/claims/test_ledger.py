"""model/claims/ledger.py: verdicts come from figures by rules, and other figures flip each of them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from model.claims.about_base import shown_sums
from model.claims.claim import PAIRED, SAME, Figure, Figures
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, ledger
from model.experiments.dispatcher.arms import SHARES, unseen_sums
from model.experiments.shipped import SEEDS
from model.text.corpus import SUMS

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"
EVIDENCE = gather(TRAINED)
LEDGER = {entry.claim.slug: entry for entry in ledger(EVIDENCE)}

EVERYTHING = ("holds", "holds when", "does not hold here")

GAINS = {f"gain_{share}": 0.9 for share in SHARES}
"""SFT from the base far ahead of the same from random weights."""
NO_GAP_BY_TURN = {f"{arm}_{turn}": 0.9 for arm in ("all", "last") for turn in range(1, 5)}
BOTH = {"sums-direct": 0.2, "sums-thought": 0.9}
HELPED = {"numbers-direct": 0.1, "numbers-thought": 0.9}

FLIPS: tuple[tuple[str, Mapping[str, float], str], ...] = (
    ("worksheet", {"continues": 1.0}, "holds"),
    ("worksheet", {"continues": 0.5}, "does not hold here"),
    ("knowledge", {f"sft_{share}": 0.95 for share in SHARES} | GAINS, "holds"),
    ("knowledge", {"sft_0.05": 0.3} | GAINS, "holds when"),
    ("knowledge", {f"sft_{share}": 0.5 for share in SHARES} | GAINS, "does not hold here"),
    ("knowledge", {"gain_0.5": 0.3}, "does not hold here"),
    ("knowledge", {"framed": 0.3}, "does not hold here"),
    ("machinery", {"sft_differ": 0, "reasoning_differ": 0}, "holds"),
    ("machinery", {"sft_differ": 1, "reasoning_differ": 0}, "holds when"),
    ("machinery", {"code": 2}, "does not hold here"),
    ("machinery", {"trace": 4, "allowed": 3}, "does not hold here"),
    ("gap", {"helped": 15, "hurt": 0, "none": 0}, "holds"),
    ("gap", {"helped": 14, "hurt": 0, "none": 1}, "does not hold here"),
    ("gap", {"helped": 0}, "does not hold here"),
    ("speed", {"helped": 15, "hurt": 0, "none": 0}, "holds"),
    ("speed", {"helped": 13, "helped_one": 13, "helped_several": 0}, "holds when"),
    ("speed", {"helped": 13, "helped_one": 12, "helped_several": 1}, "does not hold here"),
    ("speed", {"helped": 0, "helped_one": 0, "helped_several": 0}, "does not hold here"),
    ("gibberish", {"reverse_seen": 1.0, "reverse4_seen": 1.0}, "does not hold here"),
    ("gibberish", {"reverse_seen": 1.0, "reverse4_seen": 0.3}, "holds when"),
    ("gibberish", {"reverse_seen": 1.0, "reverse4_sure_masked_3": 0.1}, "holds when"),
    ("gibberish", {"reverse_seen": 0.3, "reverse4_seen": 0.3}, "holds"),
    ("collapse", {"masked_end": 1.0, "unmasked_end": 0.3}, "holds"),
    (
        "collapse",
        {"masked_end": 1.0, "unmasked_end": 1.0, "masked_early": 0.95, "unmasked_early": 0.1, "fall": 0.3},
        "holds when",
    ),
    (
        "collapse",
        {"masked_end": 1.0, "unmasked_end": 1.0, "masked_early": 0.95, "unmasked_early": 0.1, "fall": 0.0},
        "does not hold here",
    ),
    (
        "collapse",
        {"masked_end": 1.0, "unmasked_end": 1.0, "masked_early": 0.95, "unmasked_early": 0.95},
        "does not hold here",
    ),
    ("mask-late", {"bug_first_right": 0.04, "right_first_right": 1.0}, "holds"),
    ("mask-late", {"bug_first_right": 0.9, "right_first_right": 1.0}, "does not hold here"),
    ("mask-early", {"difference": 0.0}, "holds"),
    ("mask-early", {"difference": -0.5}, "does not hold here"),
    ("mask-early", {"difference": -0.02}, "not settled here"),
    ("mask-early", {"difference": 0.02}, "not settled here"),
    ("budget", {"reverse4": 0.5, "example": 0.8}, "holds when"),
    ("budget", {"reverse4": 0.4, "example": 0.8}, "does not hold here"),
    ("budget", {"reverse4": 0.5, "example": 0.95}, "does not hold here"),
    ("right-padding", {"change": 1e-5}, "holds"),
    ("right-padding", {"change": 0.5}, "does not hold here"),
    ("left-padding", {"neither": 0.1, "hidden": 0.0, "corrected": 0.1, "both": 1.0, "right": 1.0}, "holds when"),
    ("left-padding", {"neither": 0.1, "hidden": 1.0, "corrected": 0.1, "both": 1.0, "right": 1.0}, "holds when"),
    ("left-padding", {"neither": 0.1, "hidden": 0.1, "corrected": 0.1, "both": 0.5, "right": 1.0}, "holds"),
    (
        "left-padding",
        {"neither": 1.0, "hidden": 1.0, "corrected": 1.0, "both": 1.0, "right": 1.0},
        "does not hold here",
    ),
    ("turns", {"all_3": 0.9, "last_3": 0.6}, "holds"),
    ("turns", {"bug_by_turn": 0.0, "right_by_turn": 1.0, **NO_GAP_BY_TURN}, "holds when"),
    ("turns", {"bug_by_turn": 0.0, "right_by_turn": 1.0, **NO_GAP_BY_TURN, "all_3": 0.5}, "holds when"),
    ("turns", {"bug_by_turn": 1.0, "right_by_turn": 1.0, **NO_GAP_BY_TURN}, "not settled here"),
    ("turns", {"bug_by_turn": 1.0, "right_by_turn": 1.0, **NO_GAP_BY_TURN, "all_3": 0.5}, "does not hold here"),
    ("packing", {"difference": 0.0, "others": 1.0}, "holds"),
    ("packing", {"difference": 0.0}, "not settled here"),
    ("packing", {"difference": -0.3}, "does not hold here"),
    ("packing", {"difference": -0.02}, "not settled here"),
    ("intact", {"continues_after": 1.0, "knows_after": 1.0}, "holds"),
    ("intact", {"continues_after": 1.0, "knows_after": 0.2}, "does not hold here"),
    ("intact", {"continues_after": 0.2, "knows_after": 1.0}, "does not hold here"),
    ("drift", {"assistant": 9.0, "template": 1.0}, "holds"),
    ("drift", {"assistant": 9.0, "template": 9.0}, "holds when"),
    ("drift", {"assistant": 1.0, "sentence": 1.0}, "does not hold here"),
    ("steps", {f"arrived_{share}": 3 for share in SHARES}, "holds"),
    ("steps", {"arrived_0.5": 3, "arrived_0.05": 0}, "holds when"),
    ("steps", {"ratio": 0.6}, "does not hold here"),
    ("steps", {"arrived_0.5": 2}, "does not hold here"),
    ("learning-rate", {"gain": -0.3}, "holds"),
    ("learning-rate", {"gain": 0.3, "new_gain": 0.3}, "holds when"),
    ("learning-rate", {"gain": 0.3, "new_gain": 0.0}, "does not hold here"),
    ("learning-rate", {"gain": 0.0, "ahead": 3}, "not settled here"),
    ("preferences", {"p_first": 0.5, "p_second": 0.45, "only_shown": 0.99}, "holds when"),
    ("preferences", {"p_first": 0.5, "p_second": 0.45, "only_shown": 0.5}, "holds"),
    ("preferences", {"p_first": 0.9, "p_second": 0.1}, "does not hold here"),
    ("answers", {"only_first": 0.0, "p_second": 0.45}, "holds when"),
    ("answers", {"only_first": 0.0, "p_second": 0.01}, "holds"),
    ("answers", {"only_first": 0.4, "p_second": 0.5}, "does not hold here"),
    ("labeller", {"scattered_0.3_gain": 0.0, "predictable_0.3_gain": 0.0}, "holds"),
    ("labeller", {"scattered_0.3_gain": 0.3, "predictable_0.3_gain": 0.0}, "holds when"),
    ("labeller", {"scattered_0.3_gain": 0.3, "predictable_0.3_gain": 0.3}, "does not hold here"),
    ("labeller", {"scattered_0.3_gain": 0.3, "predictable_0.3_gain": 0.02}, "does not hold here"),
    ("labeller", {"scattered_0.3_gain": 0.02, "predictable_0.3_gain": 0.02}, "not settled here"),
    ("reasoning", {**BOTH, **HELPED, "filler": 0.9, "trace-stopped": 0.5}, "holds"),
    (
        "reasoning",
        {"sums-direct": 0.9, "sums-thought": 0.9, **HELPED, "filler": 0.9, "trace-stopped": 0.5},
        "holds when",
    ),
    ("reasoning", {**BOTH, **HELPED, "filler": 0.1, "trace-stopped": 0.5}, "holds when"),
    ("reasoning", {**BOTH, **HELPED, "filler": 0.9, "trace-stopped": 0.0}, "holds when"),
    ("reasoning", {"numbers-direct": 0.9, "numbers-thought": 0.1}, "does not hold here"),
)


def changed(figures: Figures, values: Mapping[str, float]) -> dict[str, Figure]:
    """The figures with other values, each with an interval of one hundredth around it if it had one."""
    found = dict(figures)
    for name, value in values.items():
        old = found[name]
        low, high = (None, None) if old.low is None else (value - 0.005, value + 0.005)
        found[name] = replace(old, value=value, low=low, high=high, seeds=(value,) * len(old.seeds))
    return found


@pytest.mark.parametrize(("slug", "values", "word"), FLIPS)
def test_other_figures_give_another_verdict(slug: str, values: Mapping[str, float], word: str):
    claim = CLAIMS[slug]
    judgement = claim.judge(changed(claim.collect(EVIDENCE), values))
    assert judgement.word == word, judgement.sentence
    assert judgement.sentence.endswith(".")


@pytest.mark.parametrize("slug", CLAIMS)
def test_every_verdict_can_be_flipped(slug: str):
    reached = {word for of, _, word in FLIPS if of == slug}
    assert len(reached) >= 2
    assert LEDGER[slug].judgement.word in reached


@pytest.mark.parametrize("slug", CLAIMS)
def test_a_sentence_names_no_number_that_no_figure_holds(slug: str):
    entry = LEDGER[slug]
    told = (
        f"{f} {f.interval()} {f.by_seed()} {f.label} {f.conditions} {f.n} {len(f.seeds)} {f.spans}"
        for f in entry.figures
    )
    known = " ".join([*told, entry.claim.says, entry.claim.slug, f"{100 * SAME:.0f}"])
    numbers = re.findall(r"\d[\d,.]*\d|\d", entry.judgement.sentence)
    for number in numbers:
        assert float(number.replace(",", "")) in {
            float(n.replace(",", "")) for n in re.findall(r"\d[\d,.]*\d|\d", known)
        }, (number, known)


@pytest.mark.parametrize("slug", CLAIMS)
def test_every_figure_has_its_conditions_and_an_interval_that_holds_it(slug: str):
    entry = LEDGER[slug]
    assert entry.figures
    for figure in entry.figures:
        assert figure.label
        assert figure.conditions or figure.unit == "count"
        assert (figure.low is None) == (figure.high is None)
        if figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value <= figure.high
            assert figure.interval()
            assert figure.spans, "an interval says what it is"
        else:
            assert figure.spans is None
            assert figure.interval() == ""


ASKED_OF_ALL = {"turns": 200, "reasoning": 200, "labeller": 499, "answers": 499, "preferences": 499}
"""Different questions behind rates over seeds, where they are not all sums of two digits; words are no palindromes."""


QUESTIONS = {shown_sums(share): unseen_sums(share) for share in SHARES}


@pytest.mark.parametrize("slug", CLAIMS)
def test_a_figure_over_seeds_holds_each_of_them_and_their_mean(slug: str):
    for figure in LEDGER[slug].figures:
        if figure.seeds:
            assert len(figure.seeds) == len(SEEDS)
            assert figure.value == pytest.approx(sum(figure.seeds) / len(SEEDS))
            assert figure.by_seed().count(";") == len(SEEDS) - 1
            assert figure.spans in ("95 % t interval over seeds", PAIRED, "lowest to highest seed")
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= min(figure.seeds) <= max(figure.seeds) <= figure.high


@pytest.mark.parametrize("slug", CLAIMS)
def test_no_n_counts_a_question_twice(slug: str):
    for figure in LEDGER[slug].figures:
        if figure.seeds and figure.unit in ("share", "points") and figure.spans != "lowest to highest seed":
            assert figure.n == figure.questions
            assert figure.questions == QUESTIONS.get(figure.conditions, ASKED_OF_ALL.get(slug, len(SUMS)))
            assert figure.questions <= max(len(SUMS), ASKED_OF_ALL.get(slug, 0))
        elif figure.questions:
            assert figure.n == figure.questions
            assert figure.spans in ONE_MODEL or slug == "collapse" or figure.spans == "lowest to highest seed"


ONE_MODEL = ("95 % Wilson interval, one model", "95 % Newcombe interval, one model each")


def test_the_ledger_holds_what_the_lesson_states_and_finds_some_of_it_wanting():
    words = [entry.judgement.word for entry in LEDGER.values()]
    assert all(word in words for word in EVERYTHING)


@pytest.mark.parametrize("slug", CLAIMS)
def test_a_claim_says_where_it_is_seen_and_how_it_is_measured(slug: str):
    claim = CLAIMS[slug]
    assert claim.source.page.startswith("/")
    assert claim.source.check.startswith("maskscope ")
    assert claim.source.check.endswith("--check")
    assert claim.source.retrain.startswith("maskscope ")
