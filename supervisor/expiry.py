"""When sessions that nobody has touched for long are deleted (spec A21, S11, S21)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from ..actors.errors import GreenroomError, text_of
from ..actors.ports import Journal, SessionId
from ..actors.session.stage import Stats
from .removal import Removal
from .retention import Retention, before_ms

STEP: Final = 100
"""Sessions deleted at once."""

MOST_FAILED: Final = 1_000
"""Sessions that could not be archived or read, after which a round looks for no further ones."""

log = structlog.get_logger()


class Expiry:
    """Deletes sessions by when they were last changed, as the journal's index has it; ended ones
    sooner than others.

    Those on stage are kept, whatever their age (spec SX7). One that cannot be archived, or not be
    read, stays as well, until the next round tries again; all others go (SX8).
    """

    def __init__(
        self,
        journal: Journal,
        policy: Retention,
        removal: Removal,
        stats: Stats,
        held: Callable[[], frozenset[SessionId]],
    ) -> None:
        self._journal = journal
        self._policy = policy
        self._removal = removal
        self._stats = stats
        self._held = held
        self._failed: set[SessionId] = set()

    async def step(self, now_ms: int) -> bool:
        """Delete a number of sessions that are too old; whether there may be more."""
        policy, more = self._policy, False
        for age_s, ended in ((policy.session_max_age_s, False), (policy.ended_retention_s, True)):
            before = before_ms(now_ms, age_s)
            if before is not None and len(self._failed) < MOST_FAILED:
                more = await self.expire(before, ended=ended, limit=STEP) == STEP or more
        if not more:
            self._failed.clear()
        return more

    async def expire(self, before: int, *, ended: bool, limit: int) -> int:
        """Delete up to `limit` sessions last changed before `before`: how many it has looked at."""
        keep = self._held() | self._failed
        stale = await self._journal.stale(before, limit=limit, ended=ended, keep=keep)
        ready = [found for found in stale if await self._is_ready(found.id)]
        # Looking again and asking are one step: who wakes a session from here on comes after it.
        held = self._held()
        ready = [found for found in ready if found.id not in held]
        gone = await self._journal.hide(ready) if ready else []
        self._stats.expired += len(gone)
        if gone:
            log.info("sessions_expired", count=len(gone))
        return len(stale)

    async def _is_ready(self, session: SessionId) -> bool:
        try:
            await self._removal.prepare(session)
        except GreenroomError as error:
            self._failed.add(session)
            log.warning("session_kept", session=session, error=text_of(error))
            return False
        return True
