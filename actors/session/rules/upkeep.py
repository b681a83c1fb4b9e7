"""What becomes of turns that there are no resources to run with (spec AX8)."""

from __future__ import annotations

from ..approvals import is_decided
from ..commands import LoseResources
from ..events import Durable, SessionEnded, TurnEnded
from ..state import State
from .moment import Moment
from .turns import cancel_all, end_running


def lose_resources(state: State, command: LoseResources, moment: Moment) -> tuple[Durable, ...]:
    """What cannot run now fails: the turns that wait, for the lane or with a decision to go on.

    A session that has never worked ends.
    """
    reason = command.reason
    if state.lifecycle == "ended":
        return ()
    if command.for_good:
        return (*cancel_all(state, moment, reason=reason), SessionEnded(by="", reason=reason))
    resumed = end_running(state, "failed", moment, reason=reason) if is_decided(state) else ()
    failed = (TurnEnded(turn=turn.turn, status="failed", reason=reason) for turn in state.queued)
    return (*resumed, *failed)
