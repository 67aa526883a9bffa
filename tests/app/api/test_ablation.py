"""/api/v1/ablation: the file as it is, the same as a table, the findings, the charts."""

import csv
import io
from xml.etree.ElementTree import fromstring

import httpx
import pytest

from app.api.ablation import CHARTS
from app.settings import Settings
from model.experiments.ablation.runs import ABLATION_FILE
from model.experiments.ablation.sentences import verdict_sentence
from model.experiments.ablation.shipped import ShippedAblation, load_ablation

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def shipped() -> ShippedAblation:
    return load_ablation(Settings().trained_folder)


async def test_the_json_is_the_file_byte_for_byte(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/ablation")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == 'attachment; filename="ablation.json"'
    assert response.content == (Settings().trained_folder / ABLATION_FILE).read_bytes()


async def test_the_table_has_every_run_and_step(client: httpx.AsyncClient, shipped: ShippedAblation) -> None:
    response = await client.get("/api/v1/ablation.csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    ablation = shipped.findings.ablation
    assert len(rows) == sum(len(run.exact_match) for run in ablation.runs)
    assert {row["setting"] for row in rows} == {setting.slug for setting in ablation.settings}


async def test_the_findings_are_what_the_page_says(client: httpx.AsyncClient, shipped: ShippedAblation) -> None:
    answer = (await client.get("/api/v1/ablation/findings")).json()
    assert answer["commit"] == shipped.findings.ablation.commit
    assert len(answer["settings"]) == len(shipped.findings.comparisons)
    for said, comparison in zip(answer["settings"], shipped.findings.comparisons, strict=True):
        assert said["setting"] == comparison.setting.slug
        assert said["verdict"] == comparison.verdict
        assert said["sentences"][0] == verdict_sentence(comparison)
        assert said["ratio"] == vars(comparison.ratio)
        assert set(said["arrivals"]) == {"0.5", "0.9", "0.99"}
        assert said["arrivals"]["0.9"] == [vars(arrival) for arrival in comparison.arrivals[0.9]]


@pytest.mark.parametrize("chart", CHARTS)
async def test_every_chart_is_a_document_of_its_own(
    client: httpx.AsyncClient, shipped: ShippedAblation, chart: str
) -> None:
    slug = shipped.findings.comparisons[-1].setting.slug
    response = await client.get(f"/api/v1/ablation/charts/{chart}.svg", params={"setting": slug})
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["content-disposition"] == f'attachment; filename="{slug}-{chart}.svg"'
    assert fromstring(response.text).tag.endswith("svg")


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("charts/nope.svg", 404, "Choose one of: exact-match, "),
        ("charts/pairs.svg?setting=nope", 404, "'nope'"),
        (f"charts/pairs.svg?setting={'x' * 65}", 422, "setting"),
        (f"charts/{'x' * 65}.svg", 422, "chart"),
        ("nope", 404, ""),
    ],
)
async def test_what_does_not_exist_is_refused(client: httpx.AsyncClient, address: str, status: int, words: str) -> None:
    response = await client.get(f"/api/v1/ablation/{address}")
    assert response.status_code == status
    assert words in response.json()["error"]["message"] + str(response.json()["error"]["param"])
