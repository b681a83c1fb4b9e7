"""The supervisor: who may be on stage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Final

import structlog

from ..actors.errors import SessionClosed, SessionNotFound, SessionParked
from ..actors.kernel.mailbox import Mail, Mailbox
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId, Timer
from ..actors.session.messages import LEFT, Departed, Departure, Ended, Stayed
from ..actors.session.reasons import ActivationReason
from ..actors.session.stage import Stage
from .activation import Activating
from .admission import Admitting
from .age import AgeLimit
from .alarms import Alarms
from .capacity import Ledger, Slot
from .config import Config
from .directory import Directory
from .drain import Draining
from .explaining import Explaining
from .explanation import Leaves
from .farewells import Farewells
from .idle import IdleQueue
from .listing import Listing
from .logs import LiveLogs
from .messages import (
    Alarm,
    Create,
    Drain,
    Evict,
    Explain,
    Found,
    LookAgain,
    NotOpened,
    Opened,
    Park,
    Quiet,
    Reopen,
    Revive,
    Sweep,
    TimeUp,
    Unpinned,
    Wanted,
)
from .passivation import Passivating
from .place import Place
from .quarantine import Quarantine
from .questions import Questions
from .queueing import Queueing
from .restarting import Restarting
from .restarts import Restarts
from .stopping import Stopping
from .waiting import WaitingLine

ALARM_AGAIN_S: Final = 5.0
"""Until a session that wants to be on stage by itself, and was turned away, tries again."""

log = structlog.get_logger()


class SupervisorActor(Listing):
    """Creates, wakes, restarts and passivates sessions, within the limits of its ledger.

    It is on no message's path: a session that is on stage is found in the directory. It waits for
    nothing: a journal or a session that takes its time answers with a message.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        stage: Stage,
        logs: LiveLogs,
        directory: Directory,
        config: Config,
        age: AgeLimit,
        new_id: Callable[[int], str],
    ) -> None:
        super().__init__(mailbox=mailbox)
        self.ledger = Ledger(
            max_sessions=config.max_sessions,
            max_sessions_per_user=config.max_sessions_per_user,
            max_sessions_per_tenant=config.max_sessions_per_tenant,
            exempt=config.dev_user,
        )
        self.parked: dict[SessionId, SessionParked] = {}
        self._quarantine = Quarantine()
        self._stage = stage
        self._logs = logs
        self._directory = directory
        self._config = config
        self._age = age
        self._new_id = new_id
        self._idle = IdleQueue[SessionId](config.idle_s)
        self._restarts = Restarts(config.max_restarts, config.restart_window_s)
        self._farewells = Farewells()
        self._leaves = Leaves()
        self._looking: set[asyncio.Task[None]] = set()
        self._places: dict[SessionId, Place] = {}
        self.line = WaitingLine()
        self._line_timer: Timer | None = None
        self._opening: set[asyncio.Task[Opened | NotOpened]] = set()
        self._timer: Timer | None = None
        self._timer_at = 0.0
        if config.subscriber_pin_s:
            logs.on_deserted = lambda session: mailbox.signal(Unpinned(session))
        self._drain: Draining | None = None
        self._questions = Questions()
        self.alarms = Alarms(
            stage.clock,
            stage.journal,
            lambda name: mailbox.signal(Alarm(name)),
            self._places.__contains__,
            ALARM_AGAIN_S,
        )

    def handle(self, mail: Mail) -> None:
        handler = self._HANDLERS.get(type(mail.message))
        if handler is None:
            super().handle(mail)
        else:
            handler(self, mail)

    def contain(self, mail: Mail, error: BaseException) -> None:
        """A bug here costs the message it was found with, never the house."""
        with suppress(BaseException):  # a log that fails must not keep anyone from an answer
            log.error("supervisor_failed", message=type(mail.message).__name__, exc_info=error)
        if isinstance(mail.reply_to, Reply):
            mail.reply_to.set_error(error)

    # --- what sessions say of themselves ---

    def _ended(self, mail: Mail) -> None:
        self.ledger.disown(mail.message.session)

    def _stayed(self, mail: Mail) -> None:
        session = mail.message.session
        if self.ledger.slot(session) is not Slot.PASSIVATING or self._drain is not None:
            return  # an order that outlived the activation it was meant for
        self._places[session].asked_ms = None
        self._farewells.stayed(session)
        self.ledger.move(session, Slot.RESIDENT)
        self._watch(session, self._stage.clock.monotonic())
        self._serve_line()

    def _departed(self, mail: Mail) -> None:
        session, how = mail.message.session, mail.message.how
        place = self._places[session]
        place.actor, place.legacy = None, mail.message.legacy
        self._idle.remove(session)
        self._farewells.departed(session, how)
        place.since_ms, place.asked_ms = self._stage.clock.now_ms(), None
        self._leaves.note(mail.message, place.since_ms)
        if how is Departure.DELETED:
            self._stage.pins.forget(session)
            self.parked.pop(session, None)
            self._close_place(session, SessionNotFound(session))
        elif session in self.parked and self._drain is None:
            if how in LEFT:
                self._stage.stats.count_passivation(mail.message.reason)
            self._questions.keep(session, mail.message.waiting)
            self._send_away(session, self.parked[session])
        elif how is Departure.PASSIVATED:
            self._stage.stats.count_passivation(mail.message.reason)
            self._questions.keep(session, mail.message.waiting)
            self._close_place(session, SessionClosed(session))
            if self._drain is not None:
                self._questions.refuse(session, SessionClosed(session))
            elif mail.message.wake_ms:
                self.alarms.set(session, mail.message.wake_ms)
        elif how is Departure.FENCED or self._drain is not None:
            self._note_unbegun(session, place.legacy)
            self._close_place(session, SessionClosed(session))
        elif how is Departure.RECALLED:
            self._stage.stats.count_passivation(mail.message.reason)
            self._come_back(session, place, ActivationReason.RECALLED)
        elif how is Departure.RENEWED:
            self._stage.stats.renewed += 1
            self._come_back(session, place, ActivationReason.RENEWED)
        else:
            self._restart(session, mail.message.error)
        self._serve_line()

    def _come_back(self, session: SessionId, place: Place, why: ActivationReason) -> None:
        """Start a session again that has left, without a delay."""
        place.why = why
        self.ledger.move(session, Slot.RESERVED)
        self._open(session, place)

    _HANDLERS: ClassVar[dict[type, Callable[[SupervisorActor, Mail], None]]] = {
        Create: Admitting.create,
        Wanted: Admitting.wanted,
        Opened: Activating.opened,
        NotOpened: Activating.not_opened,
        Stayed: _stayed,
        Evict: Passivating.evict,
        Explain: Explaining.explain,
        Found: Explaining.found,
        Ended: _ended,
        Departed: _departed,
        Reopen: Restarting.reopen,
        Park: Restarting.park,
        Revive: Restarting.revive,
        Alarm: Admitting.wake,
        Sweep: Passivating.sweep,
        LookAgain: Queueing.look_again,
        Unpinned: Queueing.unpinned,
        Drain: Stopping.start_drain,
        TimeUp: Stopping.time_up,
        Quiet: Stopping.quiet,
    }
