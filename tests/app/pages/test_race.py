"""The race's page without JavaScript: the form, the race as it stands, its commands, its files."""

from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import anyio
import httpx
import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.anyio

TINY = {"width": "8", "steps": "40", "evaluate_every": "10", "batch_size": "4"}
BOTH = ["prompt-masked", "unmasked"]


@pytest.fixture(scope="module")
async def app(start_app: Any) -> AsyncIterator[FastAPI]:
    async with start_app() as app:
        yield app


@pytest.fixture(scope="module")
async def client(app: FastAPI, connect: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(app) as client:
        yield client


async def begin(client: httpx.AsyncClient, **form: Any) -> str:
    response = await client.post("/race", data={"recipe": "reverse4", "policies": BOTH, **TINY, **form})
    assert response.status_code == 303, response.text
    return response.headers["location"]


def followers(address: str) -> str:
    """What the owner gives to others of his address."""
    return address.partition("?")[0]


async def press(client: httpx.AsyncClient, address: str, command: str) -> httpx.Response:
    """A button of the owner's page, as a plain form."""
    owner = address.partition("?owner=")[2]
    return await client.post(f"{followers(address)}/{command}", data={"owner": owner})


async def until(client: httpx.AsyncClient, address: str, *statuses: str) -> str:
    """The page once the race is in one of these states."""
    with anyio.fail_after(120):
        while True:
            page = (await client.get(address)).text
            if any(f"<strong>{status}" in page for status in statuses):
                return page
            await anyio.sleep(0.1)


@pytest.fixture(scope="module")
async def finished(client: httpx.AsyncClient) -> tuple[str, str]:
    """The address of a race that has ended, and its page."""
    address = await begin(client)
    return address, await until(client, address, "Finished")


async def test_the_form_says_every_setting_with_the_recipe_s_own_value(
    client: httpx.AsyncClient, read_html: Any
) -> None:
    page = read_html((await client.get("/race?recipe=reverse")).text)
    own = {i.attrib["name"]: i.attrib["placeholder"] for i in page.iter("input") if "placeholder" in i.attrib}
    assert own == {
        "prompt": "hello",
        "width": "64",
        "layers": "2",
        "learning_rate": "0.001",
        "batch_size": "64",
        "steps": "3000",
        "min_length": "1",
        "max_length": "10",
        "evaluate_every": "50",
    }
    for number in page.iter("input"):
        if number.attrib.get("type") == "number":
            assert float(number.attrib["min"]) < float(number.attrib["max"])


async def expect_every_measurement(
    client: httpx.AsyncClient, owned: str, html: str, policies: list[str], read_html: Any, text_of: Any
) -> None:
    """Of each model of a finished race: its last step, all points of its line, its predictions."""
    page = read_html(html)
    state = (await client.get(f"/api/v1{followers(owned).replace('/race/', '/races/')}")).json()
    runners = [e for e in page.iter("div") if "runner" in e.attrib.get("class", "").split()]
    assert [runner.attrib["data-policy"] for runner in runners] == policies
    for runner in runners:
        assert text_of(next(e for e in runner.iter() if e.attrib.get("data-show") == "step")) == "40"
    lines = {e.attrib["data-series"]: e.attrib["points"] for e in page.iter("polyline")}
    assert {policy: len(points.split()) for policy, points in lines.items()} == dict.fromkeys(policies, 5)
    assert len(state["evaluations"]) == 5 * len(policies)
    likeliest = [text_of(e) for e in page.iter("td") if "data-position" in e.attrib]
    assert len(likeliest) == 10 * len(policies)
    assert page.find(".//live-race").attrib["data-after"] == str(state["last_event_id"])


async def test_a_finished_race_shows_both_models_and_all_their_measurements(
    client: httpx.AsyncClient, finished: tuple[str, str], read_html: Any, text_of: Any
) -> None:
    await expect_every_measurement(client, *finished, BOTH, read_html, text_of)


async def test_a_race_of_three_shows_the_third_model_as_the_two(
    client: httpx.AsyncClient, read_html: Any, text_of: Any
) -> None:
    policies = [*BOTH, "no-shift"]
    address = await begin(client, policies=policies)
    html = await until(client, address, "Finished")
    await expect_every_measurement(client, address, html, policies, read_html, text_of)


async def test_the_files_of_a_race_are_what_they_say(client: httpx.AsyncClient, finished: tuple[str, str]) -> None:
    address, html = followers(finished[0]), finished[1]
    for chart in ("exact_match", "assistant"):
        assert f'href="{address}/{chart}.svg"' in html
        response = await client.get(f"{address}/{chart}.svg")
        assert response.headers["content-type"] == "image/svg+xml"
        assert "attachment" in response.headers["content-disposition"]
        assert ElementTree.fromstring(response.text).tag.endswith("svg")
    for extension in ("json", "csv"):
        response = await client.get(f"/api/v1{address.replace('/race/', '/races/')}/result.{extension}")
        assert response.status_code == 200
    assert (await client.get(f"{address}/nothing.svg")).status_code == 404


async def test_to_htmx_the_race_alone_is_answered(client: httpx.AsyncClient, finished: tuple[str, str]) -> None:
    fragment = (await client.get(finished[0], headers={"HX-Request-Type": "partial"})).text
    assert fragment.lstrip().startswith("<live-race")
    assert "<html" not in fragment


async def test_the_list_leads_to_the_races_there_are(client: httpx.AsyncClient, finished: tuple[str, str]) -> None:
    assert f'href="{followers(finished[0])}"' in (await client.get("/race")).text


async def test_pause_step_resume_and_stop_by_plain_forms(client: httpx.AsyncClient) -> None:
    address = await begin(client, policies=["unmasked"], steps="5000", evaluate_every="1000")
    await until(client, address, "Running")
    for command, status in (("pause", "Paused"), ("step", "Paused"), ("resume", "Running"), ("stop", "Stopped")):
        response = await press(client, address, command)
        assert (response.status_code, response.headers["location"]) == (303, address)
        page = await until(client, address, status)
    assert page.count(" disabled") == 3  # nothing can be commanded any more
    assert (await press(client, address, "pause")).status_code == 409
    assert (await press(client, address, "stop")).status_code == 303  # a second press changes nothing
    assert (await press(client, address, "explode")).status_code in (404, 422)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"policies": []}, "Choose at least one model"),
        ({"policies": ["mask-late", "mask-early"]}, "at most one other, each once"),
        ({f"field{n}": "1" for n in range(60)}, "The form has too many fields"),
        ({"seed": "-1"}, "seed must be 0 to"),
        ({"seed": "many"}, "The seed must be a whole number"),
        ({"seed": "9" * 5000}, "The seed must be a whole number"),
        ({"width": "36"}, "width must be a multiple of 8, not 36"),
        ({"width": "1000000000"}, "width must be 8 to 128, not 1e+09"),
        ({"width": "wide"}, "width: "),
        ({"learning_rate": "nan"}, "learning_rate must be 1e-05 to 0.1, not nan"),
        ({"learning_rate": "-inf"}, "learning_rate must be 1e-05 to 0.1, not -inf"),
        ({"steps": "10000", "evaluate_every": "1"}, "evaluate_every must be 20 or more with 10000 steps, not 1"),
        (
            {"width": "128", "layers": "4", "batch_size": "256", "steps": "10000", "evaluate_every": "100"},
            "This race is too long for the server",
        ),
        ({"prompt": "<script>alert(1)</script>"}, "you wrote 25"),
        ({"prompt": "a\u202eb!"}, "the 2nd character is"),
        ({"min_length": "9"}, "min_length must be 1 to 4, not 9"),
    ],
)
async def test_what_cannot_be_run_is_said_beside_what_was_given(
    client: httpx.AsyncClient, read_html: Any, text_of: Any, form: dict[str, Any], message: str
) -> None:
    response = await client.post("/race", data={"recipe": "reverse4", "policies": BOTH, **form})
    assert response.status_code == 422
    page = read_html(response.text)
    assert message in text_of(page.find(".//*[@id='notice']"))
    for name, value in form.items():
        if name != "policies" and not name.startswith("field"):
            assert page.find(f".//input[@name='{name}']").attrib["value"] == value
    assert not [element for element in page.iter("script") if element.text]


