"""The supervisor's part on passivation: who is idle for too long, and who makes room."""

from __future__ import annotations

import structlog

from ..actors.kernel.actor import Actor
from ..actors.kernel.mailbox import Mail
from ..actors.ports import SessionId, Timer
from ..actors.session.events import Cause
from ..actors.session.messages import Mode, Passivate
from ..actors.session.reasons import PassivationReason as Reason
from ..actors.session.stage import Stage
from .capacity import Ledger, Slot
from .drain import Draining
from .farewells import Farewells, tell
from .idle import IdleQueue
from .messages import Sweep
from .place import Place

log = structlog.get_logger()


class Passivating(Actor):
    """How sessions are asked to leave the stage; what comes of it they say themselves."""

    ledger: Ledger
    _stage: Stage
    _places: dict[SessionId, Place]
    _idle: IdleQueue[SessionId]
    _farewells: Farewells
    _drain: Draining | None
    _timer: Timer | None
    _timer_at: float

    def _make_room(self) -> bool:
        """Ask the least recently active session that is idle to leave, if there is one."""
        session = self._idle.take_least_recent(self._active_s, self._may_leave)
        if session is None:
            return False
        self._ask_to_leave(session, Mode.IF_IDLE, self._reason(session, Reason.MADE_ROOM))
        return True

    def _ask_to_leave(self, session: SessionId, mode: Mode, reason: Reason = Reason.ASKED) -> None:
        place = self._places[session]
        if self.ledger.slot(session) is Slot.RESIDENT:
            self.ledger.move(session, Slot.PASSIVATING)
            place.asked_ms = self._stage.clock.now_ms()
        cause: Cause = "evicted" if self._drain is None else "drain"
        place.box.signal(Passivate(mode, cause, reason))

    def _reason(self, session: SessionId, reason: Reason) -> Reason:
        """Why it is asked to leave: so, or as the time of what kept it awake is over."""
        actor = self._places[session].actor
        if actor is None or not actor.is_pinned:
            return reason
        log.info("pin_limit_reached", session=session, reason=reason)
        return Reason.PIN_LIMIT

    def evict(self, mail: Mail) -> None:
        """Have one session leave. Whether it is idle it knows best itself."""
        session, force = mail.message.session, mail.message.force
        place = self._places.get(session)
        if place is None or place.actor is None:
            tell(mail, False)
            return
        if place.actor.kept_awake and not force and self._drain is None:
            tell(mail, False)
            return
        self._farewells.expect(mail)
        if self._drain is None:
            self._idle.remove(session)
            mode, reason = Mode.IF_IDLE, Reason.ASKED
            if force:
                mode, reason = Mode.FORCE, Reason.FORCED
            self._ask_to_leave(session, mode, reason)

    def _may_leave(self, session: SessionId) -> bool:
        actor = self._places[session].actor
        return actor is not None and actor.idle

    def _active_s(self, session: SessionId) -> float:
        """When it was last active; of one that is kept awake, as if so late that it is idle for
        too long when it is kept no longer."""
        actor = self._places[session].actor
        if actor is None:
            return self._stage.clock.monotonic()
        return max(actor.active_s, actor.awake_until_s - self._idle.idle_s)

    # --- idleness ---

    def _watch(self, session: SessionId, active_s: float) -> None:
        self._idle.add(session, active_s)
        self._arm()

    def _arm(self) -> None:
        """Have a sweep when the first session can be due. Idle means longer than `idle_s`."""
        due = self._idle.next_due()
        if due is None or (self._timer is not None and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        clock = self._stage.clock
        self._timer_at = due
        delay = max(due - clock.monotonic(), 0.0) + 0.001
        self._timer = clock.call_later(delay, lambda: self.actor_inbox.signal(Sweep()))

    def sweep(self, _: Mail) -> None:
        """Ask those to leave that have been idle for too long."""
        self._timer = None
        for session in self._idle.due(self._stage.clock.monotonic(), self._active_s):
            self._ask_to_leave(session, Mode.IF_IDLE, self._reason(session, Reason.IDLE))
        self._arm()
