"""How a session is brought back from the journal."""

from __future__ import annotations

import asyncio

import structlog

from ..actors.errors import (
    GreenroomError,
    Refused,
    RuntimeClosed,
    SessionDamaged,
    SessionExists,
    SessionNotFound,
    SessionParked,
    text_of,
)
from ..actors.kernel.mailbox import Mail
from ..actors.kernel.reply import Reply
from ..actors.ports import Claim, Journal, NewSession, SessionId
from ..actors.session.actor import SessionActor
from ..actors.session.fold import restore
from ..actors.session.messages import Mode
from ..actors.session.reasons import PassivationReason
from ..actors.session.state import State
from .admission import Admitting
from .age import AgeLimit
from .capacity import Slot
from .messages import NotOpened, Opened
from .place import Place
from .questions import Questions

log = structlog.get_logger()


async def claim(
    journal: Journal, session: SessionId, new: NewSession | None, age: AgeLimit | None = None
) -> Opened | NotOpened:
    """Claim the session (or create it) and fold its state. Never raises.

    With an `age` limit it must be young enough to come in.
    """
    try:
        claimed = await journal.claim(session, create=new)
        state = restore(claimed, session)
        if age is not None:
            await age.check(claimed, state)
        return Opened(session, claimed, state)
    except GreenroomError as error:
        return NotOpened(session, error)
    except Exception as error:
        log.error("claim_failed", session=session, error=text_of(error), exc_info=error)
        return NotOpened(session, SessionDamaged(session, revision=0, why=text_of(error)))


class Activating(Admitting):
    """The supervisor's part on activation: from a place to the session's actor in it."""

    _opening: set[asyncio.Task[Opened | NotOpened]]
    _questions: Questions
    _age: AgeLimit

    def _open(self, session: SessionId, place: Place) -> None:
        """Ask the journal for the session; the outcome comes back as a message."""
        age = None if place.lived else self._age
        work = claim(self._stage.journal, session, place.new, age)
        task = asyncio.get_running_loop().create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._on_claimed)

    def _on_claimed(self, task: asyncio.Task[Opened | NotOpened]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            self.actor_inbox.signal(task.result())

    def opened(self, mail: Mail) -> None:
        """The journal has the session: let its actor begin, if its owner may have it here."""
        session, claimed, state = mail.message.session, mail.message.claim, mail.message.state
        if self._drain is not None:
            self._not_admitted(mail, RuntimeClosed("draining"))
            return
        parked = self.parked.get(session)
        if parked is not None and self._places[session].new is None:
            self._tell_parked(session, parked)
            self._not_admitted(mail, parked)
            return
        if state.lifecycle == "ended":
            self.ledger.disown(session)  # it may have crashed at its end
        elif not self.ledger.assign(session, state.owner):
            scope = self.ledger.owner_full(state.owner) or "per_user"
            self._not_admitted(mail, self._capacity_error(scope, state.owner))
            return
        self.alarms.cancel(session)
        self._begin(session, claimed, state)
        if parked is not None:  # while it was being created
            self._ask_to_leave(session, Mode.FORCE, PassivationReason.FORCED)

    def _begin(self, session: SessionId, claimed: Claim, state: State) -> None:
        """Put the session's actor into its place, and serve those who have waited for it."""
        stage, place = self._stage, self._places[session]
        self.ledger.move(session, Slot.RESIDENT)
        actor = place.actor = self._actor(session, claimed, state, place)
        place.lived = True
        place.since_ms = stage.clock.now_ms()
        stage.stats.count_activation(place.why)
        self._watch(session, actor.active_s)
        if place.mail is not None:
            if (token := place.mail.message.token) is not None:
                stage.tokens[session] = token
            if isinstance(place.mail.reply_to, Reply):
                place.mail.reply_to.set(session)
        place.new = place.mail = None
        self._questions.hand_to(session, place.box)
        actor._start_actor_loop()
        deferred, place.deferred = place.deferred, ()
        for mail in deferred:  # now that it turns out to exist
            self.process(mail)

    def _actor(
        self, session: SessionId, claimed: Claim, state: State, place: Place
    ) -> SessionActor:
        stage, live, epoch = self._stage, self._logs.open(session), claimed.epoch
        live.open(
            incarnation=state.incarnation, epoch=epoch, revision=claimed.revision, end=claimed.end
        )
        live.recorded = state.settings.record_session
        unsnapped = sum(map(len, claimed.events))
        actor = SessionActor(
            place.box,
            stage,
            state,
            epoch=epoch,
            live=live,
            unsnapped=unsnapped,
            claimed=claimed.durable,
        )
        if stage.backstage is not None:
            actor.created = place.new is not None
            actor.came = place.why
        if place.legacy is not None:
            actor.legacy, place.legacy = place.legacy, None
        return actor

    def _tell_parked(self, session: SessionId, parked: SessionParked) -> None:
        """Tell those who read a session, or wait for something in it, that it is parked."""
        if (live := self._logs.get(session)) is not None:
            live.close(parked)
        self._questions.refuse(session, parked)

    def _not_admitted(self, mail: Mail, error: GreenroomError) -> None:
        """Undo a claim that may not be used, so that it leaves no trace."""
        session, claimed = mail.message.session, mail.message.claim
        self._stage.journal.release(session, epoch=claimed.epoch, end=claimed.end)
        self.alarms.ask_again()
        self._close_place(session, error)

    def not_opened(self, mail: Mail) -> None:
        """The journal has no such session, or does not give it."""
        session, error = mail.message.session, mail.message.error
        if not isinstance(error, SessionExists):  # or what is there already stays as it was
            self._questions.refuse(session, error)
        if isinstance(error, SessionNotFound):
            self.alarms.cancel(session)
        elif not isinstance(error, Refused):  # after a crash, or a journal that works again later
            self.alarms.ask_again()
        if isinstance(error, SessionDamaged):
            self.alarms.give_up(session)
            self._quarantine.hold(session, error, self._stage.clock.monotonic())
        if not isinstance(error, Refused):
            log.error("session_not_opened", session=session, error=text_of(error))
        self._close_place(session, error)
