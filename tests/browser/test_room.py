"""The room's page, in pictures and without a script."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

LookAt = Callable[..., None]


def test_pictures_fit_their_width(look_at: LookAt) -> None:
    look_at("/room?view=/?prompt=live", "room", axe_widths=(390,))


def test_it_says_how_to_open_the_server_and_leads_back(open_page: Callable[..., Page]) -> None:
    page = open_page("/room?view=/shift", java_script_enabled=False)
    expect(page.locator("main pre")).to_contain_text("maskscope serve --host 0.0.0.0")
    assert page.locator("main svg").count() == 0
    page.get_by_role("link", name="Back to the view").click()
    assert page.url.endswith("/shift")
