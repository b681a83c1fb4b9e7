"""The runtime's keeper: what the retention policy wants done, in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import structlog

from ..actors.errors import text_of
from ..actors.ports import Clock, Journal, Timer
from ..actors.session.stage import Stats
from .expiry import Expiry
from .retention import EVERYTHING_MS, Retention, before_ms
from .trimming import Trimming

AGAIN_S: Final = 0.1
"""Between two steps while there is more to do."""

FIRST_S: Final = 60.0
"""After the start, so that a process that is restarted often keeps house, too."""

ERASED: Final = 1_000
"""Events erased, or tombstones removed, in one step."""

PRESSED: Final = 10
"""Ended sessions deleted in one step to make a journal smaller: no more than it takes."""

Chore: TypeAlias = Callable[[int], Awaitable[bool]]
"""Does a bounded step, at UTC milliseconds; True: there is more to do."""

log = structlog.get_logger()


class Keeper:
    """Has the journal hold what the policy says, and no more.

    A minute after the start, and then once in the policy's period, it expires sessions, erases
    deleted ones, frees their ids and drops old events; last it sees to the size of the journal. A
    step is bounded and wakes nobody, others come in between, and what fails is tried again. Of the
    journal of a larger size than it may have go, in this order, the bytes of deleted sessions,
    events from before the room histories, and ended sessions, the longest untouched first (which
    are archived before). What is left then is in use, and is only reported.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        policy: Retention,
        *,
        expiry: Expiry,
        trimming: Trimming,
        stats: Stats,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._policy = policy
        self._expiry = expiry
        self._trimming = trimming
        self._stats = stats
        self._chores: tuple[Chore, ...] = (
            expiry.step,
            self._erase,
            self._forget,
            trimming.step,
            self._make_smaller,
        )
        self._noted = False
        self._stopped = False
        self._timer: Timer | None = None
        self._round: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Note the policy in the journal, for `journal stats`, and begin to keep it."""
        await self._do(self._note, 0)
        self._arm(min(FIRST_S, self._period_s))

    async def stop(self) -> None:
        """Keep it no more. A step that is under way is broken off, as a crash would do."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._round is not None:
            self._round.cancel()
            await asyncio.wait([self._round])

    @property
    def _period_s(self) -> float:
        return max(self._policy.period_s, AGAIN_S)

    def _arm(self, delay_s: float) -> None:
        if not self._stopped:
            self._timer = self._clock.call_later(delay_s, self._begin)

    def _begin(self) -> None:
        self._round = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        now_ms, more = self._clock.now_ms(), False
        if not self._noted:
            await self._do(self._note, now_ms)
        for chore in self._chores:
            more = await self._do(chore, now_ms) or more
        self._arm(AGAIN_S if more else self._period_s)

    async def _do(self, chore: Chore, now_ms: int) -> bool:
        try:
            return await chore(now_ms)
        except Exception as error:  # a journal that fails now may work the next time
            log.warning("retention_failed", chore=chore.__qualname__, error=text_of(error))
            return False

    # --- chores ---

    async def _note(self, _: int) -> bool:
        await self._journal.note("retention", str(self._policy))
        self._noted = True
        return False

    async def _erase(self, now_ms: int) -> bool:
        before = before_ms(now_ms, self._policy.deleted_retention_s)
        return before is not None and await self._erased(before)

    async def _forget(self, now_ms: int) -> bool:
        before = before_ms(now_ms, self._policy.tombstone_retention_s)
        if before is None:
            return False
        return await self._journal.forget(before, limit=ERASED) == ERASED

    async def _make_smaller(self, _: int) -> bool:
        most = self._policy.journal_max_bytes
        if most == float("inf") or (size := await self._journal.size()) <= most:
            return False
        if await self._erased(EVERYTHING_MS) or await self._trimming.press():
            return True
        if await self._expiry.expire(EVERYTHING_MS, ended=True, limit=PRESSED):
            return True
        log.warning("journal_too_large", bytes=size, limit=most)
        return False

    async def _erased(self, before: int) -> bool:
        """Erase something that was hidden before; whether there was anything."""
        erased = await self._journal.erase(before, limit=ERASED)
        self._stats.events_erased += erased
        return erased > 0
