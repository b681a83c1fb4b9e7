"""What has happened in a session, in the past tense, and how it is kept."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from ..ports import UserId
from .transcript import Message, ToolCall, ToolResult

TurnStatus: TypeAlias = Literal["completed", "failed", "cancelled", "superseded", "lost"]


class SessionStarted(msgspec.Struct, frozen=True, kw_only=True, tag="session.started"):
    by: UserId


class SessionPaused(msgspec.Struct, frozen=True, kw_only=True, tag="session.paused"):
    by: UserId


class SessionResumed(msgspec.Struct, frozen=True, kw_only=True, tag="session.resumed"):
    by: UserId


class SessionEnded(msgspec.Struct, frozen=True, kw_only=True, tag="session.ended"):
    """Nothing follows. `by` is the host, or the last participant who left."""

    by: UserId


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


class TurnQueued(msgspec.Struct, frozen=True, kw_only=True, tag="turn.queued"):
    """The turn waits behind the running one."""

    turn: int
    user: UserId


class TurnStarted(
    msgspec.Struct, frozen=True, kw_only=True, tag="turn.started", omit_defaults=True
):
    """The pipeline is being invoked. From the second `attempt` on, what an earlier one put into
    the transcript is taken out of it."""

    turn: int
    user: UserId
    attempt: int = 1


class ToolCalled(msgspec.Struct, frozen=True, kw_only=True, tag="tool.called"):
    call: ToolCall


class ToolReturned(msgspec.Struct, frozen=True, kw_only=True, tag="tool.returned"):
    result: ToolResult


class TurnEnded(msgspec.Struct, frozen=True, kw_only=True, tag="turn.ended", omit_defaults=True):
    """The turn is over, in exactly one of five ways; `reason` says why, if not completed."""

    turn: int
    status: TurnStatus
    reason: str = ""


class TextStreamed(msgspec.Struct, frozen=True, gc=False, tag="text.streamed"):
    """A piece of the running turn's answer. Ephemeral: it is published and never journaled."""

    turn: int
    text: str


class PresenceChanged(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="presence.changed"):
    """Where a participant is just now. Ephemeral, and only the newest of a burst is published."""

    user: UserId
    active: bool = True
    cursor: str | None = None
    focus: str | None = None


class DeliveryFailed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="error.delivery"):
    """A subscriber of `user` has failed to take an event. Ephemeral, once per subscription."""

    user: UserId
    reason: str


Durable: TypeAlias = (
    MessagePosted
    | TurnStarted
    | TurnEnded
    | ToolCalled
    | ToolReturned
    | TurnQueued
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
    | SessionEnded
)
"""Journaled with a revision, then published."""

Ephemeral: TypeAlias = TextStreamed | PresenceChanged | DeliveryFailed
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

    The first event of a command with an idempotency key also keeps what makes its retry safe.
    """

    at_ms: int
    event: Durable
    done: Done | None = None


encode_entry = msgspec.msgpack.Encoder().encode
decode_entry = msgspec.msgpack.Decoder(Entry).decode
