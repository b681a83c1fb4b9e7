"""What is only of the moment: events that are published, and never journaled."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ..ports import UserId
from .phases import Phase


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
