"""A form's body as fields and files: what a browser sends, with files or without. Knows no page.

Multipart is read here in the one shape that browsers send it, so that no parser of MIME has to be trusted with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request

from app.errors import BodyTooLarge
from model.inspector.refusals import UnreadableInput

MOST_FIELDS = 40
URLENCODED_BYTES = 2_000_000
"""Unquoting is slow, and done by the process that answers everybody."""

BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?')
DISPOSITION = re.compile(rb'form-data; name="(?P<name>[^"\r\n]{1,80})"(?:; filename="(?P<file>[^"\r\n]{0,300})")?')


@dataclass(frozen=True)
class Form:
    """`fields` by name, the last of each; `files`: of each field the texts of its files by their names."""

    fields: Mapping[str, str]
    files: Mapping[str, Mapping[str, str]]


async def read_form(request: Request) -> Form:
    """Raises UnreadableInput for what no browser sends, and for a file that is not in UTF-8; BodyTooLarge."""
    body, kind = await request.body(), request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        return _read_parts(body, kind)
    if len(body) > URLENCODED_BYTES:
        raise BodyTooLarge(f"The body is too large: {URLENCODED_BYTES} bytes at most in this encoding")
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise UnreadableInput(f"the form has more than {MOST_FIELDS} fields") from error
    return Form({name: values[-1] for name, values in fields.items()}, {})


def _read_parts(body: bytes, kind: str) -> Form:
    boundary = BOUNDARY.search(kind)
    if boundary is None:
        raise UnreadableInput("the form names no boundary between its fields")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1", "replace"))[1:-1]
    if len(parts) > MOST_FIELDS:
        raise UnreadableInput(f"the form has more than {MOST_FIELDS} fields")
    fields: dict[str, str] = {}
    files: dict[str, dict[str, str]] = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        found = DISPOSITION.search(head)
        if found is None:
            raise UnreadableInput("the form has a field without a name")
        name, file = found["name"].decode("utf-8", "replace"), found["file"]
        if file is None:
            fields[name] = content.decode("utf-8", "replace").replace("\r\n", "\n")
        elif file and content:
            files.setdefault(name, {})[file.decode("utf-8", "replace")] = _text(content, file)
    return Form(fields, files)


def _text(content: bytes, file: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableInput(f"{file.decode('utf-8', 'replace')} is not in UTF-8: only text files are read") from None
