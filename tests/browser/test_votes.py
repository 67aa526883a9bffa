"""A vote as a class has it: thirty phones at once, the teacher's screen, by keyboard, without JavaScript."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str], None]
Ask = Callable[..., tuple[str, str]]
PHONES = 30
LOOKED_AGAIN = """() => new Promise((go, fail) => {
  document.addEventListener('htmx:after:swap', () => go(), { once: true });
  setTimeout(() => fail(new Error('the page has not looked again for 20 s')), 20_000);
})"""
"""Until the page has asked for the vote as it is now, and shows it."""


@pytest.fixture
def ask(live_server: str) -> Iterator[Ask]:
    """`ask("first")`: the teacher's address of a new vote, and everybody's."""
    with httpx.Client(base_url=live_server, timeout=60) as client:
        opened: list[str] = []

        def open_vote(question: str = "first") -> tuple[str, str]:
            response = client.post("/votes", data={"question": question, "recipe": "reverse4", "prompt": "live"})
            opened.append(response.headers["location"])
            return opened[-1], urlsplit(opened[-1]).path

        yield open_vote
        for teacher in opened:
            command(client, teacher, "close")


def command(client: httpx.Client, teacher: str, what: str) -> None:
    parts = urlsplit(teacher)
    assert client.post(f"{parts.path}/{what}?{parts.query}").status_code == 303


def vote_as_a_phone(room: httpx.Client, address: str, choice: str) -> str:
    """Open the page, press a button twice: what the phone saw then. The connection is its own while it is used."""
    voter = re.findall(r'name="voter" value="([\w-]+)"', room.get(address).text)[0]
    for _ in range(2):
        answer = room.post(f"{address}/answers", data={"voter": voter, "choice": choice})
        assert answer.status_code == 303
    return room.get(answer.headers["location"]).text


def test_thirty_phones_answer_at_once_and_nobody_sees_the_bars_before_it_closes(
    open_page: OpenPage, live_server: str, ask: Ask
) -> None:
    teacher, address = ask()
    screen, mine = open_page(teacher), open_page(address)
    choices = [("prompt-masked", "unmasked", "both")[phone % 3] for phone in range(PHONES - 1)]
    mine.get_by_role("button", name="Mask off").click()
    expect(mine.locator(".state")).to_contain_text("You said B.")
    with ThreadPoolExecutor(PHONES) as phones, httpx.Client(base_url=live_server, timeout=60) as room:
        saw = list(phones.map(lambda choice: vote_as_a_phone(room, address, choice), choices))
    expect(screen.locator(".count b")).to_have_text(str(PHONES))
    mine.get_by_role("link", name="Look again").click()
    expect(mine.locator(".count b")).to_have_text(str(PHONES))
    assert not any("<rect" in page or 'class="votes"' in page for page in saw)
    for page in (screen, mine):
        assert page.locator("#vote rect, #vote .votes").count() == 0
    screen.get_by_role("button", name="Close the vote").click()
    expect(mine.locator(".state")).to_contain_text("The vote is closed. You said B.")
    expected = Counter([*choices, "unmasked"])
    for page in (screen, mine):
        counts = [text.split()[0] for text in page.locator("#vote .votes").all_inner_texts()]
        assert list(map(int, counts)) == [expected[c] for c in ("prompt-masked", "unmasked", "both", "neither")]
        assert page.locator(".true").count() == 0
    screen.get_by_role("button", name="Show the truth").click()
    for page in (screen, mine):
        expect(page.locator(".true")).to_contain_text("Mask on")
        expect(page.locator(".state")).to_contain_text("mask on first writes evil# at step 300")
    # Its last state: nobody asks any more.
    asked: list[str] = []
    mine.on("request", lambda request: asked.append(request.url))
    mine.wait_for_timeout(3500)
    assert asked == []


def test_a_vote_with_the_keyboard_alone(open_page: OpenPage, tab_to: TabTo) -> None:
    teacher = open_page("/votes?prompt=live")
    tab_to(teacher, ".questions li:nth-child(4) button")
    teacher.keyboard.press("Enter")
    teacher.wait_for_url(re.compile("teacher="))
    phone = open_page(urlsplit(teacher.url).path)
    tab_to(phone, "#choice-B")
    phone.evaluate(LOOKED_AGAIN)
    expect(phone.locator("#choice-B")).to_be_focused()
    phone.keyboard.press("Enter")
    expect(phone.locator("#choice-B")).to_have_attribute("aria-pressed", "true")
    tab_to(phone, "#choice-C")
    phone.keyboard.press("Enter")
    expect(phone.locator("#choice-C")).to_have_attribute("aria-pressed", "true")
    expect(teacher.locator(".count b")).to_have_text("1")
    for said in ("The vote is closed.", "It predicts # with"):
        tab_to(teacher, "#go-on")
        teacher.keyboard.press("Enter")
        expect(teacher.locator(".state")).to_contain_text(said)
    teacher.get_by_role("link", name="See it on the figure").focus()
    teacher.keyboard.press("Enter")
    expect(teacher.locator("#position-3")).to_be_checked()


def test_everything_works_without_javascript(open_page: OpenPage) -> None:
    teacher = open_page("/votes", java_script_enabled=False)
    teacher.get_by_role("button", name="Ask this").first.click()
    code = teacher.locator(".code").inner_text().split()[-1]
    phone = open_page("/votes", java_script_enabled=False)
    phone.get_by_label("Were you given a code?").fill(code.lower())
    phone.get_by_role("button", name="Go to its vote").click()
    phone.get_by_role("button", name="Both at the same step").click()
    assert "You said C." in phone.locator(".state").inner_text()
    teacher.get_by_role("link", name="Look again").click()
    assert teacher.locator(".count b").inner_text() == "1"
    teacher.get_by_role("button", name="Close the vote").click()
    teacher.get_by_role("button", name="Show the truth").click()
    phone.get_by_role("link", name="Look again").click()
    assert "The truth" in phone.locator(".state").inner_text()


def test_a_code_that_leads_nowhere_says_so(open_page: OpenPage) -> None:
    page = open_page("/votes/none", expected_problems=1)
    expect(page.get_by_role("heading", level=1)).to_have_text("No vote at this address")
    expect(page.locator("#notice")).to_contain_text("There is no vote")


def test_the_buttons_of_a_phone_are_big(open_page: OpenPage, ask: Ask) -> None:
    page = open_page(ask()[1], viewport={"width": 390, "height": 844})
    buttons = page.locator(".options button").evaluate_all("all => all.map(e => e.getBoundingClientRect().toJSON())")
    assert len(buttons) == 4
    for box in buttons:
        assert box["height"] >= 60
        assert box["width"] >= 330
        assert box["y"] + box["height"] <= 844, "all of them on the first screen"


def test_pictures_fit_their_width_and_axe_finds_nothing(
    look_at: LookAt, live_server: str, ask: Ask, open_page: OpenPage, axe_finds_nothing: Callable[..., None]
) -> None:
    look_at("/votes", "votes-start", axe_widths=(390,), colours=False)
    teacher, address = ask()
    with httpx.Client(base_url=live_server, timeout=60) as room:
        for choice in ("prompt-masked",) * 3 + ("unmasked",) * 2 + ("both",):
            vote_as_a_phone(room, address, choice)
        look_at(teacher, "votes-open")
        look_at(address, "votes-phone", axe_widths=(390,))
        command(room, teacher, "close")
        command(room, teacher, "reveal")
    look_at(teacher, "votes-revealed")
    page = open_page(teacher)
    page.emulate_media(forced_colors="active")
    axe_finds_nothing(page, only_colours=True)
