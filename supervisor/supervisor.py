"""The supervisor: who may be on stage."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import ClassVar, Final

import structlog
from pykka._envelope import Envelope

from ..actors.errors import (
    CapacityError,
    GreenroomError,
    Refused,
    RuntimeClosed,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    SessionParked,
    text_of,
)
from ..actors.kernel.actor import Actor
from ..actors.kernel.mailbox import Mail, Mailbox
from ..actors.kernel.reply import Reply
from ..actors.ports import NewSession, SessionId, Timer, UserId
from ..actors.session.actor import SessionActor
from ..actors.session.events import Cause
from ..actors.session.messages import Departed, Departure, Ended, Mode, Passivate, Stayed
from ..actors.session.stage import Stage
from .activation import claim
from .alarms import Alarms
from .capacity import Ledger, Scope, Slot
from .config import Config
from .directory import Directory
from .drain import Draining
from .expiry import Expiry
from .farewells import Farewells, tell
from .idle import IdleQueue
from .logs import LiveLogs
from .messages import (
    Alarm,
    Create,
    Drain,
    Evict,
    NotOpened,
    Opened,
    Part,
    Quiet,
    Reopen,
    Sweep,
    TimeUp,
    Wanted,
)
from .questions import Questions
from .restarts import RestartWindow, delay_s

BUSY_RETRY_S: Final = 0.25
"""What a refused caller is told to wait when every resident session is at work."""

ALARM_AGAIN_S: Final = 5.0
"""Until a session that wants to be on stage by itself, and was turned away, tries again."""

LAST_WAIT_S: Final = 1.0
"""After the drain's budget: for the sessions that were stopped to be written out."""

log = structlog.get_logger()


class Place:
    """What the supervisor knows of a session that holds a slot."""

    __slots__ = ("actor", "box", "deferred", "mail", "new", "window")

    def __init__(self, box: Mailbox, new: NewSession | None, mail: Mail | None) -> None:
        self.box = box
        self.new = new  # while it is being created
        self.mail = mail  # whoever asked to create it
        self.actor: SessionActor | None = None
        self.window: RestartWindow | None = None
        self.deferred: list[Mail] = []  # about the same id, for when this place is free


