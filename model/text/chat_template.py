"""The chat template. In: messages. Out: token ids and the segments they fall into. Knows no task and no mask.

A user turn is `<text`, an assistant turn is `>text#`: `<hello>olleh#`. `<` and `>` are template; the closing `#`
belongs to the assistant's segment, because producing it is part of the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model.text.tokenizer import ASSISTANT_START, END_OF_TURN, USER_START, Tokenizer

Role = Literal["user", "assistant"]
SegmentKind = Literal["user", "assistant", "template"]
Piece = tuple[SegmentKind, tuple[int, ...]]

JINJA_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}" + USER_START + "{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}"
    + ASSISTANT_START
    + "{% generation %}{{ message['content'] }}"
    + END_OF_TURN
    + "{% endgeneration %}"
    "{% else %}{{ raise_exception('roles are user and assistant, got ' + message['role']) }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}" + ASSISTANT_START + "{% endif %}"
)
"""The same template for `transformers`' apply_chat_template; a test holds both equal."""


@dataclass(frozen=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True)
class Segment:
    """Tokens start (inclusive) to stop (exclusive) of the sequence."""

    kind: SegmentKind
    start: int
    stop: int


@dataclass(frozen=True)
class Rendered:
    """A conversation as T token ids, covered without gap or overlap by segments."""

    token_ids: tuple[int, ...]
    segments: tuple[Segment, ...]

    @property
    def prompt_length(self) -> int:
        """P: the number of tokens before the first assistant token."""
        return next((s.start for s in self.segments if s.kind == "assistant"), len(self.token_ids))

    def answers(self) -> tuple[Segment, ...]:
        """The assistant's segments, in order."""
        return tuple(s for s in self.segments if s.kind == "assistant")

    def segment_kinds(self) -> tuple[SegmentKind, ...]:
        """The kind of segment each of the T tokens lies in."""
        return tuple(s.kind for s in self.segments for _ in range(s.start, s.stop))


def render(messages: Sequence[Message], tokenizer: Tokenizer, *, generation_prompt: bool = False) -> Rendered:
    """Token ids and segments of a conversation; with `generation_prompt` it ends with ASSISTANT_START.

    Raises:
        InvalidText: a message holds a character outside the alphabet (template characters included).
    """
    answer_start: Piece = ("template", (tokenizer.ids[ASSISTANT_START],))
    pieces: list[Piece] = []
    for message in messages:
        text_ids = tokenizer.encode(message.content, param="prompt" if message.role == "user" else "response")
        if message.role == "user":
            pieces += [("template", (tokenizer.ids[USER_START],)), ("user", text_ids)]
        else:
            pieces += [answer_start, ("assistant", (*text_ids, tokenizer.ids[END_OF_TURN]))]
    if generation_prompt:
        pieces.append(answer_start)
    return _join(pieces)


def _join(pieces: Sequence[Piece]) -> Rendered:
    token_ids: list[int] = []
    segments: list[Segment] = []
    for kind, ids in pieces:
        if ids:
            segments.append(Segment(kind, len(token_ids), len(token_ids) + len(ids)))
            token_ids += ids
    return Rendered(tuple(token_ids), tuple(segments))
