"""A journal in one SQLite file: for one process on one machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar, cast, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec.structs import replace

from ...actors.errors import (
    ConfigError,
    GreenroomError,
    JournalError,
    JournalUnavailable,
    NotWritten,
    Rejected,
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
from .beside import beside
from .bounds import MAX_BYTES, MAX_STATE_BYTES, check_page, check_query
from .damage import Checked, Damage
from .sqlite_backup import back_up
from .sqlite_check import check_file
from .sqlite_jobs import Append, Create, Delete, Job, Release, Snapshot, Take, Taken
from .sqlite_queries import (
    count_all,
    find_session,
    list_sessions,
    read_ahead,
    read_beginning,
    read_claim,
    read_page,
    sessions_joined_by,
)
from .sqlite_retention import SqliteRetention
from .sqlite_schema import Durability
from .sqlite_stats import JournalStats, stats_of
from .sqlite_store import Store, open_store, open_store_to_read

T = TypeVar("T")

_URLS = "sqlite:///relative.db or sqlite:////absolute.db, with ?durability= or ?mode=ro"


class SqliteJournal(SqliteRetention):
    """Implements `Journal` on one file, owned by one process at a time.

    durability: `"full"` commits survive a loss of power (WAL, synchronous=FULL: one fsync a
        group); `"process"` ones survive the death of the process, and after a loss of power the
        last ones may be missing, though never a part of one (synchronous=NORMAL: no fsync).
    read_only: look at a journal whoever owns it, taking no lock. Every write is NotWritten.
    busy_s: how long a write waits for a foreign connection that writes to the same file.

    Beside `path` there are `path-wal` and `path-shm` while it is open, and `path.lock` for ever.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        durability: Durability = "full",
        read_only: bool = False,
        busy_s: float = 5.0,
    ) -> None:
        if durability not in get_args(Durability):
            raise ConfigError("durability", durability, "full or process")
        self.path = Path(path)
        self._durability: Durability = durability
        self._read_only, self._busy_s = read_only, busy_s
        self._store: Store | None = None
        self._put: Callable[[Job], None] | None = None
        self._turn = asyncio.Lock()

    @classmethod
    def from_url(cls, url: str) -> SqliteJournal:
        """The journal of `sqlite:///relative.db` or `sqlite:////absolute.db`.

        `?durability=full|process` and `?mode=ro` set what the constructor calls `durability` and
        `read_only`. Raises ConfigError for anything else.
        """
        parts = urlsplit(url)
        path = unquote(parts.path[1:])
        if parts.scheme != "sqlite" or parts.netloc or parts.fragment or not path:
            raise ConfigError("url", url, _URLS)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        durability = options.pop("durability", "full")
        mode = options.pop("mode", "rw")
        if mode not in ("rw", "ro"):
            raise ConfigError("mode", mode, "rw or ro")
        if options:
            raise ConfigError("url", url, _URLS)
        return cls(path, durability=cast("Durability", durability), read_only=mode == "ro")

    @property
    def groups(self) -> int:
        """Transactions since `open`. Beside the number of writes, it tells how well they group."""
        if self._store is None or self._store.writer is None:
            return 0
        return self._store.writer.groups

    async def open(self) -> None:
        async with self._turn:
            opening = asyncio.ensure_future(asyncio.to_thread(self._opener()))
            try:
                self._store = await asyncio.shield(opening)
            except asyncio.CancelledError:
                # The thread goes on: wait for it, or nobody would ever let go of the file.
                with suppress(JournalError):
                    await asyncio.to_thread((await opening).close)
                raise
            writer = self._store.writer
            self._put = None if writer is None else writer.put

    async def close(self) -> None:
        self._put = None
        async with self._turn:
            store, self._store = self._store, None
            if store is not None:
                await asyncio.to_thread(store.close)

    async def claim(self, session: SessionId, *, create: NewSession | None = None) -> Claim:
        if create is not None:
            return await self._create(session, create)
        take = Take(session, 0, Reply(), Reply())
        taking = self._write(take)
        ahead = await self._read_ahead(session)
        taken: Taken = await taking
        durable = None if take.durable.done else take.durable
        if ahead is not None:
            key, claim = ahead
            if key == taken.key and claim.revision == taken.head:
                return replace(claim, epoch=taken.epoch, end=taken.end, durable=durable)
        claim = await self._read(partial(read_claim, session=session, taken=taken))
        return replace(claim, durable=durable)

    def append(
        self, session: SessionId, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        size = sum(map(len, events))
        job = Append(session, size, Reply(), tuple(events), epoch, after, row)
        return self._write(job, MAX_BYTES)

    def snapshot(self, session: SessionId, state: bytes, *, epoch: int, revision: int) -> Commit:
        job = Snapshot(session, len(state), Reply(), state, epoch, revision)
        return self._write(job, MAX_STATE_BYTES)

    def release(self, session: SessionId, *, epoch: int, end: End | None) -> Commit:
        return self._write(Release(session, 0, Reply(), epoch, end))

    async def read(self, session: SessionId, *, after: int, limit: int) -> Page:
        check_page(after, limit)
        return await self._read(partial(read_page, session=session, after=after, limit=limit))

    async def joined_by(self, user: UserId) -> list[IndexRow]:
        return await self._read(partial(sessions_joined_by, user=user))

    async def totals(self) -> Totals:
        return await self._read(count_all)

    async def list(self, query: SessionQuery) -> SessionPage:
        check_query(query)
        return await self._read(partial(list_sessions, query=query))

    async def find(self, session: SessionId) -> IndexRow | None:
        return await self._read(partial(find_session, session=session))

    async def beginning(self, session: SessionId) -> Beginning:
        return await self._read(partial(read_beginning, session=session))

    async def delete(self, session: SessionId, *, epoch: int) -> None:
        await self._write(Delete(session, 0, Reply(), epoch, now_ms()))

    async def check(
        self,
        sessions: Sequence[SessionId] = (),
        *,
        found: Callable[[Damage], None],
        progress: Callable[[Checked], None] = lambda _: None,
    ) -> Checked:
        """Read everything, or only `sessions`, and tell `found` what is damaged.

        Both functions are called in a thread, `progress` after each session. The journal may be
        open or not, here or in another process. Deleted sessions are passed over. Raises
        JournalUnavailable, JournalFormat, and SessionNotFound for one of `sessions`.
        """
        names, busy_s = tuple(sessions), self._busy_s
        return await beside(
            lambda stopped: check_file(
                self.path, stopped, sessions=names, found=found, progress=progress, busy_s=busy_s
            )
        )

    async def stats(self) -> JournalStats:
        """How much it holds, open or not. Raises JournalUnavailable or JournalFormat."""
        return await beside(lambda stopped: stats_of(self.path, stopped, busy_s=self._busy_s))

    async def backup(self, target: str | Path) -> int:
        """Copy it to the file `target` while it is written; how many bytes that are.

        The copy is a journal with everything that was acknowledged before the call. It appears
        when it is whole and on the disk; if this fails or is cancelled there is none. Its write-
        ahead log cannot begin anew meanwhile, and grows by what is written.

        Raises InvalidInput if `target` exists, JournalUnavailable, JournalFormat, and OSError if
        the target cannot be written.
        """
        copy, busy_s = Path(target), self._busy_s
        return await beside(lambda stopped: back_up(self.path, copy, stopped, busy_s=busy_s))

    def _opener(self) -> Callable[[], Store]:
        loop = asyncio.get_running_loop()
        if self._read_only:
            return partial(open_store_to_read, self.path, loop, busy_s=self._busy_s)
        return partial(
            open_store, self.path, loop, durability=self._durability, busy_s=self._busy_s
        )

    async def _create(self, session: SessionId, new: NewSession) -> Claim:
        job = Create(session, len(new.genesis), Reply(), new)
        epoch: int = await self._write(job, MAX_BYTES)
        return Claim(
            epoch=epoch,
            revision=0,
            genesis=new.genesis,
            snapshot=None,
            events=[],
            end=End(0, 0),
        )

    async def _read_ahead(self, session: SessionId) -> tuple[int, Claim] | None:
        """Read what is being claimed beside the claim; None if that has to be done after it."""
        try:
            return await self._read(partial(read_ahead, session=session))
        except GreenroomError:
            return None  # the claim, or whoever reads after it, says why

    def _write(self, job: Job, limit: int = 0) -> Reply[Any]:
        """Queue `job` and return its commit, which is done already if nobody would take it."""
        if self._put is None:
            how = "opened for reading only" if self._read_only else "closed"
            job.commit.set_error(NotWritten(f"the journal is {how}"))
        elif job.size > limit:
            job.commit.set_error(Rejected(job.session, size=job.size, limit=limit))
        else:
            self._put(job)
        return job.commit

    async def _read(self, query: Callable[[Connection], T]) -> T:
        if self._store is None:
            raise JournalUnavailable(str(self.path), why="the journal is closed")
        return await self._store.readers.run(query)
