"""The supervisor's part on crashes: a session is started again after a delay, or parked."""

from __future__ import annotations

import structlog

from ..actors.errors import SessionParked
from ..actors.kernel.mailbox import Mail
from ..actors.ports import SessionId
from ..actors.session.reasons import ActivationReason
from .activation import Activating
from .capacity import Slot
from .messages import Reopen
from .restarts import Restarts, delay_s

log = structlog.get_logger()


class Restarting(Activating):
    """A session that has crashed keeps its place through the delay; a parked one gives it up."""

    _restarts: Restarts

    def _restart(self, session: SessionId, error: str) -> None:
        """Start a crashed session again, after a delay, or park it."""
        config, stage = self._config, self._stage
        allowed, restarts = self._restarts.admit(session, stage.clock.monotonic())
        stage.stats.crashed += 1
        if not allowed:
            self._park(session, restarts - 1, error)
            return
        stage.stats.restarted += 1
        self.ledger.move(session, Slot.RESERVED)
        place = self._places[session]
        place.why = ActivationReason.RESTARTED
        wait_s = delay_s(
            restarts, first_s=config.restart_delay_s, most_s=config.max_restart_delay_s
        )
        place.opens_s = stage.clock.monotonic() + wait_s
        log.warning("session_restarts", session=session, restarts=restarts, delay_s=wait_s)
        stage.clock.call_later(wait_s, lambda: self.actor_inbox.signal(Reopen(session)))

    def reopen(self, mail: Mail) -> None:
        """Start a session again, when its delay is over."""
        place = self._places.get(mail.message.session)
        if place is not None and place.actor is None:
            self._open(mail.message.session, place)

    def _park(self, session: SessionId, restarts: int, error: str) -> None:
        window_s = self._config.restart_window_s
        parked = SessionParked(session, restarts=restarts, window_s=window_s, error=error)
        log.error("session_parked", session=session, restarts=restarts, error=error)
        self.parked[session] = parked
        if (live := self._logs.get(session)) is not None:
            live.close(parked)
        self._stage.stats.parked += 1
        self._close_place(session, parked)
