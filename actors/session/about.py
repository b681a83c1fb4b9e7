"""What an event is about: the turn it belongs to, and whom it is for."""

from __future__ import annotations

from typing import Final

from ..ports import UserId
from .events import (
    ApprovalDecided,
    ApprovalRequested,
    Compacted,
    Event,
    JoinDenied,
    JoinRequested,
    MessagePosted,
    PhaseChanged,
    TextStreamed,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    TurnHandedBack,
    TurnQueued,
    TurnRolledBack,
    TurnStarted,
    TurnSteered,
    TurnStopped,
    WakeFired,
)
from .transcript import Message, ToolCall, ToolResult


def turn_of(event: Event) -> int | None:
    """The turn that `event` belongs to, if to any."""
    match event:
        case TurnQueued(turn=turn) | TurnStarted(turn=turn) | TurnEnded(turn=turn):
            return turn
        case TextStreamed(turn=turn) | ToolCalled(call=ToolCall(turn=turn)):
            return turn
        case TurnSteered(turn=turn) | TurnHandedBack(turn=turn) | TurnStopped(turn=turn):
            return turn
        case TurnRolledBack(turn=turn):
            return turn
        case PhaseChanged(turn=turn) | WakeFired(turn=turn):
            return turn or None
        case ApprovalRequested(turn=turn) | ApprovalDecided(turn=turn) | Compacted(turn=turn):
            return turn
        case MessagePosted(message=Message(turn=turn)) | ToolReturned(result=ToolResult(turn=turn)):
            return turn or None
        case _:
            return None


DIRECTED: Final = frozenset({JoinRequested, JoinDenied})
"""Kinds of events that have an `addressee`."""


def addressee(event: Event) -> UserId | None:
    """The one participant that `event` is for; None: it is for everybody."""
    match event:
        case JoinRequested(host=host) | JoinDenied(by=host):
            return host
        case _:
            return None
