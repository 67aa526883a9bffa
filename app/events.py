"""Server-sent events as bytes. In: data, a name, an id. Out: what a stream sends. Knows no stream."""

import json


def write_event(data: object, name: str | None = None, number: int | None = None) -> bytes:
    """`data` as JSON in one line. Raises ValueError for a number that JSON cannot write."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    named = "" if name is None else f"event: {name}\r\n"
    numbered = "" if number is None else f"id: {number}\r\n"
    return f"{numbered}{named}data: {text}\r\n\r\n".encode()
