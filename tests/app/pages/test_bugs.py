"""The gallery of mask bugs as the server writes it, and the same as JSON."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from model.experiments.bugs.diagnosis import diagnose
from model.experiments.bugs.gallery import GALLERY
from model.experiments.bugs.glances import LONGEST, sketched
from model.training.evaluation import complete_prompts

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    """`await open_page(bug="mask-late")`: the page under these query parameters as a tree."""

    async def opened(*, status: int = 200, **query: Any) -> Element:
        response = await client.get("/bugs", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def find_all(page: Element, tag: str, class_: str) -> list[Element]:
    return [e for e in page.iter(tag) if class_ in e.get("class", "").split()]


def word_of(slug: str, catalog: Catalog) -> str:
    recipe = GALLERY[slug].recipe.slug
    return diagnose(*(catalog.measured[recipe, policy].symptoms for policy in (slug, "prompt-masked"))).word


async def test_all_bugs_are_seen_at_a_glance_each_with_what_its_model_writes(
    open_page: Any, catalog: Catalog, text_of: TextOf
) -> None:
    page = await open_page()
    links = [a for contents in find_all(page, "ul", "bug-list") for a in contents.iter("a")]
    assert sorted(a.get("href") or "" for a in links) == sorted(f"/bugs?bug={slug}#bug" for slug in GALLERY)
    for link in links:
        slug = (link.get("href") or "").removeprefix("/bugs?bug=").removesuffix("#bug")
        recipe, asked = GALLERY[slug].recipe, sketched(slug).asked
        model, _ = catalog.model(recipe, slug, None)
        (given,) = complete_prompts(model, recipe.task, recipe.tokenizer, [asked])
        text = text_of(link)
        assert text.endswith(word_of(slug, catalog))
        assert f"{100 * catalog.measured[recipe.slug, slug].symptoms.exact_match.value:.1f} % right" in text
        (written,) = find_all(link, "span", "written")
        shown = text_of(written).removeprefix(f"{asked}→")
        assert shown == (given if len(given) <= LONGEST else f"{given[:LONGEST]}…")
        wrong = "".join("".join(s.itertext()) for s in written.iter("s"))
        right = recipe.task.answer(asked) + "#"
        assert wrong == "".join(t for i, t in enumerate(given[:LONGEST]) if right[i : i + 1] != t)
    assert not [e for e in page.iter() if e.get("id") == "bug"]


async def test_an_opened_bug_stands_under_its_own_row(open_page: Any) -> None:
    page = await open_page(bug="packed")
    (place,) = (s for s in find_all(page, "section", "place") if any(e.get("id") == "bug" for e in s.iter()))
    assert "/bugs?bug=packed#bug" in [a.get("href") for a in place.iter("a") if a.get("aria-current")]


@pytest.mark.parametrize("slug", GALLERY)
async def test_every_bug_has_its_labels_symptoms_and_findings(
    open_page: Any, catalog: Catalog, text_of: TextOf, slug: str
) -> None:
    bug, page = GALLERY[slug], await open_page(bug=slug)
    text = text_of(page)
    for said in (bug.policy.title, bug.cause, bug.detect):
        assert said in text
    assert bug.policy.code in "".join("".join(pre.itertext()) for pre in page.iter("pre"))
    assert find_all(page, "ol", "mask-row")
    (table,) = find_all(page, "table", "symptoms")
    rows = {text_of(row[0]): [text_of(cell) for cell in row[1:]] for row in table.findall("tbody/tr")}
    right, wrong = (catalog.measured[bug.recipe.slug, policy].symptoms for policy in ("prompt-masked", slug))
    for cell, symptoms in zip(rows["Exactly right"], (right, wrong), strict=True):
        rate = symptoms.exact_match
        assert cell == f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})"
    (findings,) = find_all(page, "ul", "findings")
    assert (text_of(findings) == "It found nothing.") == (slug in ("left-pad", "packed"))
    for report in bug.reports:
        assert report.address in {link.get("href") for link in page.iter("a")}


async def test_both_models_answer_as_they_do(open_page: Any, catalog: Catalog, text_of: TextOf) -> None:
    page = await open_page(bug="eos-masked", prompt="mask", generate=1)
    recipe = GALLERY["eos-masked"].recipe
    for lane, policy in zip(find_all(page, "div", "lane"), ("prompt-masked", "eos-masked"), strict=True):
        model, _ = catalog.model(recipe, policy, None)
        (given,) = complete_prompts(model, recipe.task, recipe.tokenizer, ["mask"])
        (tokens,) = find_all(lane, "span", "tokens")
        assert "".join(tokens.itertext()).strip() == given
        assert lane.get("data-answer") == "ksam#"
    assert "it never wrote #" in text_of(page)


@pytest.mark.parametrize(
    ("slug", "prompt", "said"),
    [
        ("mask-late", "abcd", "1 position is not what the right mask makes it"),
        ("truncated", "abcdefgh", "5 tokens are cut off"),
        ("packed", "hello", "the labels themselves are right"),
    ],
)
async def test_what_the_labels_get_wrong_is_counted(
    open_page: Any, text_of: TextOf, slug: str, prompt: str, said: str
) -> None:
    assert said in text_of(await open_page(bug=slug, prompt=prompt))


@pytest.mark.parametrize("prompt", ["", "HELLO", "<b>", "abcdefghijk" * 40, "\u202e"])
async def test_a_prompt_that_cannot_be_read_is_told_and_the_numbers_stay(
    open_page: Any, text_of: TextOf, prompt: str
) -> None:
    text = text_of(await open_page(status=422, bug="mask-late", prompt=prompt))
    assert " only: the " in text or "you wrote" in text
    assert "What became of the model" in text


@pytest.mark.parametrize("query", ["bug=none", "bug=%00", "bug=" + "x" * 3000])
async def test_a_bug_that_is_not_there_is_not_found(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/bugs?{query}")).status_code == 404


async def test_the_json_holds_what_was_measured(client: httpx.AsyncClient, catalog: Catalog) -> None:
    bugs = (await client.get("/api/v1/gallery")).json()["bugs"]
    assert [bug["slug"] for bug in bugs] == list(GALLERY)
    for bug in bugs:
        symptoms = catalog.measured[bug["recipe"], bug["slug"]].symptoms
        assert bug["symptoms"]["exact_match"]["value"] == symptoms.exact_match.value
        assert bug["symptoms"]["own_loss"] == symptoms.own_loss
        assert bug["diagnosis"] == word_of(bug["slug"], catalog)
        assert bug["harmless"] == (bug["diagnosis"] == "harmless here")
        assert len(bug["reports"]) == len(GALLERY[bug["slug"]].reports)
