"""A conversation as a template is given it, whatever the row called its parts, and the switches of its messages.

In: plain JSON values. Knows no template and no token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from model.inspector.templates import REASONING_FIELDS, Message

Role = Literal["system", "user", "assistant", "tool"]

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "question"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatgpt", "bing", "function_call", "ai"), "assistant"),
    **dict.fromkeys(("tool", "observation", "function", "ipython", "tool_response", "tool_result"), "tool"),
}
"""What data calls the four roles."""
PLAIN_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
"""Names that a template may be given as they are."""

SWITCHES: dict[str, bool] = {
    **dict.fromkeys(("loss", "train", "training", "trainable", "weight", "loss_mask"), True),
    "masked": False,
}
"""Keys of a message that say whether it is trained: what a value that holds (true, 1) means."""
DETAILS = ("train_detail", "training_detail")
ALL_SWITCHES = frozenset({*SWITCHES, *DETAILS})


@dataclass(frozen=True, slots=True)
class Turn:
    """A message's role and switch."""

    role: Role | None
    """None: a name that nobody knows."""
    name: str
    """As the row has it."""
    switch: str = ""
    """The key of its switch, if it has one."""
    trained: bool = True
    """What the switch says."""
    details: tuple[tuple[int, int, bool], ...] = ()
    """Begin and end (inclusive) in the content, and whether that is trained."""
    details_key: str = ""
    """The key that they stand under."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row: messages as the template is given them."""

    messages: list[Message]
    turns: tuple[Turn, ...]
    tools: list[Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    prompt_messages: int | None = None
    """Of prompt and completion: how many messages are the prompt."""

    @property
    def has_switches(self) -> bool:
        return any(turn.switch for turn in self.turns)

    def answers(self) -> list[int]:
        return [place for place, turn in enumerate(self.turns) if turn.role == "assistant"]


def conversation_of(
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Any = None,
    system: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    prompt_messages: int | None = None,
) -> Conversation:
    """Switches are read and taken off: templates are not given them."""
    if system and not (messages and messages[0].get("role") == "system"):
        messages = [{"role": "system", "content": system}, *messages]
        prompt_messages = None if prompt_messages is None else prompt_messages + 1
    drop = ALL_SWITCHES
    plain = [
        dict(message) if drop.isdisjoint(message) else {key: message[key] for key in message if key not in drop}
        for message in messages
    ]
    return Conversation(plain, tuple(_turn(message) for message in messages), tools, arguments or {}, prompt_messages)


def _turn(message: Mapping[str, Any]) -> Turn:
    name = str(message.get("role", ""))
    if ALL_SWITCHES.isdisjoint(message):
        return Turn(ROLES.get(name.lower()), name)
    switch, trained = "", True
    for key, means in SWITCHES.items():
        value = message.get(key)
        if isinstance(value, (bool, int, float)):
            switch, trained = key, bool(value) is means
            break
    details: tuple[tuple[int, int, bool], ...] = ()
    details_key = ""
    for key in DETAILS:
        if isinstance(listed := message.get(key), list):
            details = tuple((int(d["begin_offset"]), int(d["end_offset"]), bool(d["train"])) for d in listed)
            switch, details_key = switch or key, key
    return Turn(ROLES.get(name.lower()), name, switch, trained, details, details_key)


def text_of_content(content: Any) -> str:
    """The text of a message's content: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def is_blank(message: Message) -> bool:
    """An answer that says nothing: no text, no thought, no call."""
    thoughts = any(message.get(name) for name in REASONING_FIELDS)
    return not (text_of_content(message.get("content")).strip() or thoughts or message.get("tool_calls"))