class SupervisorActor(Actor):
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
    ) -> None:
        super().__init__(mailbox=mailbox)
        self.ledger = Ledger(
            max_sessions=config.max_sessions,
            max_sessions_per_user=config.max_sessions_per_user,
            exempt=config.dev_user,
        )
        self.expiry = Expiry(
            stage.clock, stage.journal, self.ledger, retention_s=config.ended_retention_s
        )
        self.parked: dict[SessionId, SessionParked] = {}
        self._stage = stage
        self._logs = logs
        self._directory = directory
        self._config = config
        self._idle = IdleQueue(config.idle_s)
        self._farewells = Farewells()
        self._places: dict[SessionId, Place] = {}
        self._line: deque[Mail] = deque()  # for a slot that a passivation will free
        self._opening: set[asyncio.Task[Opened | NotOpened]] = set()
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._drain: Draining | None = None
        self._questions = Questions()
        self._alarms = Alarms(stage.clock, lambda name: mailbox.signal(Alarm(name)), ALARM_AGAIN_S)

    def handle(self, mail: Mail) -> None:
        handler = self._HANDLERS.get(type(mail.message))
        if handler is None:
            super().handle(mail)
        else:
            handler(self, mail)

    def process(self, mail: Mail) -> None:
        """Handle one message. A bug here costs that message, never the house."""
        try:
            self.handle(mail)
        except BaseException as error:
            with suppress(BaseException):  # a log that fails must not keep anyone from an answer
                log.error("supervisor_failed", message=type(mail.message).__name__, exc_info=error)
            if isinstance(mail.reply_to, Reply):
                mail.reply_to.set_error(error)

    # --- coming on stage ---

    def _create(self, mail: Mail) -> None:
        new: NewSession = mail.message.new
        session = new.row.id
        if self._drain is not None:
            self._refuse(mail, RuntimeClosed("draining"))
            return
        place = self._places.get(session)
        if place is None:
            self._admit(mail, session, new.row.owner)
        elif place.actor is None and place.new is None:
            place.deferred.append(mail)  # being looked for: it may turn out not to exist
        else:
            # A full house is reported before a taken id (spec V29).
            scope = self.ledger.full(new.row.owner)
            if scope is None or (scope == "global" and any(map(self._may_leave, self._places))):
                self._refuse(mail, SessionExists(session))
            else:
                self._refuse(mail, self._capacity_error(scope, new.row.owner))

    def _wanted(self, mail: Mail) -> None:
        session, box = mail.message.session, mail.message.box
        place = self._places.get(session)
        if box.closed:
            return  # answered already, while this stood in line
        if self._drain is not None:
            self._refuse(mail, RuntimeClosed("draining"))
        elif session in self.parked:
            self._refuse(mail, self.parked[session])
        elif place is None:
            self._admit(mail, session, None)
        elif place.box is not box:
            place.deferred.append(mail)

    def _admit(self, mail: Mail, session: SessionId, user: UserId | None) -> None:
        """Reserve a slot, or make room for one, or refuse."""
        scope = self.ledger.full(user)
        if scope is None:
            self._reserve(mail, session, user)
        elif scope == "global" and self._make_room():
            self._line.append(mail)
        else:
            self._refuse(mail, self._capacity_error(scope, user))

    def _reserve(self, mail: Mail, session: SessionId, user: UserId | None) -> None:
        message = mail.message
        self.ledger.reserve(session, user)
        if type(message) is Create:
            box, _ = self._directory.open(session, lambda: self._stage.new_mailbox(session))
            place = Place(box, message.new, mail)
        else:
            place = Place(message.box, None, None)
        self._places[session] = place
        self._open(session, place)

    def _open(self, session: SessionId, place: Place) -> None:
        """Ask the journal for the session; the outcome comes back as a message."""
        work = claim(self._stage.journal, session, place.new)
        task = asyncio.get_running_loop().create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._on_claimed)

    def _on_claimed(self, task: asyncio.Task[Opened | NotOpened]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            self.actor_inbox.signal(task.result())

    def _opened(self, mail: Mail) -> None:
        session, claimed, state = mail.message.session, mail.message.claim, mail.message.state
        if self._drain is not None:
            self._not_admitted(mail, RuntimeClosed("draining"))
            return
        if state.lifecycle == "ended":
            self.ledger.disown(session)  # it may have crashed at its end
        elif not self.ledger.assign(session, state.owner):
            self._not_admitted(mail, self._capacity_error("per_user", state.owner))
            return
        self._alarms.cancel(session)
        stage = self._stage
        place, live, epoch = self._places[session], self._logs.open(session), claimed.epoch
        live.open(
            incarnation=state.incarnation, epoch=epoch, revision=claimed.revision, end=claimed.end
        )
        live.recorded = state.settings.record_session
        self.ledger.move(session, Slot.RESIDENT)
        actor = place.actor = SessionActor(
            place.box,
            stage,
            state,
            epoch=epoch,
            live=live,
            unsnapped=sum(map(len, claimed.events)),
        )
        stage.stats.activated += 1
        self._watch(session, actor.active_s)
        if place.mail is not None:
            if (token := place.mail.message.token) is not None:
                stage.tokens[session] = token
            if isinstance(place.mail.reply_to, Reply):
                place.mail.reply_to.set(session)
        place.new = place.mail = None
        self._questions.hand_to(session, place.box)
        actor._start_actor_loop()

    def _not_admitted(self, mail: Mail, error: GreenroomError) -> None:
        """Undo a claim that may not be used, so that it leaves no trace."""
        session, claimed = mail.message.session, mail.message.claim
        self._stage.journal.release(session, epoch=claimed.epoch, end=claimed.end)
        self._close_place(session, error)

    def _not_opened(self, mail: Mail) -> None:
        session, error = mail.message.session, mail.message.error
        if not isinstance(error, SessionExists):  # or what is there already stays as it was
            self._alarms.cancel(session)
            self._questions.refuse(session, error)
        if not isinstance(error, Refused):
            log.error("session_not_opened", session=session, error=text_of(error))
        self._close_place(session, error)

    def _capacity_error(self, scope: Scope, user: UserId | None) -> CapacityError:
        """The refusal, with how long until a session is expected to be idle."""
        if scope == "global" or user is None:
            return self.ledger.error(retry_after_s=BUSY_RETRY_S)
        idle_at = min(map(self._active_s, self.ledger.owned_by(user))) + self._config.idle_s
        wait_s = max(idle_at - self._stage.clock.monotonic(), BUSY_RETRY_S)
        return self.ledger.error(user, retry_after_s=wait_s)

    def _refuse(self, mail: Mail, error: GreenroomError) -> None:
        """Answer whoever asked for a session that does not come on stage."""
        message = mail.message
        if type(message) is Wanted:
            place = self._places.get(message.session)
            if place is not None and place.box is message.box:
                return  # while it stood in line the session was created, with this mailbox
            self._directory.forget(message.session, message.box)
            message.box.close(lambda _: error)
        elif isinstance(mail.reply_to, Reply):
            mail.reply_to.set_error(error)

    # --- leaving the stage ---

    def _make_room(self) -> bool:
        """Ask the least recently active session that is idle to leave, if there is one."""
        session = self._idle.take_least_recent(self._active_s, self._may_leave)
        if session is None:
            return False
        self._ask_to_leave(session, Mode.IF_IDLE)
        return True

    def _ask_to_leave(self, session: SessionId, mode: Mode) -> None:
        if self.ledger.slot(session) is Slot.RESIDENT:
            self.ledger.move(session, Slot.PASSIVATING)
        cause: Cause = "evicted" if self._drain is None else "drain"
        self._places[session].box.signal(Passivate(mode, cause))

    def _evict(self, mail: Mail) -> None:
        """Have one session leave. Whether it is idle it knows best itself."""
        session, force = mail.message.session, mail.message.force
        place = self._places.get(session)
        if place is None or place.actor is None:
            tell(mail, False)
            return
        self._farewells.expect(mail)
        if self._drain is None:
            self._idle.remove(session)
            self._ask_to_leave(session, Mode.FORCE if force else Mode.IF_IDLE)

    def _ended(self, mail: Mail) -> None:
        self.ledger.disown(mail.message.session)

    def _may_leave(self, session: SessionId) -> bool:
        actor = self._places[session].actor
        return actor is not None and actor.idle

    def _active_s(self, session: SessionId) -> float:
        actor = self._places[session].actor
        return self._stage.clock.monotonic() if actor is None else actor.active_s

    def _stayed(self, mail: Mail) -> None:
        session = mail.message.session
        if self.ledger.slot(session) is not Slot.PASSIVATING or self._drain is not None:
            return  # an order that outlived the activation it was meant for
        self._farewells.stayed(session)
        self.ledger.move(session, Slot.RESIDENT)
        self._watch(session, self._stage.clock.monotonic())
        self._serve_line()

    def _departed(self, mail: Mail) -> None:
        session, how = mail.message.session, mail.message.how
        place = self._places[session]
        place.actor = None
        self._idle.remove(session)
        self._farewells.departed(session, how)
        if how is Departure.DELETED:
            self._close_place(session, SessionNotFound(session))
        elif how is Departure.PASSIVATED:
            self._stage.stats.passivated += 1
            self._questions.keep(session, mail.message.waiting)
            self._close_place(session, SessionClosed(session))
            if self._drain is not None:
                self._questions.refuse(session, SessionClosed(session))
            elif mail.message.wake_ms is not None:
                self._alarms.set(session, mail.message.wake_ms)
        elif how is Departure.FENCED or self._drain is not None:
            self._close_place(session, SessionClosed(session))
        elif how is Departure.RECALLED:
            self._stage.stats.passivated += 1
            self.ledger.move(session, Slot.RESERVED)
            self._open(session, place)
        else:
            self._restart(session, place, mail.message.error)
        self._serve_line()

    def _serve_line(self) -> None:
        """Give free slots to those who wait; the others each wait for a session that leaves."""
        line, ledger = self._line, self.ledger
        while line and ledger.full(None) is None:
            self.process(line.popleft())
        while len(line) > ledger.passivating and self._make_room():
            pass
        while len(line) > ledger.passivating:
            self._refuse(line.pop(), self._capacity_error("global", None))

    def _close_place(self, session: SessionId, error: GreenroomError) -> None:
        """Free the slot; what still waits for the session is told `error`."""
        place = self._places.pop(session, None)
        if place is None:
            return  # given up when the drain's budget was spent
        self.ledger.free(session)
        if isinstance(error, SessionExists) and place.box.depth:
            # Messages for the session that is there already have come into this mailbox.
            place.deferred.append(Envelope(Wanted(session, place.box)))
        else:
            self._directory.forget(session, place.box)
            place.box.close(lambda _: error)
        self._logs.forget(session)
        if place.mail is not None:
            self._refuse(place.mail, error)
        for mail in place.deferred:
            self.process(mail)
        self._serve_line()
        self._report_if_drained()

    def _wake(self, mail: Mail) -> None:
        """Bring a session on stage that nobody calls, unless somebody does."""
        session = mail.message.session
        if self._drain is not None or session in self.parked:
            self._alarms.cancel(session)
            return
        box, is_new = self._directory.open(session, lambda: self._stage.new_mailbox(session))
        if is_new:
            self._wanted(Envelope(Wanted(session, box)))

    # --- restarts ---

    def _restart(self, session: SessionId, place: Place, error: str) -> None:
        """Start a crashed session again, after a delay, or park it."""
        config, stage = self._config, self._stage
        window = place.window or RestartWindow(config.max_restarts, config.restart_window_s)
        allowed, place.window = window.admit(stage.clock.monotonic())
        stage.stats.crashed += 1
        restarts = len(place.window.times)
        if not allowed:
            self._park(session, restarts - 1, error)
            return
        stage.stats.restarted += 1
        self.ledger.move(session, Slot.RESERVED)
        wait_s = delay_s(
            restarts, first_s=config.restart_delay_s, most_s=config.max_restart_delay_s
        )
        log.warning("session_restarts", session=session, restarts=restarts, delay_s=wait_s)
        stage.clock.call_later(wait_s, lambda: self.actor_inbox.signal(Reopen(session)))

    def _reopen(self, mail: Mail) -> None:
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

    def _sweep(self, _: Mail) -> None:
        self._timer = None
        for session in self._idle.due(self._stage.clock.monotonic(), self._active_s):
            self._ask_to_leave(session, Mode.IF_IDLE)
        self._arm()

    # --- stopping ---

    def _start_drain(self, mail: Mail) -> None:
        """Close admission at once, let turns finish, and report by id (promise P16)."""
        if self._drain is not None:
            self._drain.join(mail)
            return
        if self._timer is not None:
            self._timer.cancel()
        self.expiry.stop()
        self._alarms.clear()
        self._questions.refuse_all(RuntimeClosed("draining"))
        self._drain = Draining(mail, self._places)
        while self._line:
            self._refuse(self._line.popleft(), RuntimeClosed("draining"))
        for session, place in list(self._places.items()):
            if place.actor is not None:
                self._ask_to_leave(session, Mode.DRAIN)
        self._plan(mail.message.budget_s)
        self._report_if_drained()

    def _plan(self, budget_s: float) -> None:
        """Share out the budget: with nothing to close and nobody to tell, it is for turns alone."""
        backstage = self._stage.backstage
        self._after(budget_s + LAST_WAIT_S, TimeUp(Part.WRITING))
        if backstage is None:
            self._after(budget_s, TimeUp(Part.TURNS))
            return
        backstage.drain(lambda: self.actor_inbox.signal(Quiet()))
        self._after(budget_s / 2, TimeUp(Part.TURNS))
        self._after(budget_s * 3 / 4, TimeUp(Part.CLOSING))
        self._after(budget_s, TimeUp(Part.HOOKS))

    def _time_up(self, mail: Mail) -> None:
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
                drain.handed_back.append(session)
            self._ask_to_leave(session, Mode.FORCE)

    def _after(self, delay_s: float, message: TimeUp) -> None:
        self._stage.clock.call_later(delay_s, lambda: self.actor_inbox.signal(message))

    def _report_if_drained(self) -> None:
        backstage = self._stage.backstage
        quiet = backstage is None or not backstage.leaving
        if self._drain is not None and not self._places and quiet and not self._drain.done:
            self._drain.answer(())

    def _quiet(self, _: Mail) -> None:
        self._report_if_drained()

    _HANDLERS: ClassVar[dict[type, Callable[[SupervisorActor, Mail], None]]] = {
        Create: _create,
        Wanted: _wanted,
        Opened: _opened,
        NotOpened: _not_opened,
        Stayed: _stayed,
        Evict: _evict,
        Ended: _ended,
        Departed: _departed,
        Reopen: _reopen,
        Alarm: _wake,
        Sweep: _sweep,
        Drain: _start_drain,
        TimeUp: _time_up,
        Quiet: _quiet,
    }


def _closed(session: SessionId, message: object) -> SessionClosed:
    return SessionClosed(session, returned=message)
