"""When sessions that ended long ago are deleted (spec A21)."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from ..actors.errors import text_of
from ..actors.ports import Clock, Journal, SessionId, Timer
from .capacity import Ledger

STEP: Final = 100
"""Sessions deleted at once; while there are more, the next step follows `AGAIN_S` later."""

AGAIN_S: Final = 0.1
FIRST_S: Final = 60.0
"""After the start, so that a process that is restarted often expires something, too."""

MOST_S: Final = 3600.0

log = structlog.get_logger()


class Expiry:
    """Deletes ended sessions that nobody has touched for `retention_s` seconds, by the wall clock.

    The journal is looked through a minute after the start, and then four times in that time or
    every hour: so late, at most, a session is deleted. A step is bounded, reads the index alone
    and wakes nobody; a session that is on stage is kept until it has left.
    """

    def __init__(
        self, clock: Clock, journal: Journal, ledger: Ledger, *, retention_s: float
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._ledger = ledger
        self._retention_s = retention_s
        self._timer: Timer | None = None
        self._step: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; never, if sessions are retained for ever."""
        if self._retention_s < float("inf"):
            self._arm(min(FIRST_S, self._period_s))

    def stop(self) -> None:
        """Look no more. A step that is under way is finished."""
        if self._timer is not None:
            self._timer.cancel()
        self._retention_s = float("inf")

    @property
    def _period_s(self) -> float:
        return min(self._retention_s / 4, MOST_S)

    def _arm(self, delay_s: float) -> None:
        self._timer = self._clock.call_later(delay_s, self._begin)

    def _begin(self) -> None:
        before_ms = self._clock.now_ms() - int(self._retention_s * 1000)
        self._step = asyncio.get_running_loop().create_task(self._expire(max(before_ms, 0)))

    async def _expire(self, before_ms: int) -> None:
        expired: list[SessionId] = []
        try:
            stale = await self._journal.stale(
                before_ms, limit=STEP, ended=True, keep=self._ledger.unowned()
            )
            expired = await self._journal.hide(stale)
        except Exception as error:  # a journal that fails now may work the next time
            log.warning("expiry_failed", error=text_of(error))
        if expired:
            log.info("sessions_expired", count=len(expired))
        if self._retention_s < float("inf"):
            self._arm(AGAIN_S if len(expired) == STEP else self._period_s)
