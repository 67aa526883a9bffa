"""app/charts/figure.py: what the models wrote is judged letter by letter; numbers are the analysis's."""

import pytest

from app.catalog import Catalog
from app.charts.figure import NOT_TRAINED, draw_side, judge_written
from model.explain.analysis import analyze
from model.masks.policies import MASK_POLICIES
from model.training.recipes import RECIPES


@pytest.mark.parametrize(
    ("tokens", "stopped", "wrong", "verdict"),
    [
        ("evil#", True, "", "right ✓"),
        ("evvv#", True, "vv", "wrong ✗"),
        ("evi#", True, "#", "wrong ✗"),
        ("evill#", True, "l#", "wrong ✗"),
        ("evilll", False, "ll", "never stops ✗ (cut off after 6)"),
        ("#", True, "#", "wrong ✗"),
    ],
)
def test_letters_that_are_not_the_answer_s_are_wrong(tokens: str, stopped: bool, wrong: str, verdict: str) -> None:
    written = judge_written(tokens, "evil#", stopped)
    assert "".join(letter.token for letter in written.letters) == tokens
    assert "".join(letter.token for letter in written.letters if letter.wrong) == wrong
    assert [letter.stop for letter in written.letters] == [token == "#" for token in tokens]
    assert written.verdict == verdict


@pytest.mark.parametrize("policy", ["prompt-masked", "unmasked"])
def test_a_cell_is_judged_only_where_its_model_was_trained(catalog: Catalog, policy: str) -> None:
    recipe = RECIPES["reverse4"]
    model, _ = catalog.model(recipe, policy, 325)
    analysis = analyze(recipe, model, MASK_POLICIES[policy], "live")
    side = draw_side(analysis, policy, None)
    for cell, position in zip(side.cells, analysis.positions, strict=True):
        right = position.predictions[0].token == position.target
        assert cell.trained == position.supervised
        assert cell.verdict == (("right" if right else "wrong") if position.supervised else NOT_TRAINED)
        assert [guess.token for guess in cell.guesses] == [p.token for p in position.predictions]
        assert sum(guess.is_target for guess in cell.guesses) <= 1
        if not position.supervised:
            assert cell.bars["parameter_norm"].text == cell.bars["logit_norm"].text == "0"
            assert cell.bars["input_norm"].text != "0"
