"""What a reader of a session gets: events as they were published, and gaps between them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ..ports import SessionId
from .about import turn_of
from .cursor import Cursor
from .entry import decode_entry
from .events import DURABLE, Event

Lost: TypeAlias = Literal["trimmed", "unavailable"]
"""Why what follows a cursor cannot be read from a live log."""


class Published(msgspec.Struct, frozen=True, gc=False):
    """One event as its readers see it: one object, shared by all of them, not to be changed.

    `revision` is the session's last durable revision as of this event: the event's own, if it is
    durable. `session`, `incarnation`, `epoch` and `position` are its identity: no other event has
    them, and it has no others. Read from the journal, a durable event has epoch and position 0,
    and its revision instead. `healed` marks one that was read back from there after a gap. `at_ms`
    is UTC milliseconds.
    """

    event: Event
    at_ms: int
    revision: int
    epoch: int
    position: int
    session: SessionId
    incarnation: str
    healed: bool = False

    @property
    def place(self) -> Cursor:
        """The place after this event."""
        return Cursor(self.session, self.incarnation, self.epoch, self.revision, self.position)

    @property
    def cursor(self) -> str:
        """Where to go on after this event."""
        return str(self.place)

    @property
    def turn(self) -> int | None:
        """The turn that the event belongs to, if to any."""
        return turn_of(self.event)

    @property
    def durable(self) -> bool:
        """Whether the event is in the journal."""
        return type(self.event) in DURABLE


def stored(
    body: bytes, revision: int, session: SessionId, incarnation: str, *, healed: bool
) -> Published:
    """An event as it was read from the journal: its place in the live log is not known."""
    entry = decode_entry(body)
    return Published(
        event=entry.event,
        at_ms=entry.at_ms,
        revision=revision,
        epoch=0,
        position=0,
        session=session,
        incarnation=incarnation,
        healed=healed,
    )


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag="gap"):
    """Events between two cursors are no longer to be had one by one.

    `requested` is where the reader stood, `latest` where live reading goes on; the state of then
    has revision `latest_revision`. With `healed`, every durable event between the two follows,
    marked so, and what is missing is ephemeral. Without, the oldest are no longer retained: take
    `session.snapshot`, and read on from its cursor.

    `trimmed`: they were here, and made room for newer ones. `unavailable`: what was published
    after `requested` cannot be told, as the session has been activated anew since, or is another
    one: then what follows has another `incarnation`, from its beginning.
    """

    session: SessionId
    reason: Lost
    requested: str
    latest: str
    latest_revision: int
    healed: bool

    @property
    def cursor(self) -> str:
        """Where to go on after this gap: where the reader stood, until more has been read."""
        return self.requested


Item: TypeAlias = Published | Gap
"""What a reader gets."""
