"""What has happened in a session, in the past tense, and how it is kept."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

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
    """`user` waits for the host's approval."""

    user: UserId
    name: str
    role: str


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
    | SessionStarted
    | SessionPaused
    | SessionResumed
    | SessionEnded
)
"""Journaled with a revision, then published."""

Ephemeral: TypeAlias = TextStreamed
"""Published only, in order with the durable ones."""

Event: TypeAlias = Durable | Ephemeral

DURABLE: Final = frozenset(get_args(Durable))


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A durable event as the journal keeps it: when (UTC milliseconds), and what."""

    at_ms: int
    event: Durable


encode_entry = msgspec.msgpack.Encoder().encode
decode_entry = msgspec.msgpack.Decoder(Entry).decode
