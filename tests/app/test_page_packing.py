"""The packing page as the server writes it: every figure counted or measured anew, complete without a script."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from app.templating import percent
from model.masks import MASK_POLICIES
from model.packed_rows import EXAMPLES, measure_filling, read_conversations, training_conversations
from model.packing_effects import measure_documents, measure_effects
from model.packing_words import number
from model.recipes import ALL_RECIPES

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


async def test_the_table_of_effects_holds_what_the_models_in_memory_do(
    open_page: Any, catalog: Catalog, text_of: TextOf
) -> None:
    recipe = ALL_RECIPES["reverse"]
    expected = []
    for step in (GAP_STEP, 3000):
        effects = measure_effects(
            catalog.model(recipe, "prompt-masked", step)[0], recipe, read_conversations(recipe, WORDS)
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
    changes = measure_documents(model, recipe, read_conversations(recipe, WORDS), MASK_POLICIES[policy])
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
        assert row[1:] == [percent(rate.value, 1), interval, str(rate.n), number(symptoms.answer_loss)]


@pytest.mark.parametrize("recipe", EXAMPLES)
async def test_the_bars_are_as_long_as_the_batches_are_large(open_page: Any, recipe: str) -> None:
    prompts = EXAMPLES[recipe].split(", ")
    subject = ALL_RECIPES[recipe]
    batches = (read_conversations(subject, prompts), training_conversations(subject, 0))
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
