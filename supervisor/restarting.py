"""The supervisor's part on crashes: a session is started again after a delay, or parked."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from ..actors.errors import SessionParked
from ..actors.kernel.mailbox import Mail
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId
from ..actors.session.reasons import ActivationReason
from .activation import Activating
from .capacity import Slot
from .farewells import tell
from .messages import Evict, Reopen
from .restarts import Restarts, delay_s

log = structlog.get_logger()


class Restarting(Activating):
    """A session that has crashed keeps its place through the delay; a parked one gives it up."""

    _restarts: Restarts
    _new_id: Callable[[int], str]

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
            restarts,
            first_s=config.restart_delay_s,
            most_s=config.max_restart_delay_s,
            jitter=config.restart_jitter,
            drawn=int(self._new_id(4), 16) / 2**32,
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
        log.error("session_parked", session=session, restarts=restarts, error=error)
        self._send_away(session, self._parked(session, restarts, error))

    def _parked(self, session: SessionId, restarts: int | None, error: str) -> SessionParked:
        window_s = self._config.restart_window_s
        parked = SessionParked(session, restarts=restarts, window_s=window_s, error=error)
        self.parked[session] = parked
        self._stage.stats.parked += 1
        return parked

    def _send_away(self, session: SessionId, parked: SessionParked) -> None:
        """Free the place of a parked session, and tell all who wait."""
        self._tell_parked(session, parked)
        self._close_place(session, parked)

    # --- by an operator ---

    def park(self, mail: Mail) -> None:
        """Set a session aside: it leaves the stage whatever it does, and nobody wakes it."""
        session, reason = mail.message.session, mail.message.reason
        if session in self.parked or self._drain is not None:
            tell(mail, False)
            return
        log.warning("session_parked", session=session, restarts=None, error=reason)
        parked, place = self._parked(session, None, reason), self._places.get(session)
        if place is None:
            self._tell_parked(session, parked)
            tell(mail, True)
        elif place.actor is None:  # it is on its way to the stage, and sent away when it is there
            tell(mail, True)
        else:
            left: Reply[bool] = Reply()
            left.on_done(lambda _: tell(mail, True))
            self.evict(Mail(Evict(session, force=True), left))

    def revive(self, mail: Mail) -> None:
        """Forget what a session was parked for, or held for as damaged: its next message, or what
        is due in it, wakes it. Its restarts are counted anew."""
        session = mail.message.session
        parked = self.parked.pop(session, None) is not None
        held = self._quarantine.release(session)
        if parked or held:
            log.warning("session_revived", session=session)
            self._stage.stats.revived += 1
            self._restarts.clear(session)
            self.alarms.cancel(session)
            self.alarms.ask_again()
        tell(mail, parked or held)
