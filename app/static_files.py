"""The static files over HTTP: kept for good where the address names the content, asked after by ETag elsewhere."""

from os import PathLike, stat_result
from pathlib import Path
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.templating import STATIC_FOLDER, static_url

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"
"""Kept, but used only after a 304."""


class AddressedFiles(StaticFiles):
    """STATIC_FOLDER; `?v=` is believed only if it is the content's own."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_FOLDER)

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("v")
        named = static_url(str(Path(full_path).relative_to(STATIC_FOLDER))).partition("?v=")[2]
        response.headers["Cache-Control"] = FOR_GOOD if given == [named] else ASK_FIRST
        del response.headers["Last-Modified"]  # the ETag says more, in a header that every file sends
        return response
