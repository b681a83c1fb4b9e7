"""greenroom: an actor-model session runtime for many concurrent agent sessions."""

from __future__ import annotations

if __name__ != "greenroom":
    raise ImportError(f"this is the package greenroom, imported as {__name__}: install it first")

from .actors.errors import (
    AnswerNotExpected,
    BadRole,
    CapacityError,
    ConfigError,
    Conflict,
    Fenced,
    GreenroomError,
    IdempotencyConflict,
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
    TurnOverLimit,
    TurnQueueFull,
    VersionConflict,
    WouldDeadlock,
    WrongSession,
    WrongState,
)
from .actors.kernel.reply import Reply
from .actors.ports import IndexRow, SessionPage
from .actors.session.answers import (
    CancelReceipt,
    HistoryPage,
    JoinReceipt,
    Member,
    Receipt,
    SessionInfo,
    SessionSnapshot,
    TurnResult,
)
from .actors.session.cursor import START
from .actors.session.items import Gap, Published
from .actors.session.operations import Interrupt, Shutdown, UserInput
from .actors.session.pipeline import Turn
from .actors.session.settings import Settings
from .actors.session.transcript import Message, TextDelta, ToolCall, ToolResult
from .adapters.embedded import Runtime, ThreadedRuntime
from .supervisor.config import Config
from .supervisor.handles.submissions import Submission
from .supervisor.messages import DrainReport
from .supervisor.replay import Replay
from .supervisor.session import Session
from .supervisor.subscription import Subscription

__version__ = "0.1.0"

__all__ = [
    "START",
    "AnswerNotExpected",
    "BadRole",
    "CancelReceipt",
    "CapacityError",
    "Config",
    "ConfigError",
    "Conflict",
    "DrainReport",
    "Fenced",
    "Gap",
    "GreenroomError",
    "HistoryPage",
    "IdempotencyConflict",
    "IndexRow",
    "Interrupt",
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
    "Member",
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
    "Replay",
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
    "SessionPage",
    "SessionParked",
    "SessionSnapshot",
    "Settings",
    "Shutdown",
    "Submission",
    "Subscription",
    "TextDelta",
    "ThreadedRuntime",
    "ToolCall",
    "ToolResult",
    "Turn",
    "TurnBusy",
    "TurnNotFound",
    "TurnOverLimit",
    "TurnQueueFull",
    "TurnResult",
    "UserInput",
    "VersionConflict",
    "WouldDeadlock",
    "WrongSession",
    "WrongState",
]
