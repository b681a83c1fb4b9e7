"""The live log: what a session has published lately, for readers at their own pace."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from ..ports import End, SessionId, UserId
from .cursor import Cursor
from .events import DURABLE, Event

MAX_EVENTS: Final = 2048
MAX_AGE_S: Final = 120.0


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """One event as its readers see it, shared by all of them.

    `revision` is the session's last durable revision as of this event: the event's own, if it is
    durable. `cursor` names the place after it. `healed` marks an event that was read back from
    the journal after a gap. `at_ms` is UTC milliseconds.
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
    def cursor(self) -> str:
        """Where to go on after this event."""
        return str(Cursor(self.session, self.incarnation, self.epoch, self.revision, self.position))

    @property
    def durable(self) -> bool:
        """Whether the event is in the journal."""
        return type(self.event) in DURABLE


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag="gap"):
    """Events between two cursors are no longer to be had one by one.

    `requested` is where the reader stood, `latest` where live reading goes on. With `healed`,
    every durable event between the two follows, marked so; what is missing is ephemeral.
    `trimmed`: they were here, and made room for newer ones. `unavailable`: whether they were
    cannot be told, as the session has been activated anew since.
    """

    reason: Literal["trimmed", "unavailable"]
    requested: str
    latest: str
    healed: bool

    @property
    def cursor(self) -> str:
        """Where to go on after this gap: where the reader stood, until more has been read."""
        return self.requested


Item: TypeAlias = Published | Gap
"""What a reader gets."""


class Reader(Protocol):
    """A subscriber, as its live log sees it."""

    user: UserId

    def wake(self) -> None:
        """There is something to read, or nothing will be any more."""
        ...

    def expel(self) -> None:
        """The user is no longer a participant: read nothing that comes after this."""
        ...

    def close(self, error: Exception | None = None) -> None:
        """Stop reading."""
        ...


