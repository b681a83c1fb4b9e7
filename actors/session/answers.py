"""What a session answers to a command it has taken, once that is durable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ..ports import SessionId, UserId
from .approvals import DecideReceipt, PendingApproval, pending, undecided
from .commands import (
    Command,
    Compact,
    Decide,
    Greet,
    Interrupt,
    Join,
    Send,
    Steer,
    Truncate,
    Undo,
)
from .cursor import Cursor
from .events import (
    ApprovalDecided,
    Cause,
    Durable,
    MessagePosted,
    PresenceChanged,
    TranscriptCut,
    TurnEnded,
    TurnQueued,
    TurnStarted,
    TurnStatus,
    TurnSteered,
)
from .items import Published
from .phases import Phase
from .retention import retained
from .settings import MODES, Mode
from .state import Lifecycle, Origin, Outcome, Participant, State
from .transcript import Line, Message, own
from .values import copied
from .view import inputs_of, outputs_of

StopFact: TypeAlias = Literal["stopped", "abandoned"]
"""What became of the pipeline of a turn that was ended from outside."""

WaitsFor: TypeAlias = Literal["turn", "approval", "resume", "pipeline"]

Verdict: TypeAlias = Literal["won", "completion_won", "already_ended", "unknown"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="receipt"):
    """The command is durable. `revision` is the session's last one after it."""

    revision: int


class JoinReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="join"):
    """`joined`: a participant in this role now. `pending`: waiting for the host's approval."""

    status: Literal["joined", "pending"]
    role: str
    revision: int


class PhaseReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The voice session's phase. Not `taken`: the turn that asked for another is not current."""

    phase: Phase
    taken: bool


class TurnTicket(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="turn"):
    """The turn is accepted and durable. `ahead` turns must end before it starts. Turn 0 is none.

    `waits_for` says what it waits for: a running `turn`, one that is suspended for an `approval`,
    the `resume` of a paused session, or a `pipeline` while the session has none to run it.
    """

    turn: int
    ahead: int
    revision: int
    waits_for: WaitsFor | None = None


class CancelReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="cancel"):
    """Who was first. `won`: this call ended the turn, and nothing more of it will be seen.

    `completion_won`: it had completed by itself. `already_ended`: it had ended otherwise.
    `unknown`: there is no such turn, or it ended too long ago to remember.
    """

    verdict: Verdict
    turn: int | None


class CutReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="cut"):
    """`removed` lines are out of view, and the turns that lost some of them have `ended`.

    Shared context, memories and what tools have done are as they were.
    """

    removed: int
    ended: list[int]
    revision: int


Answer: TypeAlias = Receipt | JoinReceipt | TurnTicket | CancelReceipt | CutReceipt | DecideReceipt
"""What a command of people is answered with."""

Told: TypeAlias = Answer | tuple[Message, ...]
"""... or one of a pipeline."""

