"""What people ask of a session, in the imperative; and the views they ask for.

Texts, ids and free-form values are checked where a command is built (the `Session` handle) and
trusted by the rules.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ..ports import Policy, UserId
from .transcript import Message, ToolCall, ToolResult


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """The host opens a created session for messages."""

    by: UserId


class Pause(msgspec.Struct, frozen=True, kw_only=True, tag="pause"):
    """The host stops messages for a while. A running turn goes on, queued ones wait."""

    by: UserId


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag="resume"):
    """The host lets messages in again; the next queued turn starts."""

    by: UserId


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The host ends the session for good; every turn is cancelled. Ending twice is harmless."""

    by: UserId


class Join(msgspec.Struct, frozen=True, kw_only=True, tag="join"):
    """A user comes in, or asks to. Joining twice changes nothing."""

    user: UserId
    name: str
    role: Literal["participant", "observer"] = "participant"


class Approve(msgspec.Struct, frozen=True, kw_only=True, tag="approve"):
    """The host lets in someone who has asked; with the name and role of the request."""

    by: UserId
    user: UserId


class Leave(msgspec.Struct, frozen=True, kw_only=True, tag="leave"):
    """A participant goes. If it was the host, the next one takes over; the last one ends it."""

    user: UserId


class Post(msgspec.Struct, frozen=True, kw_only=True, tag="post"):
    """A participant speaks, and no turn follows."""

    user: UserId
    text: str


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """A participant speaks, and the pipeline answers in a turn. `policy`: if one is running."""

    user: UserId
    text: str
    policy: Policy = "enqueue"


class Interrupt(msgspec.Struct, frozen=True, kw_only=True, tag="interrupt"):
    """A participant cancels a running or queued turn; without `turn`, the running one."""

    user: UserId
    turn: int | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, tag="record"):
    """The running turn's pipeline has yielded something to keep. Sent by the turn itself."""

    turn: int
    output: Message | ToolCall | ToolResult


class FinishTurn(msgspec.Struct, frozen=True, kw_only=True, tag="finish_turn"):
    """The running turn's pipeline is done. Sent by the turn itself."""

    turn: int
    status: Literal["completed", "failed"]
    reason: str = ""


class Recover(msgspec.Struct, frozen=True, kw_only=True, tag="recover"):
    """Given by a new activation: a turn that began in an older one is lost.

    It is run again while it had fewer than `attempts` attempts.
    """

    attempts: int


Command: TypeAlias = (
    Send
    | Post
    | Record
    | FinishTurn
    | Interrupt
    | Join
    | Leave
    | Approve
    | Start
    | Pause
    | Resume
    | End
    | Recover
)
