from string import ascii_lowercase

import pytest

from model.masks.policies import MASK_POLICIES, MaskPolicy, differing_knobs, supervised_tokens
from model.text.chat_template import Message, render
from model.text.tokenizer import Tokenizer

TOKENIZER = Tokenizer(ascii_lowercase)
RIGHT = MASK_POLICIES["prompt-masked"]


def test_the_right_policy_is_the_one_whose_knobs_are_all_at_their_defaults():
    assert MaskPolicy(RIGHT.slug, RIGHT.title, RIGHT.code) == RIGHT


@pytest.mark.parametrize("slug", [slug for slug in MASK_POLICIES if slug != "prompt-masked"])
def test_a_wrong_policy_differs_from_the_right_one_in_exactly_one_knob(slug: str):
    assert len(differing_knobs(MASK_POLICIES[slug])) == 1


def test_a_knob_that_was_turned_is_told_with_its_value_and_sets_in_order():
    assert differing_knobs(MASK_POLICIES["mask-late"]) == {"start_offset": 1}
    assert differing_knobs(MASK_POLICIES["unmasked"]) == {"supervised_segments": ["assistant", "template", "user"]}
    assert differing_knobs(RIGHT) == {}


def test_policies_are_found_under_their_own_slugs():
    assert {slug: policy.slug for slug, policy in MASK_POLICIES.items()} == {slug: slug for slug in MASK_POLICIES}


def test_the_right_policy_is_the_first_and_shows_the_lessons_line():
    assert next(iter(MASK_POLICIES)) == "prompt-masked"
    assert RIGHT.code == "y[: P-1] = IGNORE_INDEX"


# One flag per token, before the shift: `x` where the loss counts the token's prediction.
@pytest.mark.parametrize(
    ("slug", "tokens", "flags"),
    [
        ("prompt-masked", "<hello>olleh#", ".......xxxxxx"),
        ("unmasked     ", "<hello>olleh#", "xxxxxxxxxxxxx"),
        ("prompt-masked", "<ab>ba#<c>c#", "....xxx...xx"),
        ("unmasked     ", "<ab>ba#<c>c#", "xxxxxxxxxxxx"),
    ],
)
def test_a_policy_counts_these_tokens(slug: str, tokens: str, flags: str):
    turns = [turn.split(">") for turn in tokens.split("#")[:-1]]
    messages = [
        message for user, answer in turns for message in (Message("user", user[1:]), Message("assistant", answer))
    ]
    rendered = render(messages, TOKENIZER)
    assert TOKENIZER.decode(rendered.token_ids) == tokens
    counted = supervised_tokens(rendered, MASK_POLICIES[slug.strip()])
    assert "".join("x" if flag else "." for flag in counted) == flags
