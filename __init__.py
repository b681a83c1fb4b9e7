"""greenroom: an actor-model session runtime for many concurrent agent sessions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if __name__ != "greenroom":
    raise ImportError(f"this is the package greenroom, imported as {__name__}: install it first")

from .actors.errors import (
    AnswerNotExpected,
    ArchiveFailed,
    BadFrame,
    BadRole,
    CapacityError,
    ConfigError,
    Conflict,
    ExtraMissing,
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
    NoCompactor,
    NoPipeline,
    NotAllowed,
    NotExportable,
    NothingToCompact,
    NotHost,
    NotKept,
    NotMember,
    NotPending,
    NotWritten,
    OutcomeUnknown,
    Overloaded,
    PoisonCommand,
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
    TooManyWakes,
    TooManyWatches,
    TurnBusy,
    TurnNotFound,
    TurnOverLimit,
    TurnQueueFull,
    VersionConflict,
    WouldDeadlock,
    WrongPhase,
    WrongSession,
    WrongState,
)
from .actors.kernel.reply import Reply
from .actors.ports import Archive, IndexRow, SessionPage
from .actors.session.answers import CancelReceipt, CutReceipt, JoinReceipt, PhaseReceipt, Receipt
from .actors.session.approvals import DecideReceipt, PendingApproval
from .actors.session.audit import Problem, TranscriptReport
from .actors.session.backstage import EndReason
from .actors.session.cursor import START
from .actors.session.events import Exchange
from .actors.session.frames import Frame, FrameReceipt, VisualSettings
from .actors.session.hooks import TurnInfo
from .actors.session.info import HistoryPage, Member, SessionInfo, SessionSnapshot, TurnResult
from .actors.session.items import Gap, Published
from .actors.session.operations import (
    CallApproval,
    Compact,
    ExecApproval,
    Interrupt,
    Shutdown,
    Undo,
    UserInput,
)
from .actors.session.pins import Pin, PinKind
from .actors.session.pipeline import Turn
from .actors.session.reasons import ActivationReason, PassivationReason, TurnReason
from .actors.session.records import SessionRecords
from .actors.session.resources import Opening
from .actors.session.secret import Secret
from .actors.session.settings import Settings
from .actors.session.shared import SharedContext
from .actors.session.state import Origin
from .actors.session.transcript import (
    ImportedMessage,
    Message,
    PhaseChange,
    RequestApproval,
    TextDelta,
    ToolCall,
    ToolResult,
)
from .actors.session.wakes import Firing, Repeat, Wake, WakeReceipt
from .adapters.default import default_runtime
from .adapters.embedded import Runtime, ThreadedRuntime
from .adapters.signals import until_signalled
from .supervisor.config import Config
from .supervisor.explanation import Explanation, Leave, Verdict
from .supervisor.handles.awake import KeptAwake
from .supervisor.handles.submissions import Submission
from .supervisor.messages import DrainReport
from .supervisor.occupancy import CapacityReport, Occupancy
from .supervisor.replay import Replay
from .supervisor.residents import Resident, ResidentQuery, Residents
from .supervisor.session import Session
from .supervisor.subscription import Subscription
from .supervisor.watch import FrameWatch

if TYPE_CHECKING:
    from .adapters.archive import DirectoryArchive
    from .adapters.export.exporter import Exported, ExportFailure, ExportProgress, export_sessions

__version__ = "0.1.0"

__all__ = [
    "START",
    "ActivationReason",
    "AnswerNotExpected",
    "Archive",
    "ArchiveFailed",
    "BadFrame",
    "BadRole",
    "CallApproval",
    "CancelReceipt",
    "CapacityError",
    "CapacityReport",
    "Compact",
    "Config",
    "ConfigError",
    "Conflict",
    "CutReceipt",
    "DecideReceipt",
    "DirectoryArchive",
    "DrainReport",
    "EndReason",
    "Exchange",
    "ExecApproval",
    "Explanation",
    "ExportFailure",
    "ExportProgress",
    "Exported",
    "ExtraMissing",
    "Fenced",
    "Firing",
    "Frame",
    "FrameReceipt",
    "FrameWatch",
    "Gap",
    "GreenroomError",
    "HistoryPage",
    "IdempotencyConflict",
    "ImportedMessage",
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
    "KeptAwake",
    "Leave",
    "MailboxClosed",
    "Member",
    "Message",
    "NoApproval",
    "NoCompactor",
    "NoPipeline",
    "NotAllowed",
    "NotExportable",
    "NotHost",
    "NotKept",
    "NotMember",
    "NotPending",
    "NotWritten",
    "NothingToCompact",
    "Occupancy",
    "Opening",
    "Origin",
    "OutcomeUnknown",
    "Overloaded",
    "PassivationReason",
    "PendingApproval",
    "PhaseChange",
    "PhaseReceipt",
    "Pin",
    "PinKind",
    "PoisonCommand",
    "Problem",
    "Published",
    "Receipt",
    "Refused",
    "Rejected",
    "Repeat",
    "Replay",
    "Reply",
    "ReplyTimeout",
    "RequestApproval",
    "Resident",
    "ResidentQuery",
    "Residents",
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
    "SessionPage",
    "SessionParked",
    "SessionRecords",
    "SessionSnapshot",
    "Settings",
    "SharedContext",
    "Shutdown",
    "Submission",
    "Subscription",
    "TextDelta",
    "ThreadedRuntime",
    "TooManyWakes",
    "TooManyWatches",
    "ToolCall",
    "ToolResult",
    "TranscriptReport",
    "Turn",
    "TurnBusy",
    "TurnInfo",
    "TurnNotFound",
    "TurnOverLimit",
    "TurnQueueFull",
    "TurnReason",
    "TurnResult",
    "Undo",
    "UserInput",
    "Verdict",
    "VersionConflict",
    "VisualSettings",
    "Wake",
    "WakeReceipt",
    "WouldDeadlock",
    "WrongPhase",
    "WrongSession",
    "WrongState",
    "default_runtime",
    "export_sessions",
    "until_signalled",
]

_ON_DEMAND: Final = {
    "DirectoryArchive": ".adapters.archive",
    "ExportFailure": ".adapters.export.exporter",
    "ExportProgress": ".adapters.export.exporter",
    "Exported": ".adapters.export.exporter",
    "export_sessions": ".adapters.export.exporter",
}
"""What hosting sessions does not need, and where it is: imported when it is asked for (PEP 562)."""

if not TYPE_CHECKING:  # or else no misspelt name would be one to a type checker

    def __getattr__(name: str) -> Any:
        if name not in _ON_DEMAND:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_ON_DEMAND[name], __name__), name)
        return found

    def __dir__() -> list[str]:
        return [*globals(), *_ON_DEMAND]
