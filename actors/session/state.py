"""The state of a session: a fold of its events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias, assert_never

import msgspec

from ..errors import ConfigError, SessionDamaged
from ..ports import Claim, IndexRow, SessionId, UserId
from . import retention
from .events import (
    Acknowledged,
    ActionTaken,
    ContextUpdated,
    Done,
    Durable,
    HostChanged,
    JoinDenied,
    Joined,
    JoinRequested,
    Left,
    MemoryAdded,
    MessagePosted,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    TurnQueued,
    TurnStarted,
    TurnStatus,
    decode_entry,
)
from .roles import Roles, check_roles
from .shared import merged
from .transcript import Line, Message, ToolCall, ToolResult, own
from .values import copied

Lifecycle: TypeAlias = Literal["created", "active", "paused", "ended"]

REMEMBERED_TURNS: Final = 32
"""Ended turns whose outcome a session can still tell."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a session admits people and turns, and what it retains; fixed when it is created.

    Raises:
        ConfigError: a value out of range; it names the field.
        InvalidInput: a role that cannot be defined.
    """

    max_participants: int = 10
    """Participants, the host and observers among them."""

    allow_join: bool = True
    """Whether anybody may join at all."""

    require_approval: bool = False
    """Whether the host must approve who joins."""

    record_session: bool = True
    """Whether the room keeps a history for its participants. The journal keeps every event."""

    max_events: int = 1000
    """Events of room history; one more, and the newest half (rounded up) is kept (spec R27)."""

    max_queued_turns: int = 16
    """Turns that may wait behind the running one."""

    key_ttl_ms: int = 24 * 60 * 60 * 1000
    """How long an idempotency key is remembered, at least, also across restarts."""

    roles: Roles = {}
    """Roles of this session's own, beside host, participant and observer: their permissions."""

    def __post_init__(self) -> None:
        for field in ("max_participants", "max_events"):
            self._require_int(field, 1)
        for field in ("max_queued_turns", "key_ttl_ms"):
            self._require_int(field, 0)
        # What has another type is written as such, and would not be read back.
        for field in ("allow_join", "require_approval", "record_session"):
            if type(getattr(self, field)) is not bool:
                raise ConfigError(field, getattr(self, field), "True or False")
        check_roles(self.roles)

    def _require_int(self, field: str, least: int) -> None:
        value = getattr(self, field)
        if type(value) is not int or not least <= value < 2**63:
            raise ConfigError(field, value, f"an integer of 64 bits, at least {least}")


class Genesis(msgspec.Struct, frozen=True, kw_only=True):
    """A session at revision 0. Creating one publishes no event.

    `incarnation` is random, and part of every cursor. Times are UTC milliseconds.
    """

    id: SessionId
    incarnation: str
    owner: UserId
    owner_name: str
    name: str
    created_ms: int
    started: bool
    settings: Settings
    context: dict[str, Any] = {}
    memories: list[str] = []


