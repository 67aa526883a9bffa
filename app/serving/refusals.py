"""What is answered to bytes that are no request, in the shape of every other error. In: the error, the bytes so far.

Out: the bytes of a whole answer. There is no request to route, so the form (JSON or a page) is told by the target.
"""

import http
from email.utils import formatdate

from fastapi import Request

from app.errors import respond
from app.security import HEADERS
from model.errors import MaskscopeError

TARGET_BYTES = 256
"""Of what came: enough to tell the API from the pages."""


def whole_answer(error: MaskscopeError, received: bytes) -> bytes:
    """Status line, headers and body; the connection closes after it."""
    response = respond(Request(_scope(received[:TARGET_BYTES])), error)
    response.headers.update({**HEADERS, "Connection": "close", "Date": formatdate(usegmt=True)})
    lines = [f"HTTP/1.1 {response.status_code} {http.HTTPStatus(response.status_code).phrase}".encode()]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body)


def _scope(received: bytes) -> dict[str, object]:
    """As of a GET for what seems to be the target; only the start of its path is ever looked at."""
    words = received.split(b"\r\n", 1)[0].split(b" ")
    path = words[1].decode("ascii", "replace") if len(words) > 1 and words[1].startswith(b"/") else "/"
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "server": ("localhost", 80),
        "client": None,
        "headers": [(b"host", b"localhost")],
    }
