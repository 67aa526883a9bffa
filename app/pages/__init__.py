"""HTML, one module per page. PAGES is the menu and the list of routers. Never imports the API."""

from dataclasses import dataclass

from fastapi import APIRouter

from app.pages import ablation, bugs, packing, padding, race, shift, turns, visualizer
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
    Page("race", "/race", "Race", race.router),
    Page("ablation", "/ablation", "Ablation", ablation.router),
    Page("shift", "/shift", "Shift", shift.router),
    Page("bugs", "/bugs", "Mask bugs", bugs.router),
    Page("padding", "/padding", "Padding", padding.router),
    Page("turns", "/turns", "Turns", turns.router),
    Page("packing", "/packing", "Packing", packing.router),
)
ENVIRONMENT.globals["pages"] = PAGES  # every page shows the menu, also those of errors, which know no page
