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
    NoApproval,
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
from .actors.session.approvals import DecideReceipt, PendingApproval
from .actors.session.backstage import EndReason
from .actors.session.cursor import START
from .actors.session.items import Gap, Published
from .actors.session.pipeline import Turn
from .actors.session.resources import Opening
from .actors.session.secret import Secret
from .actors.session.settings import Settings
from .actors.session.transcript import Message, RequestApproval, TextDelta, ToolCall, ToolResult
from .adapters.embedded import Runtime, ThreadedRuntime
from .supervisor.config import Config
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
    "DecideReceipt",
    "DrainReport",
    "EndReason",
    "Fenced",
    "Gap",
    "GreenroomError",
    "HistoryPage",
    "IdempotencyConflict",
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
    "NoApproval",
    "NoPipeline",
    "NotAllowed",
    "NotHost",
    "NotMember",
    "NotPending",
    "NotWritten",
    "Opening",
    "OutcomeUnknown",
    "Overloaded",
    "PendingApproval",
    "Published",
    "Receipt",
    "Refused",
    "Rejected",
    "Replay",
    "Reply",
    "ReplyTimeout",
    "RequestApproval",
    "Runtime",
    "RuntimeClosed",
    "Secret",
    "Session",
    "SessionClosed",
    "SessionDamaged",
    "SessionEnded",
    "SessionExists",
    "SessionFull",
    "SessionInfo",
    "SessionNotFound",
    "SessionParked",
    "SessionSnapshot",
    "Settings",
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
    "VersionConflict",
    "WouldDeadlock",
    "WrongSession",
    "WrongState",
]
