"""The page on padding as the server writes it: every figure measured on the model in memory or shipped."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from model.experiments.padding.accuracies import complete_padded
from model.experiments.padding.arms import PADDINGS, TRAINED_PADDINGS, TWO_BY_TWO
from model.experiments.padding.rows import logit_changes, padded_rows
from model.experiments.padding.shapes import batch_shapes
from model.masks.policies import MASK_POLICIES
from model.training.conversations import render_prompts
from model.training.recipes import ALL_RECIPES
from model.writing import compact

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
RECIPE = ALL_RECIPES["reverse"]


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    """`await open_page(policy="left-pad")`: the page under these query parameters as a tree."""

    async def opened(*, status: int = 200, **query: Any) -> Element:
        response = await client.get("/padding", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def table(page: Element, class_: str, text_of: TextOf) -> list[list[str]]:
    (found,) = (t for t in page.iter("table") if class_ in t.get("class", "").split())
    return [[text_of(cell) for cell in row] for row in found.findall("tbody/tr")]


@pytest.mark.parametrize("policy", PADDINGS)
async def test_attention_is_that_of_the_model_in_memory(
    open_page: Any, catalog: Catalog, text_of: TextOf, policy: str
) -> None:
    model, _ = catalog.model(RECIPE, "prompt-masked", None)
    conversations = render_prompts(RECIPE, ("hello", "ab"))
    row = padded_rows(model, RECIPE, conversations, MASK_POLICIES[policy])[1]
    page = await open_page(policy=policy, layer=2, first="hello", second="ab", row=2)
    at = row.tokens.index(">")
    for head, cells in enumerate(table(page, "weights", text_of)):
        weights = row.weights[1][head][at]
        shown = [f"{100 * w:.0f}" if s in row.sees[at] else "·" for s, w in enumerate(weights)]
        assert cells[1:-1] == shown
        assert cells[-1] == f"{100 * row.on_pads(1, head, at):.0f} %"
    pads = sum(not row.real[s] for s in row.sees[at])
    assert (f"{pads} of them pads" if pads else "none of them a pad") in text_of(page)


async def test_a_pad_has_a_sign_of_its_own_in_the_batch_and_over_the_weights(open_page: Any, text_of: TextOf) -> None:
    page = await open_page(policy="left-pad", first="hello", second="ab", row=2)
    inputs = [text_of(e) for e in page.iter("span") if e.get("class") == "input"]
    assert inputs[-12:] == [*"∅∅∅∅∅∅", *"<ab>ba"]
    (weights,) = (t for t in page.iter("table") if t.get("class") == "weights")
    assert [text_of(e) for e in weights.findall("thead/tr/th")][1:-1][:7] == [*"∅∅∅∅∅∅", "<"]
    assert "∅ is a pad" in text_of(page)
    assert "␣" not in text_of(page)


async def test_logit_differences_are_measured_on_the_words_given(
    open_page: Any, catalog: Catalog, text_of: TextOf
) -> None:
    model, _ = catalog.model(RECIPE, "prompt-masked", None)
    conversations = render_prompts(RECIPE, ("mask", "abcdef"))
    rows = table(await open_page(first="mask", second="abcdef"), "logits", text_of)
    for cells, policy in zip(rows, PADDINGS, strict=True):
        change = max(logit_changes(model, RECIPE, conversations, MASK_POLICIES[policy]))
        harmless = policy in ("prompt-masked", "left-pad")
        assert cells[2] == ("the same up to rounding" if harmless else "changed")
        if not harmless:
            assert cells[1] == compact(change)


async def test_words_with_and_without_pads_are_counted_apart_for_every_model(
    open_page: Any, catalog: Catalog, text_of: TextOf
) -> None:
    page = await open_page()
    for cells, trained in zip(table(page, "accuracies", text_of), TRAINED_PADDINGS, strict=True):
        for cell, used in zip(cells[1:], PADDINGS, strict=True):
            row = catalog.paddings[trained, used]
            rate, spared = row.with_pads, row.by_length[-1]
            assert cell == (
                f"{row.right_with_pads()} of {rate.n} {100 * rate.low:.1f} to {100 * rate.high:.1f} % "
                f"no pads: {spared.right} of {spared.n}"
            )
    assert "0 of 260 right; asked with pads on the right, 0 of 260" in text_of(page)


async def test_it_says_what_each_cause_does_and_that_it_is_one_model(open_page: Any, text_of: TextOf) -> None:
    text = text_of(await open_page())
    for said in ("from 2 to 31", "from 0 to 260", "from 2 to 0", "from 31 to 260"):
        assert said in text
    assert "hidden but counted, 124 are too short and 136 too long" in text
    assert "One model, seed 0" in text
    assert "how far other words might differ, not other seeds" in text


@pytest.mark.parametrize("words", [("live", "helicopter"), ("ab", "hello")])
async def test_each_square_shows_its_count_and_what_the_model_writes(
    open_page: Any, catalog: Catalog, text_of: TextOf, words: tuple[str, str]
) -> None:
    page = await open_page(first=words[0], second=words[1])
    model, _ = catalog.model(RECIPE, "prompt-masked", None)
    panels = [e for e in page.iter("article") if "panel" in e.get("class", "").split()]
    assert [panel.get("id") for panel in panels] == [arm.policy for arm in TWO_BY_TWO]
    for panel, arm in zip(panels, TWO_BY_TWO, strict=True):
        shipped = catalog.paddings["prompt-masked", arm.policy]
        assert f"{shipped.right_with_pads()} of {shipped.with_pads.n}" in text_of(panel)
        assert ("all-right" in panel.get("class", "")) == (shipped.right_with_pads() == shipped.with_pads.n)
        (asked,) = (p for p in panel.iter("p") if p.get("class") == "asked")
        written = complete_padded(model, RECIPE, words, MASK_POLICIES[arm.policy])[0]
        assert text_of(asked).replace(" ", "").endswith(f"→{written}")
        wrong = "".join(text_of(s) for s in asked.iter("s"))
        right = words[0][::-1] + "#"
        assert wrong == "".join(c for i, c in enumerate(written) if right[i : i + 1] != c)


async def test_wasted_cells_are_counted(open_page: Any, text_of: TextOf) -> None:
    text = text_of(await open_page())
    for shape in batch_shapes(RECIPE, 0):
        assert f"{shape.cells:,} cells, {100 * shape.wasted:.0f} % wasted" in text


@pytest.mark.parametrize("query", [{"position": 99}, {"position": -5}, {"row": 7}, {"layer": 0}, {"layer": 10**9}])
async def test_numbers_are_moved_to_what_there_is(open_page: Any, query: dict[str, int]) -> None:
    await open_page(**query)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"second": "evil"}, "different lengths"),
        ({"first": "HELLO"}, "Use letters a to z only"),
        ({"second": ""}, "you wrote 0"),
        ({"second": "<script>"}, "Use letters a to z only"),
        ({"first": "a" * 2000}, "you wrote 2000"),
    ],
)
async def test_words_that_cannot_be_shown_are_told_and_the_measurements_stay(
    open_page: Any, text_of: TextOf, query: dict[str, str], said: str
) -> None:
    text = text_of(await open_page(status=422, **query))
    assert said in text
    assert "Trained one way, asked another" in text
    assert "260 of 260" in text


async def test_an_unknown_padding_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/padding?policy=unmasked")).status_code == 404
