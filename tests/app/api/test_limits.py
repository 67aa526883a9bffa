"""/api/v1/limits: what the page shows, as numbers."""

import httpx
import pytest

from app.catalog import Catalog
from app.settings import Settings
from model.experiments.limits import ASKED, KEPT_LIMITS, limits_rows
from model.experiments.other_answers import limit_recipe
from model.explain.both_answers import ask_for_both

pytestmark = pytest.mark.anyio


async def test_a_model_is_asked_and_every_run_is_told(client: httpx.AsyncClient, catalog: Catalog) -> None:
    answer = (await client.get("/api/v1/limits?arm=both-30&seed=2&prompt=word")).json()
    arm, runs = ASKED["both-30"], KEPT_LIMITS.read(Settings().trained_folder)
    asked = ask_for_both(catalog.several["both-30", 2], limit_recipe(arm.where, arm.share), "word")
    assert (answer["arm"], answer["seed"]) == ("both-30", 2)
    told = answer["asked"]
    assert told["reversal"]["probability"] == pytest.approx(asked.reversal.probability, abs=1e-6)
    assert told["copied"]["tokens"][0] == ["w", pytest.approx(asked.copied.tokens[0][1], abs=1e-6)]
    parts = told["reversal"]["probability"], told["copied"]["probability"], told["mixed"], told["rest"]
    assert sum(parts) == pytest.approx(1)
    assert (told["written"], told["writes"]) == (asked.written, asked.writes)
    assert [(run["where"], run["share"], run["seed"]) for run in answer["runs"]] == [run.key for run in runs]
    assert [row["p_mixed"] for row in answer["over_seeds"]] == [list(row.p_mixed) for row in limits_rows(runs)]


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("arm=nope", 404, "arm"),
        ("seed=3", 422, "seed"),
        ("seed=-1", 422, "seed"),
        ("prompt=abc", 422, "prompt"),
        ("prompt=" + "a" * 300, 422, "prompt"),
        ("share=0.5", 422, "share"),
    ],
)
async def test_what_cannot_be_asked_is_refused(client: httpx.AsyncClient, query: str, status: int, param: str) -> None:
    response = await client.get(f"/api/v1/limits?{query}")
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
