"""/api/v1/turns: every run step by step, and over seeds."""

from dataclasses import asdict

import httpx
import pytest

from app.settings import Settings
from model.experiments.turns import KEPT_TURNS, mixed_rows

pytestmark = pytest.mark.anyio


async def test_what_was_measured_is_told_whole(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/turns")).json()
    stated = KEPT_TURNS.read(Settings().trained_folder)
    assert (answer["recipe"], answer["single_share"]) == ("dialogue-mixed", 0.5)
    for told, run in zip(answer["runs"], stated, strict=True):
        assert (told["policy"], told["seed"]) == run.key
        assert [at["by_turn"] for at in told["by_step"]] == [[asdict(r) for r in at.by_turn] for at in run.by_step]
        assert [at["targets"] for at in told["by_step"]] == [at.targets for at in run.by_step]
    for told, row in zip(answer["over_seeds"], mixed_rows(stated), strict=True):
        assert [rate["seeds"] for rate in told["by_turn"]] == [list(rate.seeds) for rate in row.by_turn]
        assert told["learned"] == list(row.learned)
        assert told["targets"] == row.targets
