"""model/claims/ledger.py: verdicts come from figures by rules, and other figures flip each of them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from model.claims.about_base import HALF
from model.claims.claim import Figure, Figures
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, ledger
from model.experiments.dispatcher.arms import unseen_sums
from model.experiments.shipped import SEEDS
from model.text.corpus import SUMS

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"
EVIDENCE = gather(TRAINED)
LEDGER = {entry.claim.slug: entry for entry in ledger(EVIDENCE)}

EVERYTHING = ("holds", "holds when", "does not hold here")

FLIPS: tuple[tuple[str, Mapping[str, float], str], ...] = (
    ("worksheet", {"continues": 1.0}, "holds"),
    ("worksheet", {"continues": 0.5}, "does not hold here"),
    ("knowledge", {"framed": 1.0, "sft": 0.95, "scratch": 0.1}, "holds"),
    ("knowledge", {"framed": 1.0, "sft": 0.95, "scratch": 0.9}, "does not hold here"),
    ("knowledge", {"framed": 0.3, "sft": 0.95, "scratch": 0.1}, "does not hold here"),
    ("machinery", {"code": 3, "shared": 2, "differ": 3, "allowed": 3}, "holds"),
    ("machinery", {"code": 2, "shared": 2, "differ": 3, "allowed": 3}, "does not hold here"),
    ("machinery", {"shared": 1, "differ": 3, "allowed": 3}, "does not hold here"),
    ("machinery", {"shared": 2, "differ": 4, "allowed": 3}, "does not hold here"),
    ("gap", {"helped": 15}, "holds"),
    ("gap", {"helped": 7}, "holds when"),
    ("gap", {"helped": 0}, "does not hold here"),
    ("gibberish", {"masked": 6.0, "unmasked": 3.3}, "holds"),
    ("gibberish", {"masked": 3.2, "unmasked": 3.3}, "does not hold here"),
    ("collapse", {"masked_end": 1.0, "unmasked_end": 0.3}, "holds"),
    (
        "collapse",
        {"masked_end": 1.0, "unmasked_end": 1.0, "masked_early": 0.95, "unmasked_early": 0.1},
        "holds when",
    ),
    (
        "collapse",
        {"masked_end": 1.0, "unmasked_end": 1.0, "masked_early": 0.95, "unmasked_early": 0.95},
        "does not hold here",
    ),
    ("mask-late", {"bug_first_right": 0.04, "right_first_right": 1.0}, "holds"),
    ("mask-late", {"bug_first_right": 0.9, "right_first_right": 1.0}, "does not hold here"),
    ("mask-early", {"bug_exact_match": 1.0, "right_exact_match": 1.0}, "holds"),
    ("mask-early", {"bug_exact_match": 0.5, "right_exact_match": 1.0}, "does not hold here"),
    ("budget", {"reverse4": 0.5, "answers": 0.84}, "holds when"),
    ("budget", {"reverse4": 0.4}, "does not hold here"),
    (
        "budget",
        {slug: 0.5 if slug == "reverse4" else 0.8 for slug in LEDGER["budget"].claim.collect(EVIDENCE)},
        "holds",
    ),
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
    ("turns", {"bug_by_turn": 0.0, "right_by_turn": 1.0}, "holds"),
    ("turns", {"bug_by_turn": 1.0, "right_by_turn": 1.0}, "does not hold here"),
    ("packing", {"separated": 1.0, "alone": 1.0}, "holds"),
    ("packing", {"separated": 0.7, "alone": 1.0}, "does not hold here"),
    ("intact", {"continues": 1.0, "knows": 1.0}, "holds"),
    ("intact", {"continues": 1.0, "knows": 0.2}, "does not hold here"),
    ("intact", {"continues": 0.2, "knows": 1.0}, "does not hold here"),
    ("drift", {"assistant": 9.0, "worksheet": 1.0, "fact": 1.0, "statement": 1.0, "sentence": 1.0}, "holds"),
    ("drift", {"assistant": 1.0, "sentence": 1.0}, "does not hold here"),
    ("steps", {"reached": 0.95, "sft": 100, "pretraining": 4000}, "holds"),
    ("steps", {"reached": 0.95, "sft": 3000, "pretraining": 4000}, "does not hold here"),
    ("steps", {"reached": 0.6}, "does not hold here"),
    ("preferences", {"p_first": 0.5, "p_second": 0.45}, "holds"),
    ("preferences", {"p_first": 0.9, "p_second": 0.1}, "does not hold here"),
    ("answers", {"only_first": 0.0, "p_second": 0.45}, "holds when"),
    ("answers", {"only_first": 0.0, "p_second": 0.01}, "holds"),
    ("answers", {"only_first": 0.4, "p_second": 0.5}, "does not hold here"),
    ("labeller", {"scattered_0.3": 0.7, "scattered_0.3_labeller": 0.7}, "holds"),
    (
        "labeller",
        {
            "scattered_0.3": 0.9,
            "scattered_0.3_labeller": 0.7,
            "predictable_0.3": 0.7,
            "predictable_0.3_labeller": 0.7,
        },
        "holds when",
    ),
    (
        "labeller",
        {
            "scattered_0.3": 0.9,
            "scattered_0.3_labeller": 0.7,
            "predictable_0.3": 0.9,
            "predictable_0.3_labeller": 0.7,
        },
        "does not hold here",
    ),
    (
        "reasoning",
        {"sums-direct": 0.2, "sums-thought": 0.9, "numbers-direct": 0.1, "numbers-thought": 0.9},
        "holds",
    ),
    (
        "reasoning",
        {"sums-direct": 0.9, "sums-thought": 0.9, "numbers-direct": 0.1, "numbers-thought": 0.9},
        "holds when",
    ),
    (
        "reasoning",
        {"sums-direct": 0.9, "sums-thought": 0.9, "numbers-direct": 0.9, "numbers-thought": 0.1},
        "does not hold here",
    ),
)


def changed(figures: Figures, values: Mapping[str, float]) -> dict[str, Figure]:
    """The figures with other values, each with an interval of one hundredth around it if it had one."""
    found = dict(figures)
    for name, value in values.items():
        old = found[name]
        low, high = (None, None) if old.low is None else (value - 0.005, value + 0.005)
        found[name] = replace(old, value=value, low=low, high=high)
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
    known = " ".join(
        [*(f"{f} {f.label} {f.conditions} {f.n}" for f in entry.figures), entry.claim.says, entry.claim.slug]
    )
    numbers = re.findall(r"\d[\d,.]*\d|\d", entry.judgement.sentence)
    if slug == "steps":  # ratios of two figures are told as well
        numbers = numbers[:2]
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


ASKED_OF_ALL = {"reasoning": 200, "labeller": 499, "answers": 499, "preferences": 499}
"""Different questions behind rates over seeds, where they are not all sums of two digits; words are no palindromes."""


@pytest.mark.parametrize("slug", CLAIMS)
def test_a_rate_over_seeds_holds_each_of_them_and_counts_a_question_once(slug: str):
    for figure in LEDGER[slug].figures:
        if figure.seeds:
            assert len(figure.seeds) == len(SEEDS)
            assert figure.value == pytest.approx(sum(figure.seeds) / len(SEEDS))
            assert figure.by_seed().count(";") == len(SEEDS) - 1
            assert figure.spans in ("95 % t interval over seeds", "lowest to highest seed")
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= min(figure.seeds) <= max(figure.seeds) <= figure.high
        if figure.seeds and figure.unit == "share" and figure.spans != "lowest to highest seed":
            assert figure.n == figure.questions
            if figure.conditions == HALF:
                assert figure.questions == unseen_sums(0.5) <= len(SUMS)
            else:
                assert figure.questions == ASKED_OF_ALL.get(slug, len(SUMS))
        elif figure.questions:
            assert figure.spans == "95 % Wilson interval, one model"


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
