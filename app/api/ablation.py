"""/api/v1/ablation: the ablation's runs as JSON and CSV, what they show, and its charts as SVG. All for download."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from app.api.schemas import ERRORS, Answer, Slug
from app.charts.ablation import curve_chart, pair_chart, ratio_chart, sweep_chart
from app.charts.comparisons import PairChart, RatioChart
from app.charts.curves import CurveChart
from app.charts.files import to_standalone_svg
from app.deps import AblationDep
from model.errors import check_known
from model.experiments.ablation.findings import Bound, Comparison, Verdict
from model.experiments.ablation.sentences import conditions, sentences
from model.experiments.ablation.shipped import ShippedAblation

router = APIRouter(prefix="/api/v1/ablation", tags=["ablation"], responses=ERRORS)

Chart = CurveChart | PairChart | RatioChart

CHARTS: dict[str, Callable[[ShippedAblation, Comparison], Chart]] = {
    "exact-match": lambda shipped, chosen: curve_chart(chosen, "exact_match"),
    "assistant": lambda shipped, chosen: curve_chart(chosen, "assistant"),
    "user": lambda shipped, chosen: curve_chart(chosen, "user"),
    "pairs": lambda shipped, chosen: pair_chart(chosen),
    "ratios": lambda shipped, chosen: ratio_chart(shipped.findings.comparisons),
    "sweep": lambda shipped, chosen: sweep_chart(shipped.sweep()),
}
"""By slug; the last two are of all settings."""


class Interval(Answer):
    """An estimate with its 95 % interval, by a bootstrap over seeds."""

    value: float
    low: float
    high: float


class Arrival(Answer):
    """The first evaluated step at or above a threshold, of a seed's two runs; null: never within the budget."""

    seed: int
    masked: int | None
    unmasked: int | None


class SettingFinding(Answer):
    setting: str
    recipe: str
    conditions: str
    steps: int = Field(description="The budget of each run.")
    ignored_share: float = Field(description="Of all positions, those that the prompt-masked loss leaves out.")
    masked_steps: float = Field(description="Mean steps to 90 %; a run that never got there counts as the budget.")
    unmasked_steps: float
    ratio: Interval = Field(description="unmasked_steps / masked_steps.")
    bound: Bound = Field(description="What the ratio is of the true one, where runs of one side alone never arrived.")
    end: Interval = Field(description="Exact match at the end of the budget, mask on minus mask off, mean over seeds.")
    verdict: Verdict
    sentences: list[str]
    arrivals: dict[str, list[Arrival]] = Field(description="By exact match: 0.5, 0.9, 0.99.")


class AblationFindings(Answer):
    commit: str
    policies: list[str]
    seeds: list[int]
    settings: list[SettingFinding]


@router.get("", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def runs_as_json(shipped: AblationDep) -> Response:
    """Every run, step by step, with all settings and the commit of the code: the file that `maskscope ablate` wrote."""
    return _download(shipped.as_json, "application/json", "ablation.json")


@router.get(".csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def runs_as_csv(shipped: AblationDep) -> Response:
    """The same as a table, a line for each run and evaluated step."""
    return _download(shipped.as_csv, "text/csv; charset=utf-8", "ablation.csv")


@router.get("/findings")
async def findings(shipped: AblationDep) -> AblationFindings:
    """For each setting: steps to 50, 90 and 99 % by seed, the ratio with its interval, the verdict and its sentence."""
    ablation = shipped.findings.ablation
    return AblationFindings(
        commit=ablation.commit,
        policies=list(ablation.policies),
        seeds=list(ablation.seeds),
        settings=[_finding(comparison) for comparison in shipped.findings.comparisons],
    )


@router.get("/charts/{chart}.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
async def chart_as_svg(chart: Slug, shipped: AblationDep, setting: Annotated[Slug | None, Query()] = None) -> Response:
    """A chart of a setting (default: the one that the page begins with), as a document that needs nothing else."""
    check_known(chart, CHARTS, "chart")
    chosen = shipped.comparison(setting) if setting else shipped.first()
    svg = to_standalone_svg(CHARTS[chart](shipped, chosen))
    return _download(svg.encode(), "image/svg+xml", f"{chosen.setting.slug}-{chart}.svg")


def _finding(comparison: Comparison) -> SettingFinding:
    setting = comparison.setting
    told = {
        "setting": setting.slug,
        "conditions": conditions(setting),
        "ignored_share": setting.ignored_share(),
        "bound": comparison.bound(),
        "sentences": sentences(comparison),
        "arrivals": {f"{threshold:g}": arrivals for threshold, arrivals in comparison.arrivals.items()},
    }
    return SettingFinding.model_validate({**vars(setting), **vars(comparison), **told})


def _download(content: bytes, media_type: str, name: str) -> Response:
    """An attachment: the page's content security policy would take a document's style from it."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
