"""The packing page as the server writes it: every figure counted or measured anew, complete without a script."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from model.experiments.packing.effects import SEPARATIONS, measure_documents, measure_effects
from model.experiments.packing.rows import EXAMPLES, PACKINGS, measure_filling, trace_sight
from model.masks.policies import MASK_POLICIES
from model.training.conversations import render_prompts
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES
from model.writing import number, percent

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
WORDS = EXAMPLES["reverse"].split(", ")
GAP_STEP = 900


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    """`await open_page(policy="packed")`: the page under these query parameters as a tree."""

    async def opened(*, status: int = 200, **query: Any) -> Element:
        response = await client.get("/packing", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def find_all(page: Element, tag: str, class_: str = "") -> list[Element]:
    return [e for e in page.iter(tag) if set(class_.split()) <= set(e.get("class", "").split())]


def table(page: Element, heading: str, text_of: TextOf) -> list[list[str]]:
    """The cells of the tables' bodies in the section under a heading."""
    (section,) = (e for e in page.iter("section") if e.get("aria-labelledby") == heading)
    return [[text_of(cell) for cell in row] for body in section.iter("tbody") for row in body]


def chosen(page: Element, name: str) -> str:
    return next(e.attrib["value"] for e in page.iter("input") if e.get("name") == name and "checked" in e.attrib)


async def test_the_table_of_effects_holds_what_the_models_in_memory_do(
    open_page: Any, catalog: Catalog, text_of: TextOf
) -> None:
    recipe = ALL_RECIPES["reverse"]
    expected = []
    for step in (GAP_STEP, 3000):
        effects = measure_effects(
            catalog.model(recipe, "prompt-masked", step)[0], recipe, render_prompts(recipe, WORDS)
        )
        expected += [
            [e.separation.title, *map(number, (e.loss, e.loss_difference, e.gradient_difference))]
            for e in effects.packed
        ]
    assert table(await open_page(), "effects-heading", text_of) == expected


@pytest.mark.parametrize("policy", ["packed", "packed-naive"])
async def test_the_table_of_conversations_is_measured_under_the_chosen_policy(
    open_page: Any, catalog: Catalog, text_of: TextOf, policy: str
) -> None:
    recipe = ALL_RECIPES["reverse"]
    model, _ = catalog.model(recipe, "prompt-masked", 500)
    changes = measure_documents(model, recipe, render_prompts(recipe, WORDS), MASK_POLICIES[policy])
    assert table(await open_page(policy=policy, step=500), "documents-heading", text_of) == [
        [c.text, str(c.row + 1), str(c.start), *map(number, (c.logit_change, c.loss_alone, c.loss_packed))]
        for c in changes
    ]


async def test_models_trained_so_are_shown_as_they_were_measured(
    open_page: Any, catalog: Catalog, text_of: TextOf
) -> None:
    rows = table(await open_page(), "outcome-heading", text_of)
    for row, policy in zip(rows, ("prompt-masked", "packed", "packed-naive"), strict=True):
        symptoms = catalog.measured["reverse", policy].symptoms
        rate = symptoms.exact_match
        interval = f"{100 * rate.low:.1f} to {percent(rate.high, 1)}"
        assert row[1:4] == [percent(rate.value, 1), interval, str(rate.n)]
        assert symptoms.own_loss is not None
        assert row[4:] == [number(symptoms.answer_loss), number(symptoms.own_loss)]


@pytest.mark.parametrize("recipe", EXAMPLES)
async def test_the_bars_are_as_long_as_the_batches_are_large(open_page: Any, recipe: str) -> None:
    prompts = EXAMPLES[recipe].split(", ")
    subject = ALL_RECIPES[recipe]
    batches = (render_prompts(subject, prompts), training_conversations(subject, 0))
    drawn = [
        (float(cells.attrib["width"]), float(real.attrib["width"]))
        for card in find_all(await open_page(recipe=recipe), "article", "room")
        for cells, real in zip(find_all(card, "rect", "cells"), find_all(card, "rect", "own"), strict=True)
    ]
    fillings = [
        measure_filling(subject, batch, MASK_POLICIES[policy])
        for batch in batches
        for policy in ("prompt-masked", "packed")
    ]
    assert drawn == [(filling.cells, filling.real) for filling in fillings]


# The pictures and the chips


@pytest.mark.parametrize("row", [1, 2])
@pytest.mark.parametrize("recipe", EXAMPLES)
async def test_the_pictures_fill_the_cells_that_the_batch_lets_be_seen(open_page: Any, recipe: str, row: int) -> None:
    subject = ALL_RECIPES[recipe]
    conversations = render_prompts(subject, EXAMPLES[recipe].split(", "))
    figures = find_all(await open_page(recipe=recipe, row=row), "figure", "attention")
    for figure, slug in zip(figures, PACKINGS, strict=True):
        seen = trace_sight(subject, conversations, MASK_POLICIES[slug])[row - 1]
        drawing = next(figure.iter("svg"))
        for sight in ("own", "other", "hidden"):
            filled = {
                (int(r.attrib["y"]), x)
                for r in find_all(drawing, "rect", sight)
                for x in range(int(r.attrib["x"]), int(r.attrib["x"]) + int(r.attrib["width"]))
            }
            cells = enumerate(seen.sights)
            assert filled == {(t, s) for t, line in cells for s, found in enumerate(line) if found == sight}, sight
        assert [e.text for e in drawing.iter("text")][::2] == list(seen.tokens)


