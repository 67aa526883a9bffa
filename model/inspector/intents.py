"""Which tokens a run means to train: the intent, the turns it declares, and the mask that would be right under it."""

from dataclasses import dataclass, field
from typing import Literal

from model.inspector.conversations import Conversation
from model.inspector.owners import ANSWER, CALL, REASONING, SAMPLED, SEPARATOR, SUPPLIED, Owned, TokenTurn

Turns = Literal["all-assistant", "last-assistant", "completion", "declared", "full"]
INTENTS: dict[Turns, str] = {
    "all-assistant": "every assistant turn",
    "last-assistant": "the last assistant turn",
    "completion": "what answers the prompt",
    "declared": "the turns whose own switch says so",
    "full": "everything",
}


@dataclass(frozen=True)
class Intent:
    turns: Turns = "all-assistant"
    reasoning: bool = True
    tool_calls: bool = True
    supplied: bool = False
    separator: Literal["any", "ignore", "train"] = "any"
    roles: frozenset[str] = field(default_factory=frozenset)
    """Roles besides the assistant that are meant to be trained."""
    given: bool = True
    why: str = ""

    def as_plain(self) -> dict[str, object]:
        return {
            "turns": self.turns,
            "reasoning": "train" if self.reasoning else "ignore",
            "tool_calls": "train" if self.tool_calls else "ignore",
            "supplied": "train" if self.supplied else "ignore",
            "separator": self.separator,
            "roles": sorted(self.roles),
            "given": self.given,
            "why": self.why,
        }


def declared_turns(conversation: Conversation | None, messages: list[int], intent: Intent) -> frozenset[int]:
    """Of the assistant's messages, those that the intent trains."""
    if not messages:
        return frozenset()
    if intent.turns == "last-assistant":
        return frozenset(messages[-1:])
    if intent.turns == "completion":
        if conversation is not None and conversation.prompt_messages is not None:
            return frozenset(place for place in messages if place >= conversation.prompt_messages)
        return frozenset(messages[-1:])
    if intent.turns == "declared" and conversation is not None:
        switched = [place for place in messages if conversation.turns[place].switch]
        if all(not conversation.turns[place].trained for place in switched):
            return frozenset(place for place in messages if not conversation.turns[place].switch)
        if any(conversation.turns[place].trained for place in switched) and len(switched) < len(messages):
            return frozenset(
                place for place in messages if not conversation.turns[place].switch or conversation.turns[place].trained
            )
        return frozenset(place for place in switched if conversation.turns[place].trained)
    return frozenset(messages)


def right_mask(owned: Owned, declared: frozenset[int], intent: Intent, conversation: Conversation | None) -> bytes:
    """1 for each token that the intent trains. Token 0 is never a target: nothing predicts it."""
    if intent.turns == "full":
        return b"\0" + b"\1" * (len(owned.ids) - 1) if owned.ids else b""
    table = bytearray(256)
    for part in SAMPLED:
        table[part] = 1
    table[REASONING], table[CALL] = int(intent.reasoning), int(intent.tool_calls)
    table[SUPPLIED], table[SEPARATOR] = int(intent.supplied), int(intent.separator == "train")
    mask = bytearray(len(owned.ids))
    for turn in owned.turns:
        if turn.message in declared:
            start = turn.header_start if intent.supplied else turn.start
            stop = turn.end if intent.separator == "train" else turn.stop_end
            mask[start:stop] = owned.parts[start:stop].translate(table)
            _follow_details(mask, owned, turn)
    if intent.roles and conversation is not None:
        for start, stop, message in owned.speakers:
            if conversation.turns[message].role in intent.roles:
                mask[start:stop] = b"\1" * (stop - start)
    if mask:
        mask[0] = 0
    return bytes(mask)


def _follow_details(mask: bytearray, owned: Owned, turn: TokenTurn) -> None:
    """The message's own details; what they do not name is ignored if they have any part of the answer trained."""
    if wanted := [(start, stop) for start, stop, message in owned.wanted if message == turn.message]:
        for at in range(turn.start, turn.stop):
            mask[at] &= owned.parts[at] != ANSWER or any(start <= at < stop for start, stop in wanted)
    for start, stop, message in owned.unwanted:
        if message == turn.message:
            mask[start:stop] = bytes(stop - start)


def f_score(mask: bytes, other: bytes) -> tuple[int, int, int]:
    """Tokens in both, only in the first, only in the second."""
    both = sum(a & b for a, b in zip(mask, other, strict=False))
    return both, sum(mask) - both, sum(other) - both
