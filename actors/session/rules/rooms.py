"""Who takes part in a session, and its life from created to ended (spec R09-R20, R33, R34)."""

from __future__ import annotations

from typing import Final

from ...errors import BadRole, InvalidInput, JoinClosed, NotMember, NotPending, SessionFull
from ...ports import UserId
from ..commands import (
    Acknowledge,
    Approve,
    Deny,
    End,
    Join,
    Leave,
    Pause,
    Resume,
    Start,
    TransferHost,
)
from ..events import (
    Acknowledged,
    Durable,
    HostChanged,
    JoinDenied,
    Joined,
    JoinRequested,
    Left,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)
from ..roles import permissions
from ..state import State
from .checks import require_host, require_member, require_state
from .moment import Moment
from .turns import cancel_all, start_queued

OPEN: Final = ("created", "active", "paused")


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
    """By the host, or, without `by`, by whoever runs the house: that takes no part in a room."""
    if command.by:
        require_host(state, command.by)
    if state.lifecycle == "ended":
        return ()
    return _end(state, command.by, moment, command.reason)


def join(state: State, command: Join) -> tuple[Durable, ...]:
    """Checked in the order of spec R11: ended, already in, open to joins, room left, approval."""
    require_state(state, *OPEN)
    if command.user in state.participants or command.user in state.pending:
        return ()
    roles = ("participant", "observer", *state.settings.roles)
    if command.role not in roles:
        raise BadRole(state.id, command.role, roles)
    if not state.settings.allow_join:
        raise JoinClosed(state.id)
    _require_room(state)
    user, name, role = command.user, command.name, command.role
    if state.settings.require_approval:
        return (JoinRequested(user=user, name=name, role=role, host=state.host),)
    return (Joined(user=user, name=name, role=role),)


def approve(state: State, command: Approve) -> tuple[Durable, ...]:
    """The request becomes a membership in one step, with the name and role it asked for."""
    require_host(state, command.by)
    require_state(state, *OPEN)
    request = state.pending.get(command.user)
    if request is None:
        raise NotPending(state.id, command.user)
    _require_room(state)
    return (Joined(user=command.user, name=request.name, role=request.role),)


def deny(state: State, command: Deny) -> tuple[Durable, ...]:
    require_host(state, command.by)
    require_state(state, *OPEN)
    if command.user not in state.pending:
        raise NotPending(state.id, command.user)
    return (JoinDenied(user=command.user, by=command.by),)


def transfer(state: State, command: TransferHost) -> tuple[Durable, ...]:
    require_host(state, command.by)
    require_state(state, *OPEN)
    require_member(state, command.to)
    if command.to == state.host:
        return ()
    return (HostChanged(host=command.to, previous=command.by),)


def acknowledge(state: State, command: Acknowledge) -> tuple[Durable, ...]:
    """Seeing less than before is nothing new."""
    member = require_member(state, command.user)
    if command.revision > state.revision:
        raise InvalidInput("revision", command.revision, f"at most {state.revision}")
    if command.revision <= member.seen:
        return ()
    return (Acknowledged(user=command.user, upto=command.revision),)


def leave(state: State, command: Leave, moment: Moment) -> tuple[Durable, ...]:
    """The earliest-joined participant inherits the room, one who may not speak only if nobody else
    is left.

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
    roles, own = state.participants, state.settings.roles
    may_speak = (user for user in others if "speak" in permissions(roles[user].role, own))
    return next(may_speak, others[0])


def _require_room(state: State) -> None:
    limit = state.settings.max_participants
    if len(state.participants) >= limit:
        raise SessionFull(state.id, limit)


def _end(state: State, by: UserId, moment: Moment, reason: str = "") -> tuple[Durable, ...]:
    return (*cancel_all(state, moment, reason="ended"), SessionEnded(by=by, reason=reason))
