"""greenroom: an actor-model session runtime for many concurrent agent sessions."""

from __future__ import annotations

if __name__ != "greenroom":
    raise ImportError(f"this is the package greenroom, imported as {__name__}: install it first")

from .actors.errors import (
    CapacityError,
    ConfigError,
    Conflict,
    Fenced,
    GreenroomError,
    InvalidCursor,
    InvalidInput,
    JoinClosed,
    JournalError,
    JournalFailed,
    JournalFormat,
    JournalLocked,
    JournalUnavailable,
    MailboxClosed,
    NoPipeline,
    NotAllowed,
    NotHost,
    NotMember,
    NotPending,
    NotWritten,
    OutcomeUnknown,
    Overloaded,
    Refused,
    Rejected,
    ReplyTimeout,
    RuntimeClosed,
    SessionClosed,
    SessionDamaged,
    SessionEnded,
    SessionExists,
    SessionFull,
    SessionNotFound,
    SessionParked,
    TurnBusy,
    TurnNotFound,
    TurnQueueFull,
    WouldDeadlock,
    WrongSession,
    WrongState,
)
from .actors.kernel.reply import Reply
from .actors.session.answers import (
    CancelReceipt,
    JoinReceipt,
    Receipt,
    SessionInfo,
    TurnResult,
)
from .actors.session.cursor import START
from .actors.session.live import Gap, Published
from .actors.session.pipeline import Turn
from .actors.session.state import Settings
from .actors.session.transcript import Message, TextDelta, ToolCall, ToolResult
from .adapters.embedded import Runtime, ThreadedRuntime
from .supervisor.config import Config
from .supervisor.messages import DrainReport
from .supervisor.session import Session
from .supervisor.subscription import Subscription

__version__ = "0.1.0"

__all__ = [
    "START",
    "CancelReceipt",
    "CapacityError",
    "Config",
    "ConfigError",
    "Conflict",
    "DrainReport",
    "Fenced",
    "Gap",
    "GreenroomError",
    "InvalidCursor",
    "InvalidInput",
    "JoinClosed",
    "JoinReceipt",
    "JournalError",
    "JournalFailed",
    "JournalFormat",
    "JournalLocked",
    "JournalUnavailable",
    "MailboxClosed",
    "Message",
    "NoPipeline",
    "NotAllowed",
    "NotHost",
    "NotMember",
    "NotPending",
    "NotWritten",
    "OutcomeUnknown",
    "Overloaded",
    "Published",
    "Receipt",
    "Refused",
    "Rejected",
    "Reply",
    "ReplyTimeout",
    "Runtime",
    "RuntimeClosed",
    "Session",
    "SessionClosed",
    "SessionDamaged",
    "SessionEnded",
    "SessionExists",
    "SessionFull",
    "SessionInfo",
    "SessionNotFound",
    "SessionParked",
    "Settings",
    "Subscription",
    "TextDelta",
    "ThreadedRuntime",
    "ToolCall",
    "ToolResult",
    "Turn",
    "TurnBusy",
    "TurnNotFound",
    "TurnQueueFull",
    "TurnResult",
    "WouldDeadlock",
    "WrongSession",
    "WrongState",
]
