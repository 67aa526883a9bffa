"""What is said of packing follows from the numbers, whatever they are."""

from pathlib import Path

from model.experiments.bugs.gallery import Measured, read_gallery
from model.experiments.packing.effects import SEPARATIONS, DocumentChange, Effect, Effects
from model.experiments.packing.rows import Filling, trace_sight
from model.experiments.packing.sentences import (
    documents_sentence,
    effects_sentence,
    filling_sentence,
    labels_sentence,
    outcome_sentence,
    sight_sentence,
)
from model.explain.cells import inspect_mask
from model.intervals import wilson
from model.masks.policies import MASK_POLICIES
from model.training.conversations import render_prompts
from model.training.recipes import ALL_RECIPES

REVERSE = ALL_RECIPES["reverse"]
MINUS = "\N{MINUS SIGN}"
PERCENT = "\N{NO-BREAK SPACE}%"
TRAINED = Path(__file__).resolve().parents[4] / "model" / "trained"


def effects(separated: float, naive: float) -> Effects:
    differences = (separated, 1.0, 1.0, naive)
    return Effects(0.5, 0.1, tuple(Effect(s, 0.5 + d, d, d, d) for s, d in zip(SEPARATIONS, differences, strict=True)))


def test_a_leak_is_told_from_rounding() -> None:
    said = effects_sentence(900, effects(3e-17, 2.0))
    assert "At step 900 the loss of these conversations unpacked is 0.50." in said
    assert f"kept apart it differs by 3e{MINUS}17, and no weight's gradient by more than 3e{MINUS}17: rounding" in said
    assert "not kept apart it is 2.5" in said
    assert "kept apart it is 0.75, which is more than rounding" in effects_sentence(900, effects(0.25, 2.0))
    assert "not kept apart it is the same too" in effects_sentence(900, effects(0.0, 0.0))


def test_the_filling_may_also_be_no_better() -> None:
    one = Filling(1, 1, 7, 7)
    assert filling_sentence(one, one).startswith("1 conversation of 7 tokens in all.")
    assert filling_sentence(one, one).endswith(f"Packed: 7 cells, 100{PERCENT}: no fewer.")
    fewer = filling_sentence(Filling(4, 4, 17, 48), Filling(4, 2, 31, 48))
    assert fewer.startswith(f"4 conversations of 48 tokens in all. Padded: 68 cells, 71{PERCENT} of them tokens.")
    assert fewer.endswith(f"Packed: 62 cells, 77{PERCENT}: 9{PERCENT} fewer.")
    assert filling_sentence(Filling(3, 3, 10, 29), Filling(3, 2, 20, 29)).endswith(f"33{PERCENT} more.")


def test_looks_are_counted() -> None:
    pair, single = (render_prompts(REVERSE, prompts) for prompts in (["a", "bc"], ["abc"]))
    naive, separated, alone = (
        sight_sentence(trace_sight(REVERSE, words, MASK_POLICIES[slug])[0])
        for words, slug in ((pair, "packed-naive"), (pair, "packed"), (single, "packed-naive"))
    )
    assert naive == f"30 of 66 attention links, 45{PERCENT}, lead into another conversation."
    assert separated == "All 36 attention links stay inside one conversation; 30 between conversations are hidden."
    assert alone == "The row holds one conversation: all 36 attention links stay inside it."


def test_seams_are_counted() -> None:
    said = [
        labels_sentence(inspect_mask(REVERSE, render_prompts(REVERSE, words), MASK_POLICIES["packed"]))
        for words in (["a"], ["a", "b"], ["a", "b", "c"])
    ]
    assert said[0].startswith("No conversation follows another")
    assert said[1].startswith("1 conversation begins after another one. The position before it is ignored")
    assert said[2].startswith("2 conversations begin after another one. The position before each is ignored")


def test_those_that_begin_a_row_are_named_only_if_all_of_them_stay() -> None:
    def change(start: int, by: float) -> DocumentChange:
        return DocumentChange("<a>a#", 0, start, by, 0.1, 0.1 + by)

    assert "up to rounding" in documents_sentence([change(0, 0.0), change(5, 1e-15)])
    naive = documents_sentence([change(0, 1e-15), change(5, 2.0), change(10, 1.0)])
    assert naive.startswith("2 of 3 conversations get different logits than alone; the most, 2.0, in <a>a#.")
    assert naive.endswith("see nothing before them and do not change.")
    assert "do not change" not in documents_sentence([change(0, 1.0), change(5, 2.0)])


def test_models_trained_each_way_are_told_apart_only_where_their_intervals_are() -> None:
    measured = read_gallery(TRAINED)["reverse", "prompt-masked"]

    def with_rate(value: float) -> Measured:
        symptoms = measured.symptoms.__class__(**{**vars(measured.symptoms), "exact_match": wilson(value, 500)})
        return Measured("reverse", "packed", 0, 1, symptoms)

    said = outcome_sentence(with_rate(0.9), with_rate(0.89), with_rate(0.5))
    assert f"90.0{PERCENT} (95{PERCENT} Wilson interval 87.1 to 92.3{PERCENT}, n = 500) of unseen words right." in said
    assert (
        f"rows kept apart: 89.0{PERCENT} (95{PERCENT} Wilson interval 86.0 to 91.5{PERCENT}, n = 500), "
        "no clear difference from unpacked. " in said
    )
    assert (
        f"rows not kept apart: 50.0{PERCENT} (95{PERCENT} Wilson interval 45.6 to 54.4{PERCENT}, n = 500), "
        "clearly fewer than unpacked." in said
    )
    assert "clearly more than unpacked" in outcome_sentence(with_rate(0.5), with_rate(0.9), with_rate(0.5))
