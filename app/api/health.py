"""Is the process up (/healthz), are the models in memory and their worker alive (/readyz), how busy (/metrics)."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from app.deps import CatalogDep, EngineDep, MetricsDep

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    return PlainTextResponse("up\n")


@router.get("/readyz")
async def readyz(catalog: CatalogDep, engine: EngineDep) -> Response:
    if not engine.alive:
        return PlainTextResponse("The model worker has ended\n", 503)
    models = sum(len(loaded.models) for loaded in catalog.runs.values())
    return PlainTextResponse(f"{models} models of {len(catalog.runs)} runs in memory\n")


@router.get("/metrics")
async def metrics(metrics: MetricsDep) -> Response:
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
