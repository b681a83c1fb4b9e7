"""What a session answers to a command it has taken, once that is durable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from ..ports import SessionId, UserId
from .commands import Command, Interrupt, Join, Send
from .events import Durable, TurnEnded, TurnStatus
from .state import Lifecycle, Outcome, State, outputs_of
from .transcript import Message

Verdict: TypeAlias = Literal["won", "completion_won", "already_ended", "unknown"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The command is durable. `revision` is the session's last one after it."""

    revision: int


class JoinReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`joined`: a participant in this role now. `pending`: waiting for the host's approval."""

    status: Literal["joined", "pending"]
    role: str
    revision: int


class TurnTicket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The turn is accepted and durable. `ahead` turns must end before it starts."""

    turn: int
    ahead: int
    revision: int


class CancelReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who was first. `won`: this call ended the turn, and nothing more of it will be seen.

    `completion_won`: it had completed by itself. `already_ended`: it had ended otherwise.
    `unknown`: there is no such turn, or it ended too long ago to remember.
    """

    verdict: Verdict
    turn: int | None


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended, and all text it said. `reason` says why, if it did not complete."""

    turn: int
    status: TurnStatus
    text: str
    reason: str = ""


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A session at a glance. Times are UTC milliseconds; `revision` counts its durable events."""

    id: SessionId
    name: str
    state: Lifecycle
    host: UserId
    owner: UserId
    participants: dict[UserId, str]
    pending: list[UserId]
    created_ms: int
    updated_ms: int
    revision: int
    messages: int
    running_turn: int | None
    queued_turns: list[int]


def answer(state: State, command: Command, events: Sequence[Durable]) -> object:
    """The answer to `command`, which caused `events`, already folded into `state`."""
    match command:
        case Send():
            running = state.running
            starts = running is not None and running.turn == state.last_turn
            ahead = 0 if starts else len(state.queued) - (running is None)
            return TurnTicket(turn=state.last_turn, ahead=ahead, revision=state.revision)
        case Interrupt(turn=turn):
            return _cancel_receipt(state, turn, events)
        case Join(user=user):
            member = state.participants.get(user)
            return JoinReceipt(
                status="joined" if member else "pending",
                role=member.role if member else state.pending[user].role,
                revision=state.revision,
            )
        case _:
            return Receipt(revision=state.revision)


def result_of(state: State, turn: int, outcome: Outcome) -> TurnResult:
    """The result of an ended turn whose outcome the session remembers."""
    said = (line.text for line in outputs_of(state.history, turn) if isinstance(line, Message))
    return TurnResult(turn=turn, status=outcome.status, text="".join(said), reason=outcome.reason)


def info(state: State) -> SessionInfo:
    """The session at a glance, copied out of its state."""
    return SessionInfo(
        id=state.id,
        name=state.name,
        state=state.lifecycle,
        host=state.host,
        owner=state.owner,
        participants={user: member.role for user, member in state.participants.items()},
        pending=list(state.pending),
        created_ms=state.created_ms,
        updated_ms=state.updated_ms,
        revision=state.revision,
        messages=state.messages,
        running_turn=state.running.turn if state.running else None,
        queued_turns=[waiting.turn for waiting in state.queued],
    )


def _cancel_receipt(state: State, turn: int | None, events: Sequence[Durable]) -> CancelReceipt:
    ended = next((event for event in events if isinstance(event, TurnEnded)), None)
    if ended is not None:
        return CancelReceipt(verdict="won", turn=ended.turn)
    if turn is None:
        return CancelReceipt(verdict="unknown", turn=None)
    outcome = state.outcomes.get(turn)
    if outcome is None:
        return CancelReceipt(verdict="unknown", turn=turn)
    completed = outcome.status == "completed"
    return CancelReceipt(verdict="completion_won" if completed else "already_ended", turn=turn)
