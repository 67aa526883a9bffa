"""Forms as browsers send them: fields, files, and what no browser sends."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.errors import BodyTooLarge
from app.forms import MOST_FIELDS, URLENCODED_BYTES, Form, read_form
from model.inspector.refusals import UnreadableInput

pytestmark = pytest.mark.anyio

PLAIN = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=----x"


async def read(body: bytes, kind: str) -> Form:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return await read_form(Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive))


def part(head: str, content: bytes) -> bytes:
    return f"------x\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"


async def test_fields_and_files_are_read_from_the_parts_with_their_bytes_as_they_are() -> None:
    body = (
        part('name="rows"', b"a\r\nb")
        + part('name="rows_file"; filename="r.jsonl"\r\nContent-Type: text/plain', b"\xef\xbb\xbfa\r\n--b\r\n")
        + part('name="against_file"; filename=""', b"")
        + part('name="tokenizer_files"; filename="tokenizer.json"', b"{}")
        + part('name="tokenizer_files"; filename="config.json"', b"[]")
        + b"------x--\r\n"
    )
    form = await read(body, PARTS)
    assert form.fields == {"rows": "a\nb"}
    assert form.files == {
        "rows_file": {"r.jsonl": "a\r\n--b\r\n"},
        "tokenizer_files": {"tokenizer.json": "{}", "config.json": "[]"},
    }


async def test_a_plain_form_has_fields_alone_empty_ones_too() -> None:
    assert await read(b"rows=a%0Db&arg.x=&rows=c", PLAIN) == Form({"rows": "c", "arg.x": ""}, {})


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (part('name="a"; filename="a.bin"', b"\xff\xfe") + b"------x--", PARTS, "a.bin is not in UTF-8"),
        (part("nothing", b"") + b"------x--", PARTS, "without a name"),
        (part('name="a"', b"") * (MOST_FIELDS + 1) + b"------x--", PARTS, "more than"),
        (b"&".join(b"a=1" for _ in range(MOST_FIELDS + 1)), PLAIN, "more than"),
        (b"", "multipart/form-data", "no boundary"),
    ],
)
async def test_what_no_browser_sends_is_refused_and_says_why(body: bytes, kind: str, says: str) -> None:
    with pytest.raises(UnreadableInput, match=says):
        await read(body, kind)


async def test_a_large_body_comes_in_parts_or_not_at_all() -> None:
    large = b"rows=" + b"a" * URLENCODED_BYTES
    with pytest.raises(BodyTooLarge):
        await read(large, PLAIN)
    assert len((await read(part('name="rows"', large) + b"------x--", PARTS)).fields["rows"]) == len(large)
