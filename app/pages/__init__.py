"""HTML, one module per page. PAGES is the menu and the list of routers. Never imports the API."""

from dataclasses import dataclass

from fastapi import APIRouter

from app.lesson_path import at_page
from app.pages import (
    ablation,
    bugs,
    claims,
    dispatcher,
    lesson,
    packing,
    padding,
    race,
    reasoning,
    shift,
    turns,
    visualizer,
)
from app.templating import ENVIRONMENT


@dataclass(frozen=True)
class Page:
    """A page is one slug on every axis; the first one's address is `/`."""

    slug: str
    path: str
    title: str
    router: APIRouter


PAGES: tuple[Page, ...] = (
    Page("visualizer", "/", "Loss mask visualizer", visualizer.router),
    Page("lesson", "/lesson", "Lesson", lesson.router),
    Page("race", "/race", "Race", race.router),
    Page("ablation", "/ablation", "Ablation", ablation.router),
    Page("shift", "/shift", "Shift", shift.router),
    Page("bugs", "/bugs", "Mask bugs", bugs.router),
    Page("padding", "/padding", "Padding", padding.router),
    Page("turns", "/turns", "Turns", turns.router),
    Page("packing", "/packing", "Packing", packing.router),
    Page("dispatcher", "/dispatcher", "Dispatcher", dispatcher.router),
    Page("reasoning", "/reasoning", "Reasoning", reasoning.router),
    Page("claims", "/claims", "Claims", claims.router),
)
ENVIRONMENT.globals["lesson_place"] = at_page
ENVIRONMENT.globals["pages"] = PAGES  # every page shows the menu, also those of errors, which know no page
