"""What a session answers to a command it has taken, once that is durable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from .approvals import DecideReceipt, undecided
from .commands import (
    CancelWake,
    Command,
    Compact,
    Decide,
    Greet,
    Interrupt,
    Join,
    Leave,
    Post,
    Record,
    Send,
    SetWake,
    Steer,
    Truncate,
    Undo,
)
from .events import (
    ApprovalDecided,
    Durable,
    MessagePosted,
    TranscriptCut,
    TurnEnded,
    TurnQueued,
    TurnStarted,
    TurnSteered,
    WakeCancelled,
    WakeSet,
)
from .phases import Phase
from .state import State
from .transcript import Message
from .view import inputs_of
from .wakes import WakeReceipt

StopFact: TypeAlias = Literal["stopped", "abandoned"]
"""What became of the pipeline of a turn that was ended from outside."""

WaitsFor: TypeAlias = Literal["turn", "approval", "resume", "pipeline"]

Verdict: TypeAlias = Literal["won", "completion_won", "already_ended", "unknown"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="receipt"):
    """The command is durable. `revision` is the session's last one after it."""

    revision: int


class JoinReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="join"):
    """`joined`: a participant in this role now. `pending`: waiting for the host's approval."""

    status: Literal["joined", "pending"]
    role: str
    revision: int


class PhaseReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The voice session's phase. Not `taken`: the turn that asked for another is not current."""

    phase: Phase
    taken: bool


class TurnTicket(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="turn"):
    """The turn is accepted and durable. `ahead` turns must end before it starts. Turn 0 is none.

    `waits_for` says what it waits for: a running `turn`, one that is suspended for an `approval`,
    the `resume` of a paused session, or a `pipeline` while the session has none to run it.
    """

    turn: int
    ahead: int
    revision: int
    waits_for: WaitsFor | None = None


class CancelReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="cancel"):
    """Who was first. `won`: this call ended the turn, and nothing more of it will be seen.

    `completion_won`: it had completed by itself. `already_ended`: it had ended otherwise.
    `unknown`: there is no such turn, or it ended too long ago to remember.
    """

    verdict: Verdict
    turn: int | None


class CutReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="cut"):
    """`removed` lines are out of view, and the turns that lost some of them have `ended`.

    Shared context, memories and what tools have done are as they were.
    """

    removed: int
    ended: list[int]
    revision: int


Answer: TypeAlias = (
    Receipt | JoinReceipt | TurnTicket | CancelReceipt | CutReceipt | DecideReceipt | WakeReceipt
)
"""What a command of people is answered with."""

Told: TypeAlias = Answer | tuple[Message, ...]
"""... or one of a pipeline."""

_WAKES: Final = (WakeSet, WakeCancelled)

encode_answer = msgspec.msgpack.Encoder().encode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


def answer(state: State, command: Command, events: Sequence[Durable]) -> Told:
    """The answer to `command`, which caused `events`, already folded into `state`."""
    match command:
        case Post() | Record() | Leave():  # first: ruling all others out takes 1 us
            return Receipt(revision=state.revision)
        case Join(user=user):
            member = state.participants.get(user)
            return JoinReceipt(
                status="joined" if member else "pending",
                role=member.role if member else state.pending[user].role,
                revision=state.revision,
            )
        case Send() | Greet() | Compact():
            return _ticket(state, _turn_of(events))
        case Undo() | Truncate():
            return _cut_receipt(state, events)
        case Steer(turn=turn):
            handed = sum(event.messages for event in events if isinstance(event, TurnSteered))
            return tuple(inputs_of(state.history, turn)[-handed:] if handed else ())
        case Interrupt(turn=turn):
            return _cancel_receipt(state, turn, events)
        case Decide():
            return _decide_receipt(state, events)
        case SetWake(name=name) | CancelWake(name=name):
            due_ms = next((event.due_ms for event in events if isinstance(event, _WAKES)), None)
            return WakeReceipt(name=name, due_ms=due_ms, revision=state.revision)
        case _:
            return Receipt(revision=state.revision)


def _turn_of(events: Sequence[Durable]) -> int:
    """The turn that a message began, or was merged into, or that was begun without one; or 0."""
    for event in reversed(events):
        match event:
            case MessagePosted(message=message):
                return message.turn
            case TurnQueued(turn=turn) | TurnStarted(turn=turn):
                return turn
            case _:
                continue
    return 0


def _ticket(state: State, turn: int) -> TurnTicket:
    revision, running = state.revision, state.running
    if turn == 0:
        return TurnTicket(turn=0, ahead=0, revision=revision)
    if running is not None and running.turn == turn:
        return TurnTicket(turn=turn, ahead=0, revision=revision)
    place = next(i for i, waiting in enumerate(state.queued) if waiting.turn == turn)
    ahead = place + (running is not None)
    return TurnTicket(turn=turn, ahead=ahead, revision=revision, waits_for=waits_for(state))


def waits_for(state: State) -> WaitsFor:
    """What keeps the first queued turn from starting."""
    if undecided(state) is not None:
        return "approval"
    if state.running is not None:
        return "turn"
    return "resume" if state.lifecycle == "paused" else "pipeline"


def _cut_receipt(state: State, events: Sequence[Durable]) -> CutReceipt:
    return CutReceipt(
        removed=next(event.removed for event in events if isinstance(event, TranscriptCut)),
        ended=[event.turn for event in events if isinstance(event, TurnEnded)],
        revision=state.revision,
    )


def _decide_receipt(state: State, events: Sequence[Durable]) -> DecideReceipt:
    decided = next(event for event in events if isinstance(event, ApprovalDecided))
    return DecideReceipt(
        turn=decided.turn,
        approval=decided.approval,
        decisions=decided.decisions,
        revision=state.revision,
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
