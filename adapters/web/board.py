"""What the dashboard shows of the house: once a tick and filter, for all who look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import msgspec
import structlog

from ...actors.errors import RuntimeClosed, text_of
from ...actors.ports import Timer
from ...actors.session.stage import Stats
from ...supervisor.occupancy import Occupancy
from ...supervisor.residents import Resident, ResidentQuery, Residents
from ...supervisor.runtime import Runtime
from .connections import Connections

TICK_S: Final = 1.0


class Overview(msgspec.Struct, frozen=True, kw_only=True, tag="overview"):
    """One look at the house. `rows` are the first of the `matched` sessions; `stats` count since
    the runtime started; `streams` are those that are open."""

    at_ms: int
    ready: bool
    sessions: Occupancy
    turns: Occupancy
    streams: int
    deepest: int
    stats: Stats
    matched: int
    rows: tuple[Resident, ...]


log = structlog.get_logger()

_encode: Final = msgspec.json.Encoder().encode


class Board:
    """Looks at the house every `TICK_S` seconds while somebody watches.

    One look is made and encoded for each distinct query, however many watch: listing 100,000
    sessions takes the runtime one pass. Who is slow misses looks, and finds the newest one.
    """

    def __init__(self, runtime: Runtime, connections: Connections) -> None:
        self._runtime = runtime
        self._connections = connections
        self._watched: dict[ResidentQuery, _Watched] = {}
        self._timer: Timer | None = None
        self._looking: asyncio.Task[None] | None = None
        self.looks = 0
        """How often sessions were listed."""

    async def watch(self, query: ResidentQuery) -> AsyncGenerator[bytes, None]:
        """Each look at the house as JSON, the first one at once. Close it when nobody looks."""
        watched = self._watched.setdefault(query, _Watched())
        watched.viewers += 1
        try:
            seen = watched.seen = watched.seen or await self._look(query)
            while True:
                yield seen
                if self._timer is None and self._looking is None:
                    self._timer = self._runtime.clock.call_later(TICK_S, self._tick)
                seen = await watched.next()
        finally:
            watched.viewers -= 1
            if not watched.viewers:
                del self._watched[query]
            if not self._watched and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self._looking = asyncio.get_running_loop().create_task(self._look_for_all())

    async def _look_for_all(self) -> None:
        try:
            for query in tuple(self._watched):
                seen = await self._look(query)
                if (watched := self._watched.get(query)) is not None:
                    watched.show(seen)
        except Exception as error:
            log.error("look_failed", error=text_of(error))
        finally:
            self._looking = None
        if self._watched:
            self._timer = self._runtime.clock.call_later(TICK_S, self._tick)

    async def _look(self, query: ResidentQuery) -> bytes:
        runtime = self._runtime
        self.looks += 1
        try:
            listed, ready = await runtime.residents(query), not self._connections.draining
        except RuntimeClosed:
            listed, ready = Residents(total=0, matched=0, rows=()), False
        capacity = runtime.capacity()
        return _encode(
            Overview(
                at_ms=runtime.clock.now_ms(),
                ready=ready,
                sessions=capacity.sessions,
                turns=capacity.turns,
                streams=len(self._connections),
                deepest=runtime.deepest_mailbox,
                stats=runtime.stats,
                matched=listed.matched,
                rows=listed.rows,
            )
        )


class _Watched:
    """The looks of one query, and who waits for the next one."""

    def __init__(self) -> None:
        self.viewers = 0
        self.seen: bytes | None = None
        self._next: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def next(self) -> bytes:
        return await asyncio.shield(self._next)

    def show(self, seen: bytes) -> None:
        self.seen = seen
        shown, self._next = self._next, asyncio.get_running_loop().create_future()
        shown.set_result(seen)
