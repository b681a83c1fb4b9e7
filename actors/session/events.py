"""What has happened in a session, in the past tense: every event there is.

The durable ones stand here. Those of `records.py` and `wakes.py`, and the ephemeral ones, of
`ephemera.py`, are given with them.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from ..ports import UserId
from .ephemera import DeliveryFailed as DeliveryFailed
from .ephemera import Ephemeral as Ephemeral
from .ephemera import PhaseChanged as PhaseChanged
from .ephemera import PresenceChanged as PresenceChanged
from .ephemera import ResourcesFailed as ResourcesFailed
from .ephemera import SessionReady as SessionReady
from .ephemera import TextStreamed as TextStreamed
from .ephemera import TurnStopped as TurnStopped
from .ephemera import VisualStarted as VisualStarted
from .ephemera import VisualStopped as VisualStopped
from .records import ExportSet as ExportSet
from .records import GraphStateSet as GraphStateSet
from .records import InteractionRecorded as InteractionRecorded
from .records import LanguageSet as LanguageSet
from .records import MetadataUpdated as MetadataUpdated
from .records import RecordEvent
from .records import TitleSet as TitleSet
from .transcript import Message, ToolCall, ToolResult
from .wakes import WakeCancelled as WakeCancelled
from .wakes import WakeEvent
from .wakes import WakeFired as WakeFired
from .wakes import WakeSet as WakeSet

TurnStatus: TypeAlias = Literal["completed", "failed", "cancelled", "superseded", "lost"]

Cause: TypeAlias = Literal[
    "user", "superseded", "timeout", "drain", "evicted", "deleted", "ended", "crash"
]
"""Why a turn was ended from outside its pipeline."""

TurnKind: TypeAlias = Literal["answer", "greeting", "compaction", "wake"]
"""What a turn is for. Only an answer has a message that began it in the transcript."""


class SessionStarted(msgspec.Struct, frozen=True, kw_only=True, tag="session.started"):
    by: UserId


class SessionPaused(msgspec.Struct, frozen=True, kw_only=True, tag="session.paused"):
    by: UserId


class SessionResumed(msgspec.Struct, frozen=True, kw_only=True, tag="session.resumed"):
    by: UserId


class SessionEnded(
    msgspec.Struct, frozen=True, kw_only=True, tag="session.ended", omit_defaults=True
):
    """Nothing follows. `by` is the host, the owner who deleted it, or the last one who left.

    It is empty, and there is a `reason`, if the session ended by itself, or an operator ended it.
    """

    by: UserId
    reason: str = ""


class SessionClosing(msgspec.Struct, frozen=True, kw_only=True, tag="session.closing"):
    """No more messages are taken; the session ends when the running turn has.

    It has `grace_s` seconds for that, then it is cancelled.
    """

    by: UserId
    grace_s: float = 0.0


class JoinRequested(msgspec.Struct, frozen=True, kw_only=True, tag="participant.requested"):
    """`user` waits for the approval of `host`, who alone hears of it (spec RX14)."""

    user: UserId
    name: str
    role: str
    host: UserId


class JoinDenied(msgspec.Struct, frozen=True, kw_only=True, tag="participant.denied"):
    """The host has turned down the request of `user`; it alone hears of it."""

    user: UserId
    by: UserId


class Joined(msgspec.Struct, frozen=True, kw_only=True, tag="participant.joined"):
    user: UserId
    name: str
    role: str


class Left(msgspec.Struct, frozen=True, kw_only=True, tag="participant.left"):
    user: UserId
    name: str


class HostChanged(msgspec.Struct, frozen=True, kw_only=True, tag="host.changed"):
    """`host` has taken over from `previous`."""

    host: UserId
    previous: UserId


class MessagePosted(msgspec.Struct, frozen=True, kw_only=True, tag="message.posted", gc=False):
    """A person spoke, or a pipeline finished saying something."""

    message: Message


class ActionTaken(msgspec.Struct, frozen=True, kw_only=True, tag="action.taken"):
    """`data` is as it was given; it cannot override `action`."""

    user: UserId
    action: str
    data: dict[str, Any]


class ContextUpdated(msgspec.Struct, frozen=True, kw_only=True, tag="context.updated"):
    """`patch` was merged into the shared context, by RFC 7396."""

    user: UserId
    patch: dict[str, Any]


class MemoryAdded(msgspec.Struct, frozen=True, kw_only=True, tag="memory.added"):
    user: UserId
    memory: str


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True, tag="event.acknowledged"):
    """`user` has seen every event up to revision `upto`."""

    user: UserId
    upto: int


class TurnQueued(msgspec.Struct, frozen=True, kw_only=True, tag="turn.queued", omit_defaults=True):
    """The turn waits behind the running one. With `steer` it goes before those that do not.

    `prompt` is what the pipeline is told if the transcript holds no message for it. A compaction
    leaves the last `keep` messages of people alone, and what follows the first of them.
    """

    turn: int
    user: UserId
    steer: bool = False
    kind: TurnKind = "answer"
    prompt: str = ""
    answer_key: str = ""
    keep: int = 0


class TurnStarted(
    msgspec.Struct, frozen=True, kw_only=True, tag="turn.started", omit_defaults=True
):
    """The pipeline is being invoked. From the second `attempt` on, what an earlier one put into
    the transcript is taken out of it. `resumed` names the approval whose decision it goes on with.
    """

    turn: int
    user: UserId
    attempt: int = 1
    resumed: str = ""
    kind: TurnKind = "answer"
    prompt: str = ""
    answer_key: str = ""
    keep: int = 0


class TurnSteered(
    msgspec.Struct, frozen=True, kw_only=True, tag="turn.steered", omit_defaults=True
):
    """The message of the waiting `turn` was handed to the running turn `into`; or several, of
    those that were merged."""

    turn: int
    into: int
    messages: int = 1


class TurnHandedBack(msgspec.Struct, frozen=True, kw_only=True, tag="turn.handed_back"):
    """The session left while the turn was running: its next activation finds it lost."""

    turn: int
    cause: Cause


class ApprovalRequested(msgspec.Struct, frozen=True, kw_only=True, tag="approval.requested"):
    """The turn is suspended until somebody decides on its open `calls`, or until `expires_ms`."""

    turn: int
    approval: str
    calls: list[str]
    expires_ms: int


class ApprovalDecided(msgspec.Struct, frozen=True, kw_only=True, tag="approval.decided"):
    """Each call is approved or not. `by` is None if nobody decided in time: none is approved."""

    turn: int
    approval: str
    by: UserId | None
    decisions: dict[str, bool]


class TranscriptCut(msgspec.Struct, frozen=True, kw_only=True, tag="transcript.cut"):
    """The transcript keeps its first `keep` lines; `removed` lines are out of view (not the
    journal). System messages stay."""

    by: UserId
    why: Literal["undo", "truncate"]
    keep: int
    removed: int


class TurnRolledBack(msgspec.Struct, frozen=True, kw_only=True, tag="turn.rolled_back"):
    """What the ended turn was asked and has said is out of view, `removed` lines in all."""

    turn: int
    by: UserId
    removed: int


class Compacted(msgspec.Struct, frozen=True, kw_only=True, tag="transcript.compacted"):
    """In the transcript a summary, made in `turn`, stands for the first `lines` lines."""

    turn: int
    lines: int
    summary: str


class Exchange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was asked, and what was answered."""

    user: str
    assistant: str


