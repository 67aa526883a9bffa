"""app/templating.py: text that stays text, and files by their content."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import pytest
from jinja2 import Environment, FileSystemLoader, UndefinedError
from starlette.requests import Request

from app.templating import ENVIRONMENT, SIGNS, STATIC_FOLDER, CompiledTemplates, is_partial, render, sign, static_url
from model.training.recipes import ALL_RECIPES


def request_with(headers: dict[str, str]) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw}
    return Request(scope | {"server": ("localhost", 80), "scheme": "http"})


def test_a_sign_stands_for_one_token_and_looks_like_no_other() -> None:
    tokens = {token for recipe in ALL_RECIPES.values() for token in recipe.tokenizer.tokens}
    assert set(SIGNS) <= tokens
    assert len({sign(token) for token in tokens}) == len(tokens)
    assert all(len(sign(token)) == 1 and sign(token).isprintable() and sign(token).strip() for token in tokens)


def test_a_static_address_names_the_content() -> None:
    digest = hashlib.sha256((STATIC_FOLDER / "app.css").read_bytes()).hexdigest()
    assert static_url("app.css") == f"/static/app.css?v={digest[:12]}"


def test_a_static_file_that_is_missing_is_found_out_at_once() -> None:
    with pytest.raises(FileNotFoundError):
        static_url("nope.css")


@pytest.mark.parametrize(
    ("headers", "partial"),
    [
        ({}, False),
        ({"hx-request": "true"}, False),
        ({"hx-request-type": "full"}, False),
        ({"hx-request-type": "partial"}, True),
    ],
)
def test_only_htmx_asking_for_a_part_gets_one(headers: dict[str, str], partial: bool) -> None:
    assert is_partial(request_with(headers)) is partial


@dataclass(frozen=True)
class Notice:
    message: str


@dataclass(frozen=True)
class Nothing:
    pass


def test_text_is_escaped_and_the_status_and_cache_headers_are_set() -> None:
    response = render(request_with({}), "shared/_notice.html", Notice("<b>&\"'"), 418)
    assert response.status_code == 418
    assert b"&lt;b&gt;&amp;&#34;&#39;" in response.body
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "HX-Request-Type"
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_a_name_that_is_missing_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(UndefinedError, match="message"):
        render(request_with({}), "shared/_notice.html", Nothing())


class Counting(Environment):
    """Counts what it compiles."""

    compiled = 0

    def _compile(self, source: str, filename: str) -> CodeType:
        self.compiled += 1
        return super()._compile(source, filename)


def test_what_is_compiled_is_read_until_the_template_changes_and_written_only_when_asked(tmp_path: Path) -> None:
    def rendered(writes: bool = False) -> tuple[str, int]:
        """By a server that starts: what the page says, and how many templates it compiled for that."""
        kept = CompiledTemplates(tmp_path / "kept", writes)
        environment = Counting(loader=FileSystemLoader(tmp_path), bytecode_cache=kept)
        return environment.get_template("page.html").render(), environment.compiled

    (tmp_path / "page.html").write_text("one")
    (tmp_path / "kept").mkdir()
    assert [rendered(), rendered()] == [("one", 1), ("one", 1)]
    assert [rendered(writes=True), rendered()] == [("one", 1), ("one", 0)]
    (tmp_path / "page.html").write_text("two")
    assert rendered() == ("two", 1)


def test_every_template_compiles_and_marks_nothing_as_safe() -> None:
    names = ENVIRONMENT.list_templates()
    assert "visualizer/page.html" in names
    for name in names:
        ENVIRONMENT.get_template(name)
        source, _, _ = ENVIRONMENT.loader.get_source(ENVIRONMENT, name)  # type: ignore[union-attr]
        assert not re.search(r"\|\s*safe\b|autoescape", source), name
