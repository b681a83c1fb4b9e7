"""Sessions that are not on stage and want to be at some time, though nobody calls them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

import structlog

from ..actors.errors import text_of
from ..actors.ports import Clock, IndexRow, Journal, SessionId, Timer

PAGE: Final = 256
"""Sessions that are known beforehand, about: those that want to be on stage first."""

MOST: Final = 1000
"""Rows that a journal gives at once."""

LOOK_AGAIN_S: Final = 3600.0
"""The wall clock may jump, and a machine may sleep: no timer is trusted for longer."""

NEVER_MS: Final = 1 << 63

log = structlog.get_logger()


class Alarms:
    """Rings for the earliest of all stored sessions that have something due; with one timer.

    The journal's index knows them all, and survives the process. Of these the nearest are held
    here: every one that is due before `_horizon_ms`, and is neither on stage (`is_here`: then it
    looks after itself) nor given up on. When that instant comes, the journal is asked again.

    An alarm is set until the session is on stage: `ring` is called again every `again_s` seconds,
    as a full house may have turned the session away.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        ring: Callable[[SessionId], None],
        is_here: Callable[[SessionId], bool],
        again_s: float,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._ring = ring
        self._is_here = is_here
        self._again_ms = int(again_s * 1000)
        self._at: dict[SessionId, int] = {}  # when it rings next
        self._order: list[tuple[int, SessionId]] = []  # a heap of these, and of some that are over
        self._given_up: set[SessionId] = set()
        self._horizon_ms = NEVER_MS
        self._asking: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._timer_ms = NEVER_MS
        self._stopped = False

    def __len__(self) -> int:
        return len(self._at)

    def start(self) -> None:
        """Ask the journal which sessions are due first."""
        self._horizon_ms = 0
        self._begin_asking()

    def ask_again(self) -> None:
        """One may have been missed, as it was on its way to the stage: ask the journal, soon."""
        self._horizon_ms = min(self._horizon_ms, self._clock.now_ms() + self._again_ms)
        self._arm()

    def set(self, session: SessionId, at_ms: int) -> None:
        """Ring for `session`, which has left the stage, at `at_ms`, in UTC milliseconds.

        What is due after the horizon is in the journal, and found in time.
        """
        self._given_up.discard(session)
        if at_ms < self._horizon_ms or self._asking is not None:
            self._put(session, at_ms)
            self._shrink()
            self._arm()

    def cancel(self, session: SessionId) -> None:
        """It is on stage, or there is none."""
        self._given_up.discard(session)
        self._drop(session)

    def give_up(self, session: SessionId) -> None:
        """It cannot be on stage: it rings no more until it was there."""
        self._given_up.add(session)
        self._drop(session)

    def clear(self) -> None:
        """No session is woken any more."""
        self._stopped = True
        self._at.clear()
        self._order.clear()
        if self._asking is not None:
            self._asking.cancel()
        if self._timer is not None:
            self._timer.cancel()

    # --- the heap ---

    def _put(self, session: SessionId, at_ms: int) -> None:
        self._at[session] = at_ms
        heapq.heappush(self._order, (at_ms, session))
        if len(self._order) > 4 * PAGE + 2 * len(self._at):
            self._order = sorted((at_ms, session) for session, at_ms in self._at.items())

    def _drop(self, session: SessionId) -> None:
        if self._at.pop(session, None) is not None:
            self._arm()

    def _first_ms(self) -> int:
        order = self._order
        while order and self._at.get(order[0][1]) != order[0][0]:
            heapq.heappop(order)
        return order[0][0] if order else NEVER_MS

    def _shrink(self) -> None:
        """Hold the nearest ones only; the others are found again when their time comes."""
        if len(self._at) <= 2 * PAGE:
            return
        self._order = sorted((at_ms, session) for session, at_ms in self._at.items())
        for at_ms, session in self._order[PAGE:]:
            del self._at[session]
            self._horizon_ms = min(self._horizon_ms, at_ms)
        del self._order[PAGE:]

    # --- the timer ---

    def _arm(self) -> None:
        """Run for the earliest alarm, or the horizon, whichever comes first."""
        if self._stopped:
            return
        first_ms, now_ms = self._first_ms(), self._clock.now_ms()
        if self._asking is None and self._horizon_ms < NEVER_MS:
            # With so many that are turned away, others would be, too.
            horizon_ms = self._horizon_ms if len(self) <= PAGE // 2 else now_ms + self._again_ms
            first_ms = min(first_ms, max(horizon_ms, now_ms))
        if self._timer is not None:
            if self._timer_ms <= first_ms:
                return
            self._timer.cancel()
            self._timer = None
        if first_ms < NEVER_MS:
            self._timer_ms = first_ms
            left_s = max(first_ms - now_ms, 0) / 1000
            self._timer = self._clock.call_later(min(left_s, LOOK_AGAIN_S), self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        now_ms = self._clock.now_ms()
        while self._first_ms() <= now_ms:
            session = heapq.heappop(self._order)[1]
            self._put(session, now_ms + self._again_ms)
            self._ring(session)
        room = len(self) <= PAGE // 2
        if self._horizon_ms <= now_ms and room and self._asking is None and not self._stopped:
            self._begin_asking()
        self._arm()

    # --- the journal ---

    def _begin_asking(self) -> None:
        self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        """Take the next page: a longer one, if all that stand on it are known."""
        limit, found = PAGE, 0
        try:
            while True:
                rows = await self._journal.due(limit=limit)
                found = self._take(rows)
                if found or len(rows) < limit or limit == MOST:
                    break
                limit = min(2 * limit, MOST)
        except Exception as error:  # a journal that fails now may work the next time
            log.warning("alarms_not_read", error=text_of(error))
            self._horizon_ms = self._clock.now_ms() + self._again_ms
        else:
            all_known = len(rows) < limit
            self._horizon_ms = NEVER_MS if all_known else rows[-1].wake_ms
            if not found and not all_known:  # and none of those on it is for here
                later_ms = self._clock.now_ms() + self._again_ms
                self._horizon_ms = max(self._horizon_ms, later_ms)
        self._asking = None
        self._arm()

    def _take(self, rows: list[IndexRow]) -> int:
        found = 0
        for row in rows:
            session = row.id
            known = session in self._at or session in self._given_up or self._is_here(session)
            if not known:
                self._put(session, row.wake_ms)
                found += 1
        return found
