"""The room's page: a short address and a code by a host that others can reach, or what to do."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.charts.qr import draw_qr_code
from app.room import own_addresses, socket

pytestmark = pytest.mark.anyio

PARTIAL = {"hx-request": "true", "hx-request-type": "partial"}
LAN = {"host": "192.168.1.20:8000"}
VIEW = "/?prompt=live&step=325&hide=switch,curve"


async def test_a_view_gets_an_address_that_leads_to_it(
    client: httpx.AsyncClient, read_html: Callable[[str], Element]
) -> None:
    page = read_html((await client.get("/room", params={"view": VIEW}, headers=LAN)).text)
    (link,) = (e for e in page.iter("a") if e.attrib["href"].startswith("/r/"))
    address = "".join(link.itertext())
    assert address == f"http://192.168.1.20:8000{link.attrib['href']}"
    (drawn,) = (e for e in page.iter("svg") if e.get("class") == "qr")
    assert drawn.attrib["aria-label"] == f"QR code of {address}"
    assert [e.attrib["d"] for e in drawn.iter("path")] == [draw_qr_code(address).path]
    followed = await client.get(link.attrib["href"])
    assert (followed.status_code, followed.headers["location"]) == (303, VIEW)
    assert (await client.get(followed.headers["location"])).status_code == 200


async def test_htmx_gets_what_a_dialog_shows(client: httpx.AsyncClient) -> None:
    whole = await client.get("/room", headers=LAN)
    part = await client.get("/room", headers=LAN | PARTIAL)
    assert "<html" not in part.text
    assert part.text.strip() in whole.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8123", "[::1]:8123"])
async def test_a_server_of_this_machine_alone_draws_no_code_and_says_what_to_start(
    client: httpx.AsyncClient, read_html: Callable[[str], Element], text_of: Callable[[Element], str], host: str
) -> None:
    page = read_html((await client.get("/room", headers={"host": host})).text)
    assert not [e for e in page.iter("svg") if e.get("class") == "qr"]
    said = text_of(next(page.iter("main")))
    port = " --port 8123" if host.endswith("8123") else ""
    assert f"maskscope serve --host 0.0.0.0{port} Then" in said
    assert "http://" not in said


async def test_a_server_of_all_networks_offers_its_own_addresses(
    start_app: Any, connect: Any, read_html: Callable[[str], Element], text_of: Callable[[Element], str]
) -> None:
    async with start_app(host="0.0.0.0") as app, connect(app) as client:
        page = read_html((await client.get("/room", headers={"host": "localhost:8000"})).text)
        said = text_of(next(page.iter("main")))
        visualizer = read_html((await client.get("/", headers={"host": "localhost:8000"})).text)
    own = own_addresses(socket.AF_INET)
    assert all(f"http://{host}:8000/r/" in said for host in own)
    assert "http://localhost" not in said
    assert own or "This machine has no address that others could use." in said
    (printed,) = (text_of(e) for e in visualizer.iter("p") if e.get("class") == "address")
    assert printed.startswith(f"http://{own[0] if own else 'localhost'}:8000/?prompt=live")


@pytest.mark.parametrize("view", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/" + "a" * 600])
async def test_no_code_leads_to_another_site(client: httpx.AsyncClient, view: str) -> None:
    response = await client.get("/room", params={"view": view}, headers=LAN)
    assert response.status_code == 422
    assert "view: " in response.text


@pytest.mark.parametrize("code", ["0000", "CCCC", "<b>", "C" * 900])
async def test_a_code_that_nobody_gave_is_a_page_that_says_so(client: httpx.AsyncClient, code: str) -> None:
    response = await client.get(f"/r/{quote(code)}")
    assert response.status_code == 404
    assert "There is no code" in response.text
    assert "<b>" not in response.text.split("There is no code")[1][:40]


@pytest.mark.parametrize("host", ["evil.example", "a<b>", "127.0.0.1/..", "x" * 300])
async def test_a_host_that_this_server_does_not_go_by_is_not_repeated(client: httpx.AsyncClient, host: str) -> None:
    response = await client.get("/room", headers={"host": host})
    assert response.status_code == 400
    assert host not in response.text
