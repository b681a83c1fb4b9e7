"""A journal in front of another one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...actors.ports import (
    Beginning,
    Claim,
    Commit,
    End,
    IndexRow,
    Journal,
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


class WrappedJournal:
    """Implements `Journal` by asking `journal`; made to be overridden here and there."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def open(self) -> None:
        await self.journal.open()

    async def close(self) -> None:
        await self.journal.close()

    async def claim(self, session: SessionId, *, create: NewSession | None = None) -> Claim:
        return await self.journal.claim(session, create=create)

    def append(
        self, session: SessionId, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        return self.journal.append(session, events, epoch=epoch, after=after, row=row)

    def snapshot(self, session: SessionId, state: bytes, *, epoch: int, revision: int) -> Commit:
        return self.journal.snapshot(session, state, epoch=epoch, revision=revision)

    def release(self, session: SessionId, *, epoch: int, end: End | None) -> Commit:
        return self.journal.release(session, epoch=epoch, end=end)

    async def delete(self, session: SessionId, *, epoch: int) -> None:
        await self.journal.delete(session, epoch=epoch)

    async def read(self, session: SessionId, *, after: int, limit: int) -> Page:
        return await self.journal.read(session, after=after, limit=limit)

    async def beginning(self, session: SessionId) -> Beginning:
        return await self.journal.beginning(session)

    async def joined_by(self, user: UserId) -> list[IndexRow]:
        return await self.journal.joined_by(user)

    async def totals(self) -> Totals:
        return await self.journal.totals()

    async def stale(
        self, before_ms: int, *, limit: int, ended: bool, keep: Collection[SessionId] = ()
    ) -> list[Stale]:
        return await self.journal.stale(before_ms, limit=limit, ended=ended, keep=keep)

    async def hide(self, stale: Sequence[Stale]) -> list[SessionId]:
        return await self.journal.hide(stale)

    async def erase(self, before_ms: int, *, limit: int) -> int:
        return await self.journal.erase(before_ms, limit=limit)

    async def forget(self, before_ms: int, *, limit: int) -> int:
        return await self.journal.forget(before_ms, limit=limit)

    async def trimmable(self, *, least: int, after: SessionId = "", limit: int) -> list[Trimmable]:
        return await self.journal.trimmable(least=least, after=after, limit=limit)

    async def trim(self, session: SessionId, base: bytes, *, revision: int) -> None:
        await self.journal.trim(session, base, revision=revision)

    async def due(self, *, limit: int) -> list[IndexRow]:
        return await self.journal.due(limit=limit)

    async def size(self) -> int:
        return await self.journal.size()

    async def note(self, name: str, value: str) -> None:
        await self.journal.note(name, value)

    async def list(self, query: SessionQuery) -> SessionPage:
        return await self.journal.list(query)

    async def find(self, session: SessionId) -> IndexRow | None:
        return await self.journal.find(session)
