"""The shift's page as the server writes it: the alignment of a word under every cut, and the models trained with it."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from model.experiments.prompts import top_choices
from model.masks.policies import CUTS, shifted_cut
from model.training.evaluation import complete_prompts
from model.training.recipes import ALL_RECIPES

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    """`await open_page(cut=1)`: the page under these query parameters as a tree."""

    async def opened(*, status: int = 200, **query: Any) -> Element:
        response = await client.get("/shift", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def row(page: Element, class_: str, text_of: TextOf) -> list[str]:
    (found,) = (e for e in page.iter("tr") if e.get("class") == class_)
    return [text_of(cell) for cell in found if cell.tag == "td" and "none" not in cell.get("class", "")]


async def test_hello_is_trained_on_y_6_to_11_and_the_lesson_s_slip_is_named(open_page: Any, text_of: TextOf) -> None:
    page = await open_page()
    assert "".join(row(page, "targets", text_of)) == "hello>olleh#"
    assert row(page, "words", text_of) == ["ignored"] * 6 + ["trained"] * 6
    text = text_of(page)
    assert "here y[: 6], trained: y[6..11], 6 of 12" in text
    assert "P = 7 tokens of prompt, R = 6 of response, T = P + R = 13" in text
    assert "says y[6..10]. That is one short" in text
    assert "one short" not in text_of(await open_page(prompt="help"))


async def test_one_position_late_loses_the_step_into_the_answer(open_page: Any, text_of: TextOf) -> None:
    page = await open_page(cut=1)
    assert row(page, "words", text_of) == ["ignored"] * 6 + ["lost"] + ["trained"] * 5
    assert "Lost: > → o. Nothing trains the step from reading to answering, o." in text_of(page)


async def test_one_position_early_leaks_the_prompt_s_last_token(open_page: Any, text_of: TextOf) -> None:
    page = await open_page(cut=-1)
    assert row(page, "words", text_of) == ["ignored"] * 5 + ["leaked"] + ["trained"] * 6
    assert "Leaked: o → >. The model is also trained to say >, which belongs to the prompt." in text_of(page)


@pytest.mark.parametrize("cut", CUTS)
async def test_the_answer_is_that_of_the_model_trained_under_the_cut(
    open_page: Any, catalog: Catalog, text_of: TextOf, cut: int
) -> None:
    recipe = ALL_RECIPES["reverse4"]
    model, _ = catalog.model(recipe, shifted_cut(cut).slug, None)
    (given,) = complete_prompts(model, recipe.task, recipe.tokenizer, ["mask"])
    page = await open_page(cut=cut, recipe="reverse4", prompt="mask")
    answered = next(e for e in page.iter("p") if "answered" in e.get("class", "").split())
    assert text_of(answered) == f"<mask>{given}"
    assert "instead of yours" not in text_of(page)


async def test_the_table_states_what_was_measured_of_each_cut(
    open_page: Any, catalog: Catalog, text_of: TextOf
) -> None:
    page = await open_page(cut=2)
    (body,) = (t.find("tbody") for t in page.iter("table") if "outcomes" in t.get("class", "").split())
    assert body is not None
    rows = [[text_of(cell) for cell in line] for line in body]
    for offset, line in zip(CUTS, rows, strict=True):
        symptoms = catalog.measured["reverse4", shifted_cut(offset).slug].symptoms
        assert line[0].startswith(shifted_cut(offset).code.split(" = ")[0])
        assert line[1].startswith(f"{100 * symptoms.first_right.value:.1f} %")
        assert line[2].startswith(f"{100 * symptoms.exact_match.value:.1f} %")
    assert [CUTS[i] for i, line in enumerate(body) if line.get("aria-current")] == [2]


@pytest.mark.parametrize(("recipe", "word"), [("reverse", "hello"), ("reverse4", "mask")])
async def test_what_the_model_says_inside_the_prompt_stands_letter_by_letter(
    open_page: Any, catalog: Catalog, text_of: TextOf, recipe: str, word: str
) -> None:
    page = await open_page(recipe=recipe, prompt=word)
    (table,) = (t for t in page.iter("table") if "inside" in t.get("class", "").split())
    lines = [[text_of(cell) for cell in line.findall("td")] for line in table.iter("tr")]
    model, _ = catalog.model(ALL_RECIPES[recipe], "prompt-masked", None)
    (row,) = top_choices(model, ALL_RECIPES[recipe], [word])
    assert lines[0] == list(word)
    assert lines[1] == [choice.token for choice in row]
    assert lines[2] == [f"{100 * choice.probability:.0f} %" for choice in row]
    assert [kind == "just before" for kind in lines[3]] == [choice.is_before for choice in row]


async def test_a_word_of_other_length_is_replaced_for_the_models_and_that_is_said(
    open_page: Any, text_of: TextOf
) -> None:
    assert "so they are asked this one instead of yours" in text_of(await open_page(prompt="hello"))


@pytest.mark.parametrize(("cut", "shown"), [(99, "4"), (-99, "-3"), (0, "0")])
async def test_a_cut_beyond_the_ends_is_moved_to_the_end(open_page: Any, cut: int, shown: str) -> None:
    page = await open_page(cut=cut)
    assert [e.get("value") for e in page.iter("input") if e.get("name") == "cut" and "checked" in e.attrib] == [shown]


@pytest.mark.parametrize("word", ["a", "ab", "abcdefghij"])
@pytest.mark.parametrize("cut", CUTS)
async def test_every_word_has_its_figure_under_every_cut(open_page: Any, text_of: TextOf, word: str, cut: int) -> None:
    page = await open_page(prompt=word, cut=cut)
    words = row(page, "words", text_of)
    assert len(words) == 2 * len(word) + 2
    assert words.count("trained") + words.count("leaked") == min(len(words), max(0, len(word) + 1 - cut))


@pytest.mark.parametrize("word", ["", "HELLO", "<hello>", "abcdefghijk", "\u202e", "a" * 3900])
async def test_a_word_that_cannot_be_read_is_told_and_the_measurements_stay(
    open_page: Any, text_of: TextOf, word: str
) -> None:
    text = text_of(await open_page(status=422, prompt=word))
    assert " only: the " in text or "you wrote" in text
    assert "A model for each cut" in text


async def test_an_unknown_recipe_is_not_found_and_a_cut_that_is_no_number_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/shift?recipe=nope")).status_code == 404
    assert (await client.get("/shift?cut=x")).status_code == 422


async def test_to_htmx_the_form_alone_is_answered(client: httpx.AsyncClient) -> None:
    response = await client.get("/shift", headers={"hx-request": "true", "hx-request-type": "partial"})
    assert response.text.lstrip().startswith('<form id="shift"')
