"""A vote's pages without JavaScript: asked, answered, closed, revealed; who may see what, and what is refused."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.anyio

ASKED = {"question": "first", "recipe": "reverse4", "prompt": "live"}


@pytest.fixture(scope="module")
async def app(start_app: Any) -> AsyncIterator[FastAPI]:
    async with start_app() as app:
        yield app


@pytest.fixture(scope="module")
async def client(app: FastAPI, connect: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(app) as client:
        yield client


async def ask(client: httpx.AsyncClient, **form: str) -> tuple[str, str]:
    """The teacher's address and everybody's."""
    response = await client.post("/votes", data=ASKED | form)
    assert response.status_code == 303, response.text
    teacher = response.headers["location"]
    return teacher, urlsplit(teacher).path


async def say(client: httpx.AsyncClient, address: str, choice: str) -> str:
    """Answer by the page's own form; the address it leads to."""
    page = (await client.get(address)).text
    voter = re.findall(r'name="voter" value="([\w-]+)"', page)[0]
    response = await client.post(f"{urlsplit(address).path}/answers", data={"voter": voter, "choice": choice})
    assert response.status_code == 303, response.text
    location: str = response.headers["location"]
    return location


async def do(client: httpx.AsyncClient, teacher: str, command: str) -> httpx.Response:
    parts = urlsplit(teacher)
    return await client.post(f"{parts.path}/{command}?{parts.query}")


def bars(html: str) -> list[str]:
    return re.findall(r'<rect width="([\d.]+)"', html)


async def test_every_question_of_a_word_has_its_form(client: httpx.AsyncClient, read_html: Any, text_of: Any) -> None:
    page = read_html((await client.get("/votes?prompt=wind&step=200")).text)
    forms = [form for form in page.iter("form") if form.attrib.get("method") == "post"]
    asked = [{i.attrib["name"]: i.attrib["value"] for i in form.iter("input")} for form in forms]
    assert [form["question"] for form in asked] == ["first", "guess", "gradient", "spill", "stop"]
    assert all((form["prompt"], form["step"]) == ("wind", "200") for form in asked)
    assert "Which one writes dniw# first?" in text_of(page)


async def test_from_the_question_to_the_truth(client: httpx.AsyncClient, read_html: Any, text_of: Any) -> None:
    teacher, address = await ask(client)
    mine = await say(client, address, "prompt-masked")
    await say(client, address, "prompt-masked")
    await say(client, address, "unmasked")
    for view in (teacher, address, mine):
        html = (await client.get(view)).text
        assert "<b>3</b> have answered" in html
        assert bars(html) == []
        assert "right" not in text_of(read_html(html).find(".//*[@id='vote']"))
    assert "You said A." in text_of(read_html((await client.get(mine)).text))
    assert (await do(client, teacher, "reveal")).status_code == 409
    assert (await do(client, teacher, "close")).headers["location"] == teacher
    for view in (teacher, mine):
        html = (await client.get(view)).text
        assert bars(html) == ["100.0", "50.0", "0.0", "0.0"]
        assert "300" not in text_of(read_html(html).find(".//*[@id='vote']")), "the truth waits for another click"
    assert (await do(client, teacher, "reveal")).status_code == 303
    for view in (teacher, mine):
        html = (await client.get(view)).text
        assert "mask on first writes <code>evil#</code> at step 300" in html
        shown = read_html(html)
        (true,) = (li for li in shown.iter("li") if "true" in li.attrib.get("class", "").split())
        assert text_of(true).startswith("A Mask on ✓ right")
        (link,) = (a.attrib["href"] for a in shown.iter("a") if text_of(a) == "See it on the figure")
        figure = await client.get(link)
        assert figure.status_code == 200
        assert 'data-step="300"' in figure.text


async def test_an_answer_is_one_however_often_its_button_is_pressed(client: httpx.AsyncClient) -> None:
    teacher, address = await ask(client)
    mine = await say(client, address, "both")
    assert await say(client, mine, "unmasked") == mine
    assert "<b>1</b> has answered" in (await client.get(teacher)).text
    await do(client, teacher, "close")
    assert bars((await client.get(teacher)).text) == ["0.0", "100.0", "0.0", "0.0"]


async def test_an_answer_that_comes_too_late_is_told_so_and_not_counted(client: httpx.AsyncClient) -> None:
    teacher, address = await ask(client)
    await do(client, teacher, "close")
    response = await client.post(f"{address}/answers", data={"voter": "v" * 20, "choice": "both"})
    assert response.status_code == 409
    assert "The vote is closed: no more answers are taken" in response.text
    assert "You did not answer." in response.text
    assert "<b>0</b> have answered" in response.text


async def test_the_teacher_s_token_is_in_the_teacher_s_page_alone(client: httpx.AsyncClient) -> None:
    teacher, address = await ask(client)
    token = parse_qs(urlsplit(teacher).query)["teacher"][0]
    assert token in (await client.get(teacher)).text
    mine = await say(client, address, "both")
    for view in (address, mine, f"/api/v1{address}"):
        response = await client.get(view)
        assert response.status_code == 200
        assert token not in response.text
        assert "set-cookie" not in response.headers
    assert (await client.get(f"{address}?teacher=guessed")).status_code == 403
    for command in ("close", "reveal"):
        assert (await client.post(f"{address}/{command}?teacher=guessed")).status_code == 403
        assert (await client.post(f"{address}/{command}")).status_code == 403


