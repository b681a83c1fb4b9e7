"""The checks that several rules share. Each returns quietly or refuses."""

from __future__ import annotations

from ...errors import NotAllowed, NotHost, NotMember, SessionEnded, WrongState
from ...ports import UserId
from ..roles import Permission, permissions
from ..state import Participant, State


def require_state(state: State, *allowed: str) -> None:
    """Refuse unless the session is in one of the `allowed` states."""
    if state.lifecycle in allowed:
        return
    if state.lifecycle == "ended":
        raise SessionEnded(state.id, allowed)
    raise WrongState(state.id, state.lifecycle, allowed)


def require_member(state: State, user: UserId) -> Participant:
    """The participant that `user` is, or a refusal."""
    member = state.participants.get(user)
    if member is None:
        raise NotMember(state.id, user)
    return member


def require(state: State, user: UserId, permission: Permission) -> None:
    """Refuse unless `user` is a participant whose role has `permission`."""
    role = require_member(state, user).role
    if permission not in permissions(role, state.settings.roles):
        raise NotAllowed(state.id, user, role, permission)


def require_open(state: State, user: UserId, permission: Permission = "speak") -> None:
    """Refuse unless `user` may speak, or do what needs `permission`, and the session is open."""
    require(state, user, permission)
    if state.lifecycle != "active":
        require_state(state, "active")
    if state.closing is not None:
        raise SessionEnded(state.id, ("active",))


def require_host(state: State, user: UserId) -> None:
    """Refuse unless `user` is the host."""
    if user != state.host:
        raise NotHost(state.id, user, state.host)
