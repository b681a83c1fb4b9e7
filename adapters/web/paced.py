"""A response that comes piece by piece, and stops when nobody takes it any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from typing import Final

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ...actors.errors import text_of
from ...actors.ports import Clock, Timer
from .connections import Connections
from .streams.follower import DAY_S

PIECES: Final = 32
"""Pieces after which others are let in: a server whose client has gone takes each at once."""

log = structlog.get_logger()


class Paced(StreamingResponse):
    """Sends `pieces` as they come, until they end, the client leaves, or the server stops.

    When the server stops, `notice` is the last piece. It ends as well, without one, when the
    credentials expire at `expires_s` (UTC seconds; None: never). `place` is the stream's among
    those of the house: it is held already, and left at the end. Whatever ends it, `pieces` is
    closed then. If they fail, that is logged, and the answer breaks off.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        media_type: str,
        *,
        notice: bytes,
        connections: Connections,
        place: ExitStack,
        clock: Clock,
        expires_s: float | None,
    ) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        self._pieces = _in_turn(pieces)
        super().__init__(self._pieces, headers=headers, media_type=media_type)
        self._notice = notice
        self._connections = connections
        self._place = place
        self._clock = clock
        self._expires_s = expires_s
        self._expiry: Timer | None = None
        self._last: bytes | None = None  # it is to end with this
        self._ending = asyncio.Event()

    def drain(self) -> None:
        """Send the notice, and end."""
        self._end_with(self._notice)

    def end(self) -> None:
        """It has, when it was told."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        with self._place:
            self._connections.add(self)
            self._watch_expiry()
            try:
                await self._run(receive, send)
            finally:
                self._connections.remove(self)
                if self._expiry is not None:
                    self._expiry.cancel()

    async def _run(self, receive: Receive, send: Send) -> None:
        writing = asyncio.ensure_future(self.stream_response(send))
        leaving = asyncio.ensure_future(_gone(receive))
        ending = asyncio.ensure_future(self._ending.wait())
        tasks = (writing, leaving, ending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended = writing.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._pieces.aclose()
        if ended and (error := writing.exception()) is not None and not isinstance(error, OSError):
            log.error("stream_failed", error=text_of(error))
        if not ended and self._last is not None:
            await send({"type": "http.response.body", "body": self._last, "more_body": False})

    def _end_with(self, last: bytes) -> None:
        if self._last is None:
            self._last = last
            self._ending.set()

    def _watch_expiry(self) -> None:
        """Called again each day: the clock that people see may be set."""
        if self._expires_s is None:
            return
        left_s = self._expires_s - self._clock.now_ms() / 1000
        if left_s <= 0:
            self._end_with(b"")
        else:
            self._expiry = self._clock.call_later(min(left_s, DAY_S), self._watch_expiry)


async def _in_turn(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The pieces, with a turn of the loop for others now and then."""
    count = 0
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece
            count += 1
            if count % PIECES == 0:
                await asyncio.sleep(0)


async def _gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
