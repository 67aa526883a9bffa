"""The question before a race: its truth is there as soon as no model can change it, and not before."""

import pytest

from app.votes.race import Progress, ask_before_race, decide_race

ON, OFF = "prompt-masked", "unmasked"


@pytest.mark.parametrize(
    ("on", "off", "finished", "choice"),
    [
        ((None, 50), (None, 50), False, None),
        ((100, 125), (None, 75), False, None),  # mask off has not been measured at 100 yet
        ((100, 125), (None, 100), False, ON),
        ((100, 125), (75, 75), False, OFF),
        ((100, 125), (100, 100), False, "both"),
        ((None, 300), (None, 300), True, "neither"),
        ((100, 125), (None, 75), True, None),  # stopped before it was decided
    ],
)
def test_a_race_is_decided_once_nobody_can_come_before(
    on: tuple[int | None, int], off: tuple[int | None, int], finished: bool, choice: str | None
) -> None:
    race = {ON: Progress("mask on", *on), OFF: Progress("mask off", *off)}
    truth = decide_race(race, finished, "/race/x", "One seed.")
    assert (truth and truth.choice) == choice
    if truth:
        assert truth.sentence.startswith("At 90 % of unseen words: mask on ")
        assert truth.sentence.endswith("One seed.")


def test_every_end_of_a_race_has_its_choice() -> None:
    poll = ask_before_race({ON: "mask on", OFF: "mask off", "no-shift": "labels not shifted"}, (("seed", "0"),))
    assert [choice.slug for choice in poll.choices] == [ON, OFF, "no-shift", "both", "neither"]
    assert [choice.style for choice in poll.choices] == [ON, OFF, "", "", ""]
    assert poll.truth is None
