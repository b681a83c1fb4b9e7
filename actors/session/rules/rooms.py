"""Who takes part in a session, and its life from created to ended (spec R09-R20, R33, R34)."""

from __future__ import annotations

from typing import Final

from ...errors import JoinClosed, NotMember, NotPending, SessionFull
from ...ports import UserId
from ..commands import Approve, End, Join, Leave, Pause, Resume, Start
from ..events import (
    Durable,
    HostChanged,
    Joined,
    JoinRequested,
    Left,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)
from ..state import State
from .checks import require_host, require_state
from .moment import Moment
from .turns import cancel_all, start_queued

_OPEN: Final = ("created", "active", "paused")


def start(state: State, command: Start) -> tuple[Durable, ...]:
    require_host(state, command.by)
    require_state(state, "created")
    return (SessionStarted(by=command.by),)


def pause(state: State, command: Pause) -> tuple[Durable, ...]:
    require_host(state, command.by)
    require_state(state, "active")
    return (SessionPaused(by=command.by),)


def resume(state: State, command: Resume, moment: Moment) -> tuple[Durable, ...]:
    require_host(state, command.by)
    require_state(state, "paused")
    waiting = () if state.running else start_queued(state, moment)
    return (SessionResumed(by=command.by), *waiting)


def end(state: State, command: End, moment: Moment) -> tuple[Durable, ...]:
    require_host(state, command.by)
    return () if state.lifecycle == "ended" else _end(state, command.by, moment)


def join(state: State, command: Join) -> tuple[Durable, ...]:
    """Checked in the order of spec R11: ended, already in, open to joins, room left, approval."""
    require_state(state, *_OPEN)
    if command.user in state.participants or command.user in state.pending:
        return ()
    if not state.settings.allow_join:
        raise JoinClosed(state.id)
    _require_room(state)
    if state.settings.require_approval:
        return (JoinRequested(user=command.user, name=command.name, role=command.role),)
    return (Joined(user=command.user, name=command.name, role=command.role),)


def approve(state: State, command: Approve) -> tuple[Durable, ...]:
    """The request becomes a membership in one step, with the name and role it asked for."""
    require_host(state, command.by)
    require_state(state, *_OPEN)
    request = state.pending.get(command.user)
    if request is None:
        raise NotPending(state.id, command.user)
    _require_room(state)
    return (Joined(user=command.user, name=request.name, role=request.role),)


def leave(state: State, command: Leave, moment: Moment) -> tuple[Durable, ...]:
    """The earliest-joined participant inherits the room, an observer only if nobody else is left.

    The last one to leave ends the session, in the same step (spec R18, R19, RX6, RX25).
    """
    member = state.participants.get(command.user)
    if member is None:
        raise NotMember(state.id, command.user)
    left = Left(user=command.user, name=member.name)
    if len(state.participants) == 1:
        ending = () if state.lifecycle == "ended" else _end(state, command.user, moment)
        return (left, *ending)
    if command.user != state.host:
        return (left,)
    return (left, HostChanged(host=_heir(state), previous=command.user))


def _heir(state: State) -> UserId:
    others = [user for user in state.participants if user != state.host]
    return next((user for user in others if state.participants[user].role != "observer"), others[0])


def _require_room(state: State) -> None:
    limit = state.settings.max_participants
    if len(state.participants) >= limit:
        raise SessionFull(state.id, limit)


def _end(state: State, by: UserId, moment: Moment) -> tuple[Durable, ...]:
    return (*cancel_all(state, moment, reason="ended"), SessionEnded(by=by))
