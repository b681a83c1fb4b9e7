"""The supervisor's part on the drain: how everybody leaves for the runtime to stop."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..actors.errors import RuntimeClosed, SessionClosed
from ..actors.kernel.mailbox import Mail
from ..actors.ports import SessionId
from ..actors.session.legacy import Legacy
from ..actors.session.messages import Mode
from ..actors.session.reasons import PassivationReason
from .drain import Draining
from .messages import Part, Quiet, TimeUp
from .restarting import Restarting

LAST_WAIT_S: Final = 1.0
"""After the drain's budget: for the sessions that were stopped to be written out."""


class Stopping(Restarting):
    """Admission closes, turns may finish, what is left is handed back, and all of it reported."""

    def start_drain(self, mail: Mail) -> None:
        """Close admission at once, let turns finish, and report by id (promise P16)."""
        if self._drain is not None:
            self._drain.join(mail)
            self._hurry(self._drain, mail.message.budget_s)
            return
        if self._timer is not None:
            self._timer.cancel()
        self.alarms.clear()
        self._questions.refuse_all(RuntimeClosed("draining"))
        self._drain = Draining(mail, self._places)
        self._leave_line(RuntimeClosed("draining"))
        for session, place in list(self._places.items()):
            if place.actor is not None:
                self._ask_to_leave(session, Mode.DRAIN, PassivationReason.DRAINED)
        self._plan(self._drain, mail.message.budget_s)
        self._report_if_drained()

    def _hurry(self, drain: Draining, budget_s: float) -> None:
        """Somebody has asked again: if that leaves less time, what is left is shared out anew."""
        if drain.done or self._stage.clock.monotonic() + budget_s >= drain.until_s:
            return
        for timer in drain.timers:
            timer.cancel()
        self._plan(drain, budget_s)

    def _plan(self, drain: Draining, budget_s: float) -> None:
        """Share out the budget: with nothing to close and nobody to tell, it is for turns alone."""
        backstage = self._stage.backstage
        drain.until_s = self._stage.clock.monotonic() + budget_s
        self._after(budget_s + LAST_WAIT_S, TimeUp(Part.WRITING))
        if backstage is None:
            self._after(budget_s, TimeUp(Part.TURNS))
            return
        backstage.drain(lambda: self.actor_inbox.signal(Quiet()))
        self._after(budget_s / 2, TimeUp(Part.TURNS))
        self._after(budget_s * 3 / 4, TimeUp(Part.CLOSING))
        self._after(budget_s, TimeUp(Part.HOOKS))

    def time_up(self, mail: Mail) -> None:
        """A part of the budget is spent: what has had its time is ended."""
        drain, backstage = self._drain, self._stage.backstage
        if drain is None or drain.done:
            return
        match mail.message.part:
            case Part.TURNS:
                self._hand_back(drain)
            case Part.CLOSING if backstage is not None:
                backstage.hurry()
            case Part.HOOKS if backstage is not None:
                backstage.give_up()
            case _:
                self._stop_waiting(drain)

    def _stop_waiting(self, drain: Draining) -> None:
        for session, place in self._places.items():
            place.box.close(partial(_closed, session))
            if place.actor is not None:
                place.actor.abandon("the journal did not answer before the runtime stopped")
        if self._stage.backstage is not None:
            self._stage.backstage.give_up()
        drain.answer(self._places)

    def _hand_back(self, drain: Draining) -> None:
        for session, place in list(self._places.items()):
            if place.actor is None:  # nobody waits for its claim or restart any more
                self._close_place(session, RuntimeClosed("draining"))
                continue
            if place.actor.runs:
                drain.handed_back.add(session)
            self._ask_to_leave(session, Mode.FORCE, PassivationReason.DRAINED)

    def _note_unbegun(self, session: SessionId, legacy: Legacy | None) -> None:
        """A turn that was to begin in a new epoch is the next owner's."""
        if self._drain is not None and legacy is not None and legacy.unbegun is not None:
            self._drain.handed_back.add(session)

    def _after(self, delay_s: float, message: TimeUp) -> None:
        assert self._drain is not None
        timer = self._stage.clock.call_later(delay_s, lambda: self.actor_inbox.signal(message))
        self._drain.timers.append(timer)

    def _report_if_drained(self) -> None:
        backstage = self._stage.backstage
        quiet = backstage is None or backstage.quiet
        if self._drain is not None and not self._places and quiet and not self._drain.done:
            self._drain.answer(())

    def quiet(self, _: Mail) -> None:
        """Everything backstage has come to its end."""
        self._report_if_drained()


def _closed(session: SessionId, message: object) -> SessionClosed:
    return SessionClosed(session, returned=message)
