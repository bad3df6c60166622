"""Pages in headless Chromium: what it draws, says and asks for."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

_FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",  # WebGL on the CPU
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where Chromium or playwright is missing. No browser is downloaded."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Tab:
    """One page, and what went wrong or left it."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, browser: Any, *, scheme: str = "light", init: str = "", width: int = 900, **more: Any) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": 640}, color_scheme=scheme, **more)
        if init:
            context.add_init_script(init)
        tab = cls(context.new_page())
        tab.page.set_default_timeout(60_000)
        tab.page.on("console", lambda message: message.type == "error" and tab.errors.append(message.text))
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        return tab

    def open(self, path: Path, *, drawn: bool = True) -> Tab:
        self.page.goto(path.as_uri())
        if drawn:
            self.wait_drawn()
        return self

    def wait_drawn(self) -> None:
        self.wait("window.handsssViewer?.current()?.drawn > 0")

    def wait(self, condition: str) -> None:
        """Ask until it holds; playwright's own waiting evaluates text in the page, which its policy forbids."""
        for _ in range(600):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never: {condition}; {self.errors}")

    def seen(self) -> np.ndarray:
        """The 3D view [H, W, 3], once nothing moves any more."""
        before = self._shot()
        for _ in range(40):
            self.page.wait_for_timeout(100)
            now = self._shot()
            if np.array_equal(now, before):
                break
            before = now
        return before

    def _shot(self) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.page.locator(".view").screenshot())).convert("RGB")).astype(float)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def check_quiet(self, path: Path) -> None:
        """Nothing was requested but the page itself, and nothing complained."""
        assert self.errors == []
        assert self.requests == [path.as_uri()]


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """Share of pixels that differ visibly."""
    return float((np.abs(before - after).max(2) > 24).mean())


def foreground(view: np.ndarray) -> np.ndarray:
    """[H, W] bool: what is not the view's grey background."""
    return view.max(2) - view.min(2) > 24
