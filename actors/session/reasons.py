"""Why a session comes on stage, why it leaves, and what has become of a turn."""

from __future__ import annotations

from enum import StrEnum


class ActivationReason(StrEnum):
    """Why a session has come on stage."""

    CREATED = "created"
    """It was made just now."""

    MESSAGE = "message"
    """Somebody has called it."""

    ALARM = "alarm"
    """Something that it wants to do by itself was due: a timer, an approval that expires."""

    RESTARTED = "restarted"
    """It had crashed."""

    RECALLED = "recalled"
    """A command came while it was leaving."""

    RENEWED = "renewed"
    """Its pipeline would not stop, and it was claimed anew, in another epoch."""


class PassivationReason(StrEnum):
    """Why a session has left the stage in order, to come back as it was."""

    IDLE = "idle"
    """Nobody has done anything for longer than `idle_s`."""

    MADE_ROOM = "made_room"
    """It was the least recently active idle one when another session needed a slot."""

    PIN_LIMIT = "pin_limit"
    """One of these two, though something was to keep it awake, whose time was over."""

    ASKED = "asked"
    """`runtime.passivate`, while it was idle; or a deletion, which has not been archived: it is
    back at once."""

    FORCED = "forced"
    """`runtime.passivate` with `force`."""

    DRAINED = "drained"
    """The runtime stops."""


class TurnReason(StrEnum):
    """What has become of a turn."""

    STARTED = "started"
    """Its pipeline is invoked: for the first time, or again, see `attempt` and `resumed`."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    LOST = "lost"