class DialogSet(msgspec.Struct, frozen=True, kw_only=True, tag="dialog.set"):
    """The dialog context that pipelines are given was replaced."""

    user: UserId
    dialog: list[Exchange]


class ToolCalled(msgspec.Struct, frozen=True, kw_only=True, tag="tool.called"):
    call: ToolCall


class ToolReturned(msgspec.Struct, frozen=True, kw_only=True, tag="tool.returned"):
    result: ToolResult


class TurnEnded(msgspec.Struct, frozen=True, kw_only=True, tag="turn.ended", omit_defaults=True):
    """The turn is over, in exactly one of five ways; `reason` says why, if not completed.

    `cause` tells who ended it, if that was not its pipeline.
    """

    turn: int
    status: TurnStatus
    reason: str = ""
    cause: Cause | None = None


Durable: TypeAlias = (
    MessagePosted
    | TurnStarted
    | TurnEnded
    | ToolCalled
    | ToolReturned
    | TurnQueued
    | TurnSteered
    | TurnHandedBack
    | ApprovalRequested
    | ApprovalDecided
    | TranscriptCut
    | TurnRolledBack
    | Compacted
    | DialogSet
    | Joined
    | Left
    | HostChanged
    | JoinRequested
    | JoinDenied
    | ActionTaken
    | ContextUpdated
    | MemoryAdded
    | Acknowledged
    | RecordEvent
    | WakeEvent
    | SessionStarted
    | SessionPaused
    | SessionResumed
    | SessionClosing
    | SessionEnded
)
"""Journaled with a revision, then published."""

Event: TypeAlias = Durable | Ephemeral

DURABLE: Final = frozenset(get_args(Durable))

KINDS: Final = {kind.__struct_config__.tag: kind for kind in get_args(Event)}
"""The name of each kind of event, as readers filter by it."""