class Participant(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """`acted_ms`: when the user last did something. `seen`: the last revision acknowledged."""

    name: str
    role: str
    joined_ms: int
    acted_ms: int
    seen: int = 0


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    name: str
    role: str


class PendingTurn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A turn that waits, or runs (its `attempt`-th time)."""

    turn: int
    user: UserId
    attempt: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    status: TurnStatus
    reason: str = ""


class State(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything the rules decide from. Changed in place, only by `apply`.

    A fold that has gone wrong is thrown away and made anew from the journal, never repaired.
    `history` is ordered as a model must see it: an answer stands in its own turn, even if later
    turns have begun (spec V16). `versions` are the revisions at which context keys last changed.
    The room retains `retained` events, from revision `oldest` on; those of `uncharged` come on
    top. `done` are the idempotency keys in use, oldest first, each with when and what for.
    """

    id: SessionId
    incarnation: str
    owner: UserId
    name: str
    host: UserId
    lifecycle: Lifecycle
    created_ms: int
    updated_ms: int
    settings: Settings
    participants: dict[UserId, Participant]
    revision: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    pending: dict[UserId, JoinRequest] = {}
    context: dict[str, Any] = {}
    versions: dict[str, int] = {}
    memories: dict[str, None] = {}
    oldest: int = 1
    retained: int = 0
    uncharged: list[int] = []
    done: dict[str, tuple[int, Done]] = {}
    history: list[Line] = []
    messages: int = 0
    last_turn: int = 0
    running: PendingTurn | None = None
    queued: list[PendingTurn] = []
    open_calls: dict[str, str] = {}
    outcomes: dict[int, Outcome] = {}

    @classmethod
    def at_creation(cls, genesis: Genesis) -> State:
        """The state at revision 0."""
        at_ms = genesis.created_ms
        host = Participant(name=genesis.owner_name, role="host", joined_ms=at_ms, acted_ms=at_ms)
        return cls(
            id=genesis.id,
            incarnation=genesis.incarnation,
            owner=genesis.owner,
            name=genesis.name,
            host=genesis.owner,
            lifecycle="active" if genesis.started else "created",
            created_ms=at_ms,
            updated_ms=at_ms,
            started_ms=at_ms if genesis.started else None,
            settings=genesis.settings,
            participants={genesis.owner: host},
            context=genesis.context,
            memories=dict.fromkeys(genesis.memories),
        )

    def index_row(self, *, members: bool = False) -> IndexRow:
        """What listings show of this state; with `members` also who takes part."""
        return IndexRow(
            id=self.id,
            owner=self.owner,
            name=self.name,
            state=self.lifecycle,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            participants=len(self.participants),
            messages=self.messages,
            turns=self.last_turn,
            events=retention.retained(self),
            members=tuple(self.participants) if members else None,
        )


def apply(state: State, event: Durable, at_ms: int) -> None:  # noqa: C901
    """Fold one event into `state`. Total: an event that was journaled can be folded."""
    state.revision += 1
    state.updated_ms = at_ms
    retention.count(state, event)
    match event:
        case MessagePosted(message=message):
            _place(state.history, message)
            state.messages += 1
            _acted(state, message.author, at_ms)
        case TurnStarted(turn=turn):
            _start_turn(state, event)
        case TurnEnded(turn=turn, status=status, reason=reason):
            _end_turn(state, turn, Outcome(status=status, reason=reason))
        case ToolCalled(call=call):
            state.open_calls[call.id] = call.name
            _place(state.history, own(call))
        case ToolReturned(result=result):
            state.open_calls.pop(result.id, None)
            _place_result(state.history, own(result))
        case TurnQueued(turn=turn, user=user):
            state.last_turn = turn
            state.queued.append(PendingTurn(turn=turn, user=user))
        case Joined(user=user, name=name, role=role):
            state.pending.pop(user, None)
            state.participants[user] = Participant(
                name=name, role=role, joined_ms=at_ms, acted_ms=at_ms
            )
        case Left(user=user):
            state.participants.pop(user, None)
        case HostChanged(host=host, previous=previous):
            state.host = host
            state.participants[host].role = "host"
            if previous in state.participants:
                state.participants[previous].role = "participant"
                _acted(state, previous, at_ms)
        case JoinRequested(user=user, name=name, role=role):
            state.pending[user] = JoinRequest(name=name, role=role)
        case JoinDenied(user=user, by=by):
            state.pending.pop(user, None)
            _acted(state, by, at_ms)
        case ActionTaken(user=user):
            _acted(state, user, at_ms)
        case ContextUpdated(user=user, patch=patch):
            state.context = merged(state.context, copied(patch))
            state.versions.update(dict.fromkeys(patch, state.revision))
            _acted(state, user, at_ms)
        case MemoryAdded(user=user, memory=memory):
            state.memories[memory] = None
            _acted(state, user, at_ms)
        case Acknowledged(user=user, upto=upto):
            state.participants[user].seen = upto
            _acted(state, user, at_ms)
        case SessionStarted(by=by):
            state.lifecycle, state.started_ms = "active", at_ms
            _acted(state, by, at_ms)
        case SessionPaused(by=by):
            state.lifecycle = "paused"
            _acted(state, by, at_ms)
        case SessionResumed(by=by):
            state.lifecycle = "active"
            _acted(state, by, at_ms)
        case SessionEnded(by=by):
            state.lifecycle, state.ended_ms = "ended", at_ms
            state.pending.clear()
            _acted(state, by, at_ms)
        case _:
            assert_never(event)


def remember(state: State, done: Done, at_ms: int) -> None:
    """Keep the answer to a command with an idempotency key; forget those that are too old."""
    state.done[done.key] = (at_ms, done)
    for key, (since_ms, _) in list(state.done.items()):
        if since_ms >= at_ms - state.settings.key_ttl_ms:
            return
        del state.done[key]


def _acted(state: State, user: UserId | None, at_ms: int) -> None:
    """Only what a participant does himself is his activity (spec R28, RX14)."""
    if user is not None and (member := state.participants.get(user)) is not None:
        member.acted_ms = at_ms


def _start_turn(state: State, event: TurnStarted) -> None:
    state.queued = [waiting for waiting in state.queued if waiting.turn != event.turn]
    state.running = PendingTurn(turn=event.turn, user=event.user, attempt=event.attempt)
    state.last_turn = max(state.last_turn, event.turn)
    if event.attempt > 1:
        _forget_outputs(state, event.turn)


def _end_turn(state: State, turn: int, outcome: Outcome) -> None:
    if state.running is not None and state.running.turn == turn:
        state.running = None
        state.open_calls.clear()
    else:
        state.queued = [waiting for waiting in state.queued if waiting.turn != turn]
    state.outcomes[turn] = outcome
    while len(state.outcomes) > REMEMBERED_TURNS:
        del state.outcomes[next(iter(state.outcomes))]


def _place(history: list[Line], line: Line) -> None:
    """Put what a pipeline said or did after the last line of its own turn, all else at the end."""
    if line.turn and (not isinstance(line, Message) or line.role == "assistant"):
        for index in range(len(history) - 1, -1, -1):
            if history[index].turn == line.turn:
                history.insert(index + 1, line)
                return
    history.append(line)


def _place_result(history: list[Line], result: Line) -> None:
    """Put a stub behind its call and those made with it, before anything was said; a result where
    it came. A model must find each call answered before it reads on."""
    if not isinstance(result, ToolResult) or not result.stub:
        _place(history, result)
        return
    index = len(history)
    while index and not _calls(history[index - 1], result):
        index -= 1
    while index < len(history) and not isinstance(history[index], Message):
        index += 1
    history.insert(index, result)


def _calls(line: Line, result: ToolResult) -> bool:
    return isinstance(line, ToolCall) and (line.turn, line.id) == (result.turn, result.id)


def _forget_outputs(state: State, turn: int) -> None:
    kept = [line for line in state.history if line.turn != turn or is_input(line)]
    # A new list: a pipeline that still reads the old one sees it as it was.
    dropped = [line for line in state.history if line.turn == turn and not is_input(line)]
    state.messages -= sum(isinstance(line, Message) for line in dropped)
    state.history = kept
    state.open_calls.clear()


def is_input(line: Line) -> bool:
    """Whether a person said it."""
    return isinstance(line, Message) and line.role == "user"


def outputs_of(history: list[Line], turn: int) -> list[Line]:
    """What the pipeline has said and called in `turn`, in order."""
    after_input = history[input_of(history, turn) + 1 :]
    return [line for line in after_input if line.turn == turn]


def input_of(history: list[Line], turn: int) -> int:
    """Where the message that began `turn` stands, or -1. Looked for from the end."""
    for index in range(len(history) - 1, -1, -1):
        line = history[index]
        if line.turn == turn and is_input(line):
            return index
    return -1


def restore(claim: Claim, session: SessionId) -> State:
    """The state that the journal holds: the snapshot, or else the beginning, and every event since.

    Raises:
        SessionDamaged: something cannot be decoded or folded.
    """
    revision = 0
    try:
        if claim.snapshot is None:
            state = State.at_creation(decode_genesis(claim.genesis))
        else:
            revision = claim.snapshot[0]
            state = decode_state(claim.snapshot[1])
        fold(state, claim.events)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        raise SessionDamaged(session, revision=revision, why=str(error)) from error
    if state.revision != claim.revision:
        why = f"its events end at revision {state.revision}, not at {claim.revision}"
        raise SessionDamaged(session, revision=state.revision, why=why)
    return state


def fold(state: State, bodies: Iterable[bytes]) -> None:
    """Fold encoded events into `state`."""
    for body in bodies:
        entry = decode_entry(body)
        apply(state, entry.event, entry.at_ms)
        if entry.done is not None:
            remember(state, entry.done, entry.at_ms)


encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(State).decode
encode_genesis = msgspec.msgpack.Encoder().encode
decode_genesis = msgspec.msgpack.Decoder(Genesis).decode
