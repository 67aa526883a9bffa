"""A view for the room (`/room?view=...`): its short address and QR code; and short addresses, which lead to views."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from app.charts.qr import QrCode, draw_qr_code
from app.deps import SettingsDep, ShortAddressesDep
from app.room import Reach, reach
from app.templating import is_partial, render

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class RoomContext:
    view: str
    code: str
    reach: Reach
    port: int | None
    """None if the scheme's own."""
    addresses: tuple[str, ...]
    """Short ones, by each host that others may reach."""
    drawn: QrCode | None
    """The first of them."""


@router.api_route("/room", methods=["GET", "HEAD"])
async def page(
    request: Request, settings: SettingsDep, kept: ShortAddressesDep, view: Annotated[str, Query()] = "/"
) -> Response:
    """The whole page, or to htmx what a dialog shows of it."""
    code, url = kept.code_of(view), request.url
    found = reach(url.hostname or "", settings.host)
    addresses = tuple(f"{site}/r/{code}" for site in found.sites(url.scheme, url.port))
    drawn = draw_qr_code(addresses[0]) if addresses else None
    context = RoomContext(view, code, found, url.port, addresses, drawn)
    return render(request, "room/_room.html" if is_partial(request) else "room/page.html", context)


@router.api_route("/r/{code}", methods=["GET", "HEAD"])
async def follow(code: str, kept: ShortAddressesDep) -> Response:
    return RedirectResponse(kept.view_of(code), 303, {"Cache-Control": "no-store"})
