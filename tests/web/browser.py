"""A real browser in a test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

playwright = pytest.importorskip(
    "playwright.async_api", reason="the pages are tried with playwright: pip install playwright"
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="the pages are tried in Chromium: apt-get install chromium"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
]
PATIENCE_MS = 15_000
"""How long a page may take to show what it must. It only ever passes when a test fails."""


class Browser:
    """One browser; each page has a profile of its own, and what went wrong in it is noted."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self.complaints: list[str] = []

    async def page(self, **options: Any) -> Any:
        """A new page, as of a person who has never been here."""
        context = await self._browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._on_console)
        return page

    def _on_console(self, message: Any) -> None:
        # A connection that was cut on purpose is told, too.
        if message.type == "error" and "net::ERR" not in message.text:
            self.complaints.append(message.text)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium. At the end, no page may have complained of anything."""
    playwright.expect.set_options(timeout=PATIENCE_MS)
    async with playwright.async_playwright() as driver:
        launched = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        held = Browser(launched)
        try:
            yield held
        finally:
            await launched.close()
    assert held.complaints == []