async def test_a_race_says_where_others_follow_it_or_that_they_cannot(
    client: httpx.AsyncClient, finished: tuple[str, str]
) -> None:
    owned = finished[0]
    address, owner = owned.split("?owner=")
    there = (await client.get(owned, headers={"Host": "192.0.2.7:8000"})).text
    assert f"<b>192.0.2.7:8000{address}</b>" in there
    assert f'<a href="/room?view={address}">QR code</a>' in there
    here = (await client.get(owned, headers={"Host": "localhost:8000"})).text
    assert owner not in (await client.get(address)).text
    assert "Only this machine can open that." in here
    assert f'<a href="/room?view={address}">What to do about it</a>' in here


@pytest.mark.parametrize("address", ["/race/nothing", "/race/" + "x" * 3000, "/race?recipe=none"])
async def test_a_race_or_recipe_that_is_not_there_is_a_page_that_says_so(
    client: httpx.AsyncClient, address: str
) -> None:
    response = await client.get(address)
    assert response.status_code == 404
    assert "<h1" in response.text


async def test_only_the_owner_s_page_has_the_buttons_and_the_key_to_them(
    client: httpx.AsyncClient, finished: tuple[str, str]
) -> None:
    address, html = finished
    owner = address.partition("?owner=")[2]
    assert len(owner) >= 20
    assert html.count(f'name="owner" value="{owner}"') == 3
    assert f'hx-get="{address}"' in html
    for other in ("", "?owner=", "?owner=somebody-else", f"?owner={owner[:-1]}"):
        page = (await client.get(followers(address) + other)).text
        assert 'name="owner"' not in page
        assert owner not in page
        assert "New race" in page


async def test_a_button_pressed_without_the_key_is_refused_on_a_page(
    client: httpx.AsyncClient, finished: tuple[str, str]
) -> None:
    for command in ("pause", "resume", "step", "stop"):
        response = await client.post(f"{followers(finished[0])}/{command}", data={"owner": "somebody-else"})
        assert response.status_code == 403
        assert "another&#39;s race" in response.text


async def test_the_list_leads_an_owner_to_his_own_race(client: httpx.AsyncClient, finished: tuple[str, str]) -> None:
    owner = finished[0].partition("?owner=")[2]
    assert f'href="{finished[0]}"' in (await client.get("/race", params={"owner": owner})).text


async def test_another_site_s_page_cannot_start_or_stop_a_race(
    client: httpx.AsyncClient, finished: tuple[str, str]
) -> None:
    for address in ("/race", f"{followers(finished[0])}/stop"):
        response = await client.post(address, data=TINY, headers={"Origin": "https://elsewhere.example"})
        assert response.status_code == 403
