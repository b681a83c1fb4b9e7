"""What a session tells of itself: to who asks, to who reads its history, to its end hook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..ports import SessionId, UserId
from .approvals import PendingApproval, pending, undecided
from .cursor import Cursor
from .events import Cause, PresenceChanged, TurnStatus
from .items import Published
from .phases import Phase
from .retention import retained
from .settings import MODES, Mode
from .state import Lifecycle, Origin, Outcome, Participant, State
from .transcript import Line, Message, own
from .values import copied
from .view import outputs_of


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


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended, and the text it said, as far as the transcript still has it. `reason` says
    why, if it did not complete, and `cause` who ended it, if that was not its pipeline."""

    turn: int
    status: TurnStatus
    text: str
    reason: str = ""
    cause: Cause | None = None


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


def _member(member: Participant) -> Member:
    return Member(
        name=member.name,
        role=member.role,
        joined_ms=member.joined_ms,
        acted_ms=member.acted_ms,
        seen=member.seen,
    )
