"""/api/v1/inspect: the command's report over HTTP, within limits, and never from a path."""

import asyncio
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from app.cli import app as command_line
from app.races.forks import GIVES_WAY
from app.settings import Settings
from app.workers.inspections import MOST_ROWS, Asked, InspectionsBusy
from model.inspector.catalogue import RULES
from model.inspector.examples import NAME

pytestmark = pytest.mark.anyio

FOLDER = Settings().trained_folder / "tokenizers" / NAME


def rows_of(name: str) -> list[Any]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


async def ask(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/api/v1/inspect", json={"rows": rows_of("rows")} | body)


async def test_those_who_wait_for_one_inspection_go_on_one_by_one_and_others_come_between(app: FastAPI) -> None:
    happened: list[str] = []

    async def ask_and_draw() -> None:
        await app.state.inspections.inspect(Asked(rows_of("rows")))
        happened.append("drawn")

    asked = [asyncio.create_task(ask_and_draw()) for _ in range(5)]
    while happened.count("drawn") < 5:
        await asyncio.sleep(0 if happened else 0.001)
        happened.append("else")
    assert ("drawn", "drawn") not in pairwise(happened)
    await asyncio.gather(*asked)


async def test_the_report_is_the_command_s(client: httpx.AsyncClient) -> None:
    answer = (await ask(client, rows=rows_of("stop-lost"), against=rows_of("rows"))).json()
    files = [str(FOLDER / "stop-lost.jsonl"), "--dump", "--against", str(FOLDER / "rows.jsonl")]
    said = CliRunner().invoke(command_line, ["inspect", *files, "--tokenizer", str(FOLDER), "--json"])
    of_files = {"hashes": {}, "notes": []}
    assert answer | of_files == json.loads(said.stdout) | of_files
    assert {one["rule"] for one in answer["findings"]} == {"M03"}


async def test_its_processes_give_way_to_the_server(client: httpx.AsyncClient) -> None:
    assert (await ask(client)).status_code == 200
    children = [
        pid for thread in Path("/proc/self/task").iterdir() for pid in (thread / "children").read_text().split()
    ]
    workers = [int(pid) for pid in children if b"inspection_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    yielding = min(19, os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)  # none yields more than 19
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in workers} == {yielding}


async def test_intent_serving_arguments_template_and_files_are_those_asked_for(
    client: httpx.AsyncClient,
) -> None:
    files = {name: (FOLDER / name).read_text() for name in ("tokenizer.json", "tokenizer_config.json")}
    template = (FOLDER / "chat_template.jinja").read_text()
    last = await ask(client, tokenizer=files, template=template, intent={"turns": "last-assistant"})
    every = await ask(client, intent={"turns": "all-assistant"})
    assert last.json()["counts"]["trained"] < every.json()["counts"]["trained"]
    assert last.json()["counts"]["tokens"] == every.json()["counts"]["tokens"]
    served = await ask(client, serving={"enable_thinking": False})
    assert {one["rule"] for one in served.json()["findings"]} == {"M18", "M30"}


DEEP = '{"rows": [' + "[" * 4_000 + "]" * 4_000 + "]}"
HI = {"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "Yo"}]}


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        ({"tokenizer": "../../etc"}, 404, "not_found", "Choose one of: chatml"),
        ({"tokenizer": str(FOLDER)}, 404, "not_found", "Choose one of: chatml"),
        ({"template": "{% for %}"}, 422, "template_refused", "line 1"),
        ({"template": "x" * 300_000}, 422, "limit_hit", "256 KiB"),
        ({"template": "{{ 'a b ' * 90000 }}"}, 422, "limit_hit", "100,000 tokens"),
        ({"rows": [1]}, 422, "unreadable_input", "no known shape"),
        ({"rows": [HI]}, 422, "unreadable_input", "surrogate"),
        ({"rows": [{"input_ids": [1, 2], "labels": [1, float("inf")]}]}, 422, "unreadable_input", "row 1"),
        ({"rows": [{"input_ids": [1, 10**400], "labels": [1, "x"]}]}, 422, "unreadable_input", "row 1"),
        ({"rows": []}, 422, "invalid", "at least 1"),
        ({"rows": [{}] * (MOST_ROWS + 1)}, 422, "invalid", f"at most {MOST_ROWS}"),
        ({"tokenizer": {"tokenizer.json": "{}"}}, 422, "unreadable_input", "tokenizer.json"),
        ({"tokenizer": {"/etc/passwd": "{}"}}, 422, "invalid", "tokenizer"),
        ({"folder": "/etc"}, 422, "invalid", "folder"),
    ],
)
async def test_what_is_refused_says_why(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, code: str, says: str
) -> None:
    response = await client.post(
        "/api/v1/inspect",
        content=json.dumps({"rows": rows_of("rows")} | body),
        headers={"content-type": "application/json"},
    )
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), error
    assert says in error["message"]


async def test_rows_nested_too_deeply_are_refused(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    response = await client.post("/api/v1/inspect", content=DEEP, headers=headers)
    assert response.status_code == 422


async def test_a_body_of_rows_may_be_larger_than_others_and_not_endless(client: httpx.AsyncClient) -> None:
    response = await ask(client, template="{# " + "x" * 100_000 + " #}")
    assert response.status_code == 200
    response = await ask(client, template="x" * Settings().inspection_body_limit_bytes)
    assert response.status_code == 413


async def test_who_asks_for_more_at_once_than_half_is_told_to_come_again_and_others_are_answered(
    app: FastAPI, client: httpx.AsyncClient, connect: Any
) -> None:
    most = Settings().inspection_queue_size // 2
    async with connect(app, address="192.0.2.7") as other:
        asked = [(client, f"different {number}") for number in range(most + 3)] + [(other, "another's")]
        *answers, another = await asyncio.gather(*(ask(visitor, template=template) for visitor, template in asked))
    assert another.status_code == 200
    statuses = [one.status_code for one in answers]
    assert (statuses.count(200), statuses.count(503)) == (most, 3)
    busy = next(one for one in answers if one.status_code == 503)
    assert busy.headers["retry-after"] == str(1 + most)
    assert busy.json()["error"]["code"] == InspectionsBusy.code


async def test_equal_ones_at_once_are_one_inspection(client: httpx.AsyncClient) -> None:
    a_class = await asyncio.gather(*(ask(client) for _ in range(60)), *(client.get("/inspect") for _ in range(60)))
    assert {answer.status_code for answer in a_class} == {200}
    assert len({answer.content for answer in a_class}) == 2


async def test_the_rules_are_all_there(client: httpx.AsyncClient) -> None:
    rules = (await client.get("/api/v1/inspect/rules")).json()["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert all(rule["matters"] and rule["mend"] for rule in rules)
