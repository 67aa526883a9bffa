"""What a template's generation tags supervise although its own generation prompt supplies it, in a few conversations.

In: a template with tags. Out: for each way to ask it the text that is both, or the template's refusal. Knows no ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.inspector.contract import common_length, in_parts
from model.inspector.refusals import TemplateRefused
from model.inspector.templates import ChatTemplate, Message

ASKED: Message = {"role": "user", "content": "What is 2+2?"}
SAID: Message = {"role": "assistant", "content": "Four."}
THOUGHT: Message = SAID | {"reasoning_content": "Add them."}


@dataclass(frozen=True)
class Way:
    """A conversation and what the server is told."""

    title: str
    answer: Message
    arguments: Mapping[str, Any]


WAYS: dict[str, Way] = {
    "answer": Way("an answer", SAID, {}),
    "thought": Way("a thought and an answer", THOUGHT, {}),
    "off": Way("an answer, thinking off", SAID, {"enable_thinking": False}),
    "on": Way("a thought and an answer, thinking on", THOUGHT, {"enable_thinking": True}),
}


def supplied_and_supervised(template: ChatTemplate, special: Mapping[str, str]) -> dict[str, str]:
    """By way, the text in generation tags that the generation prompt holds already; "" for none.

    Raises TemplateRefused with its words if it renders no conversation of these.
    """
    found, refused = {}, None
    for slug, way in WAYS.items():
        try:
            found[slug] = _both(template, way, special)
        except TemplateRefused as error:
            refused = error
    if refused is not None and not found:
        raise refused
    return found


def _both(template: ChatTemplate, way: Way, special: Mapping[str, str]) -> str:
    arguments = {**special, **way.arguments}
    try:
        prompt = template.render([ASKED], arguments=arguments, generation_prompt=True)
        text, spans = template.render_tagged([ASKED, way.answer], arguments=arguments)
    except TemplateRefused:
        asked, said = in_parts(ASKED), in_parts(way.answer)
        prompt = template.render([asked], arguments=arguments, generation_prompt=True)
        text, spans = template.render_tagged([asked, said], arguments=arguments)
    common = common_length(prompt, text)
    return "".join(text[start : min(stop, common)] for start, stop in spans if start < common)
