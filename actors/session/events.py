"""What has happened in a session, in the past tense, and how it is kept."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from ..ports import UserId
from .phases import Phase
from .transcript import Message, ToolCall, ToolResult

TurnStatus: TypeAlias = Literal["completed", "failed", "cancelled", "superseded", "lost"]

Cause: TypeAlias = Literal[
    "user", "superseded", "timeout", "drain", "evicted", "deleted", "ended", "crash"
]
"""Why a turn was ended from outside its pipeline."""

TurnKind: TypeAlias = Literal["answer", "greeting", "compaction"]
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

    It is empty, and there is a `reason`, if the session ended by itself.
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


class MessagePosted(msgspec.Struct, frozen=True, kw_only=True, tag="message.posted"):
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


class TextStreamed(msgspec.Struct, frozen=True, gc=False, tag="text.streamed"):
    """A piece of the running turn's answer. Ephemeral: it is published and never journaled."""

    turn: int
    text: str


class TurnStopped(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="turn.stopped"):
    """The pipeline of a turn that was ended from outside is done, or was given up on. Ephemeral.

    `abandoned`: it has ignored its cancellation for as long as a pipeline may. Whatever it still
    does, nobody hears it.
    """

    turn: int
    attempt: int
    how: Literal["stopped", "abandoned"]


class PresenceChanged(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="presence.changed"):
    """Where a participant is just now. Ephemeral, and only the newest of a burst is published."""

    user: UserId
    active: bool = True
    cursor: str | None = None
    focus: str | None = None


class PhaseChanged(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="phase.changed"):
    """The voice phase of the session. Ephemeral: a session that wakes begins at `init` again.

    `turn` is the one that moved it, or was current, 0 for none. `user` has set it; None: a turn.
    """

    phase: Phase
    turn: int
    user: UserId | None = None


class SessionReady(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="session.ready"):
    """The session's resources are open, and turns may start. Ephemeral: once per activation, and
    again when they had failed (spec A09)."""

    message: str


class ResourcesFailed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="error.resources"):
    """The session's resources could not be opened, or have broken down. Ephemeral.

    In a session that has never had any, its end follows. Otherwise the turns that wait have
    failed, and the next message has them opened again: a durable conversation does not die of a
    tool server that is away (spec AX8).
    """

    reason: str


class DeliveryFailed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="error.delivery"):
    """A subscriber of `user` has failed to take an event. Ephemeral, once per subscription."""

    user: UserId
    reason: str


class VisualStarted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="visual.started"):
    """`user` shows `source`, in the place of any other. Ephemeral."""

    source: str
    user: UserId


class VisualStopped(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="visual.stopped"):
    """`source` is shown no more: `user` has stopped it, or left. Ephemeral.

    `user` is empty if the session has left the stage: whoever wants to show on starts it again.
    """

    source: str
    user: UserId


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
    | SessionStarted
    | SessionPaused
    | SessionResumed
    | SessionClosing
    | SessionEnded
)
"""Journaled with a revision, then published."""

Ephemeral: TypeAlias = (
    TextStreamed
    | PresenceChanged
    | PhaseChanged
    | TurnStopped
    | SessionReady
    | ResourcesFailed
    | DeliveryFailed
    | VisualStarted
    | VisualStopped
)
"""Published only, in order with the durable ones."""

Event: TypeAlias = Durable | Ephemeral

DURABLE: Final = frozenset(get_args(Durable))

KINDS: Final = {kind.__struct_config__.tag: kind for kind in get_args(Event)}
"""The name of each kind of event, as readers filter by it."""


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
        case PhaseChanged(turn=turn):
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


class Done(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """That a command with an idempotency key was done: its key, a digest of it, its answer."""

    key: str
    digest: bytes
    answer: bytes


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A durable event as the journal keeps it: when (UTC milliseconds), and what.

    The first event of a command with an idempotency key also keeps what makes its retry safe, and
    a request for approval what its pipeline has `saved`: that is nobody else's to read.
    """

    at_ms: int
    event: Durable
    done: Done | None = None
    saved: Any = None


encode_entry = msgspec.msgpack.Encoder().encode
decode_entry = msgspec.msgpack.Decoder(Entry).decode
