"""Rows of data that nobody wrote: conversations of so many turns, with about so many tokens a turn, by a seed."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

WORDS_PER_TOKEN = 0.52
"""Of English prose with its marks, under a vocabulary of a hundred thousand tokens."""
ASKED = 0.25
"""Of a turn's words the user's share."""


def conversations(words: Sequence[str], rows: int, turns: int, tokens: int, seed: int) -> Iterator[str]:
    """Lines of JSON. `turns` counts messages, user and assistant alternating; `tokens` are of a whole row, about."""
    drawn = random.Random(seed)
    per_pair = max(round(tokens * WORDS_PER_TOKEN / (turns / 2)), 4)
    for _ in range(rows):
        messages = []
        for _ in range(turns // 2):
            asked = drawn.choices(words, k=max(round(per_pair * ASKED), 1))
            said = drawn.choices(words, k=max(round(per_pair * (1 - ASKED)), 1))
            messages.append({"role": "user", "content": f"{' '.join(asked)}?"})
            messages.append({"role": "assistant", "content": f"{' '.join(said)}."})
        yield json.dumps({"messages": messages})


def write_conversations(path: Path, words: Sequence[str], rows: int, turns: int, tokens: int, seed: int = 0) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in conversations(words, rows, turns, tokens, seed))
