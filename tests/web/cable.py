"""A cable between a client and a server, in a test, that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


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
