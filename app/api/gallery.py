"""/api/v1/gallery: every mask bug with its code, cause, measured symptoms and public reports."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer, Rate
from app.catalog import Catalog
from app.deps import CatalogDep
from model.experiments.bugs.diagnosis import diagnose
from model.experiments.bugs.gallery import GALLERY, Bug

router = APIRouter(prefix="/api/v1/gallery", tags=["gallery"], responses=ERRORS)


class SymptomsAnswer(Answer):
    """Of the model at the run's last step, on n unseen prompts, greedy."""

    exact_match: Rate
    first_right: Rate
    answer_right: Rate = Field(description="The text begins with the right answer, whatever follows it.")
    stops: Rate
    runaway: float = Field(description="Mean number of tokens beyond the right answer.")
    own_loss: float | None = Field(description="Nats, over what the policy trains; null if that is nothing.")
    answer_loss: float = Field(description="Nats, over whole answers.")
    moved: float = Field(description="Length of the weights' change, divided by their length before.")
    by_turn: list[Rate]


class ReportAnswer(Answer):
    repository: str
    number: int
    address: str
    happened: str


class BugAnswer(Answer):
    slug: str
    title: str
    recipe: str
    code: str
    cause: str
    detect: str
    diagnosis: str = Field(description="What one sees first.")
    harmless: bool = Field(description="Here: its interval of exact match overlaps that of the right model.")
    sentences: list[str]
    seed: int
    steps: int
    symptoms: SymptomsAnswer
    right: SymptomsAnswer = Field(description="Of the model trained under the right mask, same recipe, seed, steps.")
    reports: list[ReportAnswer]


class GalleryAnswer(Answer):
    bugs: list[BugAnswer]


@router.get("")
async def read(catalog: CatalogDep) -> GalleryAnswer:
    """All bugs, in the order of the page."""
    return GalleryAnswer(bugs=[_answer(bug, catalog) for bug in GALLERY.values()])


def _answer(bug: Bug, catalog: Catalog) -> BugAnswer:
    measured, right = catalog.beside_the_right_one(bug)
    diagnosis = diagnose(measured.symptoms, right.symptoms)
    told = {
        "diagnosis": diagnosis.word,
        "harmless": diagnosis.kind == "harmless",
        "sentences": diagnosis.sentences,
        "right": right.symptoms,
    }
    return BugAnswer.model_validate({**vars(bug.policy), **vars(bug), **vars(measured), **told})
