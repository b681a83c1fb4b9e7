"""Why a session is, or is not, on stage: what whoever runs the house is told of one."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from ..actors.ports import SessionId, UserId
from ..actors.session.backstage import EndReason
from ..actors.session.messages import LEFT, Departed, Departure
from ..actors.session.pins import Pin
from ..actors.session.reasons import ActivationReason, PassivationReason

MOST: Final = 10_000
"""Sessions of which it is remembered how they have left; of more, the earliest are forgotten."""


class Verdict(StrEnum):
    """Where a session is."""

    RESIDENT = "resident"
    """On stage."""

    PASSIVATING = "passivating"
    """On its way out: it was asked to leave, is being deleted, or has crashed just now."""

    WAITING = "waiting"
    """In line for a slot."""

    RESERVED = "reserved"
    """It has a slot, and is being created, or read from the journal."""

    RESTARTING = "restarting"
    """It has crashed, and comes back by itself."""

    PARKED = "parked"
    """It has crashed too often, or an operator has set it aside: it does not come back."""

    QUARANTINED = "quarantined"
    """The journal could not give it back, and is not asked again for a while."""

    STORED = "stored"
    """In the journal alone: its next message wakes it."""

    ENDED = "ended"
    """In the journal alone, and over."""

    UNKNOWN = "unknown"
    """There is none: there never was, or it was deleted."""


class Leave(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a session has last left the stage, at `at_ms` (UTC milliseconds).

    `passivated` says why, if it was in order, and `error` what went wrong, if something has.
    """

    at_ms: int
    end: EndReason
    passivated: PassivationReason | None = None
    error: str = ""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a session, and why. Times are UTC milliseconds; None: not known, or never.

    `since_ms`: since when the verdict is so. `due_ms`: when that changes, if nothing happens: a
    resident session is passivated, a stored one wakes, a restarting one is started, a quarantined
    one may be looked at again, one that waits is refused. `pins` keep it on stage; a turn suspended
    for approval does not. `came` and `left` say why it is on stage, and why it last was no more, as
    far as this process remembers. `restarts` are those in the window that counts for parking it.
    `place` is its place in line, in the order of coming; as users take turns, it may be served
    earlier or later.
    """

    session: SessionId
    verdict: Verdict
    since_ms: int | None = None
    due_ms: int | None = None
    state: str | None = None
    owner: UserId | None = None
    came: ActivationReason | None = None
    left: Leave | None = None
    pins: tuple[Pin, ...] = ()
    restarts: int = 0
    error: str = ""
    place: int | None = None


_ENDS: Final = {
    Departure.PASSIVATED: EndReason.PASSIVATED,
    Departure.RECALLED: EndReason.PASSIVATED,
    Departure.RENEWED: EndReason.RENEWED,
    Departure.CRASHED: EndReason.CRASHED,
    Departure.FENCED: EndReason.FENCED,
    Departure.DELETED: EndReason.DELETED,
}


class Leaves:
    """How sessions have last left the stage of this process, as far as it remembers."""

    def __init__(self) -> None:
        self._leaves: dict[SessionId, Leave] = {}

    def note(self, departed: Departed, at_ms: int) -> None:
        """One has left just now."""
        how = departed.how
        reason = departed.reason if how in LEFT else None
        drained = reason is PassivationReason.DRAINED
        self._leaves.pop(departed.session, None)
        self._leaves[departed.session] = Leave(
            at_ms=at_ms,
            end=EndReason.DRAINED if drained else _ENDS[how],
            passivated=reason,
            error=departed.error,
        )
        if len(self._leaves) > MOST:
            del self._leaves[next(iter(self._leaves))]

    def of(self, session: SessionId) -> Leave | None:
        """How it has left; None: it has not, or that is forgotten."""
        return self._leaves.get(session)
