import pytest

from model.errors import BrokenRun, InvalidText, MaskscopeError, OutOfRange, UnknownName, check_known


@pytest.mark.parametrize(
    ("error", "refines", "code"),
    [
        (InvalidText, ValueError, "invalid_text"),
        (OutOfRange, ValueError, "out_of_range"),
        (UnknownName, LookupError, "not_found"),
        (BrokenRun, OSError, "broken_run"),
    ],
)
def test_an_error_is_also_the_standard_one_it_refines_and_keeps_what_it_says(
    error: type[MaskscopeError], refines: type[Exception], code: str
):
    raised = error("step is 7; allowed: 1 to 5", param="step")
    assert isinstance(raised, MaskscopeError)
    assert isinstance(raised, refines)
    assert (raised.code, raised.message, raised.param) == (code, "step is 7; allowed: 1 to 5", "step")
    assert str(raised) == "step is 7; allowed: 1 to 5"


def test_a_name_that_is_not_known_is_told_with_those_that_are():
    check_known("b", {"a": 1, "b": 2}, "letter")
    with pytest.raises(UnknownName) as caught:
        check_known("\u202e" * 200, ("a", "b"), "letter")
    assert caught.value.message == "There is no letter '" + "\\u202e" * 32 + "'. Choose one of: a, b"
    assert caught.value.param == "letter"
