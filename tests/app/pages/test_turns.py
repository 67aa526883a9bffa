"""The page on turns as the server writes it: the editor, the mask, the models' answers, the budgets."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from app.settings import Settings
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, enter
from model.experiments.turns import mixed_rows
from model.explain.budgets import policy_budgets
from model.training.evaluation import complete_prompts
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES, MASK_RECIPES

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
TALK = [("user", "abc"), ("assistant", ""), ("user", "de"), ("assistant", ""), ("user", "1"), ("assistant", "")]


def query(messages: list[tuple[str, str]], **more: str) -> list[tuple[str, str]]:
    return [pair for role, text in messages for pair in (("role", role), ("text", text))] + list(more.items())


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    async def opened(messages: list[tuple[str, str]] = TALK, *, status: int = 200, **more: str) -> Element:
        response = await client.get("/turns", params=query(messages, **more))
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def table(page: Element, class_: str, text_of: TextOf) -> list[list[str]]:
    (found,) = (t for t in page.iter("table") if class_ in t.get("class", "").split())
    return [[text_of(cell) for cell in row] for row in found.findall("tbody/tr")]


@pytest.mark.parametrize(
    ("policy", "trained"), [("prompt-masked", ["4", "3", "4"]), ("last-turn-only", ["0", "0", "4"])]
)
async def test_one_mask_has_a_region_for_each_answer(
    open_page: Any, text_of: TextOf, policy: str, trained: list[str]
) -> None:
    rows = table(await open_page(policy=policy), "per-turn", text_of)
    assert [row[1] for row in rows] == ["cba#", "ed#", "cba#"]
    assert [row[3] for row in rows] == trained
    weights = [float(row[5].split()[0]) for row in rows]
    assert sum(weights) == pytest.approx(100, abs=0.2)


async def test_the_models_answer_in_the_place_of_each_answer(open_page: Any, catalog: Catalog, text_of: TextOf) -> None:
    recipe = ALL_RECIPES["dialogue"]
    rows = table(await open_page(), "answers", text_of)
    for column, policy in ((3, "prompt-masked"), (4, "last-turn-only")):
        model, _ = catalog.model(recipe, policy, None)
        given = complete_prompts(model, recipe.task, recipe.tokenizer, ["abc", "abc de", "abc de 1"])
        assert [row[column].split()[0] for row in rows] == given
    assert [row[2] for row in rows] == ["cba#", "ed#", "cba#"]


async def test_a_wrong_answer_in_the_history_is_fed_in_as_it_stands(open_page: Any, text_of: TextOf) -> None:
    rows = table(
        await open_page([("user", "abc"), ("assistant", "zzz"), ("user", "1"), ("assistant", "")]), "answers", text_of
    )
    assert [row[2] for row in rows] == ["zzz#", "cba#"]
    assert rows[0][3].endswith("✗ different")


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        ("add-user", [*TALK, ("user", "ab")]),
        ("add-assistant", [*TALK, ("assistant", "")]),
        ("remove-2", [TALK[0], *TALK[2:]]),
        ("up-3", [TALK[0], TALK[2], TALK[1], *TALK[3:]]),
        ("down-1", [TALK[1], TALK[0], *TALK[2:]]),
        ("up-1", TALK),
        ("down-6", TALK),
        ("remove-99", TALK),
        ("remove-x", TALK),
        ("explode", TALK),
        ("add-system", TALK),
        ("up-" + "9" * 3900, TALK),
        ("up-²", TALK),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
async def test_a_change_leads_to_the_address_that_says_it(
    client: httpx.AsyncClient, do: str, expected: list[tuple[str, str]]
) -> None:
    response = await client.get("/turns", params=query(TALK, policy="last-turn-only", do=do))
    assert response.status_code == 303
    state = parse_qs(urlsplit(response.headers["location"]).query, keep_blank_values=True)
    assert list(zip(state["role"], state["text"], strict=True)) == expected
    assert state["policy"] == ["last-turn-only"]


async def test_no_more_messages_than_allowed_can_be_added_and_the_last_one_stays(client: httpx.AsyncClient) -> None:
    for messages, do in (([("user", "a")] * 12, "add-user"), ([("user", "a")], "remove-1")):
        response = await client.get("/turns", params=query(messages, do=do))
        state = parse_qs(urlsplit(response.headers["location"]).query, keep_blank_values=True)
        assert len(state["role"]) == len(messages)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([("user", "HI"), ("assistant", "")], "only: the "),
        ([("assistant", "")], "before the user has asked"),
        ([("system", "ab")], "not 'system'"),
        ([("user", "a" * 60)], "A conversation can have 49 tokens at most; this one has 61"),
        ([("user", "ab")] * 13, "there are 13"),
        ([("user", "<script>")], "only: the "),
    ],
)
async def test_what_cannot_be_read_is_told_and_the_measurements_stay(
    open_page: Any, text_of: TextOf, messages: list[tuple[str, str]], said: str
) -> None:
    text = text_of(await open_page(messages, status=422))
    assert said in text
    assert "All answers, or the last only: measured" in text


async def test_what_was_measured_turn_by_turn_is_shown(open_page: Any, catalog: Catalog, text_of: TextOf) -> None:
    page = await open_page()
    for row, policy in zip(table(page, "by-turn", text_of), ("prompt-masked", "last-turn-only"), strict=True):
        rates = catalog.measured["dialogue", policy].symptoms.by_turn
        for cell, rate in zip(row[1:], rates, strict=True):
            assert cell.startswith(f"{100 * rate.value:.1f} %")
            assert cell.endswith(f"n = {rate.n})")
    assert "worse in every turn: it gets 0.0 % of turn 1 right" in text_of(page)


async def test_single_turns_in_the_data_make_it_a_fair_test(open_page: Any, text_of: TextOf) -> None:
    evidence = gather(Settings().trained_folder)
    page = await open_page()
    for row, measured in zip(table(page, "by-turn-mixed", text_of), mixed_rows(evidence.turns), strict=True):
        for cell, rate in zip(row[1:], measured.by_turn, strict=False):
            assert cell.startswith(f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})")
            assert cell.endswith("; ".join(f"{round(100 * seed, 1):g}" for seed in rate.seeds))
        assert row[-1] == f"{measured.targets:,.0f}"
    text = text_of(page)
    assert enter(CLAIMS["turns"], evidence).judgement.sentence in text
    assert "fails there by construction" in text


async def test_budgets_are_counted_from_the_batches_of_training(open_page: Any, text_of: TextOf) -> None:
    rows = table(await open_page(), "budgets", text_of)
    shown = {row[0]: row[1:] for row in rows}
    for column, slug in enumerate(MASK_RECIPES, 1):
        recipe = ALL_RECIPES[slug]
        for budget in policy_budgets(recipe, training_conversations(recipe, 0)).values():
            assert shown[budget.policy.title][column] == f"{100 * budget.share:.0f} %"
    assert shown["Only the answer is trained"][2] == "50 %"


async def test_an_unknown_policy_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/turns?policy=nope")).status_code == 404


async def test_ones_own_lengths_are_counted_and_the_conversation_stays(open_page: Any, text_of: TextOf) -> None:
    page = await open_page(prompt_tokens=30, response_tokens=70, turns=4, batch=16, policy="last-turn-only")
    one, all_ = table(page, "lengths-table", text_of)
    assert one[1:] == ["399", "280", "119", f"{100 * 119 / 399:.1f} %"]
    assert all_[1:] == [f"{16 * 399:,}", f"{16 * 280:,}", f"{16 * 119:,}", one[-1]]
    (form,) = (f for f in page.iter("form") if "lengths" in f.get("class", "").split())
    fields = [(e.get("name"), e.get("value")) for e in form.iter("input")]
    assert ("policy", "last-turn-only") in fields
    assert ("text", "abc") in fields
    assert fields[-4:] == [("prompt_tokens", "30"), ("response_tokens", "70"), ("turns", "4"), ("batch", "16")]


async def test_the_lesson_s_lengths_stand_there_first(open_page: Any, text_of: TextOf) -> None:
    page = await open_page()
    assert table(page, "lengths-table", text_of)[0][1:] == ["249", "50", "199", "79.9 %"]
    assert "60 to 90 % ignored typical in practice" in text_of(page)
    assert "about 1.5 to 9 times as long as its response" in text_of(page)


@pytest.mark.parametrize("query", [{"prompt_tokens": 0}, {"turns": -7}, {"batch": 10**12}, {"response_tokens": 10**30}])
async def test_lengths_are_moved_to_what_can_be_counted(open_page: Any, query: dict[str, int]) -> None:
    await open_page(**query)
