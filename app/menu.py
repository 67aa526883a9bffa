"""Pages as the menu has them: five groups, the page of an address, the page that a mistyped one meant. Knows none."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

from fastapi import APIRouter

Group = Literal["Explore", "Lesson", "Getting it wrong", "The bigger picture", "Evidence"]


@dataclass(frozen=True)
class Page:
    """A page is one slug on every axis."""

    slug: str
    title: str
    group: Group
    """Of the menu: a page goes where this says, in the order of the pages."""
    hint: str
    """Under the title in the menu."""
    about: str
    """What one sees there."""
    router: APIRouter

    @property
    def path(self) -> str:
        """The visualizer is the front page."""
        return "/" if self.slug == "visualizer" else f"/{self.slug}"

    @property
    def description(self) -> str:
        """For search engines and shared links: plain text, a sentence for each of `hint` and `about`."""
        about = self.about.replace("`", "")
        return f"{self.hint}. {about[0].upper()}{about[1:]}."


@dataclass(frozen=True)
class MenuGroup:
    title: Group
    pages: tuple[Page, ...]

    @property
    def only(self) -> Page | None:
        """The page of a group that holds none but one of its own name; such a group is a link."""
        return self.pages[0] if [page.title for page in self.pages] == [self.title] else None


@dataclass(frozen=True)
class Menu:
    """What templates ask of all pages."""

    pages: tuple[Page, ...] = ()

    @property
    def groups(self) -> tuple[MenuGroup, ...]:
        """In the order of `Group`, each with its pages in their order; none is empty."""
        every = (MenuGroup(title, tuple(p for p in self.pages if p.group == title)) for title in get_args(Group))
        return tuple(group for group in every if group.pages)

    def at(self, path: str) -> Page | None:
        """The page of an address; a part of the lesson belongs to the lesson."""
        first = f"/{path.strip('/').partition('/')[0]}"
        return next((page for page in self.pages if page.path == first), None)

    def nearest(self, path: str) -> Page | None:
        """The page whose name is most like the address, if one is like it at all."""
        names = {name.lower(): page for page in self.pages for name in (page.title, page.slug)}
        found = get_close_matches(path.strip("/").partition("/")[0].lower(), names, n=1)
        return names[found[0]] if found else None
