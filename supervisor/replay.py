"""Room history again, at the pace at which it happened (spec R32)."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self

from ..actors.errors import InvalidInput
from ..actors.kernel.reply import Reply
from ..actors.ports import Clock, UserId
from ..actors.session.info import HistoryPage
from ..actors.session.items import Published
from ..actors.session.messages import GetHistory, RequireMember

LONGEST_WAIT_S: Final = 2.0
"""Between two events, after scaling."""

PAGE: Final = 100
"""Events read at once."""


class Replay:
    """An async iterator over the history that a session has when its first event is asked for.

    The first event comes at once. Membership is looked at before each event. Cancelling whoever
    iterates ends it, or loses no event if the iteration goes on; nothing needs to be closed.
    """

    def __init__(
        self,
        ask: Callable[[object], Reply[Any]],
        user: UserId,
        *,
        clock: Clock,
        speed: float,
        since: int,
    ) -> None:
        self._ask = ask
        self._user = user
        self._clock = clock
        self._speed = speed
        self._since = since
        self._first: HistoryPage | None = None
        self._events: deque[Published] = deque()
        self._last_ms: int | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Published:
        if not self._events:
            await self._turn_page()
        event = self._events[0]
        if self._last_ms is not None:
            await self._wait((event.at_ms - self._last_ms) / 1000 / self._speed)
            await self._ask(RequireMember(self._user))
        self._last_ms, self._since = event.at_ms, event.revision
        return self._events.popleft()

    async def _turn_page(self) -> None:
        """Read on; what was retained at first is, for this replay, retained still."""
        first = self._first
        oldest = None if first is None else first.oldest
        page: HistoryPage = await self._ask(GetHistory(self._user, self._since, PAGE, oldest))
        if first is None:
            first = self._first = page
        self._events.extend(event for event in page.events if event.revision <= first.last)
        if not self._events:
            raise StopAsyncIteration

    async def _wait(self, seconds: float) -> None:
        if seconds <= 0:
            return
        over = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(min(seconds, LONGEST_WAIT_S), lambda: _end(over))
        try:
            await over
        finally:
            timer.cancel()


def pace(speed: Any) -> float:
    """A speed at which time can be told: finite and greater than 0. Raises InvalidInput."""
    if type(speed) not in (int, float) or not 0 < speed <= sys.float_info.max:
        raise InvalidInput("speed", speed, "finite and greater than 0")
    return float(speed)


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
