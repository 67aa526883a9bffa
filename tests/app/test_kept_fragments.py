"""app/kept_fragments.py: a part of a page is drawn once for each key; the longest unused is forgotten first."""

import pytest
from jinja2 import Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request

from app.kept_fragments import KEPT, KeptFragments, KeptTag

TEMPLATE = "{% kept word, size %}<b>{{ word }}{{ size }}</b>{{ log.append(word) }}{% endkept %}{{ aside }}"


@pytest.fixture
def application() -> Starlette:
    application = Starlette()
    application.state.fragments = KeptFragments()
    return application


def draw(application: Starlette | None, log: list[str], word: str, aside: str = "") -> str:
    environment = Environment(extensions=[KeptTag], autoescape=True, undefined=StrictUndefined)
    scope = {"type": "http"} | ({} if application is None else {"app": application})
    values = {"word": word, "size": 7, "log": log, "aside": aside, "request": Request(scope)}
    return environment.from_string(TEMPLATE).render(values)


def test_a_fragment_is_drawn_once_for_each_key_and_what_is_beside_it_each_time(application: Starlette) -> None:
    log: list[str] = []
    drawn = [draw(application, log, word, aside) for word, aside in (("a", "1"), ("b", "2"), ("a", "3"))]
    assert drawn == ["<b>a7</b>None1", "<b>b7</b>None2", "<b>a7</b>None3"]
    assert log == ["a", "b"]


def test_a_kept_fragment_is_as_escaped_as_one_that_is_drawn(application: Starlette) -> None:
    log: list[str] = []
    assert {draw(application, log, "<&>") for _ in range(2)} == {"<b>&lt;&amp;&gt;7</b>None"}
    assert log == ["<&>"]


def test_two_applications_share_nothing_and_a_request_of_none_keeps_nothing(application: Starlette) -> None:
    other = Starlette()
    other.state.fragments = KeptFragments()
    log: list[str] = []
    for asked in (application, other, None, None):
        assert draw(asked, log, "a") == "<b>a7</b>None"
    assert log == ["a"] * 4


def test_the_longest_unused_leaves_first() -> None:
    kept = KeptFragments()
    for number in range(KEPT):
        kept.get_or((number,), lambda: "old")
    assert kept.get_or((0,), lambda: "new") == "old"
    kept.get_or((KEPT,), lambda: "old")
    assert len(kept) == KEPT
    assert [kept.get_or((number,), lambda: "new") for number in (0, 1)] == ["old", "new"]