@pytest.mark.parametrize("policy", PACKINGS)
async def test_the_chips_begin_a_conversation_with_an_ignored_seam(
    open_page: Any, text_of: TextOf, policy: str
) -> None:
    page = await open_page(policy=policy)
    rows = find_all(page, "ol", "mask-row")
    assert len(rows) == 2
    for row in rows:
        chips = [
            {name: text_of(find_all(chip, "span", name)[0]) for name in ("place", "input", "target", "word")}
            for chip in row
        ]
        seams = [chip for chip in chips if (chip["input"], chip["target"]) == ("#", "<")]
        assert seams
        assert {chip["word"] for chip in seams} == {"ignored"}
        starts = [chip["place"] for chip in chips if chip["input"] == "<"]
        assert (starts == ["0"] * len(starts)) == (policy == "packed")


async def test_the_page_links_to_the_same_numbers_as_json(open_page: Any, client: httpx.AsyncClient) -> None:
    page = await open_page(recipe="dialogue", words="ab cd, ef 1", policy="packed-naive", step=1000)
    (link,) = (e.attrib["href"] for e in page.iter("a") if e.get("href", "").startswith("/api/"))
    answer = (await client.get(link)).json()
    assert (answer["recipe"], answer["policy"], answer["step"]) == ("dialogue", "packed-naive", 1000)
    assert [document["text"] for document in answer["documents"]] == ["<ab>ba#<cd>dc#", "<ef>fe#<1>fe#"]


# What the address may say


@pytest.mark.parametrize("words", ["", " , ", "HELLO", "<script>", "a,b,c,d,e,f,g", "abcdefghijk", "x" * 3900])
async def test_words_that_cannot_be_read_leave_the_form_and_a_notice(
    open_page: Any, text_of: TextOf, words: str
) -> None:
    page = await open_page(words=words, status=422)
    (field,) = (e for e in page.iter("input") if e.get("name") == "words")
    assert field.attrib["value"] == words
    assert field.attrib["aria-describedby"] == "notice"
    (notice,) = find_all(page, "p", "notice")
    assert text_of(notice).startswith(
        ("Use letters a to z only", "Write 1 to 10 characters", "Give 1 to 6 conversations")
    )
    assert not find_all(page, "figure")
    assert len(table(page, "outcome-heading", text_of)) == 3


@pytest.mark.parametrize("query", [{"recipe": "reverse4"}, {"recipe": "x"}, {"policy": "prompt-masked"}])
async def test_a_name_that_is_not_there_is_not_found(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    assert (await client.get("/packing", params=query)).status_code == 404


async def test_numbers_move_to_the_nearest_that_there_is(open_page: Any, text_of: TextOf) -> None:
    page = await open_page(row=99, step=10**9)
    assert chosen(page, "row") == "2"
    assert [e.attrib["value"] for e in page.iter("option") if "selected" in e.attrib] == ["3000"]
    assert len(table(page, "effects-heading", text_of)) == len(SEPARATIONS)  # one model: it is the last already
    assert chosen(await open_page(row=-5), "row") == "1"


async def test_spaces_are_commas_where_a_conversation_is_one_word(open_page: Any, text_of: TextOf) -> None:
    commas, spaces = [
        table(await open_page(words=words), "documents-heading", text_of) for words in ("hello, ab", " hello  ab ")
    ]
    assert commas == spaces
    dialogue = table(await open_page(recipe="dialogue", words="abc de 1,fg hi"), "documents-heading", text_of)
    assert [row[0] for row in dialogue] == ["<abc>cba#<de>ed#<1>cba#", "<fg>gf#<hi>ih#"]


async def test_one_conversation_alone_is_the_same_packed_or_not(open_page: Any, text_of: TextOf) -> None:
    page = await open_page(words="hello", policy="packed-naive")
    assert not [e for e in page.iter("input") if e.get("name") == "row"]
    for row in table(page, "effects-heading", text_of):
        assert row[2:] == ["0", "0"]


async def test_the_form_says_what_was_chosen(open_page: Any) -> None:
    page = await open_page(
        recipe="dialogue", policy="packed-naive", row=2, step=1000, words="ab cd, ef gh, ij kl, mn op"
    )
    values = {e.get("name"): e.get("value") for e in page.iter("input") if e.get("type") != "radio"}
    assert values == {"recipe": "dialogue", "words": "ab cd, ef gh, ij kl, mn op"}
    assert (chosen(page, "policy"), chosen(page, "row")) == ("packed-naive", "2")
    assert [e.attrib["value"] for e in page.iter("option") if "selected" in e.attrib] == ["1000"]


@pytest.mark.parametrize(("asked", "nearest"), [(17, 0), (1960, 2000), (10**9, 3000)])
async def test_a_step_that_was_not_kept_is_said_to_have_moved(
    open_page: Any, text_of: TextOf, asked: int, nearest: int
) -> None:
    (said,) = find_all(await open_page(step=asked), "p", "moved")
    assert f"Step {asked:,} was not kept" in text_of(said)
    assert text_of(said).endswith(f": {nearest:,}.")


async def test_a_step_that_was_kept_says_nothing(open_page: Any) -> None:
    assert not find_all(await open_page(step=900), "p", "moved")
    assert not find_all(await open_page(), "p", "moved")
