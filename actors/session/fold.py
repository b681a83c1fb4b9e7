"""The fold: how events make a session's state, and how it comes back from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from ..errors import SessionDamaged
from ..ports import Claim, SessionId, UserId
from . import retention, wakes
from .base import decode_base
from .empty import NO_ENTRIES, own_dict, own_list
from .entry import Done, Entry, decode_entry
from .events import (
    Acknowledged,
    ActionTaken,
    ApprovalDecided,
    ApprovalRequested,
    Compacted,
    ContextUpdated,
    DialogSet,
    Durable,
    ExportSet,
    GraphStateSet,
    HostChanged,
    InteractionRecorded,
    JoinDenied,
    Joined,
    JoinRequested,
    LanguageSet,
    Left,
    MemoryAdded,
    MessagePosted,
    MetadataUpdated,
    SessionClosing,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TitleSet,
    ToolCalled,
    ToolReturned,
    TranscriptCut,
    TurnEnded,
    TurnHandedBack,
    TurnQueued,
    TurnRolledBack,
    TurnStarted,
    TurnSteered,
    WakeCancelled,
    WakeFired,
    WakeSet,
)
from .records import noted, with_opening
from .settings import shared
from .shared import merged
from .state import Approval, JoinRequest, Participant, State, decode_genesis, decode_state
from .transcript import Line, Message, own
from .turn_fold import end_turn, queue, start_turn, steer
from .values import copied
from .view import is_standing, lines_of, place, place_result


def apply(state: State, event: Durable, at_ms: int) -> None:  # noqa: C901
    """Fold one event into `state`. Total: an event that was journaled can be folded."""
    state.revision += 1
    state.updated_ms = at_ms
    retention.count(state, event)
    match event:
        case MessagePosted(message=message):
            if message.key:
                _make_room(state, message)
            _put(state, message)
            state.messages += 1
            if message.key:
                state.aborted.pop(message.key, None)
            _acted(state, message.author, at_ms)
        case Joined(user=user, name=name, role=role):
            state.pending.pop(user, None)
            state.participants[user] = Participant(
                name=name, role=role, joined_ms=at_ms, acted_ms=at_ms
            )
        case Left(user=user):
            state.participants.pop(user, None)
        case TurnStarted():
            start_turn(state, event)
        case TurnEnded():
            end_turn(state, event)
        case TurnSteered(turn=turn, into=into):
            steer(state, turn, into)
        case TurnHandedBack(cause=cause):
            assert state.running is not None
            state.running = replace(state.running, cause=cause)
        case ApprovalRequested(approval=approval, calls=calls, expires_ms=expires_ms):
            state.approval = Approval(id=approval, calls=calls, expires_ms=expires_ms)
        case ApprovalDecided(by=by, decisions=decisions):
            assert state.approval is not None
            state.approval = replace(state.approval, decisions=decisions)
            _acted(state, by, at_ms)
        case TranscriptCut(by=by, keep=keep):
            _cut(state, keep)
            _acted(state, by, at_ms)
        case TurnRolledBack(turn=turn, by=by):
            _roll_back(state, turn)
            _acted(state, by, at_ms)
        case Compacted(lines=lines, summary=summary):
            _compact(state, lines, Message(role="system", text=summary, at_ms=at_ms))
        case DialogSet(user=user, dialog=dialog):
            state.dialog = dialog
            _acted(state, user, at_ms)
        case ToolCalled(call=call):
            state.open_calls = own_dict(state.open_calls)
            state.open_calls[call.id] = call.name
            _put(state, own(call))
        case ToolReturned(result=result):
            state.open_calls.pop(result.id, None)
            state.history = own_list(state.history)
            place_result(state.history, own(result))
        case TurnQueued():
            queue(state, event)
        case HostChanged(host=host, previous=previous):
            state.host = host
            state.participants[host].role = "host"
            if previous in state.participants:
                state.participants[previous].role = "participant"
                _acted(state, previous, at_ms)
        case JoinRequested(user=user, name=name, role=role):
            state.pending = own_dict(state.pending)
            state.pending[user] = JoinRequest(name=name, role=role)
        case JoinDenied(user=user, by=by):
            state.pending.pop(user, None)
            _acted(state, by, at_ms)
        case ActionTaken(user=user):
            _acted(state, user, at_ms)
        case ContextUpdated(user=user, patch=patch):
            state.context = merged(state.context, copied(patch))
            state.versions = own_dict(state.versions)
            state.versions.update(dict.fromkeys(patch, state.revision))
            _acted(state, user, at_ms)
        case MemoryAdded(user=user, memory=memory):
            state.memories = own_dict(state.memories)
            state.memories[memory] = None
            _acted(state, user, at_ms)
        case Acknowledged(user=user, upto=upto):
            state.participants[user].seen = upto
            _acted(state, user, at_ms)
        case (
            InteractionRecorded()
            | GraphStateSet()
            | LanguageSet()
            | MetadataUpdated()
            | TitleSet()
            | ExportSet()
        ):
            state.records = noted(state.records, event)
            _acted(state, event.user, at_ms)
        case WakeSet(user=user) | WakeCancelled(user=user):
            state.wakes = wakes.noted(state.wakes, event)
            _acted(state, user, at_ms)
        case WakeFired():
            state.wakes = wakes.noted(state.wakes, event)
        case SessionStarted(by=by):
            state.lifecycle, state.started_ms = "active", at_ms
            _acted(state, by, at_ms)
        case SessionPaused(by=by):
            state.lifecycle = "paused"
            _acted(state, by, at_ms)
        case SessionResumed(by=by):
            state.lifecycle = "active"
            _acted(state, by, at_ms)
        case SessionClosing(by=by):
            state.closing = by
            _acted(state, by, at_ms)
        case SessionEnded(by=by):
            state.lifecycle, state.ended_ms, state.closing = "ended", at_ms, None
            state.pending = NO_ENTRIES
            state.wakes = None
            _acted(state, by, at_ms)
        case _:
            assert_never(event)


def remember(state: State, done: Done, at_ms: int) -> None:
    """Keep the answer to a command with an idempotency key; forget those that are too old."""
    state.done = own_dict(state.done)
    state.done[done.key] = (at_ms, done)
    for key, (since_ms, _) in list(state.done.items()):
        if since_ms >= at_ms - state.settings.key_ttl_ms:
            return
        del state.done[key]


def save(state: State, saved: Any) -> None:
    """Keep what the suspended turn's pipeline has saved."""
    assert state.approval is not None
    state.approval = replace(state.approval, saved=saved)


