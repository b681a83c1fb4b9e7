"""How a turn is suspended for the approval of its calls, and how it goes on (spec A23)."""

from __future__ import annotations

from math import ceil

from ...errors import NoApproval
from ...ports import UserId
from ..approvals import undecided
from ..commands import Decide, Expire, Suspend
from ..events import ApprovalDecided, ApprovalRequested, Durable, ToolCalled
from ..state import Approval, State
from .checks import require
from .moment import Moment
from .turns import calls_of, identified, resumption, said_so_far


def suspend(state: State, command: Suspend, moment: Moment) -> tuple[Durable, ...]:
    """Record what was said, and the calls that are not open already; then wait for a decision."""
    turn = command.turn
    earlier, given = calls_of(state, turn), {call.id for call in command.calls if call.id}
    called, ids = list[Durable](), list[str]()
    for call in command.calls:
        name = call.id
        if name not in state.open_calls:
            taken = earlier if name else earlier.union(given, ids)
            new = identified(taken, call, turn)
            called.append(ToolCalled(call=new))
            name = new.id
        ids.append(name)
    requested = ApprovalRequested(
        turn=turn,
        approval=f"{turn}-{state.revision}",
        calls=ids,
        expires_ms=moment.at_ms + ceil(command.expires_s * 1000),
    )
    return (*said_so_far(state, turn, moment), *called, requested)


def decide(state: State, command: Decide, moment: Moment) -> tuple[Durable, ...]:
    """Whoever is first decides: on every call, those that are not named are rejected."""
    require(state, command.user, "decide")
    approval = undecided(state)
    if approval is None or command.approval not in (None, approval.id):
        raise NoApproval(state.id, command.approval)
    decisions = {call: command.decisions.get(call, False) for call in approval.calls}
    return _decided(state, approval, command.user, decisions, moment)


def expire(state: State, command: Expire, moment: Moment) -> tuple[Durable, ...]:
    """Nobody has decided: every call is rejected. Nothing, if somebody has, or the turn ended."""
    approval = undecided(state)
    if approval is None or approval.id != command.approval:
        return ()
    return _decided(state, approval, None, dict.fromkeys(approval.calls, False), moment)


def _decided(
    state: State,
    approval: Approval,
    by: UserId | None,
    decisions: dict[str, bool],
    moment: Moment,
) -> tuple[Durable, ...]:
    """The turn goes on in the same step, unless turns are held: then the next activation does it.

    A turn that was begun goes on while its session is paused, as if it had never been suspended.
    """
    assert state.running is not None
    turn = state.running.turn
    decided = ApprovalDecided(turn=turn, approval=approval.id, by=by, decisions=decisions)
    return (decided,) if moment.held else (decided, resumption(state))
