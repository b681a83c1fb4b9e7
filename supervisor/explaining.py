"""The supervisor's part on explanations: it knows who is on stage, and asks the journal else."""

from __future__ import annotations

import asyncio
from typing import Any

from ..actors.errors import RuntimeClosed
from ..actors.kernel.mailbox import Mail
from ..actors.kernel.reply import Reply
from ..actors.ports import IndexRow, SessionId
from ..actors.session.pinned import in_utc, pins_of
from ..actors.session.reasons import ActivationReason
from .capacity import Slot
from .explanation import Explanation, Leaves, Verdict
from .messages import Create, Found
from .place import Place
from .stopping import Stopping


class Explaining(Stopping):
    """Why a session is, or is not, on stage. Nothing is kept for that but how each has left."""

    _leaves: Leaves
    _looking: set[asyncio.Task[None]]

    def explain(self, mail: Mail) -> None:
        """Answer from what is here; only if that is nothing, ask the journal's index."""
        here = self._explained(mail.message.session)
        if here is not None:
            _answer(mail, here)
            return
        task = asyncio.get_running_loop().create_task(self._look_up(mail))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    def found(self, mail: Mail) -> None:
        """The index has answered; it may be on stage by now."""
        session, row = mail.message.session, mail.message.row
        _answer(mail, self._explained(session) or self._stored(session, row))

    async def _look_up(self, mail: Mail) -> None:
        session = mail.message.session
        try:
            row = await self._stage.journal.find(session)
            self.actor_inbox.put_system(Mail(Found(session, row), mail.reply_to))
        except Exception as error:  # of the journal, unless it was closed meanwhile
            _answer(mail, RuntimeClosed("stopped") if self.actor_inbox.closed else error)

    # --- the verdicts ---

    def _explained(self, session: SessionId) -> Explanation | None:
        place = self._places.get(session)
        if place is not None and place.actor is not None:
            return self._on_stage(session, place)
        if place is not None:
            return self._coming(session, place)
        return self._kept_off(session) or self._in_line(session)

    def verdict_of(self, session: SessionId, place: Place) -> Verdict:
        """Where a session is that has a place."""
        if place.actor is None:
            restarts = place.why is ActivationReason.RESTARTED
            return Verdict.RESTARTING if restarts else Verdict.RESERVED
        leaves = place.actor.leaving or self.ledger.slot(session) is Slot.PASSIVATING
        return Verdict.PASSIVATING if leaves else Verdict.RESIDENT

    def _on_stage(self, session: SessionId, place: Place) -> Explanation:
        actor = place.actor
        assert actor is not None
        verdict = self.verdict_of(session, place)
        leaves = verdict is Verdict.PASSIVATING
        due_s = None if leaves or actor.works else self._idle.due_s(session, self._active_s)
        return Explanation(
            session=session,
            verdict=verdict,
            since_ms=place.asked_ms if leaves else place.since_ms,
            due_ms=self._ms(due_s),
            state=actor.state.lifecycle,
            owner=actor.state.owner,
            came=place.why,
            left=self._leaves.of(session),
            pins=pins_of(actor),
            restarts=self._restarted(session),
        )

    def _coming(self, session: SessionId, place: Place) -> Explanation:
        verdict = self.verdict_of(session, place)
        restarts = verdict is Verdict.RESTARTING
        left = self._leaves.of(session)
        return Explanation(
            session=session,
            verdict=verdict,
            since_ms=place.since_ms,
            due_ms=self._ms(place.opens_s) if restarts else None,
            owner=None if place.new is None else place.new.row.owner,
            came=place.why,
            left=left,
            restarts=self._restarted(session),
            error="" if left is None or not restarts else left.error,
        )

    def _kept_off(self, session: SessionId) -> Explanation | None:
        left, parked = self._leaves.of(session), self.parked.get(session)
        if parked is not None:
            return Explanation(
                session=session,
                verdict=Verdict.PARKED,
                since_ms=None if left is None else left.at_ms,
                left=left,
                restarts=parked.restarts or 0,
                error=parked.error,
            )
        damage = self._quarantine.of(session, self._stage.clock.monotonic())
        if damage is None:
            return None
        since_s, until_s = self._quarantine.period_s(session)
        return Explanation(
            session=session,
            verdict=Verdict.QUARANTINED,
            since_ms=self._ms(since_s),
            due_ms=self._ms(until_s),
            left=left,
            error=str(damage),
        )

    def _in_line(self, session: SessionId) -> Explanation | None:
        for number, mail in enumerate(self.line.mails(), 1):
            message = mail.message
            is_new = type(message) is Create
            if session == (message.new.row.id if is_new else message.session):
                until_s, wait_s = self.line.until_s(mail), self._config.admission_wait_s
                return Explanation(
                    session=session,
                    verdict=Verdict.WAITING,
                    since_ms=self._ms(until_s - wait_s),
                    due_ms=self._ms(until_s),
                    owner=message.new.row.owner if is_new else None,
                    left=self._leaves.of(session),
                    place=number,
                )
        return None

    def _stored(self, session: SessionId, row: IndexRow | None) -> Explanation:
        left = self._leaves.of(session)
        left_ms = None if left is None else left.at_ms
        if row is None:
            return Explanation(
                session=session, verdict=Verdict.UNKNOWN, since_ms=left_ms, left=left
            )
        ended = row.state == "ended"
        return Explanation(
            session=session,
            verdict=Verdict.ENDED if ended else Verdict.STORED,
            since_ms=row.updated_ms if ended else left_ms,
            due_ms=row.wake_ms or None,
            state=row.state,
            owner=row.owner,
            left=left,
        )

    # --- figures ---

    def _restarted(self, session: SessionId) -> int:
        return self._restarts.count(session, self._stage.clock.monotonic())

    def _ms(self, at_s: float | None) -> int | None:
        if at_s is None or at_s == float("inf"):
            return None
        return in_utc(self._stage.clock)(at_s)


def _answer(mail: Mail, answer: Any) -> None:
    if not isinstance(mail.reply_to, Reply):
        return
    if isinstance(answer, BaseException):
        mail.reply_to.set_error(answer)
    else:
        mail.reply_to.set(answer)
