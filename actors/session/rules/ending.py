"""How a session ends in order, and how it is deleted (spec A16, A17)."""

from __future__ import annotations

from ...errors import NotHost
from ...ports import UserId
from ..commands import Close, Delete
from ..events import Cause, Durable, SessionClosing, SessionEnded
from ..state import State
from .checks import require_host
from .moment import Moment
from .turns import cancel_all, cancel_waiting, end_running


def close(state: State, command: Close, moment: Moment) -> tuple[Durable, ...]:
    """Close admission and cancel what waits; the running turn may finish.

    A turn that is suspended runs nothing that could finish, so it is cancelled like one that waits.
    """
    require_host(state, command.by)
    if state.lifecycle == "ended" or state.closing is not None:
        return ()
    if state.running is None or state.approval is not None:
        return _end(state, command.by, moment, "ended")
    closing = SessionClosing(by=command.by, grace_s=command.grace_s)
    return (closing, *cancel_waiting(state, "ended", "ended"))


def conclude(state: State, moment: Moment) -> tuple[Durable, ...]:
    """End a closing session, whatever its running turn still does."""
    return () if state.closing is None else _end(state, state.closing, moment, "ended")


def delete(state: State, command: Delete, moment: Moment) -> tuple[Durable, ...]:
    """End the session in the name of its host or its owner, unless it has ended already."""
    require_deleter(state, command.by)
    return () if state.lifecycle == "ended" else _end(state, command.by, moment, "deleted")


def require_deleter(state: State, user: UserId) -> None:
    """Refuse unless `user` is the host or the owner."""
    if user not in (state.host, state.owner):
        raise NotHost(state.id, user, state.host)


def is_settled(state: State) -> bool:
    """Whether the session's end would change nothing but that it has ended."""
    return state.running is None and not state.queued


def recover_closing(state: State, moment: Moment) -> tuple[Durable, ...]:
    """A session that an older activation left closing ends: its grace is not begun anew."""
    running = state.running
    if running is None or state.approval is not None:
        return conclude(state, moment)
    assert state.closing is not None
    cause = running.cause or "crash"
    reason = f"found running after a crash, attempt {running.attempt}"
    lost = end_running(state, "lost", moment, reason=reason, cause=cause)
    waiting = cancel_waiting(state, "ended", "ended")
    return (*lost, *waiting, SessionEnded(by=state.closing))


def _end(state: State, by: str, moment: Moment, cause: Cause) -> tuple[Durable, ...]:
    return (*cancel_all(state, moment, reason=cause, cause=cause), SessionEnded(by=by))
