"""A real browser in a test, and a cable between it and the server that can be cut."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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


class Cable:
    """Carries bytes between whoever connects to `address` and a server, until it is cut.

    While it is cut, what is connected hears nothing more and nobody can connect.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._connections: set[asyncio.Task[None]] = set()
        self._cut = False
        self.address = ""

    async def cut(self) -> None:
        """Break every connection, and let nobody connect."""
        self._cut = True
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def mend(self, server: str | None = None) -> None:
        """Let people connect again, to another server if one is given."""
        if server is not None:
            host, _, port = server.rpartition(":")
            self._server = (host, int(port))
        self._cut = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if not self._cut:
                await self._carry(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._server)
            there = asyncio.create_task(_pump(reader, far_writer))
            back = asyncio.create_task(_pump(far_reader, writer))
            try:
                await asyncio.gather(there, back)
            finally:
                there.cancel()
                back.cancel()
                far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def cable(server: str) -> AsyncIterator[Cable]:
    """A cable to the server at `server` (`host:port`)."""
    made = Cable(server)
    listening = await asyncio.start_server(made._connected, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()[:2]
    made.address = f"http://{host}:{port}"
    try:
        yield made
    finally:
        listening.close()
        await made.cut()
        await listening.wait_closed()
