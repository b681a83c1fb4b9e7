"""The live log: what a session has published lately, for readers at their own pace."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from ..ports import End, SessionId, UserId
from .about import DIRECTED
from .cursor import Cursor
from .empty import NO_ITEMS, own_list
from .events import Event
from .items import Lost, Published

_NEW: Final = ((0, 0), (1, 0))  # the epochs of a session that never left: 168 B, held once

MAX_EVENTS: Final = 2048
MAX_AGE_S: Final = 120.0


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


class Keeper(Protocol):
    """Whoever keeps a live log, as the log sees it."""

    def filled(self, live: LiveLog) -> None:
        """The log holds an event, and held none before."""
        ...

    def deserted(self, live: LiveLog) -> None:
        """Its last reader has left."""
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
        "_keeper",
        "_ring",
        "_spans",
        "directed_until",
        "finished",
        "incarnation",
        "max_age_s",
        "max_events",
        "next_index",
        "readers",
        "recorded",
        "revision",
        "session",
    )

    def __init__(
        self,
        session: SessionId,
        *,
        max_events: int = MAX_EVENTS,
        max_age_s: float = MAX_AGE_S,
        keeper: Keeper | None = None,
    ) -> None:
        self.session = session
        self.incarnation = ""
        self.max_events, self.max_age_s = max_events, max_age_s
        self.revision = 0
        self.next_index = 0
        self.directed_until = 0  # before this index there may be events for one reader only
        self.finished = False
        self.recorded = True  # whether what is no longer here may be read from the journal
        self.readers: list[Reader] = NO_ITEMS  # read from outside, changed by `add`
        self._asleep: list[Reader] = NO_ITEMS
        self._keeper = keeper
        self._ring: deque[tuple[float, Published]] | None = None
        # (epoch, the index at which it began), oldest first.
        self._spans: tuple[tuple[int, int], ...] = ()

    def open(self, *, incarnation: str, epoch: int, revision: int, end: End | None) -> None:
        """Begin an epoch. `revision` is the journal's head, `end` the last clean leave, if any.

        If the journal holds events that were never published here, an unknown outcome has turned
        out well: every reader is sent past them, and so finds a gap and heals. So it is if another
        owner has had the session meanwhile, who may have published what nobody journals. A new
        session has left at position 0 of epoch 0: nothing was ever published, not even that.
        """
        missed = revision != self.revision or self.incarnation not in ("", incarnation)
        missed = missed or self._was_elsewhere(epoch, end)
        spans = self._spans
        if missed or not self.readers:
            self._ring, spans = None, ()
            self.next_index += missed and bool(self.readers)
        if len(spans) > 1 and spans[-1][1] == self.next_index:
            spans = spans[:-1]  # nothing was published in it, so no cursor names it
        # A cursor at the very end of an epoch can be read from for as long as what follows is here.
        while len(spans) > 1 and spans[1][1] < self.first_index:
            spans = spans[1:]
        if end is not None and not spans:
            spans = ((end.epoch, self.next_index - end.position),)
        spans = (*spans, (epoch, self.next_index))
        self._spans = _NEW if spans == _NEW else spans
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

    @property
    def newest_s(self) -> float:
        """When the newest event that is still here was published, in monotonic seconds."""
        return self._ring[-1][0] if self._ring else float("-inf")

    def publish(self, event: Event, *, at_ms: int, revision: int, now: float) -> Published:
        """Append one event and wake those who wait for it. `now` is monotonic seconds."""
        epoch, base = self._spans[-1]
        ring = self._ring
        is_first = ring is None
        if ring is None:
            ring = self._ring = deque()
        self.next_index += 1
        self.revision = revision
        if type(event) in DIRECTED:
            self.directed_until = self.next_index
        # By position: by name it takes 0.15 us more.
        position = self.next_index - base
        published = Published(
            event, at_ms, revision, epoch, position, self.session, self.incarnation
        )
        ring.append((now, published))
        if len(ring) > self.max_events:
            ring.popleft()
        if now - ring[0][0] > self.max_age_s:
            self._trim(now)
        if is_first and self._keeper is not None:
            self._keeper.filled(self)
        if self._asleep:
            self._wake_all()
        return published

    def clear(self) -> None:
        """Let go of every event: readers that have not had them find a gap."""
        self._ring = None

    def read(self, index: int, limit: int) -> list[Published] | None:
        """Up to `limit` events from `index` on; None if the event at `index` has been trimmed."""
        ring = self._ring
        if ring and limit > 0 and index == self.next_index - 1:  # one event is new: 0.2 us, not 0.9
            return [ring[-1][1]]
        first = self.first_index
        if index < first:
            return None
        if ring is None:
            return []
        stop = min(index + limit, self.next_index)
        return [ring[i][1] for i in range(index - first, stop - first)]

    def knows(self, cursor: Cursor) -> bool:
        """Whether `cursor` was issued by this very session, and not by its future."""
        if cursor == Cursor(self.session, "", 0, 0, 0):
            return True
        return cursor.incarnation == self.incarnation and cursor.revision <= self.revision

    def locate(self, cursor: Cursor) -> int | Lost:
        """The index to read from after `cursor`, or why it cannot be read from here."""
        if not self.knows(cursor):
            return "unavailable"
        if cursor.epoch == 0 and cursor.revision:  # of an event read from the journal
            return self._index_after(cursor.revision) or "unavailable"
        for epoch, base in reversed(self._spans):
            if epoch == cursor.epoch:
                return self._locate_in(epoch, base + cursor.position, cursor.revision)
        return "unavailable"

    def first_after(self, revision: int) -> int:
        """The oldest index from which nothing up to `revision` is read once more."""
        first = self.first_index
        return first if self._revision_at(first) >= revision else self._index_after(revision)

    def cursor_at(self, index: int) -> Cursor:
        """The cursor after which the event at `index` is the next; `index` must be here."""
        epoch, base = next(
            ((epoch, base) for epoch, base in reversed(self._spans) if base < index),
            self._spans[0],
        )
        revision = self._revision_at(index)
        return Cursor(self.session, self.incarnation, epoch, revision, index - base)

    def add(self, reader: Reader) -> None:
        """Have one more reader."""
        self.readers = own_list(self.readers)
        self.readers.append(reader)

    def sleep(self, reader: Reader) -> None:
        """Wake `reader` with the next publication: it has read everything."""
        if self._asleep is NO_ITEMS:
            self._asleep = []
        self._asleep.append(reader)

    def remove(self, reader: Reader) -> None:
        """Forget a reader that has left."""
        if reader in self.readers:
            self.readers.remove(reader)
        if reader in self._asleep:
            self._asleep.remove(reader)
        if not self.readers and self._keeper is not None:
            self._keeper.deserted(self)

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

    def _was_elsewhere(self, epoch: int, end: End | None) -> bool:
        """Whether something may have been published since the last epoch here, before `epoch`."""
        if not self._spans:
            return False
        last = self._spans[-1][0]
        return epoch > last + 1 if end is None else end.epoch > last

    def _locate_in(self, epoch: int, index: int, revision: int) -> int | Lost:
        if index > self._ends_at(epoch):
            return "unavailable"
        if index < self.first_index:
            return "trimmed"
        # The evidence: a place is only gone on from if the session stood there as the cursor says.
        return index if self._revision_at(index) == revision else "unavailable"

    def _trim(self, now: float) -> None:
        ring = self._ring
        while ring and now - ring[0][0] > self.max_age_s:
            ring.popleft()

    def _revision_at(self, index: int) -> int:
        """The session's last durable revision before the event at `index`, which must be here."""
        ring = self._ring
        if not ring or index >= self.next_index:
            return self.revision
        following = ring[index - self.first_index][1]
        return following.revision - following.durable

    def _index_after(self, revision: int) -> int:
        """The index after the durable event of `revision`; 0 if it is not here."""
        first = self.first_index
        return next(
            (
                index
                for index, (_, item) in enumerate(self._ring or (), first + 1)
                if item.revision == revision and item.durable
            ),
            0,
        )

    def _ends_at(self, epoch: int) -> int:
        """The index after the last event of `epoch`."""
        later = [base for span, base in self._spans if span > epoch]
        return later[0] if later else self.next_index

    def _wake_all(self) -> None:
        woken, self._asleep = self._asleep, NO_ITEMS
        for reader in woken:
            reader.wake()
