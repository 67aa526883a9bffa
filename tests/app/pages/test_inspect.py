"""The page /inspect: an example from its address, what is pasted from a body, chips that say what the report says."""

import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.charts.tokens import FOLD_FROM
from app.settings import Settings
from model.inspector.examples import NAME

pytestmark = pytest.mark.anyio

ROW = {"messages": [{"role": "user", "content": "a zebra?"}, {"role": "assistant", "content": "Yes."}]}
TRAINED = re.compile(r'<span class="t tr[^"]*" id="t(\d+)">([^<]*)')


async def paste(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    return await client.post("/inspect", data={"rows": json.dumps(ROW)} | fields)


async def test_the_first_sight_is_a_lost_stop_with_its_tokens_and_the_model_trained_so(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/inspect")).text
    assert "1 error" in page
    assert "stop-not-supervised" in page
    named = re.findall(r'<a href="#t(\d+)">', page)
    assert named
    for place in named:
        assert re.search(rf'<span class="t ig sp x" id="t{place}">&lt;\|im_end\|&gt;<[^<]*should be trained', page), (
            place
        )
    assert '<a href="/bugs?bug=eos-masked">' in page
    assert (await client.get("/bugs?bug=eos-masked")).status_code == 200


async def test_the_stop_table_says_in_words_where_each_stop_stands_and_each_outcome_once(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/inspect")).text
    table = page[page.index("What ends an answer") :].split("</table>")[0]
    where = re.findall(r'<th scope="row">([^<]*)', table)
    assert where[:2] == ["answer, then user", "last answer"]
    assert len(where) == len(set(where)) == 8
    assert re.findall("injected|separator", re.sub(r'data-row="[^"]*"', "", page)) == []


@pytest.mark.parametrize("example", ["all-trained", "late", "shifted", "right", "rows", "marker"])
async def test_every_example_is_shown(client: httpx.AsyncClient, example: str) -> None:
    page = (await client.get("/inspect", params={"example": example})).text
    assert ("No error and no warning" in page) is (example in ("right", "rows"))
    assert "under other templates" in page
    assert ("typed, and read as a marker" in page) is (example == "marker")


async def test_what_is_pasted_is_read_from_the_body_and_only_the_answer_is_trained(client: httpx.AsyncClient) -> None:
    response = await paste(client)
    assert response.status_code == 200
    said = "".join(text for _, text in TRAINED.findall(response.text))
    assert said == "Yes.&lt;|im_end|&gt;"
    ignored = (await client.get(f"/inspect?rows={quote(json.dumps(ROW))}")).text
    assert "zebra" not in ignored, "an address carries no content"


async def test_intent_template_and_serving_arguments_are_those_of_the_form(client: httpx.AsyncClient) -> None:
    page = (await paste(client, intent="full", template="plain", row="7")).text
    assert "##·user:↵" in "".join(text for _, text in TRAINED.findall(page))
    switches = {"arg.enable_thinking": "false"}
    served = (await paste(client, **switches)).text
    assert "&lt;think&gt;" in served
    assert "&lt;think&gt;" not in "".join(text for _, text in TRAINED.findall(served))
    pasted = (await paste(client, template="pasted", template_text="{{ messages[1].content }}~~")).text
    assert "zebra" not in "".join(text for _, text in TRAINED.findall(pasted))
    assert "content-lost" in pasted


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"rows": "{"}, 422, "line 1"),
        ({"rows": ""}, 422, "there are no rows"),
        ({"template": "pasted", "template_text": "{% for %}"}, 422, "line 1"),
        ({"tokenizer_json": "{}"}, 422, "tokenizer.json"),
        ({"tokenizer": "/etc"}, 404, "Choose one of: chatml"),
        ({"intent": "nope"}, 404, "Choose one of"),
        ({"args": "[1]"}, 422, "one JSON object"),
        ({"arg.enable_thinking": "maybe"}, 422, "no JSON"),
        ({"args": '{"messages": []}'}, 422, "no name of an argument"),
        ({"args": json.dumps({f"a{number}": 1 for number in range(17)})}, 422, "at most 16"),
    ],
)
async def test_what_cannot_be_inspected_says_why(
    client: httpx.AsyncClient, fields: dict[str, str], status: int, says: str
) -> None:
    response = await paste(client, **fields)
    assert (response.status_code, says in response.text) == (status, True), response.text[:3000]


async def test_a_long_stretch_that_nothing_trains_folds_and_keeps_its_tokens(client: httpx.AsyncClient) -> None:
    long = {"messages": [{"role": "user", "content": "many words " * FOLD_FROM}, ROW["messages"][1]]}
    page = (await paste(client, rows=json.dumps(long))).text
    first = page.split('class="inspect-findings"')[0]
    assert re.search(r"<summary>\d+ tokens, none trained", first)
    places = [int(place) for place in re.findall(r'id="t(\d+)"', first)]
    assert places == list(range(len(places)))
    assert len(places) > 2 * FOLD_FROM


