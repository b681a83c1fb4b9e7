"""The supervisor's part on the line for a slot: who waits, and what a refusal says of slots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..actors.errors import CapacityError, GreenroomError
from ..actors.kernel.mailbox import Mail
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId, Timer, UserId
from .capacity import Scope, Slot
from .config import Config
from .messages import LookAgain
from .passivation import Passivating
from .place import Place
from .waiting import WaitingLine

BUSY_S: Final = 0.25
"""How soon a slot may be free that is being opened, left, or is busy with a command. Also: how
often the house is looked through for one that is idle, while somebody waits."""

LEAVING_S: Final = 0.01
"""How long a session takes to leave that is found idle."""


class Queueing(Passivating):
    """Those who wait for a slot in a full house, one timer for all of them, and their retry hints.

    A session does not tell when it becomes idle: that would cost every message. So while somebody
    waits for whom nobody leaves, the house is looked through every `BUSY_S` seconds.
    """

    _config: Config
    line: WaitingLine
    _line_timer: Timer | None

    def _refuse(self, mail: Mail, error: GreenroomError) -> None:
        """Answer whoever asked for a session that does not come on stage."""
        raise NotImplementedError

    # --- waiting ---

    @property
    def _may_wait(self) -> int:
        """How many may wait without a session that is leaving for them."""
        return self._config.max_waiting if self._config.admission_wait_s else 0

    def _seek_slot(self) -> bool:
        """Whether one more may stand in line: somebody leaves, or is asked to, or it may wait."""
        ahead = len(self.line)
        leaving = self.ledger.passivating
        return ahead < leaving or self._make_room() or ahead < leaving + self._may_wait

    def _could_wait(self) -> bool:
        """Whether one more could stand in line. Nobody is asked to leave for that."""
        leaving = self.ledger.passivating
        in_time = len(self.line) < leaving + self._may_wait
        return in_time or any(map(self._may_leave, self._places))

    def _late_s(self) -> float:
        wait_s = self._config.admission_wait_s
        return self._stage.clock.monotonic() + wait_s if wait_s else float("inf")

    def _serve_line(self) -> None:
        """Give free slots to those who wait; the others each wait for a session that leaves."""
        line, ledger = self.line, self.ledger
        while ledger.full(None) is None and (mail := line.take()) is not None:
            if _is_abandoned(mail):
                self._refuse(mail, self._capacity_error("global", None))
            else:
                self.process(mail)
        while len(line) > ledger.passivating and self._make_room():
            pass
        while len(line) > ledger.passivating + self._may_wait:
            self._refuse(line.take_newest(), self._capacity_error("global", None))

    def _watch_line(self) -> None:
        """Look again soon, if somebody may wait whom no departure is to serve."""
        if self._line_timer is None and self._config.admission_wait_s and self.line:
            clock = self._stage.clock
            late_s = self.line.next_late_s()
            until_s = BUSY_S if late_s is None else late_s - clock.monotonic()
            self._line_timer = clock.call_later(
                min(max(until_s, 0.0), BUSY_S), lambda: self.actor_inbox.signal(LookAgain())
            )

    def unpinned(self, mail: Mail) -> None:
        """One may be idle for long enough now, or make room."""
        session, scope = mail.message.session, mail.message.scope
        if scope is not None:
            self._stage.pins.close(session, scope)
        if self.ledger.slot(session) is Slot.RESIDENT and self._drain is None:
            self._idle.correct(session, self._active_s(session))
            self._arm()
            self._serve_line()

    def look_again(self, _: Mail) -> None:
        """Send those away who have waited long enough or given up, and make room for the others."""
        self._line_timer = None
        late = self.line.take_late(self._stage.clock.monotonic())
        gone = [mail for mail in self.line.mails() if _is_abandoned(mail)]
        for mail in gone:
            self.line.remove(mail)
        for mail in (*late, *gone):
            self._refuse(mail, self._capacity_error("global", None))
        self._serve_line()
        self._watch_line()

    def _leave_line(self, error: GreenroomError) -> None:
        """Send everybody away: nobody is admitted any more."""
        if self._line_timer is not None:
            self._line_timer.cancel()
        while (mail := self.line.take()) is not None:
            self._refuse(mail, error)

    # --- when to come back ---

    def _capacity_error(self, scope: Scope, user: UserId | None) -> CapacityError:
        """The refusal, with how long until a slot is expected, if nobody does anything."""
        self._stage.stats.count_refusal("global" if user is None else scope)
        if scope == "global" or user is None:
            soonest_s = min(map(self._free_s, self._places.values()), default=BUSY_S)
            return self.ledger.error(retry_after_s=_finite(soonest_s))
        tenant = self.ledger.tenant_of(user)
        if scope == "per_tenant" and tenant is not None:
            wait_s = self._idle_s(self.ledger.of_tenant(tenant))
        else:
            wait_s = self._idle_s(self.ledger.owned_by(user))
        return self.ledger.error(user, retry_after_s=wait_s, scope=scope)

    def _free_s(self, place: Place) -> float:
        """In how many seconds the session could make room for another one; infinite: not known."""
        actor = place.actor
        if actor is None:
            return max(place.opens_s - self._stage.clock.monotonic(), 0.0) + BUSY_S
        if actor.works:
            return float("inf")
        kept_s = max(actor.awake_until_s - self._stage.clock.monotonic(), 0.0)
        grace_s = self._config.pipeline_grace_s if actor.stops else 0.0
        return BUSY_S + max(kept_s, grace_s)

    def _idle_s(self, sessions: Iterable[SessionId]) -> float | None:
        """In how many seconds the first of `sessions` will have been idle for so long that it
        leaves by itself; None: not known."""
        return _finite(min(map(self._leaves_s, sessions), default=float("inf")))

    def _leaves_s(self, session: SessionId) -> float:
        place, now = self._places[session], self._stage.clock.monotonic()
        if self.ledger.slot(session) is Slot.PASSIVATING:
            return BUSY_S
        if place.actor is None:
            return self._free_s(place) + self._config.idle_s
        due_s = self._idle.due_s(session, self._active_s)
        if due_s is None or place.actor.works:
            return float("inf")
        busy_s = 0.0 if place.actor.idle else self._free_s(place)
        return max(due_s - now, busy_s) + LEAVING_S


def _is_abandoned(mail: Mail) -> bool:
    return isinstance(mail.reply_to, Reply) and mail.reply_to.abandoned


def _finite(seconds: float) -> float | None:
    return None if seconds == float("inf") else seconds
