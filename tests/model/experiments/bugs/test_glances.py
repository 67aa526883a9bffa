"""The gallery small: nothing is missing, and the signs under a row say how it differs from the right mask."""

import pytest

from model.experiments.bugs.gallery import GALLERY
from model.experiments.bugs.glances import PLACES, glance, sketched
from model.network.gpt import GPT


def test_every_bug_has_one_place() -> None:
    assert sorted(slug for sketches in PLACES.values() for slug in sketches) == sorted(GALLERY)


@pytest.mark.parametrize(
    ("slug", "tokens", "states", "signs"),
    [
        ("mask-late", "live>evil#", "iiiiiitttt", ".....l...."),
        ("mask-early", "live>evil#", "iiiitttttt", "....x....."),
        ("eos-masked", "live>evil#", "iiiiitttti", ".........l"),
        ("no-shift", "live>evil#", "iiiiiitttt", ".....loooo"),
        ("last-turn-only", "ab>ba#<1>ba#", "iiiiiiiiittt", "...lll......"),
    ],
)
def test_a_row_shows_what_is_trained_lost_and_too_many(slug: str, tokens: str, states: str, signs: str) -> None:
    bug = GALLERY[slug]
    shown = glance(bug, sketched(slug), GPT(bug.recipe.model))
    letters = {None: ".", "lost": "l", "leaked": "x", "other-token": "o"}
    assert "".join(s.token for s in shown.squares) == tokens
    assert "".join(s.state[0] for s in shown.squares) == states
    assert "".join(letters[s.mistake] for s in shown.squares) == signs


@pytest.mark.parametrize(
    ("slug", "places"),
    [
        ("left-pad", [0, 0, 0, 0, 1, 2, 3, None]),
        ("left-pad-no-positions", [1, 2, 3, 4, 5, 6, 7, None]),
        ("packed", [1, 2, 3, 4, 5, 6, 0, 1, 2, 3, None]),
        ("mask-late", [None] * 10),
    ],
)
def test_where_the_layout_differs_each_token_has_the_place_that_the_model_is_told(slug: str, places: object) -> None:
    bug = GALLERY[slug]
    assert [square.place for square in glance(bug, sketched(slug), GPT(bug.recipe.model)).squares] == places
