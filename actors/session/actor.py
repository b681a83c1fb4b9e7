"""The session actor: mailbox, decide, journal, apply, publish, reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, get_args

import msgspec
import structlog

from ..errors import Fenced, NoPipeline, Refused
from ..kernel.mailbox import Mail, Mailbox
from ..kernel.reply import Reply
from ..ports import IndexRow
from .answers import answer
from .attending import Attending
from .backstage import EndReason
from .commands import Command, Compact, Greet, Send, Suspend
from .compaction import require_compactor
from .desk import QUESTIONS, Desk
from .ending import begin_grace, end_grace, erase
from .entry import Done, Entry, encode_entry, encoded
from .events import (
    ApprovalDecided,
    ApprovalRequested,
    Durable,
    Event,
    Joined,
    Left,
    PresenceChanged,
    SessionClosing,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TurnEnded,
    TurnQueued,
    TurnStarted,
    TurnSteered,
    WakeCancelled,
    WakeSet,
)
from .fold import apply, remember, save
from .idempotency import done, first_answer
from .lane import Lane
from .leaving import Leaving
from .live import LiveLog
from .messages import (
    AwaitStopped,
    Committed,
    Delivered,
    Departure,
    Due,
    Ended,
    Erase,
    FlushPresence,
    GraceOver,
    KeepAwake,
    Keyed,
    Passivate,
    Present,
    ReportFailure,
    ResourcesSettled,
    SetPhase,
    SetToken,
    Touch,
)
from .outbox import Held, Outbox
from .part import Phase
from .permits import PermitGranted
from .poison import after_crash
from .presence import Presences
from .rules import decide
from .rules.moment import Moment
from .running import Running
from .screen import SHOWN, Screen
from .stage import Stage
from .state import State
from .turns import LateAnswer, RunGone, TakeSteering, TurnOutput
from .upkeep import Upkeep
from .wakes import wants_ms
from .wings import Wings

COMMANDS: Final = frozenset(get_args(Command))

MOVES: Final = frozenset({Joined, Left})
"""Events after which others take part than before."""


class Begin(msgspec.Struct, frozen=True):
    """The first message of an activation."""


_BEGIN: Final = Mail(Begin())

log = structlog.get_logger()


class SessionActor(Running, Leaving):
    """One activation of one session: thin around `decide` and `apply`.

    It is built with its state, for which `unsnapped` bytes of events had to be replayed, attached
    to the session's mailbox by the supervisor, and leaves the mailbox behind when it goes. It
    decides against its newest state, and lets replies and publications out when what they follow
    is durable (promise P7).
    """

    undone: Command | None = None
    """What it crashed over, if nothing of that has left this activation."""

    def __init__(
        self,
        mailbox: Mailbox,
        stage: Stage,
        state: State,
        *,
        epoch: int,
        live: LiveLog,
        unsnapped: int = 0,
        claimed: Reply[None] | None = None,
    ) -> None:
        super().__init__(mailbox=mailbox)
        self.state = state
        self.epoch = epoch
        self.phase = Phase.LIVE
        self.active_s = stage.clock.monotonic()
        self._stage = stage
        self._live = live
        self._outbox = Outbox(stage, live, mailbox, epoch, self, unsnapped, claimed)
        self._lane: Lane | None = None
        self._desk_made: Desk | None = None
        self._presences: Presences | None = None
        self._wings: Wings | None = None
        self._screen: Screen | None = None
        self._on_settled: Callable[[], None] | None = None
        self._draining = False

    def _start_actor_loop(self) -> None:
        # Attached first: mail is only handled from the dispatcher's next pass on, and a failure
        # while settling the past is contained like any other.
        self.actor_inbox.attach(self)
        self.process(_BEGIN)

    def _begin(self, _: Mail) -> None:
        """Settle what an older activation left behind, before the first command."""
        live = self._live
        for user in {reader.user for reader in live.readers} - self.state.participants.keys():
            live.expel(user)
        backstage = self._stage.backstage
        self.tell_activated()
        if self.state.lifecycle == "ended":
            live.finish()
            self._stage.tokens.pop(self.state.id, None)
        elif backstage is not None and backstage.has_wings:
            self._wings = Wings(backstage, self.state.id, self.state.owner, self.actor_inbox)
            self._wings.open()
        if not self._opening:
            self.recover(self._stage.turn_attempts)
        if wants_ms(self.state):
            self.do_due()

    def handle(self, mail: Mail) -> None:
        message = mail.message
        kind = type(message)
        if kind in COMMANDS:
            self.active_s = self._stage.clock.monotonic()
            self.run_command(message, mail.reply_to)
        elif kind is Keyed:
            self.active_s = self._stage.clock.monotonic()
            self.run_command(message.command, mail.reply_to, message.key)
        elif kind in QUESTIONS:
            self._desk.ask(self.state, mail)
        elif kind is TurnOutput:
            self._on_output(message)
        elif kind is Committed:
            self._on_committed(message)
        elif (handler := self._HANDLERS.get(kind)) is not None:
            handler(self, mail)
        else:
            super().handle(mail)
        if self._draining:
            self.leave_if_drained()

    def contain(self, mail: Mail, error: BaseException) -> None:
        """Whatever a handler raises costs at most that command, and a restart."""
        after_crash(self, mail, error)
        self._crash(Departure.CRASHED, error)

    # --- commands ---

    def run_command(self, command: Command, reply: Any, key: str | None = None) -> None:
        """Decide, journal, fold, and let out what follows when it is durable."""
        before, outbox = self.state.revision, self._outbox
        self._stage.stats.commands += 1
        try:
            held, bodies, row = self._take(command, reply, key)
        except BaseException:
            self.undone = command
            raise
        if row is not None:
            held.commit = outbox.append(bodies, row, after=before)
        outbox.put(held)
        if row is not None:
            outbox.snapshot_if_due(self.state)

    def _take(
        self, command: Command, reply: Any, key: str | None
    ) -> tuple[Held, list[bytes], IndexRow | None]:
        """Decide and fold. Until this has returned nobody but this activation knows of it."""
        stage, state = self._stage, self.state
        try:
            if key is not None and (first := first_answer(state, key, command)) is not None:
                return Held(reply=reply, answer=first), [], None
            if stage.stream is None and type(command) in (Send, Greet):
                raise NoPipeline(state.id)
            if type(command) is Compact:
                require_compactor(stage, state.id)
            moment = self._moment()
            events = decide(state, command, moment)
            bodies = encoded(events, moment.at_ms)
        except Refused as refusal:
            stage.stats.refused += 1
            if reply is None:
                raise
            return Held(reply=reply, answer=refusal), [], None
        row, moved, voice = None, False, self.voice
        published = events if voice is None else voice.accompany(state, events)
        for event in events:
            apply(state, event, moment.at_ms)
            moved = moved or type(event) in MOVES
        if self._lane is not None:
            self._lane.fence(events)
        if stage.permits is not None:
            self._follow_permit()
        told = answer(state, command, events)
        if events:
            if key is not None:
                bodies[0] = self._remember(done(key, command, told), events[0], moment.at_ms)
            elif type(command) is Suspend and command.saved is not None:
                bodies[-1] = self._save(command.saved, events[-1], moment.at_ms)
            stage.stats.events += len(events)
            row = state.index_row(members=moved)
        return Held(published, moment.at_ms, reply=reply, answer=told), bodies, row

    def _remember(self, record: Done, event: Durable, at_ms: int) -> bytes:
        """Keep the answer, in the state and with the command's first event."""
        remember(self.state, record, at_ms)
        return encode_entry(Entry(at_ms, event, record))

    def _save(self, saved: Any, event: Durable, at_ms: int) -> bytes:
        """Keep what a pipeline saves, in the state and with its request; no reader gets it."""
        save(self.state, saved)
        return encode_entry(Entry(at_ms, event, saved=saved))

    def _moment(self) -> Moment:
        stage, lane = self._stage, self._lane
        now_ms = stage.clock.now_ms()
        held = stage.stream is None or self._holds_turns or not self._may_start
        if lane is None or lane.run is None:
            return Moment(now_ms, (), held, None, stage.calendar)
        return Moment(now_ms, lane.said, held, lane.delivered, stage.calendar)

    def _on_committed(self, message: Committed) -> None:
        if message.epoch != self.epoch:
            return
        error = self._outbox.on_committed()
        if error is not None:
            self._outbox.void(error)
            fenced = isinstance(error, Fenced)
            self._crash(Departure.FENCED if fenced else Departure.CRASHED, error)
        self._settle()

    # --- effects of events that have been let out ---

    def on_event(self, event: Event) -> None:
        """Do what follows from an event that has been let out."""
        effect = self._EFFECTS.get(type(event))
        if effect is not None:
            effect(self, event)

    def _finish(self, _: SessionEnded) -> None:
        self._live.finish()
        self._stage.tokens.pop(self.state.id, None)
        self.follow_agenda()
        if self._wings is not None:
            self.clear(EndReason.ENDED)
        else:
            self.close_watches()
        self._stage.supervisor.signal(Ended(self.state.id))

    _HANDLERS: ClassVar[dict[type, Callable[[SessionActor, Mail], None]]] = {
        Begin: _begin,
        Present: Attending.on_presence,
        FlushPresence: Attending.flush_presence,
        ReportFailure: Attending.report_failure,
        RunGone: Running.on_gone,
        PermitGranted: Running.on_permit,
        TakeSteering: Running.steer,
        LateAnswer: Running.on_late_answer,
        Delivered: Running.on_delivered,
        AwaitStopped: Running.await_stopped,
        ResourcesSettled: Upkeep.on_resources,
        SetToken: Upkeep.set_token,
        KeepAwake: Upkeep.keep_awake,
        Passivate: Leaving.passivate,
        SetPhase: Attending.on_voice,
        Touch: Attending.on_voice,
        Due: Running.do_due,
        Erase: erase,
        GraceOver: end_grace,
        **dict.fromkeys(SHOWN, Attending.on_shown),
    }
    _EFFECTS: ClassVar[dict[type, Callable[[SessionActor, Any], None]]] = {
        TurnStarted: Running.begin_turn,
        TurnEnded: Running.end_turn,
        TurnSteered: Running.end_steering,
        ApprovalRequested: Running.follow_agenda,
        ApprovalDecided: Running.on_decision,
        Left: Attending.forget_presence,
        PresenceChanged: Attending.note_presence,
        SessionClosing: begin_grace,
        SessionEnded: _finish,
        TurnQueued: Upkeep.open_again,
        SessionResumed: Running.on_resumed,
        **dict.fromkeys(
            (SessionStarted, SessionPaused, WakeSet, WakeCancelled), Running.follow_agenda
        ),
    }
