"""The static files over HTTP: kept for good where the address names the content, asked after by ETag elsewhere."""

import os
from contextlib import suppress
from functools import lru_cache
from os import PathLike, stat_result
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.compression import compress, encoding_for
from app.templating import STATIC_FOLDER, static_url

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"
"""Kept, but used only after a 304."""
TEXTS = ("text/", "image/svg+xml")


class AddressedFiles(StaticFiles):
    """STATIC_FOLDER; `?v=` is believed only if it is the content's own. Texts are compressed once, then kept."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_FOLDER)
        self.config_checked = True  # in a thread, at the first request: the folder is of this package
        files = (path for path in STATIC_FOLDER.rglob("*") if path.is_file())
        self._known = {str(path.relative_to(STATIC_FOLDER)): str(path) for path in files}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file that was there at the start is found without a thread: a page names a dozen, and a class opens it at
        once. What has come or gone since is looked for as Starlette does.
        """
        if path in self._known and scope["method"] in ("GET", "HEAD"):
            with suppress(OSError):
                return self.file_response(self._known[path], os.stat(self._known[path]), scope)
        return await super().get_response(path, scope)

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("v")
        named = static_url(str(Path(full_path).relative_to(STATIC_FOLDER))).partition("?v=")[2]
        response.headers["Cache-Control"] = FOR_GOOD if given == [named] else ASK_FIRST
        del response.headers["Last-Modified"]  # the ETag says more, in a header that every file sends
        response.headers["ETag"] = f"W/{response.headers['etag']}"  # compressed or not it is one file, in other bytes
        encoding = encoding_for(Headers(scope=scope))
        if response.status_code != 200 or encoding is None or not response.headers["content-type"].startswith(TEXTS):
            return response
        body = _compressed(str(full_path), stat_result.st_mtime_ns, encoding)
        headers = {name: response.headers[name] for name in ("Cache-Control", "Content-Type", "ETag")}
        return Response(body, headers=headers | {"Content-Encoding": encoding, "Vary": "Accept-Encoding"})


async def icon(request: Request) -> Response:
    """Browsers ask for `/favicon.ico` beside all that names no icon itself: JSON, a table, a picture."""
    return RedirectResponse(static_url("icon.svg"))


@lru_cache(maxsize=256)
def _compressed(path: str, changed: int, encoding: str) -> bytes:
    """`changed`: when, in ns; a file that is edited while the server runs is compressed anew."""
    return compress(Path(path).read_bytes(), encoding, kept=True)
