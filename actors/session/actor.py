"""The session actor: mailbox, decide, journal, apply, publish, reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, get_args

import msgspec
import structlog
from pykka._envelope import Envelope

from ..errors import (
    Fenced,
    InvalidInput,
    NoPipeline,
    OutcomeUnknown,
    Refused,
    text_of,
)
from ..kernel.mailbox import Mail, Mailbox
from ..kernel.reply import Reply
from .answers import answer
from .approvals import is_decided, undecided
from .backstage import EndReason
from .commands import Command, Compact, Expire, Greet, Send, Suspend
from .compaction import require_compactor
from .desk import QUESTIONS, Desk
from .ending import begin_grace, end_grace, erase
from .events import (
    ApprovalDecided,
    ApprovalRequested,
    Done,
    Durable,
    Entry,
    Ephemeral,
    Event,
    Joined,
    Left,
    PresenceChanged,
    SessionClosing,
    SessionEnded,
    SessionResumed,
    TurnEnded,
    TurnQueued,
    TurnStarted,
    TurnSteered,
    encode_entry,
)
from .expiry import Expiry
from .fold import apply, remember, save
from .frames import Frame
from .idempotency import done, first_answer
from .lane import Lane
from .leaving import Leaving, Phase
from .live import LiveLog
from .messages import (
    ApprovalDue,
    AwaitStopped,
    Committed,
    Delivered,
    Departure,
    Ended,
    Erase,
    FlushPresence,
    GraceOver,
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
from .presence import Presences
from .rules import decide
from .rules.moment import Moment
from .screen import SHOWN, Screen
from .stage import Stage
from .state import State
from .turns import LateAnswer, RunGone, TakeSteering, TurnOutput
from .upkeep import Upkeep
from .voice import Voice
from .wings import Wings

COMMANDS: Final = frozenset(get_args(Command))

MOVES: Final = frozenset({Joined, Left})
"""Events after which others take part than before."""


class Begin(msgspec.Struct, frozen=True):
    """The first message of an activation."""


_BEGIN: Final = Envelope(Begin())

log = structlog.get_logger()


class SessionActor(Upkeep, Leaving):
    """One activation of one session: thin around `decide` and `apply`.

    It is built with its state, for which `unsnapped` bytes of events had to be replayed, attached
    to the session's mailbox by the supervisor, and leaves the mailbox behind when it goes. It
    decides against its newest state, and lets replies and publications out when what they follow
    is durable (promise P7).
    """

    def __init__(
        self,
        mailbox: Mailbox,
        stage: Stage,
        state: State,
        *,
        epoch: int,
        live: LiveLog,
        unsnapped: int = 0,
    ) -> None:
        super().__init__(mailbox=mailbox)
        self.state = state
        self.epoch = epoch
        self.phase = Phase.LIVE
        self.active_s = stage.clock.monotonic()
        self._stage = stage
        self._live = live
        self._outbox = Outbox(stage, live, mailbox, epoch, self._on_event, unsnapped)
        self._lane: Lane | None = None
        self._desk_made: Desk | None = None
        self._presences: Presences | None = None
        self._wings: Wings | None = None
        self._screen: Screen | None = None
        self._on_settled: Callable[[], None] | None = None
        self._draining = False

    @property
    def idle(self) -> bool:
        """Whether it could leave now: no turn runs or waits for a free lane, no mail waits.

        A suspended turn does not run, and those behind it wait for people.
        """
        state = self.state
        held = self._holds_turns and not self._opening
        queued = state.queued and state.lifecycle == "active" and not held
        lane = state.approval is None and (state.running or queued)
        resumes = self._opening and is_decided(state)
        busy = lane or resumes or self._outbox or self.actor_inbox.depth
        stopping = self._lane is not None and self._lane.stopping
        return self.phase is Phase.LIVE and not (busy or stopping)

    @property
    def _holds_turns(self) -> bool:
        """Whether no turn may start: the session is leaving, or there is nothing to run it."""
        held = self._wings is not None and self._wings.holds
        return held or self._draining or self._stage.stream is None

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
        if self.state.lifecycle == "ended":
            live.finish()
            self._stage.tokens.pop(self.state.id, None)
        elif backstage is not None:
            self._wings = Wings(backstage, self.state.id, self.state.owner, self.actor_inbox)
            self._wings.open()
        if not self._opening:
            self.recover(self._stage.turn_attempts)
        approval = undecided(self.state)
        if approval is not None and approval.expires_ms <= self._stage.clock.now_ms():
            self.run_command(Expire(approval=approval.id), None)
        elif approval is not None:
            self._watch_approval()

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

    # --- commands ---

    def run_command(self, command: Command, reply: Any, key: str | None = None) -> None:
        """Decide, journal, fold, and let out what follows when it is durable."""
        stage, state = self._stage, self.state
        stage.stats.commands += 1
        try:
            if key is not None and (first := first_answer(state, key, command)) is not None:
                self._outbox.put(Held(reply=reply, answer=first))
                return
            if stage.stream is None and type(command) in (Send, Greet):
                raise NoPipeline(state.id)
            if type(command) is Compact:
                require_compactor(stage, state.id)
            moment = self._moment()
            events = decide(state, command, moment)
            bodies = _encode(events, moment.at_ms)
        except Refused as refusal:
            stage.stats.refused += 1
            if reply is None:
                raise
            self._outbox.put(Held(reply=reply, answer=refusal))
            return
        before, commit = state.revision, None
        voice = self.voice
        published = events if voice is None else voice.accompany(state, events)
        for event in events:
            apply(state, event, moment.at_ms)
        if self._lane is not None:
            self._lane.fence(events)
        told = answer(state, command, events)
        if events:
            if key is not None:
                bodies[0] = self._remember(done(key, command, told), events[0], moment.at_ms)
            elif type(command) is Suspend and command.saved is not None:
                bodies[-1] = self._save(command.saved, events[-1], moment.at_ms)
            stage.stats.events += len(events)
            moved = not MOVES.isdisjoint(map(type, events))
            row = state.index_row(members=moved)
            commit = self._outbox.append(bodies, row, after=before)
        self._outbox.put(
            Held(published, moment.at_ms, before, commit=commit, reply=reply, answer=told)
        )
        self._outbox.snapshot_if_due(state)

    def _remember(self, record: Done, event: Durable, at_ms: int) -> bytes:
        """Keep the answer, in the state and with the command's first event."""
        remember(self.state, record, at_ms)
        return encode_entry(Entry(at_ms, event, record))

    def _save(self, saved: Any, event: Durable, at_ms: int) -> bytes:
        """Keep what a pipeline saves, in the state and with its request; no reader gets it."""
        save(self.state, saved)
        return encode_entry(Entry(at_ms, event, saved=saved))

    def _moment(self) -> Moment:
        now_ms, lane = self._stage.clock.now_ms(), self._lane
        if lane is None or lane.run is None:
            return Moment(now_ms, (), self._holds_turns)
        return Moment(now_ms, lane.said, self._holds_turns, lane.delivered)

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

    def _on_event(self, event: Event) -> None:
        effect = self._EFFECTS.get(type(event))
        if effect is not None:
            effect(self, event)

    def _begin_turn(self, event: TurnStarted) -> None:
        """Have the pipeline invoked."""
        if self.phase is Phase.LIVE:
            self.active_s = self._stage.clock.monotonic()
            if self._lane is None:
                self._lane = Lane(self, self._stage, self.actor_inbox)
            self._lane.begin(event)

    def _end_turn(self, event: TurnEnded) -> None:
        self.active_s = self._stage.clock.monotonic()
        self._stage.stats.count_turn(event.status)
        if self._expiry is not None:
            self._expiry.follow(self.state)
        if self._desk_made is not None:
            self._desk_made.end_turn(self.state, event.turn)

    def _end_steering(self, event: TurnSteered) -> None:
        """Who waits for the turn waits for the one that was handed its message."""
        if self._desk_made is not None:
            self._desk_made.end_turn(self.state, event.turn)

    def _note_presence(self, event: PresenceChanged) -> None:
        self._desk.presence[event.user] = event

    def _forget_presence(self, event: Left) -> None:
        if self._presences is not None:
            self._presences.forget(event.user)
            self._desk.presence.pop(event.user, None)
        if self._screen is not None:
            self._screen.expel(event.user)

    def _finish(self, _: SessionEnded) -> None:
        self._live.finish()
        self._stage.tokens.pop(self.state.id, None)
        if self._wings is not None:
            self.clear(EndReason.ENDED)
        else:
            self.close_watches()
        self._stage.supervisor.signal(Ended(self.state.id))

    # --- turns ---

    def _said(self) -> Sequence[str]:
        """What the running turn has said and is in no message yet."""
        return () if self._lane is None else self._lane.said

    def _on_output(self, stamp: TurnOutput) -> None:
        if self._lane is not None and self.phase is Phase.LIVE:
            self._lane.hear(stamp)
        else:
            self._stage.stats.stale_outputs += 1

    def _on_gone(self, mail: Mail) -> None:
        if self._lane is not None:
            self._lane.gone(mail.message.stamp)

    def _steer(self, mail: Mail) -> None:
        reply: Any = mail.reply_to
        if self._lane is not None and self.phase is Phase.LIVE:
            self._lane.steer(mail.message.stamp, reply)
        else:
            reply.set(())

    def _on_late_answer(self, mail: Mail) -> None:
        if self._lane is not None and self.phase is Phase.LIVE:
            self._lane.place_late(mail.message.answer)

    def _on_delivered(self, mail: Mail) -> None:
        seen = mail.message
        if self._lane is not None and seen.user in self.state.participants:
            self._lane.deliver(seen.turn, seen.chars)

    def _await_stopped(self, mail: Mail) -> None:
        reply: Any = mail.reply_to
        if self._lane is None:
            reply.set("stopped")
        else:
            self._lane.ask_stopped(mail.message.turn, reply)

    # --- voice ---

    voice: Voice | None = None  # of the class: a session that has no phase has none of its own

    def use_voice(self) -> Voice:
        """Made when a phase is first set, or somebody touches: most sessions have no use for it."""
        if self.voice is None:
            self.voice = self._desk.voice = Voice(self._stage, self._outbox)
        return self.voice

    def _on_voice(self, mail: Mail) -> None:
        self.active_s = self._stage.clock.monotonic()
        self.use_voice().take(self.state, mail)

    # --- approvals ---

    def _watch_approval(self, _: ApprovalRequested | ApprovalDecided | None = None) -> None:
        """Have the pending approval expire in time, if this activation lasts so long."""
        if self._expiry is None:
            self._expiry = Expiry(self._stage.clock, self.actor_inbox)
        self._expiry.follow(self.state)

    def _on_decision(self, event: ApprovalDecided) -> None:
        self._watch_approval(event)
        self.open_again(event)

    def _expire(self, mail: Mail) -> None:
        if self.phase is Phase.LIVE:
            self.run_command(Expire(approval=mail.message.approval), None)

    # --- questions and presence ---

    @property
    def _desk(self) -> Desk:
        """Made when the first question comes: most sessions are asked little."""
        desk = self._desk_made
        if desk is None:
            desk = Desk(self._stage, self._live, self._outbox, self._said)
            self._desk_made = desk
        return desk

    def _on_presence(self, mail: Mail) -> None:
        presence = mail.message.presence
        if presence.user not in self.state.participants:
            return
        if self._presences is None:
            self._presences = Presences(self._stage.clock, self._ask_to_flush)
        for change in self._presences.change(presence):
            self.publish_only(change)

    def _ask_to_flush(self) -> None:
        self.actor_inbox.signal(FlushPresence())

    def _flush_presence(self, _: Mail) -> None:
        if self._presences is not None:
            for change in self._presences.flush():
                if change.user in self.state.participants:  # who is leaving is not shown after it
                    self.publish_only(change)

    def _on_shown(self, mail: Mail) -> None:
        """A source, a frame or a question about them: most sessions never have any."""
        screen = self._screen
        if screen is None:
            screen = self._screen = Screen(self._stage, self._outbox, self.state)
        if screen.handle(mail):
            self.active_s = self._stage.clock.monotonic()

    def look(self, ttl_s: float | None) -> tuple[Frame, ...]:
        """The recent frames, for a pipeline; called from any thread."""
        return () if self._screen is None else self._screen.latest(ttl_s)

    def _report_failure(self, mail: Mail) -> None:
        self.publish_only(mail.message.failure)

    def publish_only(self, event: Ephemeral) -> None:
        """Publish what is not journaled, after all that was decided before it."""
        self._outbox.put(Held((event,), self._stage.clock.now_ms(), self.state.revision))

    def process(self, mail: Mail) -> None:
        """Handle one message; whatever a handler raises costs that command, and a restart."""
        try:
            self.handle(mail)
        except BaseException as error:
            if isinstance(mail.reply_to, Reply):
                mail.reply_to.set_error(OutcomeUnknown(self.state.id, why=text_of(error)))
            self._crash(Departure.CRASHED, error)

    _HANDLERS: ClassVar[dict[type, Callable[[SessionActor, Mail], None]]] = {
        Begin: _begin,
        Present: _on_presence,
        FlushPresence: _flush_presence,
        ReportFailure: _report_failure,
        RunGone: _on_gone,
        TakeSteering: _steer,
        LateAnswer: _on_late_answer,
        Delivered: _on_delivered,
        AwaitStopped: _await_stopped,
        ResourcesSettled: Upkeep.on_resources,
        SetToken: Upkeep.set_token,
        Passivate: Leaving.passivate,
        SetPhase: _on_voice,
        Touch: _on_voice,
        ApprovalDue: _expire,
        Erase: erase,
        GraceOver: end_grace,
        **dict.fromkeys(SHOWN, _on_shown),
    }
    _EFFECTS: ClassVar[dict[type, Callable[[SessionActor, Any], None]]] = {
        TurnStarted: _begin_turn,
        TurnEnded: _end_turn,
        TurnSteered: _end_steering,
        ApprovalRequested: _watch_approval,
        ApprovalDecided: _on_decision,
        Left: _forget_presence,
        PresenceChanged: _note_presence,
        SessionClosing: begin_grace,
        SessionEnded: _finish,
        TurnQueued: Upkeep.open_again,
        SessionResumed: Upkeep.open_again,
    }


def _encode(events: Sequence[Durable], at_ms: int) -> list[bytes]:
    """Encoded before the state changes: what cannot be encoded leaves nothing behind."""
    try:
        return [encode_entry(Entry(at_ms, event)) for event in events]
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("event", text_of(error), "encodable") from error