async def test_a_code_that_leads_nowhere_is_a_page_that_helps(client: httpx.AsyncClient, read_html: Any) -> None:
    for code in ("ZZZZ", "x" * 3000, "%3Cscript%3E"):
        response = await client.get(f"/votes/{code}")
        assert response.status_code == 404
        assert "There is no vote" in response.text
        page = read_html(response.text)
        assert page.find(".//input[@name='code']") is not None
        assert not [element for element in page.iter("script") if element.text]
    response = await client.get("/votes/ZZZZ", headers={"HX-Request-Type": "partial"})
    assert (response.status_code, response.headers["hx-retarget"]) == (404, "#notice")
    _, address = await ask(client)
    code = address.rsplit("/", 1)[1]
    assert (await client.get("/votes", params={"code": f" {code.lower()} "})).headers["location"] == address
    assert (await client.get("/votes", params={"code": "//evil.example/?a"})).headers["location"].startswith("/votes/")


async def test_to_htmx_the_vote_alone_is_answered_until_it_has_its_last_state(client: httpx.AsyncClient) -> None:
    teacher, address = await ask(client)
    partial = {"HX-Request-Type": "partial"}
    fragment = (await client.get(address, headers=partial)).text
    assert fragment.startswith("<section")
    assert "<html" not in fragment
    assert "every 3s" in fragment
    await do(client, teacher, "close")
    assert 'id="look-closed"' in (await client.get(address, headers=partial)).text
    assert "every" not in (await client.get(teacher, headers=partial)).text
    await do(client, teacher, "reveal")
    assert "every" not in (await client.get(address, headers=partial)).text


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ({"prompt": "l1ve"}, 422, "the 2nd character is"),
        ({"prompt": "x" * 40}, 422, "you wrote 40"),
        ({"question": "none"}, 404, "There is no question"),
        ({"question": "stop", "recipe": "reverse", "prompt": "castle"}, 404, "There is no question"),
        ({"recipe": "none"}, 404, "There is no recipe"),
        ({"step": "many"}, 422, "step: "),
        ({f"field{n}": "1" for n in range(20)}, 422, "too many fields"),
    ],
)
async def test_what_cannot_be_asked_is_said(
    client: httpx.AsyncClient, form: dict[str, str], status: int, message: str
) -> None:
    response = await client.post("/votes", data=ASKED | form)
    assert response.status_code == status
    assert message in response.text


async def test_no_choice_and_no_voter_are_refused(client: httpx.AsyncClient) -> None:
    _, address = await ask(client)
    for form, status in (({}, 422), ({"choice": "none"}, 422), ({"choice": "both", "voter": "short"}, 422)):
        assert (await client.post(f"{address}/answers", data=form)).status_code == status
    assert (await client.get(f"/api/v1{address}")).json()["answers"] == 0


async def test_another_site_s_page_cannot_answer(client: httpx.AsyncClient) -> None:
    _, address = await ask(client)
    response = await client.post(
        f"{address}/answers", data={"choice": "both"}, headers={"Origin": "https://elsewhere.example"}
    )
    assert response.status_code == 403


async def test_a_room_gets_a_qr_code_of_an_address_that_works_for_it(app: FastAPI, client: httpx.AsyncClient) -> None:
    teacher, address = await ask(client)
    there = {"Host": "192.0.2.7:8000"}
    page = (await client.get(teacher, headers=there)).text
    assert f'aria-label="QR code of http://192.0.2.7:8000{address}"' in page
    assert 'class="qr"' not in (await client.get(address, headers=there)).text
    here = (await client.get(teacher)).text
    assert 'class="qr"' not in here, "localhost is another machine to a phone"
    assert f'<a href="/room?view={address}">What to do about it</a>' in here


# A vote before a race.

RACE = {"recipe": "reverse4", "policies": ["prompt-masked", "unmasked"], "width": "8", "steps": "20"}


async def test_a_vote_before_a_race_is_closed_by_its_start_and_decided_by_it(
    client: httpx.AsyncClient, read_html: Any, text_of: Any
) -> None:
    asked = await client.post("/race", data={**RACE, "evaluate_every": "10", "seed": "5", "ask": "first"})
    teacher = asked.headers["location"]
    address = urlsplit(teacher).path
    mine = await say(client, address, "neither")
    (form,) = (f for f in read_html((await client.get(teacher)).text).iter("form") if f.attrib["action"] == "/race")
    fields: dict[str, list[str]] = {}
    for field in form.iter("input"):
        fields.setdefault(field.attrib["name"], []).append(field.attrib["value"])
    guessed = await client.post("/race", data=fields | {"teacher": "guessed"})
    assert guessed.status_code == 403
    started = await client.post("/race", data=fields)
    race = urlsplit(started.headers["location"])
    assert (await client.post("/race", data=fields)).headers["location"] == started.headers["location"], "once"
    page = read_html((await client.get(started.headers["location"])).text)
    assert [a.attrib["href"] for a in page.iter("a") if text_of(a) == "Back to the vote"] == [teacher]
    assert "seed 5" in text_of(page)
    assert (await client.post(f"{address}/answers", data={"choice": "both"})).status_code == 409
    assert f'href="{race.path}"' in (await client.get(mine)).text
    with anyio.fail_after(120):
        while "<strong>Finished" not in (await client.get(race.path)).text:
            assert (await do(client, teacher, "reveal")).status_code in (409, 303)
            await anyio.sleep(0.2)
    await do(client, teacher, "reveal")
    shown = read_html((await client.get(mine)).text)
    (true,) = (li for li in shown.iter("li") if "true" in li.attrib.get("class", "").split())
    assert text_of(true) == "D None gets there ✓ right your answer 1 of 1"
    state = text_of(shown.find(".//p[@class='state']"))
    assert "mask on not by step 20 and mask off not by step 20" in state
    assert "this race is one seed, 5." in state


async def test_of_one_model_alone_nobody_can_be_first(client: httpx.AsyncClient) -> None:
    response = await client.post("/race", data={"policies": "unmasked", "ask": "first"})
    assert response.status_code == 422
    assert "choose two models or more" in response.text
