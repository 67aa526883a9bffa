"""`make card` beside `make run`: the picture that shared links show, of the visualizer as it is served."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CARD = Path(__file__).resolve().parent.parent / "static" / "card.png"
SHOWN, WIDTH = {"width": 1200, "height": 630}, 600
"""The shape that links are cropped to, large enough for the whole figure; and how wide it is drawn, to be light."""


def draw(address: str) -> None:
    """Overwrites CARD, WIDTH wide."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-headless-shell")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SHOWN, device_scale_factor=WIDTH / SHOWN["width"], color_scheme="light")
        page.goto(address)
        page.screenshot(path=CARD)
        browser.close()


if __name__ == "__main__":
    draw(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/")
