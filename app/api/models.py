"""/v1/models: every model in memory under the name by which standard clients ask for it."""

from typing import Literal

from fastapi import APIRouter

from app.api.schemas import V1_ERRORS, Answer
from app.completions import find_model, model_names
from app.deps import CatalogDep

router = APIRouter(prefix="/v1", tags=["v1 of standard clients"], responses=V1_ERRORS)


class ModelAnswer(Answer):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "maskscope"


class ModelsAnswer(Answer):
    object: Literal["list"] = "list"
    data: list[ModelAnswer]


@router.get("/models", response_model=ModelsAnswer)
async def models(catalog: CatalogDep) -> ModelsAnswer:
    """The names of all models. `created` is 0: the weights carry no date."""
    return ModelsAnswer(data=[ModelAnswer(id=name) for name in model_names(catalog)])


@router.get("/models/{name:path}", response_model=ModelAnswer)
async def model(name: str, catalog: CatalogDep) -> ModelAnswer:
    """One of them."""
    return ModelAnswer(id=find_model(catalog, name).name)
