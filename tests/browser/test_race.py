"""Races as a class has them: started by keyboard, followed by two, paused, without JavaScript, on every screen."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
LongRace = Callable[[], str]
PATIENCE = 60_000
"""Milliseconds for two processes to begin and train on a busy machine."""


def settings(page: Page, **values: str) -> None:
    page.locator("main summary").click()
    for name, value in values.items():
        page.locator(f"[name={name}]").fill(value)


def begin(page: Page, **values: str) -> str:
    settings(page, width="8", **values)
    page.get_by_role("button", name="Start the race").click()
    page.wait_for_url(re.compile(r"/race/\S+"))
    return page.url


def stop(page: Page) -> None:
    """By keyboard; the button goes, and what it did has the focus."""
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".status")).to_contain_text("Stopped", timeout=PATIENCE)
    expect(page.locator(".status")).to_be_focused()


def reload_until(page: Page, status: str) -> None:
    for _ in range(200):
        if status in page.locator(".status").inner_text():
            return
        page.wait_for_timeout(300)
        page.reload()
    raise AssertionError(page.locator(".status").inner_text())


def points(page: Page) -> dict[str, int]:
    return page.eval_on_selector_all(
        "#chart-exact_match polyline",
        """lines => Object.fromEntries(lines.map(line =>
          [line.dataset.series, line.getAttribute('points').split(' ').filter(point => point).length]))""",
    )


def wait_for_more_points(page: Page) -> None:
    """Each line has three or more, and two of them were drawn while the page was open."""
    before = points(page)
    assert len(before) >= 2
    for policy, count in before.items():
        more = re.compile(rf"^\S+( \S+){{{max(3, count + 2) - 1},}}$")
        line = page.locator(f"#chart-exact_match polyline[data-series={policy}]")
        expect(line).to_have_attribute("points", more, timeout=PATIENCE)


def expect_all_that_was_told(*pages: Page) -> None:
    """Every page comes to show each measurement that the server has told of."""
    address = pages[0].url.replace("/race/", "/api/v1/races/")
    told = Counter(event["policy"] for event in pages[0].request.get(address).json()["evaluations"])
    for page in pages:
        for policy, count in told.items():
            expect(page.locator(f"#chart-exact_match polyline[data-series={policy}]")).to_have_attribute(
                "points", re.compile(rf"^\S+( \S+){{{count - 1}}}$")
            )
        assert Counter(points(page)) == told


def test_a_wrong_setting_is_explained_and_everything_given_stays(open_page: OpenPage) -> None:
    page = open_page("/race", expected_problems=1)
    settings(page, width="32", prompt="WORD")
    page.get_by_role("button", name="Start the race").click()
    expect(page.locator("#notice")).to_contain_text("the 1st character is W")
    expect(page.locator("[name=width]")).to_have_value("32")
    expect(page.locator("[name=prompt]")).to_have_value("WORD")


def test_a_race_from_start_to_end_with_the_keyboard_alone_and_axe_finds_nothing_in_it(
    open_page: OpenPage, look_at: LookAt
) -> None:
    page = open_page("/race")
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()")
        if focused == "prompt":
            page.keyboard.type("word")
        if focused.startswith("More settings"):
            page.keyboard.press("Enter")
        if focused == "width":
            page.keyboard.type("32")
        if focused == "steps":
            page.keyboard.type("400")
        if focused == "Start the race":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/race/\S+"))
    expect(page.locator(".status")).to_contain_text("Running", timeout=PATIENCE)
    expect(page.locator(".status")).to_contain_text("Finished", timeout=PATIENCE)
    assert page.locator("[data-show=step]").all_inner_texts() == ["400", "400"]
    assert points(page) == {"prompt-masked": 17, "unmasked": 17}
    assert page.locator(".runner.prompt-masked [data-show=completion]").inner_text() == "drow#"
    for policy, colour in (("prompt-masked", "rgb(0, 114, 178)"), ("unmasked", "rgb(196, 130, 0)")):
        expect(page.locator(f".runner.{policy}")).to_have_css("border-top-color", colour)
    rows = page.locator(".reached tbody tr").all_inner_texts()
    assert re.match(r"50 %\s+step 3\d\d · [\d.]+ s\s+step 3\d\d · [\d.]+ s\s+(in steps )?mask on", rows[0]), rows
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert len(download.value.path().read_text().splitlines()) == 1 + 2 * 17
    look_at(page.url, "race")


def test_its_start_fits_every_width(look_at: LookAt) -> None:
    look_at("/race", "race-start", axe_widths=())


@pytest.fixture(scope="module")
def long_race(live_server: str) -> Iterator[Callable[[], str]]:
    """`long_race()`: its owner's address of a race that runs and is far from its end; the last one, as long as it is.

    Its two processes take longer to start than most of these tests.
    """
    settings = {"width": 32, "batch_size": 256, "steps": 9000, "evaluate_every": 20, "evaluation_words": 20}
    kept: list[dict[str, str]] = []
    with httpx.Client(base_url=live_server, timeout=60) as client:

        def end() -> None:
            for race in kept:
                client.delete(race["owner_address"]).raise_for_status()
            kept.clear()

        def running() -> str:
            state = client.get(kept[0]["address"]).json() if kept else {"status": "none"}
            if state["status"] == "paused":
                client.post(f"{kept[0]['address']}/resume", params={"owner": kept[0]["owner"]}).raise_for_status()
            elif state["status"] != "running" or state["results"]["policies"]["unmasked"]["step"] > 3000:
                end()
                kept.append(client.post("/api/v1/races", json=settings).raise_for_status().json())
            return kept[0]["owner_page"]

        yield running
        end()


def test_nothing_told_while_the_page_is_fetched_is_lost(open_page: OpenPage, long_race: LongRace) -> None:
    page = open_page(long_race())

    def slowly(route: Route) -> None:
        answer = route.fetch()
        page.wait_for_timeout(400)  # meanwhile events are drawn that this answer does not hold
        route.fulfill(response=answer)

    page.route(re.compile(r"/race/[^/]+$"), lambda r: slowly(r) if "hx-request" in r.request.headers else r.continue_())
    expect(page.locator(".status")).to_contain_text("Running", timeout=PATIENCE)
    page.evaluate(
        "() => { window.counts = []; setInterval(() => window.counts.push("
        "document.querySelector('#chart-exact_match polyline').getAttribute('points').split(' ').length), 20); }"
    )
    for _ in range(6):
        page.wait_for_timeout(150)
        page.evaluate("document.querySelector('live-race').dispatchEvent(new CustomEvent('race-changed'))")
    more = re.compile(rf"^\S+( \S+){{{page.evaluate('window.counts[0]')},}}$")
    expect(page.locator("#chart-exact_match polyline").first).to_have_attribute("points", more)
    page.wait_for_timeout(100)
    counts = page.evaluate("window.counts")
    assert counts[-1] > counts[0]
    assert counts == sorted(counts), "what was drawn is still there after the page was fetched"
    page.unroute_all(behavior="ignoreErrors")


def test_a_lost_race_and_a_refused_command_are_told(open_page: OpenPage, long_race: LongRace) -> None:
    page = open_page(long_race(), expected_problems=3)
    expect(page.locator(".status")).to_contain_text("Running", timeout=PATIENCE)
    address, _, owner = page.url.partition("?owner=")
    page.request.post(f"{address}/pause", form={"owner": owner})
    page.route("**/pause", lambda route: route.fulfill(status=409, body="no"))
    expect(page.locator(".status")).to_contain_text("Paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".status")).to_contain_text("Running")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-show=connection]")).to_contain_text("did not take that command")
    address = page.url
    page.unroute_all()
    page.route("**/events*", lambda route: route.fulfill(status=404, body="{}"))
    page.goto(address)
    expect(page.locator("[data-show=connection]")).to_contain_text("no longer knows this race")


def test_the_button_that_was_pressed_keeps_the_focus(open_page: OpenPage, long_race: LongRace) -> None:
    page = open_page(long_race())
    expect(page.locator(".status")).to_contain_text("Running", timeout=PATIENCE)
    page.get_by_role("button", name="Pause").focus()
    for status, title in (("Paused", "Resume"), ("Running", "Pause"), ("Paused", "Resume")):
        page.keyboard.press("Enter")
        expect(page.locator(".status")).to_contain_text(status)
        expect(page.get_by_role("button", name=title)).to_be_focused()


def test_who_comes_later_sees_all_of_it_at_the_same_time(open_page: OpenPage, long_race: LongRace) -> None:
    address = long_race()
    first = open_page(address)  # the owner's
    expect(first.locator(".status")).to_contain_text("Running", timeout=PATIENCE)
    wait_for_more_points(first)
    second = open_page(address.partition("?")[0])
    expect(second.locator(".controls")).to_have_text("New race")
    first.get_by_role("button", name="Pause").click()
    expect(second.locator(".status")).to_contain_text("Paused", timeout=PATIENCE)
    expect(first.locator(".status")).to_contain_text("Paused")
    expect_all_that_was_told(first, second)
    before = [int(text.replace(",", "")) for text in second.locator("[data-show=step]").all_inner_texts()]
    first.get_by_role("button", name="One step").click()
    for number, step in enumerate(before):
        # the last event told of every tenth step; a single step is told at once
        expect(second.locator("[data-show=step]").nth(number)).not_to_have_text(f"{step:,}")
    first.get_by_role("button", name="Resume").click()
    expect(second.locator(".status")).to_contain_text("Running")


def test_without_javascript_a_race_waits_until_the_one_before_is_stopped_and_who_follows_sees_its_end(
    open_page: OpenPage, long_race: LongRace
) -> None:
    """In the race that waits a third mask runs against the two."""
    before, plain = (open_page(path, java_script_enabled=False) for path in (long_race(), "/race"))
    plain.locator("select[name=policies]").select_option("no-shift")
    address = begin(plain, steps="9000", evaluate_every="50")
    assert "place 1 in the queue" in plain.locator(".status").inner_text()
    follower = open_page(address.partition("?")[0])
    expect(follower.locator(".status")).to_contain_text("place 1 in the queue")
    reload_until(before, "Running")
    before.get_by_role("button", name="Pause").click()
    assert "Paused" in before.locator(".status").inner_text()
    before.get_by_role("button", name="Stop").click()
    reload_until(before, "Stopped")
    expect(follower.locator(".status")).to_contain_text("Running", timeout=PATIENCE)
    reload_until(plain, "Running")
    owner = open_page(address)
    wait_for_more_points(owner)
    stop(owner)
    expect(follower.locator(".status")).to_contain_text("Stopped")
    expect_all_that_was_told(owner, follower)
    owner.reload()
    assert points(owner) == points(follower)
    assert points(owner).keys() == {"prompt-masked", "unmasked", "no-shift"}
    assert owner.locator(".runner h2").all_inner_texts() == ["mask on", "mask off", "labels not shifted"]
