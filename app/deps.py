"""What handlers ask for, as annotated aliases: the long-lived objects that the lifespan put on `app.state`."""

from typing import Annotated, Any

from fastapi import Depends, Request

from app.catalog import Catalog
from app.engine import Engine
from app.metrics import Metrics
from app.races.sessions import Races
from app.settings import Settings
from model.claims.evidence import Evidence
from model.experiments.ablation.shipped import ShippedAblation


def _kept(name: str) -> Any:
    """A dependency on what `app.state` keeps under a name."""

    def read(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(read)


SettingsDep = Annotated[Settings, _kept("settings")]
CatalogDep = Annotated[Catalog, _kept("catalog")]
AblationDep = Annotated[ShippedAblation, _kept("ablation")]
EvidenceDep = Annotated[Evidence, _kept("evidence")]
EngineDep = Annotated[Engine, _kept("engine")]
RacesDep = Annotated[Races, _kept("races")]
MetricsDep = Annotated[Metrics, _kept("metrics")]
