"""The fold: how events make a session's state, and how it comes back from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec

from ..errors import SessionDamaged
from ..ports import Claim, SessionId, UserId
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
    decode_entry,
)
from .shared import merged
from .state import (
    REMEMBERED_TURNS,
    JoinRequest,
    Outcome,
    Participant,
    PendingTurn,
    State,
    decode_genesis,
    decode_state,
)
from .transcript import Message, own
from .values import copied
from .view import is_input, place, place_result


def apply(state: State, event: Durable, at_ms: int) -> None:  # noqa: C901
    """Fold one event into `state`. Total: an event that was journaled can be folded."""
    state.revision += 1
    state.updated_ms = at_ms
    retention.count(state, event)
    match event:
        case MessagePosted(message=message):
            place(state.history, message)
            state.messages += 1
            _acted(state, message.author, at_ms)
        case TurnStarted(turn=turn):
            _start_turn(state, event)
        case TurnEnded(turn=turn, status=status, reason=reason):
            _end_turn(state, turn, Outcome(status=status, reason=reason))
        case ToolCalled(call=call):
            state.open_calls[call.id] = call.name
            place(state.history, own(call))
        case ToolReturned(result=result):
            state.open_calls.pop(result.id, None)
            place_result(state.history, own(result))
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


def _forget_outputs(state: State, turn: int) -> None:
    kept = [line for line in state.history if line.turn != turn or is_input(line)]
    # A new list: a pipeline that still reads the old one sees it as it was.
    dropped = [line for line in state.history if line.turn == turn and not is_input(line)]
    state.messages -= sum(isinstance(line, Message) for line in dropped)
    state.history = kept
    state.open_calls.clear()


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