def _acted(state: State, user: UserId | None, at_ms: int) -> None:
    """Only what a participant does himself is his activity (spec R28, RX14)."""
    if user is not None and (member := state.participants.get(user)) is not None:
        member.acted_ms = at_ms


def _make_room(state: State, message: Message) -> None:
    """A late answer goes before what a running pipeline still reads, and may go into what a
    running compaction summarises: that would not be what it replaces."""
    running = state.running
    if running is not None and running.kind == "compaction":
        changed = any(line.turn == message.turn for line in state.history[: running.kept])
        state.running = replace(running, kept=0) if changed else running
    state.history = list(state.history)


def _put(state: State, line: Line) -> None:
    state.history = own_list(state.history)
    if not line.turn:
        state.history.append(line)
        return
    running = state.running
    hidden = running is not None and running.kind != "answer" and running.turn == line.turn
    place(state.history, line, hidden=hidden)


def _roll_back(state: State, turn: int) -> None:
    gone = lines_of(state.history, turn)
    state.history = [line for line in state.history if line.turn != turn]
    state.messages -= sum(isinstance(line, Message) for line in gone)
    state.aborted = {key: at for key, at in state.aborted.items() if at != turn}


def _cut(state: State, keep: int) -> None:
    kept, rest = state.history[:keep], state.history[keep:]
    stays = [line for line in rest if is_standing(line)]
    state.history = [*kept, *stays]
    state.messages -= sum(isinstance(line, Message) for line in rest) - len(stays)
    _forget_unseen(state)


def _compact(state: State, lines: int, summary: Message) -> None:
    gone = state.history[:lines]
    state.records = with_opening(state.records, gone)
    state.history = [summary, *state.history[lines:]]
    state.messages += 1 - sum(isinstance(line, Message) for line in gone)
    _forget_unseen(state)


def _forget_unseen(state: State) -> None:
    """A late answer to a turn that is out of view has no place any more."""
    if state.aborted:
        seen = {line.turn for line in state.history}
        state.aborted = {key: turn for key, turn in state.aborted.items() if turn in seen}


def restore(claim: Claim, session: SessionId) -> State:
    """The state that the journal holds: a snapshot, or what its events go on from, and those.

    Raises:
        SessionDamaged: something cannot be decoded or folded.
    """
    revision = 0
    try:
        if claim.snapshot is not None:
            revision = claim.snapshot[0]
            state = decode_state(claim.snapshot[1])
        elif claim.base is not None:
            revision = claim.base[0]
            state = decode_base(claim.base[1]).state
        else:
            state = State.at_creation(decode_genesis(claim.genesis))
        _share(state, session)
        fold(state, claim.events)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        raise SessionDamaged(session, revision=revision, why=str(error)) from error
    if state.revision != claim.revision:
        why = f"its events end at revision {state.revision}, not at {claim.revision}"
        raise SessionDamaged(session, revision=state.revision, why=why)
    return state


def _share(state: State, session: SessionId) -> None:
    """Hold what was decoded once: what others hold already, or what stands there twice."""
    state.id, state.settings = session, shared(state.settings)
    if state.host == state.owner:
        state.host = state.owner


def fold(state: State, bodies: Iterable[bytes]) -> None:
    """Fold encoded events into `state`."""
    for body in bodies:
        fold_entry(state, decode_entry(body))


def fold_entry(state: State, entry: Entry) -> None:
    """Fold an event, and what the journal keeps with it, into `state`."""
    apply(state, entry.event, entry.at_ms)
    if entry.done is not None:
        remember(state, entry.done, entry.at_ms)
    if entry.saved is not None:
        save(state, entry.saved)
