"""The part of the SQLite journal that keeps it from growing for ever."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from sqlite3 import Connection
from typing import Any, TypeVar

from ...actors.errors import JournalError, SessionDamaged
from ...actors.kernel.reply import Reply
from ...actors.ports import IndexRow, SessionId, Stale, Trimmable
from ..system import now_ms
from .bounds import MAX_STATE_BYTES, check_step
from .sqlite_jobs import Job
from .sqlite_retention_jobs import Drop, Erase, Forget, Hide, Note, Trim
from .sqlite_retention_queries import due_sessions, size_of, stale_sessions, trimmable_sessions

T = TypeVar("T")


class SqliteRetention:
    """Implements what `Journal` is asked by retention: steps of which none stalls other commits."""

    def _write(self, job: Job, limit: int = 0) -> Reply[Any]:
        raise NotImplementedError

    async def _read(self, query: Callable[[Connection], T]) -> T:
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
        return await self._read(
            partial(stale_sessions, before_ms=before_ms, limit=limit, ended=ended, keep=keep)
        )

    async def hide(self, stale: Sequence[Stale]) -> list[SessionId]:
        found = tuple((each.id, each.head) for each in stale)
        hidden: list[SessionId] = await self._write(Hide("", 0, Reply(), found, now_ms()))
        return hidden

    async def erase(self, before_ms: int, *, limit: int) -> int:
        """As `Journal` says; what is erased is overwritten with zeros, not only freed.

        Until its write-ahead log begins anew it may be in there still. Events that a base stands
        for, and that `trim` was kept from dropping by a crash, are dropped as well, and counted.
        """
        check_step(before_ms, limit)
        erased: int = await self._write(Erase("", 0, Reply(), before_ms, limit))
        return erased

    async def forget(self, before_ms: int, *, limit: int) -> int:
        check_step(before_ms, limit)
        gone: int = await self._write(Forget("", 0, Reply(), before_ms, limit))
        return gone

    async def trimmable(self, *, least: int, after: SessionId = "", limit: int) -> list[Trimmable]:
        check_step(least, limit, "least")
        return await self._read(partial(trimmable_sessions, least=least, after=after, limit=limit))

    async def trim(self, session: SessionId, base: bytes, *, revision: int) -> None:
        """As `Journal` says; durable with the first transaction, the events go in those after it.

        If these fail, or whoever waits is cancelled, a later `trim` or `erase` drops the rest.
        """
        changed = await self._write(
            Trim(session, len(base), Reply(), base, revision), MAX_STATE_BYTES
        )
        with suppress(JournalError, SessionDamaged):
            while changed and await self._write(Drop("", 0, Reply())):
                pass

    async def due(self, *, limit: int) -> list[IndexRow]:
        check_step(0, limit)
        return await self._read(partial(due_sessions, limit=limit))

    async def size(self) -> int:
        return await self._read(size_of)

    async def note(self, name: str, value: str) -> None:
        await self._write(Note("", 0, Reply(), name, value))
