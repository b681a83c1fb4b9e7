"""A journal in dicts: for tests, and for sessions that may be forgotten with the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from ...actors.errors import (
    ConfigError,
    Conflict,
    Fenced,
    GreenroomError,
    JournalUnavailable,
    NotWritten,
    Rejected,
    SessionExists,
    SessionNotFound,
)
from ...actors.kernel.reply import Reply
from ...actors.ports import (
    Beginning,
    Claim,
    Commit,
    End,
    IndexRow,
    NewSession,
    Page,
    SessionId,
    SessionPage,
    SessionQuery,
    Stale,
    Totals,
    Trimmable,
    UserId,
)
from .bounds import MAX_BYTES, MAX_STATE_BYTES, check_page, check_query, check_row, check_step


@dataclass(slots=True, kw_only=True)
class _Record:
    """One session. `key` counts sessions in order of creation and breaks ties in a listing."""

    key: int
    genesis: bytes
    row: IndexRow
    epoch: int = 1
    hidden_ms: int | None = None
    erased: bool = False
    base: tuple[int, bytes] | None = None
    events: list[bytes] = field(default_factory=list)
    snapshot: tuple[int, bytes] | None = None
    end: End | None = None
    joined: dict[UserId, int] = field(default_factory=dict)

    @property
    def deleted(self) -> bool:
        return self.hidden_ms is not None

    @property
    def dropped(self) -> int:
        """The revision up to which events are no longer kept."""
        return 0 if self.base is None else self.base[0]

    @property
    def head(self) -> int:
        return self.dropped + len(self.events)

    @property
    def oldest(self) -> int:
        """Where the room history begins."""
        return self.head - self.row.events + 1

    def since(self, revision: int) -> list[bytes]:
        """The events after `revision`, or all that are kept."""
        return self.events[max(revision - self.dropped, 0) :]

    def hide(self, now_ms: int) -> None:
        """Leave a tombstone, which fences whoever owned it."""
        self.hidden_ms = now_ms
        self.epoch += 1

    def erase(self) -> int:
        """Keep no more than the tombstone; how many events that were, the genesis among them."""
        erased = len(self.events) + 1
        self.genesis, self.base, self.events, self.snapshot = b"", None, [], None
        self.erased = True
        return erased


class MemoryJournal:
    """Implements `Journal` without a disk: every write is done when the call returns.

    Nothing survives the process. Closed and opened again, the same object has everything still.
    """

    def __init__(self) -> None:
        self._records: dict[SessionId, _Record] = {}
        self._open = False
        self._joins = 0
        self._made = 0
        self.notes: dict[str, str] = {}

    @classmethod
    def from_url(cls, url: str) -> MemoryJournal:
        """The journal of `memory:`. Raises ConfigError for anything else."""
        if url not in ("memory:", "memory://"):
            raise ConfigError("url", url, "memory:")
        return cls()

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    async def claim(self, session: SessionId, *, create: NewSession | None = None) -> Claim:
        self._check_writable()
        if create is not None:
            self._create(session, create)
            return Claim(
                epoch=1, revision=0, genesis=create.genesis, snapshot=None, events=[], end=None
            )
        record = self._find(session)
        record.epoch += 1
        end, record.end = record.end, None
        return Claim(
            epoch=record.epoch,
            revision=record.head,
            genesis=record.genesis,
            snapshot=record.snapshot,
            events=record.since(record.snapshot[0] if record.snapshot else 0),
            end=end,
            base=record.base,
        )

    def append(
        self, session: SessionId, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        def write() -> int:
            _check_size(session, sum(map(len, events)), MAX_BYTES)
            check_row(row)
            record = self._owned(session, epoch)
            if record.head != after:
                raise Conflict(session, after=after)
            record.events.extend(events)
            record.row, record.end = _listed(row), None
            self._note_members(record, row.members)
            return record.head

        return self._write(write)

    def snapshot(self, session: SessionId, state: bytes, *, epoch: int, revision: int) -> Commit:
        def write() -> int:
            _check_size(session, len(state), MAX_STATE_BYTES)
            record = self._owned(session, epoch)
            if revision > record.head:
                raise Conflict(session, after=revision)
            if record.snapshot is None or revision > record.snapshot[0]:
                record.snapshot = (revision, state)
            return revision

        return self._write(write)

    def release(self, session: SessionId, *, epoch: int, end: End | None) -> Commit:
        def write() -> int:
            self._owned(session, epoch).end = end
            return epoch

        return self._write(write)

    async def read(self, session: SessionId, *, after: int, limit: int) -> Page:
        check_page(after, limit)
        self._check_readable()
        record = self._find(session)
        first = max(after, record.dropped) + 1
        return Page(first=first, events=record.since(after)[:limit], head=record.head)

    async def joined_by(self, user: UserId) -> list[IndexRow]:
        self._check_readable()
        joined = [
            (record.joined[user], record)
            for record in self._records.values()
            if user in record.joined and not record.deleted
        ]
        rows = [_listed(record.row) for _, record in sorted(joined, key=lambda pair: pair[0])]
        return [row for row in rows if row.state in ("active", "paused")]

    async def totals(self) -> Totals:
        self._check_readable()
        records = [record for record in self._records.values() if not record.deleted]
        return Totals(
            sessions=len(records),
            active=sum(record.row.state == "active" for record in records),
            events=sum(record.row.events for record in records),
            users=len({user for record in records for user in record.joined}),
            interactions=sum(record.row.interactions for record in records),
            feedback=sum(record.row.feedback for record in records),
        )

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
            for record in sorted(old, key=_recency)[:limit]
        ]

    async def hide(self, stale: Sequence[Stale]) -> list[SessionId]:
        self._check_writable()
        hidden: list[SessionId] = []
        for found in stale:
            record = self._records.get(found.id)
            if record is not None and not record.deleted and record.head == found.head:
                record.hide(_now_ms())
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
        gone = [record.row.id for record in self._hidden(before_ms) if record.erased][:limit]
        for session in gone:
            del self._records[session]
        return len(gone)

    async def trimmable(self, *, least: int, after: SessionId = "", limit: int) -> list[Trimmable]:
        check_step(least, limit)
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
        _check_size(session, len(base), MAX_STATE_BYTES)
        record = self._find(session)
        if revision > record.head:
            raise Conflict(session, after=revision)
        if revision > record.dropped:
            record.events = record.since(revision)
            record.base = (revision, base)
            if record.snapshot is not None and record.snapshot[0] < revision:
                record.snapshot = None

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

    async def list(self, query: SessionQuery) -> SessionPage:
        check_query(query)
        self._check_readable()
        by_id = query.order == "id"
        found = sorted(self._matching(query), key=_id if by_id else _recency, reverse=not by_id)
        rows = [record.row for record in found[: query.limit]]
        return SessionPage(rows=rows, more=len(found) > query.limit)

    def _note_members(self, record: _Record, members: tuple[UserId, ...] | None) -> None:
        """Remember who takes part, and in which order they joined, over all sessions."""
        if members is None:
            return
        for user in record.joined.keys() - set(members):
            del record.joined[user]
        for user in members:
            if user not in record.joined:
                self._joins += 1
                record.joined[user] = self._joins

    async def find(self, session: SessionId) -> IndexRow | None:
        self._check_readable()
        record = self._records.get(session)
        return None if record is None or record.deleted else record.row

    async def beginning(self, session: SessionId) -> Beginning:
        self._check_readable()
        record = self._find(session)
        return Beginning(genesis=record.genesis, base=record.base)

    async def delete(self, session: SessionId, *, epoch: int) -> None:
        self._check_writable()
        record = self._find(session)
        if record.epoch != epoch:
            raise Fenced(session, epoch=epoch)
        record.hide(_now_ms())

    def _create(self, session: SessionId, new: NewSession) -> None:
        _check_size(session, len(new.genesis), MAX_BYTES)
        check_row(new.row)
        if session in self._records:
            raise SessionExists(session)
        self._made += 1
        record = _Record(key=self._made, genesis=new.genesis, row=_listed(new.row))
        self._records[session] = record
        self._note_members(record, new.row.members)

    def _write(self, write: Callable[[], int]) -> Commit:
        commit: Commit = Reply()
        try:
            self._check_writable()
            commit.set(write())
        except GreenroomError as error:
            commit.set_error(error)
        return commit

    def _hidden(self, before_ms: int) -> Sequence[_Record]:
        return [
            record
            for record in self._records.values()
            if record.hidden_ms is not None and record.hidden_ms < before_ms
        ]

    def _find(self, session: SessionId) -> _Record:
        record = self._records.get(session)
        if record is None or record.deleted:
            raise SessionNotFound(session)
        return record

    def _owned(self, session: SessionId, epoch: int) -> _Record:
        record = self._records.get(session)
        if record is None or record.epoch != epoch:
            raise Fenced(session, epoch=epoch)
        return record

    def _matching(self, query: SessionQuery) -> Iterator[_Record]:
        before = self._before(query)
        for record in self._records.values():
            if (
                not record.deleted
                and query.owner in (None, record.row.owner)
                and query.state in (None, record.row.state)
                and (query.since_ms is None or record.row.updated_ms >= query.since_ms)
                and before(record)
            ):
                yield record

    def _before(self, query: SessionQuery) -> Callable[[_Record], bool]:
        """Whether a session comes on a later page."""
        if (after := query.after) is None:
            return lambda _: True
        if query.order == "id":
            return lambda record: record.row.id > after.id
        bound = (after.updated_ms, self._key(after.id))
        return lambda record: _recency(record) < bound

    def _key(self, session: SessionId) -> int:
        record = self._records.get(session)
        return 0 if record is None else record.key

    def _check_writable(self) -> None:
        if not self._open:
            raise NotWritten("the journal is closed")

    def _check_readable(self) -> None:
        if not self._open:
            raise JournalUnavailable("memory:", why="the journal is closed")


def _listed(row: IndexRow) -> IndexRow:
    """`row` as listings show it."""
    return row if row.members is None else msgspec.structs.replace(row, members=None)


def _id(record: _Record) -> SessionId:
    return record.row.id


def _recency(record: _Record) -> tuple[int, int]:
    return (record.row.updated_ms, record.key)


def _check_size(session: SessionId, size: int, limit: int) -> None:
    if size > limit:
        raise Rejected(session, size=size, limit=limit)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
