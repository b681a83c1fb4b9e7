"""What a journal in dicts keeps of one session."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...actors.ports import End, IndexRow, UserId
from ...actors.session.empty import NO_ITEMS, own_list


class Record(msgspec.Struct, kw_only=True, gc=False, eq=False):
    """One session. `key` counts sessions in order of creation and breaks ties in a listing.

    `joined` are those who take part, each with a number in the order of joining, over all sessions.
    """

    key: int
    genesis: bytes
    row: IndexRow
    epoch: int = 1
    hidden_ms: int | None = None
    erased: bool = False
    base: tuple[int, bytes] | None = None
    events: list[bytes] = NO_ITEMS
    snapshot: tuple[int, bytes] | None = None
    end: End | None = None
    joined: tuple[tuple[UserId, int], ...] = ()

    @property
    def deleted(self) -> bool:
        return self.hidden_ms is not None

    @property
    def dropped(self) -> int:
        """The revision up to which events are no longer kept."""
        return 0 if self.base is None else self.base[0]

    @property
    def head(self) -> int:
        base = self.base
        return len(self.events) if base is None else base[0] + len(self.events)

    @property
    def oldest(self) -> int:
        """Where the room history begins."""
        return self.head - self.row.events + 1

    def extend(self, events: Sequence[bytes]) -> None:
        """Keep further events."""
        kept = self.events = own_list(self.events)
        kept.extend(events)

    def since(self, revision: int) -> list[bytes]:
        """The events after `revision`, or all that are kept."""
        return self.events[max(revision - self.dropped, 0) :]

    def trim(self, base: bytes, revision: int) -> None:
        """Have `base` in the place of the events up to `revision`. Lists given out stay whole."""
        self.events = self.since(revision)
        self.base = (revision, base)
        if self.snapshot is not None and self.snapshot[0] < revision:
            self.snapshot = None

    def hide(self, now_ms: int) -> None:
        """Leave a tombstone, which fences whoever owned it."""
        self.hidden_ms = now_ms
        self.epoch += 1

    def erase(self) -> int:
        """Keep no more than the tombstone; how many events that were, the genesis among them."""
        erased = len(self.events) + 1
        self.genesis, self.base, self.events, self.snapshot = b"", None, [], None
        self.row = IndexRow(
            id=self.row.id, owner="", name="", state="", created_ms=0, updated_ms=0, language=""
        )
        self.joined, self.end, self.erased = (), None, True
        return erased


def recency(record: Record) -> tuple[int, int]:
    """Where a session stands in a listing."""
    return (record.row.updated_ms, record.key)
