"""The part of the memory journal that keeps it from growing for ever."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ...actors.errors import Conflict, Rejected
from ...actors.ports import IndexRow, SessionId, SessionQuery, Stale, Trimmable
from ..system import now_ms
from .bounds import MAX_STATE_BYTES, check_step
from .memory_record import Record, recency


class MemoryRetention:
    """Implements what `Journal` is asked by retention.

    `_used` is the highest epoch of the sessions that are forgotten: new ones begin beyond it, so
    that whoever has owned another session of the same id stays fenced.
    """

    def __init__(self) -> None:
        self._records: dict[SessionId, Record] = {}
        self._used = 0
        self.notes: dict[str, str] = {}

    def _find(self, session: SessionId) -> Record:
        raise NotImplementedError

    def _matching(self, query: SessionQuery) -> Iterator[Record]:
        raise NotImplementedError

    def _check_writable(self) -> None:
        raise NotImplementedError

    def _check_readable(self) -> None:
        raise NotImplementedError

    async def stale(
        self,
        before_ms: int,
        *,
        limit: int,
        ended: bool,
        keep: Collection[SessionId] = (),
    ) -> list[Stale]:
        check_step(before_ms, limit)
        self._check_readable()
        kept = frozenset(keep)
        old = [
            record
            for record in self._matching(SessionQuery(state="ended" if ended else None))
            if record.row.updated_ms < before_ms and record.row.id not in kept
        ]
        return [
            Stale(id=record.row.id, head=record.head, updated_ms=record.row.updated_ms)
            for record in sorted(old, key=recency)[:limit]
        ]

    async def hide(self, stale: Sequence[Stale]) -> list[SessionId]:
        self._check_writable()
        hidden: list[SessionId] = []
        for found in stale:
            record = self._records.get(found.id)
            if record is not None and not record.deleted and record.head == found.head:
                record.hide(now_ms())
                hidden.append(found.id)
        return hidden

    async def erase(self, before_ms: int, *, limit: int) -> int:
        check_step(before_ms, limit)
        self._check_writable()
        erased = 0
        for record in self._hidden(before_ms):
            if erased >= limit:
                break
            if not record.erased:
                erased += record.erase()
        return erased

    async def forget(self, before_ms: int, *, limit: int) -> int:
        check_step(before_ms, limit)
        self._check_writable()
        gone = [record for record in self._hidden(before_ms) if record.erased][:limit]
        for record in gone:
            del self._records[record.row.id]
            self._used = max(self._used, record.epoch)
        return len(gone)

    async def trimmable(self, *, least: int, after: SessionId = "", limit: int) -> list[Trimmable]:
        check_step(least, limit, "least")
        self._check_readable()
        found = sorted(
            (session, record)
            for session, record in self._records.items()
            if session > after
            and not record.deleted
            and record.oldest - 1 - record.dropped >= least
        )
        return [
            Trimmable(id=session, base=record.dropped, oldest=record.oldest, head=record.head)
            for session, record in found[:limit]
        ]

    async def trim(self, session: SessionId, base: bytes, *, revision: int) -> None:
        self._check_writable()
        if len(base) > MAX_STATE_BYTES:
            raise Rejected(session, size=len(base), limit=MAX_STATE_BYTES)
        record = self._find(session)
        if revision > record.head:
            raise Conflict(session, after=revision)
        if revision > record.dropped:
            record.trim(base, revision)

    async def due(self, *, limit: int) -> list[IndexRow]:
        check_step(0, limit)
        self._check_readable()
        waiting = (record for record in self._records.values() if not record.deleted)
        rows = [record.row for record in waiting if record.row.wake_ms]
        return sorted(rows, key=lambda row: row.wake_ms)[:limit]

    async def size(self) -> int:
        self._check_readable()
        return sum(
            len(record.genesis)
            + sum(map(len, record.events))
            + sum(len(kept[1]) for kept in (record.base, record.snapshot) if kept is not None)
            for record in self._records.values()
        )

    async def note(self, name: str, value: str) -> None:
        self._check_writable()
        self.notes[name] = value

    def _hidden(self, before_ms: int) -> Sequence[Record]:
        """The longest hidden first."""
        hidden = [
            (record.hidden_ms, record.key, record)
            for record in self._records.values()
            if record.hidden_ms is not None and record.hidden_ms < before_ms
        ]
        return [record for *_, record in sorted(hidden, key=lambda found: found[:2])]