encode_answer = msgspec.msgpack.Encoder().encode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended, and the text it said, as far as the transcript still has it. `reason` says
    why, if it did not complete, and `cause` who ended it, if that was not its pipeline."""

    turn: int
    status: TurnStatus
    text: str
    reason: str = ""
    cause: Cause | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A participant. `acted_ms`: when they last did something; `seen`: revision acknowledged."""

    name: str
    role: str
    joined_ms: int
    acted_ms: int
    seen: int


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A session at a glance. Times are UTC milliseconds; `revision` counts its durable events.

    `participants` are in the order of joining. `events` is how many the room history retains,
    `messages` how many the transcript has. `phase` is that of a voice session: `init` until
    somebody sets it, and after each passivation. `active_ms`: the last event, phase set, or touch;
    the latter two until a passivation. `approval` is the id of the one that the running turn waits
    for; what it is about is for participants: in a `SessionSnapshot`, or from `session.approval`.
    A fork has an `origin`.
    """

    id: SessionId
    name: str
    state: Lifecycle
    host: UserId
    owner: UserId
    participants: dict[UserId, Member]
    pending: list[UserId]
    created_ms: int
    updated_ms: int
    started_ms: int | None
    ended_ms: int | None
    revision: int
    events: int
    messages: int
    running_turn: int | None
    queued_turns: list[int]
    mode: Mode
    character_id: str
    phase: Phase
    active_ms: int
    approval: str | None = None
    origin: Origin | None = None


class SessionSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A session's state, and exactly the cursor from which to go on: nothing lies between.

    `versions` are the revisions at which context keys were last changed. `saying` is what the
    running turn has said and is in no message yet, `approval` what it waits for people to decide.
    All of it is a copy.
    """

    info: SessionInfo
    context: dict[str, Any]
    versions: dict[str, int]
    memories: list[str]
    presence: dict[UserId, PresenceChanged]
    transcript: tuple[Line, ...]
    saying: str
    cursor: str
    approval: PendingApproval | None = None

    def at(self, cursor: Cursor, presence: dict[UserId, PresenceChanged]) -> SessionSnapshot:
        """The same with the cursor and the presences of the moment at which it is let out."""
        return msgspec.structs.replace(self, cursor=str(cursor), presence=dict(presence))


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Room history, oldest first; an event's sequence number is its revision.

    `truncated`: events after the one asked for are no longer retained, the oldest one that is has
    number `oldest`. `last` is the newest there is. `seen`: what each participant has acknowledged.
    """

    events: tuple[Published, ...]
    truncated: bool
    oldest: int
    last: int
    seen: dict[UserId, int]

    def cut(self, oldest: int) -> HistoryPage:
        """The same page, when the journal holds nothing before `oldest`."""
        return msgspec.structs.replace(self, truncated=True, oldest=oldest)

    def holding(self, events: tuple[Published, ...]) -> HistoryPage:
        """The same page with events on it."""
        return msgspec.structs.replace(self, events=events)

    def acknowledged_by(self, event: Published) -> list[UserId]:
        """The participants who have acknowledged `event`, in the order of joining."""
        return [user for user, seen in self.seen.items() if seen >= event.revision]


def answer(state: State, command: Command, events: Sequence[Durable]) -> Told:
    """The answer to `command`, which caused `events`, already folded into `state`."""
    match command:
        case Send() | Greet() | Compact():
            return _ticket(state, _turn_of(events))
        case Undo() | Truncate():
            return _cut_receipt(state, events)
        case Steer(turn=turn):
            handed = sum(event.messages for event in events if isinstance(event, TurnSteered))
            return tuple(inputs_of(state.history, turn)[-handed:] if handed else ())
        case Interrupt(turn=turn):
            return _cancel_receipt(state, turn, events)
        case Decide():
            return _decide_receipt(state, events)
        case Join(user=user):
            member = state.participants.get(user)
            return JoinReceipt(
                status="joined" if member else "pending",
                role=member.role if member else state.pending[user].role,
                revision=state.revision,
            )
        case _:
            return Receipt(revision=state.revision)


def _turn_of(events: Sequence[Durable]) -> int:
    """The turn that a message began, or was merged into, or that was begun without one; or 0."""
    for event in reversed(events):
        match event:
            case MessagePosted(message=message):
                return message.turn
            case TurnQueued(turn=turn) | TurnStarted(turn=turn):
                return turn
            case _:
                continue
    return 0


def _ticket(state: State, turn: int) -> TurnTicket:
    revision, running = state.revision, state.running
    if turn == 0:
        return TurnTicket(turn=0, ahead=0, revision=revision)
    if running is not None and running.turn == turn:
        return TurnTicket(turn=turn, ahead=0, revision=revision)
    place = next(i for i, waiting in enumerate(state.queued) if waiting.turn == turn)
    ahead = place + (running is not None)
    return TurnTicket(turn=turn, ahead=ahead, revision=revision, waits_for=waits_for(state))


def waits_for(state: State) -> WaitsFor:
    """What keeps the first queued turn from starting."""
    if undecided(state) is not None:
        return "approval"
    if state.running is not None:
        return "turn"
    return "resume" if state.lifecycle == "paused" else "pipeline"


def result_of(state: State, turn: int, outcome: Outcome) -> TurnResult:
    """The result of an ended turn whose outcome the session remembers."""
    said = (line.text for line in outputs_of(state.history, turn) if isinstance(line, Message))
    return TurnResult(
        turn=turn,
        status=outcome.status,
        text="".join(said),
        reason=outcome.reason,
        cause=outcome.cause,
    )


def info(state: State, phase: Phase = "init", touched_ms: int = 0) -> SessionInfo:
    """The session at a glance, copied out of its state; with its voice phase and last touch."""
    return SessionInfo(
        id=state.id,
        name=state.name,
        state=state.lifecycle,
        host=state.host,
        owner=state.owner,
        participants={user: _member(member) for user, member in state.participants.items()},
        pending=list(state.pending),
        created_ms=state.created_ms,
        updated_ms=state.updated_ms,
        started_ms=state.started_ms,
        ended_ms=state.ended_ms,
        revision=state.revision,
        events=retained(state),
        messages=state.messages,
        running_turn=state.running.turn if state.running else None,
        queued_turns=[waiting.turn for waiting in state.queued],
        mode=MODES[state.settings.mode],
        character_id=state.settings.character_id,
        phase="closed" if state.lifecycle == "ended" else phase,
        active_ms=max(state.updated_ms, touched_ms),
        approval=approval.id if (approval := undecided(state)) else None,
        origin=state.origin,
    )


def snapshot(state: State, said: Sequence[str], seen: SessionInfo | None = None) -> SessionSnapshot:
    """The whole state, copied out of it; the cursor that belongs to it is not known yet."""
    compacts = state.running is not None and state.running.kind == "compaction"
    return SessionSnapshot(
        info=seen or info(state),
        context=copied(state.context),
        versions=dict(state.versions),
        memories=list(state.memories),
        presence={},
        transcript=tuple(map(own, state.history)),
        saying="" if compacts else "".join(said),
        cursor="",
        approval=pending(state),
    )


def _member(member: Participant) -> Member:
    return Member(
        name=member.name,
        role=member.role,
        joined_ms=member.joined_ms,
        acted_ms=member.acted_ms,
        seen=member.seen,
    )


def _cut_receipt(state: State, events: Sequence[Durable]) -> CutReceipt:
    return CutReceipt(
        removed=next(event.removed for event in events if isinstance(event, TranscriptCut)),
        ended=[event.turn for event in events if isinstance(event, TurnEnded)],
        revision=state.revision,
    )


def _decide_receipt(state: State, events: Sequence[Durable]) -> DecideReceipt:
    decided = next(event for event in events if isinstance(event, ApprovalDecided))
    return DecideReceipt(
        turn=decided.turn,
        approval=decided.approval,
        decisions=decided.decisions,
        revision=state.revision,
    )


def _cancel_receipt(state: State, turn: int | None, events: Sequence[Durable]) -> CancelReceipt:
    ended = next((event for event in events if isinstance(event, TurnEnded)), None)
    if ended is not None:
        return CancelReceipt(verdict="won", turn=ended.turn)
    if turn is None:
        return CancelReceipt(verdict="unknown", turn=None)
    outcome = state.outcomes.get(turn)
    if outcome is None:
        return CancelReceipt(verdict="unknown", turn=turn)
    completed = outcome.status == "completed"
    return CancelReceipt(verdict="completion_won" if completed else "already_ended", turn=turn)
