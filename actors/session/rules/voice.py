"""Greeting, dialog context and phases: what voice sessions add to turns (spec V07-V19)."""

from __future__ import annotations

from ..commands import Greet, SetDialog
from ..events import DialogSet, Durable, TurnQueued, TurnStarted
from ..messages import SetPhase, Touch
from ..phases import Phase, move
from ..state import State
from .checks import require, require_member, require_open, require_state
from .moment import Moment
from .rooms import OPEN
from .turns import require_place


def greet(state: State, command: Greet, moment: Moment) -> tuple[Durable, ...]:
    """Start the one greeting turn, or queue it. It is used up by the attempt (spec V13, VX15)."""
    require_open(state, command.user)
    if state.greeted:
        return ()
    turn, user, prompt = state.last_turn + 1, command.user, command.prompt
    if moment.held or state.running is not None or state.queued:
        require_place(state)
        return (TurnQueued(turn=turn, user=user, kind="greeting", prompt=prompt),)
    return (TurnStarted(turn=turn, user=user, kind="greeting", prompt=prompt),)


def set_dialog(state: State, command: SetDialog) -> tuple[Durable, ...]:
    require(state, command.user, "share")
    require_state(state, *OPEN)
    return (DialogSet(user=command.user, dialog=command.dialog),)


def set_phase(state: State, command: SetPhase, now: Phase) -> Phase | None:
    """The phase that a session in phase `now` is in next; None if a turn asks that is not current.

    Raises `Refused`.
    """
    require(state, command.user, "act")
    require_state(state, *OPEN)
    if command.turn is not None and command.turn != current_turn(state):
        return None
    return move(state.id, now, command.phase)


def touch(state: State, command: Touch) -> None:
    """Refuse a touch of who is not there, or of what has ended."""
    require_member(state, command.user)
    require_state(state, *OPEN)


def current_turn(state: State) -> int | None:
    """The turn that may speak for the session: the running one, or else the last to end, unless it
    was ended from outside (spec V11, VX17).
    """
    if state.running is not None:
        return state.running.turn
    for turn, outcome in reversed(state.outcomes.items()):
        own = outcome.status in ("completed", "failed") and outcome.cause is None
        return turn if own else None
    return None