class LiveLog:
    """One bounded ring of published events, which all subscribers of a session read.

    Events are numbered twice: by `position`, contiguous from 1 in each epoch, which cursors name;
    and by an index that counts on for as long as this object lives, which readers hold. A log
    outlives an activation while it has readers, so that passivating a session is no gap to them.

    A publication costs one append and wakes the readers that had caught up; one that is behind,
    or has stalled, costs nothing.
    """

    __slots__ = (
        "_asleep",
        "_ring",
        "_spans",
        "finished",
        "incarnation",
        "max_age_s",
        "max_events",
        "next_index",
        "readers",
        "revision",
        "session",
    )

    def __init__(
        self, session: SessionId, *, max_events: int = MAX_EVENTS, max_age_s: float = MAX_AGE_S
    ) -> None:
        self.session = session
        self.incarnation = ""
        self.max_events, self.max_age_s = max_events, max_age_s
        self.revision = 0
        self.next_index = 0
        self.finished = False
        self.readers: list[Reader] = []
        self._asleep: list[Reader] = []
        self._ring: deque[tuple[float, Published]] | None = None
        # (epoch, the index at which it began), oldest first.
        self._spans: list[tuple[int, int]] = []

    def open(self, *, incarnation: str, epoch: int, revision: int, end: End | None) -> None:
        """Begin an epoch. `revision` is the journal's head, `end` the last clean leave, if any.

        If the journal holds events that were never published here, an unknown outcome has turned
        out well: every reader is sent past them, and so finds a gap and heals.
        """
        missed = revision != self.revision
        if missed or not self.readers:
            self._ring = None
            self._spans.clear()
            self.next_index += missed and bool(self.readers)
        if len(self._spans) > 1 and self._spans[-1][1] == self.next_index:
            del self._spans[-1]  # nothing was published in it, so no cursor names it
        # A cursor at the very end of an epoch can be read from for as long as what follows is here.
        while len(self._spans) > 1 and self._spans[1][1] < self.first_index:
            del self._spans[0]
        if end is not None and not self._spans:
            self._spans.append((end.epoch, self.next_index - end.position))
        if revision == 0 and not self._spans:
            self._spans.append((0, self.next_index))
        self._spans.append((epoch, self.next_index))
        self.incarnation, self.revision = incarnation, revision
        self._wake_all()

    @property
    def first_index(self) -> int:
        """The index of the oldest event that is still here."""
        return self.next_index - len(self._ring or ())

    @property
    def end(self) -> End:
        """The last thing published: what a clean leave records."""
        epoch, base = self._spans[-1]
        position = self.next_index - base
        if position == 0 and len(self._spans) > 1:
            epoch, base = self._spans[-2]
            position = self.next_index - base
        return End(epoch, position)

    def publish(self, event: Event, *, at_ms: int, revision: int, now: float) -> None:
        """Append one event and wake those who wait for it. `now` is monotonic seconds."""
        epoch, base = self._spans[-1]
        ring = self._ring
        if ring is None:
            ring = self._ring = deque()
        self.next_index += 1
        self.revision = revision
        published = Published(
            event=event,
            at_ms=at_ms,
            revision=revision,
            epoch=epoch,
            position=self.next_index - base,
            session=self.session,
            incarnation=self.incarnation,
        )
        ring.append((now, published))
        if len(ring) > self.max_events or now - ring[0][0] > self.max_age_s:
            self._trim(now)
        if self._asleep:
            self._wake_all()

    def read(self, index: int, limit: int) -> list[Published] | None:
        """Up to `limit` events from `index` on; None if the event at `index` has been trimmed."""
        first = self.first_index
        if index < first:
            return None
        ring = self._ring
        if ring is None:
            return []
        stop = min(index + limit, self.next_index)
        return [ring[i][1] for i in range(index - first, stop - first)]

    def locate(self, cursor: Cursor) -> int | Literal["trimmed", "unavailable"]:
        """The index to read from after `cursor`, or why it cannot be read from here."""
        if cursor.incarnation not in ("", self.incarnation) or cursor.revision > self.revision:
            return "unavailable"
        for epoch, base in reversed(self._spans):
            if epoch == cursor.epoch and (epoch or not cursor.revision):
                return self._locate_in(epoch, base + cursor.position)
        return "unavailable"

    def cursor_at(self, index: int) -> Cursor:
        """The cursor after which the event at `index` is the next; `index` must be here."""
        ring = self._ring
        first = self.first_index
        if ring and index < self.next_index:
            following = ring[index - first][1]
            revision = following.revision - following.durable
        else:
            revision = self.revision
        epoch, base = next(
            ((epoch, base) for epoch, base in reversed(self._spans) if base < index),
            self._spans[0],
        )
        return Cursor(self.session, self.incarnation, epoch, revision, index - base)

    def sleep(self, reader: Reader) -> None:
        """Wake `reader` with the next publication: it has read everything."""
        self._asleep.append(reader)

    def remove(self, reader: Reader) -> None:
        """Forget a reader that has left."""
        if reader in self.readers:
            self.readers.remove(reader)
        if reader in self._asleep:
            self._asleep.remove(reader)

    def expel(self, user: UserId) -> None:
        """End every subscription of `user` with what has been published up to now."""
        for reader in [reader for reader in self.readers if reader.user == user]:
            reader.expel()

    def finish(self) -> None:
        """Nothing will be published any more: the session has ended."""
        self.finished = True
        self._wake_all()

    def close(self, error: Exception) -> None:
        """End every subscription with `error`."""
        for reader in list(self.readers):
            reader.close(error)

    def _locate_in(self, epoch: int, index: int) -> int | Literal["trimmed", "unavailable"]:
        if index > self._ends_at(epoch):
            return "unavailable"
        return "trimmed" if index < self.first_index else index

    def _ends_at(self, epoch: int) -> int:
        """The index after the last event of `epoch`."""
        later = [base for span, base in self._spans if span > epoch]
        return later[0] if later else self.next_index

    def _trim(self, now: float) -> None:
        ring = self._ring
        while ring and (len(ring) > self.max_events or now - ring[0][0] > self.max_age_s):
            ring.popleft()

    def _wake_all(self) -> None:
        woken, self._asleep = self._asleep, []
        for reader in woken:
            reader.wake()