async def test_files_come_before_what_is_pasted_and_a_tokenizer_comes_with_its_folder(
    client: httpx.AsyncClient,
) -> None:
    folder = Settings().trained_folder / "tokenizers" / NAME
    rows = ("rows.jsonl", json.dumps(ROW).encode())
    files = [
        ("tokenizer_files", (name, (folder / name).read_bytes())) for name in ("tokenizer.json", "chat_template.jinja")
    ]
    response = await client.post("/inspect", data={"rows": "{"}, files=[("rows_file", rows), *files])
    assert response.status_code == 200
    assert "".join(text for _, text in TRAINED.findall(response.text)) == "Yes.&lt;|im_end|&gt;"
    assert "Read from files: tokenizer.json, chat_template.jinja." in response.text
    template = ("t.jinja", b"{{ messages[1].content }}~~")
    shown = (await client.post("/inspect", data={"rows": json.dumps(ROW)}, files={"template_file": template})).text
    assert "content-lost" in shown
    refused = await client.post("/inspect", files={"tokenizer_files": ("model.safetensors", b"x")})
    assert (refused.status_code, "is no file of a tokenizer" in refused.text) == (422, True)


async def test_an_address_has_the_options_of_an_example_and_nothing_of_what_was_pasted(
    client: httpx.AsyncClient,
) -> None:
    rows = (await client.get("/inspect?example=rows")).text
    given = html.unescape(rows.split('<textarea id="rows"')[1].split(">", 1)[1].split("</textarea>")[0])
    switched = {"example": "rows", "rows": given, "intent": "full", "arg.enable_thinking": "true"}
    plain = await client.post("/inspect", data=switched)
    assert (plain.status_code, plain.headers["location"]) == (
        303,
        "/inspect?example=rows&intent=full&args=%7B%22enable_thinking%22%3A+true%7D",
    )
    again = (await client.get(plain.headers["location"])).text
    assert re.search(r'name="arg.enable_thinking" value="true" checked', again)
    partial = {"hx-request-type": "partial"}
    fragment = await client.post("/inspect", data=switched, headers=partial)
    assert fragment.headers["hx-replace-url"] == plain.headers["location"]
    own = await client.post("/inspect", data={"rows": json.dumps(ROW), "intent": "full"}, headers=partial)
    assert own.headers["hx-replace-url"] == "/inspect?example=own&intent=full"
    empty = await client.get(own.headers["hx-replace-url"])
    assert (empty.status_code, "Inspect your own data" in empty.text) == (200, True)


async def test_an_intent_moves_the_mask_of_rows_and_of_a_dump_what_counts_as_wrong(client: httpx.AsyncClient) -> None:
    async def read(example: str, intent: str) -> tuple[list[str], int]:
        page = (await client.get("/inspect", params={"example": example, "intent": intent})).text
        first = page.split('id="findings"')[0]
        return [place for place, _ in TRAINED.findall(first)], first.count("(should be ignored)")

    every, wrong = await read("rows", "all-assistant")
    last, _ = await read("rows", "last-assistant")
    assert (set(last) < set(every), wrong) == (True, 0)
    (before, none), (after, some) = await read("right", "all-assistant"), await read("right", "last-assistant")
    assert before == after == every
    assert (none, some) == (0, len(every) - len(last))


async def test_the_switches_are_what_the_template_reads(client: httpx.AsyncClient) -> None:
    template = (
        "{% if effort == 'high' or tools or brief %}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    page = (await paste(client, template="pasted", template_text=template)).text
    assert set(re.findall(r'name="arg\.(\w+)"', page)) == {"effort", "brief"}
    assert 'name="arg.effort" value="&#34;high&#34;"' in page


async def test_a_conversation_stands_under_the_template_of_each_tokenizer_offered(
    start_app: Any, connect: Any, tmp_path: Path
) -> None:
    ours = Settings().trained_folder / "tokenizers"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "tokenizer.json").write_text(
        (ours / NAME / "tokenizer.json").read_text().replace("<|im_end|>", "<|other|>"), "utf-8"
    )
    (mine / "chat_template.jinja").write_text((ours / "templates" / "toy.jinja").read_text(), "utf-8")
    async with start_app(tokenizers_folder=tmp_path) as app, connect(app) as client:
        page = (await client.get("/inspect?example=marker")).text.split('id="beside"')[1]
    columns = dict(re.findall(r"<h3>([^<]+)</h3>(.*?)(?=<h3>|</form>)", page, re.DOTALL))
    assert list(columns) == [f"{NAME}, its own", f"plain, with {NAME}", f"toy, with {NAME}", "mine, its own"]
    typed = {title: "typed, and read as a marker" in column for title, column in columns.items()}
    assert typed == {title: title != "mine, its own" for title in columns}


async def test_without_javascript_a_token_is_chosen_by_its_number(client: httpx.AsyncClient) -> None:
    page = (await client.get("/inspect?example=stop-lost&token=51")).text.split('class="dock"')[1]
    assert "position 50 reads" in page
    assert "trained, as it should be" in page
