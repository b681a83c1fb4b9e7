"""Where a session that nobody has touched for too long is turned away."""

from __future__ import annotations

import structlog

from ..actors.errors import SessionNotFound, text_of
from ..actors.ports import Claim, Clock, IndexRow, Journal
from ..actors.session.stage import Stats
from ..actors.session.state import State
from .removal import Removal
from .retention import before_ms

log = structlog.get_logger()


class AgeLimit:
    """Lets no session come on stage, or be listed, that is older than `max_age_s` (spec S11, SX6).

    A session's age is the time since it was last changed. It counts where a session is looked for
    or woken; one that is on stage may stay there, and come back after a crash.
    """

    def __init__(
        self, clock: Clock, journal: Journal, removal: Removal, stats: Stats, *, max_age_s: float
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._removal = removal
        self._stats = stats
        self._max_age_s = max_age_s

    @property
    def since_ms(self) -> int | None:
        """What was changed before is too old; None: nothing ever is."""
        return before_ms(self._clock.now_ms(), self._max_age_s)

    def shows(self, row: IndexRow) -> bool:
        """Whether a session is young enough to be shown."""
        since = self.since_ms
        return since is None or row.updated_ms >= since

    async def check(self, claim: Claim, state: State) -> None:
        """Archive and hide the session if it is too old, and raise SessionNotFound (spec SX5).

        So it is told as long as it is there: if it cannot be archived, or not be hidden, it stays
        in the journal until it can.
        """
        since = self.since_ms
        if since is None or state.updated_ms >= since:
            return
        session = state.id
        try:
            await self._removal.keep(session)
            await self._journal.delete(session, epoch=claim.epoch)
            self._stats.expired += 1
        except Exception as error:
            log.warning("session_kept", session=session, error=text_of(error))
            self._journal.release(session, epoch=claim.epoch, end=claim.end)
        raise SessionNotFound(session)
