"""What is asked of an inspection. A server reads it of every request and inspects nothing itself: imports little."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.inspector.conventions import Loss
from model.inspector.intents import Intent


@dataclass(frozen=True)
class Options:
    """What the caller asks for. `intent` None: found from the data."""

    intent: Intent | None = None
    serving: Mapping[str, Any] = field(default_factory=dict)
    loss: Loss = "shifts"
    server_stops: tuple[int | str, ...] = ()
    allowed_tokens: tuple[str, ...] = ()
    max_length: int | None = None
    most_turns: int | None = None
