"""A journal in dicts: for tests, and for sessions that may be forgotten with the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
    Totals,
    UserId,
)
from ..system import now_ms
from .bounds import MAX_BYTES, MAX_STATE_BYTES, check_page, check_query, check_row
from .memory_record import Record, recency
from .memory_retention import MemoryRetention
from .written import Written


class MemoryJournal(MemoryRetention):
    """Implements `Journal` without a disk: every write is done when the call returns.

    Nothing survives the process. Closed and opened again, the same object has everything still.
    """

    def __init__(self) -> None:
        super().__init__()
        self._open = False
        self._joins = 0
        self._made = 0

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
            return self._create(session, create)
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
            base=record.base if record.snapshot is None else None,
        )

    def append(
        self, session: SessionId, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        try:
            self._check_writable()
            size = sum(map(len, events))
            if size > MAX_BYTES:
                raise Rejected(session, size=size, limit=MAX_BYTES)
            check_row(row)
            record = self._owned(session, epoch)
            if record.head != after:
                raise Conflict(session, after=after)
        except GreenroomError as error:
            return _failed(error)
        record.extend(events)
        record.row, record.end = row, None
        if row.members is not None:
            record.row = _listed(row)
            self._note_members(record, row.members)
        return Written(after + len(events))

    def snapshot(self, session: SessionId, state: bytes, *, epoch: int, revision: int) -> Commit:
        def write() -> int:
            _check_size(session, len(state), MAX_STATE_BYTES)
            record = self._owned(session, epoch)
            if revision > record.head:
                raise Conflict(session, after=revision)
            newest = record.dropped - 1 if record.snapshot is None else record.snapshot[0]
            if revision > newest:
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
            (number, record)
            for record in self._records.values()
            for member, number in record.joined
            if member == user and not record.deleted
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
            users=len({user for record in records for user, _ in record.joined}),
            interactions=sum(record.row.interactions for record in records),
            feedback=sum(record.row.feedback for record in records),
        )

    async def list(self, query: SessionQuery) -> SessionPage:
        check_query(query)
        self._check_readable()
        by_id = query.order == "id"
        found = sorted(self._matching(query), key=_id if by_id else recency, reverse=not by_id)
        rows = [record.row for record in found[: query.limit]]
        return SessionPage(rows=rows, more=len(found) > query.limit)

    def _note_members(self, record: Record, members: tuple[UserId, ...] | None) -> None:
        """Remember who takes part, and in which order they joined, over all sessions."""
        if members is None:
            return
        known = dict(record.joined)
        for user in members:
            if user not in known:
                self._joins += 1
                known[user] = self._joins
        record.joined = tuple((user, known[user]) for user in members)

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
        record.hide(now_ms())

    def _create(self, session: SessionId, new: NewSession) -> Claim:
        _check_size(session, len(new.genesis), MAX_BYTES)
        check_row(new.row)
        if session in self._records:
            raise SessionExists(session)
        self._made += 1
        record = Record(
            key=self._made, genesis=new.genesis, row=_listed(new.row), epoch=self._used + 1
        )
        self._records[session] = record
        self._note_members(record, new.row.members)
        return Claim(
            epoch=record.epoch,
            revision=0,
            genesis=new.genesis,
            snapshot=None,
            events=[],
            end=End(0, 0),
        )

    def _write(self, write: Callable[[], int]) -> Commit:
        try:
            self._check_writable()
            return Written(write())
        except GreenroomError as error:
            return _failed(error)

    def _find(self, session: SessionId) -> Record:
        record = self._records.get(session)
        if record is None or record.deleted:
            raise SessionNotFound(session)
        return record

    def _owned(self, session: SessionId, epoch: int) -> Record:
        record = self._records.get(session)
        if record is None or record.epoch != epoch:
            raise Fenced(session, epoch=epoch)
        return record

    def _matching(self, query: SessionQuery) -> Iterator[Record]:
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

    def _before(self, query: SessionQuery) -> Callable[[Record], bool]:
        """Whether a session comes on a later page."""
        if (after := query.after) is None:
            return lambda _: True
        if query.order == "id":
            return lambda record: record.row.id > after.id
        bound = (after.updated_ms, self._key(after.id))
        return lambda record: recency(record) < bound

    def _key(self, session: SessionId) -> int:
        record = self._records.get(session)
        return 0 if record is None else record.key

    def _check_writable(self) -> None:
        if not self._open:
            raise NotWritten("the journal is closed")

    def _check_readable(self) -> None:
        if not self._open:
            raise JournalUnavailable("memory:", why="the journal is closed")


def _failed(error: GreenroomError) -> Commit:
    commit: Commit = Reply()
    commit.set_error(error)
    return commit


def _listed(row: IndexRow) -> IndexRow:
    """`row` as listings show it."""
    return row if row.members is None else msgspec.structs.replace(row, members=None)


def _id(record: Record) -> SessionId:
    return record.row.id


def _check_size(session: SessionId, size: int, limit: int) -> None:
    if size > limit:
        raise Rejected(session, size=size, limit=limit)
