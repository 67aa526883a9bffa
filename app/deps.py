"""What handlers ask for, as annotated aliases: the long-lived objects that the lifespan put on `app.state`."""

from typing import Annotated

from fastapi import Depends, Request

from app.catalog import Catalog
from app.engine import Engine
from app.metrics import Metrics
from app.races.sessions import Races
from app.settings import Settings
from model.claims.evidence import Evidence
from model.experiments.ablation.shipped import ShippedAblation


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _catalog(request: Request) -> Catalog:
    catalog: Catalog = request.app.state.catalog
    return catalog


def _ablation(request: Request) -> ShippedAblation:
    ablation: ShippedAblation = request.app.state.ablation
    return ablation


def _evidence(request: Request) -> Evidence:
    evidence: Evidence = request.app.state.evidence
    return evidence


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _races(request: Request) -> Races:
    races: Races = request.app.state.races
    return races


SettingsDep = Annotated[Settings, Depends(_settings)]
CatalogDep = Annotated[Catalog, Depends(_catalog)]
AblationDep = Annotated[ShippedAblation, Depends(_ablation)]
EvidenceDep = Annotated[Evidence, Depends(_evidence)]
EngineDep = Annotated[Engine, Depends(_engine)]
RacesDep = Annotated[Races, Depends(_races)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
