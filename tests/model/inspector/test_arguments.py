"""Which arguments a template reads, and which of them may be given."""

import json

import pytest

from model.inspector.arguments import MOST_ARGUMENTS, Argument, read_arguments, read_serving
from model.inspector.refusals import UnreadableInput


def test_arguments_are_those_that_a_template_reads_and_nobody_else_brings() -> None:
    source = """
        {%- if not date is defined %}{% set date = strftime_now("%d") %}{% endif %}
        {%- macro turn(message, thought) %}{{ bos_token ~ message.role ~ thought }}{% endmacro %}
        {%- for message in messages %}{% set text = message.content %}{{ turn(message, text) }}{% endfor %}
        {%- if add_generation_prompt %}{% generation %}{{ effort }}{% endgeneration %}{% endif %}
        {%- if effort == "high" or effort in ["low", "none"] or tools or namespace(a=1).a %}{% endif %}
    """
    assert read_arguments(source) == (
        Argument("date"),
        Argument("effort", ("high", "low", "none")),
    )


def test_a_template_that_cannot_be_parsed_has_no_arguments_and_a_long_one_not_all() -> None:
    assert read_arguments("{% for %}") == ()
    assert len(read_arguments("".join(f"{{{{ a{number} }}}}" for number in range(50)))) == MOST_ARGUMENTS


def test_single_arguments_come_before_those_of_the_object_and_an_empty_one_takes_its_own_out() -> None:
    given = read_serving('{"a": 1, "b": 2, "c": [3]}', {"a": "true", "b": ""})
    assert given == {"a": True, "c": [3]}
    assert read_serving(" ", {}) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[]", "one JSON object"),
        ('{"messages": []}', "no name of an argument"),
        ('{"__class__": 1}', "no name of an argument"),
        ('{"a b": 1}', "no name of an argument"),
        (json.dumps({f"a{number}": 1 for number in range(17)}), "at most 16"),
        (json.dumps({"a": "x" * 2_000}), "2,000 characters"),
        ("[" * 1_900, "no JSON"),
    ],
)
def test_what_is_no_set_of_arguments_is_refused_and_says_why(text: str, says: str) -> None:
    with pytest.raises(UnreadableInput, match=says):
        read_serving(text, {})
