"""The thread that writes: whatever is queued when it is free becomes one transaction."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from ...actors.errors import GreenroomError, NotWritten
from ...actors.kernel.reply import Reply
from .giveway import GiveWay
from .sqlite_claims import Claims, Sync
from .sqlite_group import Outcome, write_group
from .sqlite_jobs import Job

GROUP_BYTES: Final = 4 << 20
"""A group is full with the job that reaches this."""

GROUP_JOBS: Final = 1000
"""Jobs of one group: their commits are set on the loop in one go."""


class Writer:
    """Owns the connection that writes, in a daemon thread, from its start until `close`.

    There is no timer: an idle writer takes a job at once, and while it commits the next group
    gathers. Only claims that nothing takes to the disk are synced a little later (`Claims`). `put`
    is called on the loop; the commits of a group are set there by one callback.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        *,
        way: GiveWay,
        on_written: Callable[[], None],
    ) -> None:
        self._db, self._loop, self._way, self._on_written = db, loop, way, on_written
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closing = False
        self._claims = Claims(db)
        self.groups = 0
        """Transactions so far. With the number of jobs, it tells how large groups are."""
        self._thread = threading.Thread(target=self._run, name="greenroom-writer", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue `job`. Its commit is set, on the loop, when its group is durable or has failed."""
        self._way.begin()
        self._queue.put(job)

    def close(self) -> None:
        """Write what is queued, tell the loop, and close the connection. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            self._work(jobs)
        if self._claims.patience_s is not None:
            self._sync()
        self._db.close()

    def _work(self, jobs: Sequence[Job]) -> None:
        outcomes = self._write(jobs)
        self._tell(self._set_commits, jobs, outcomes, self._claims.settle(jobs, outcomes))
        self._on_written()

    def _sync(self) -> None:
        """Take the claims to the disk for which nothing else has done so."""
        jobs = [Sync()]
        outcomes = self._write(jobs)
        durable = self._claims.settle(jobs, outcomes) or self._claims.give_up()
        self._tell(self._set_durable, durable, outcomes[0])

    def _write(self, jobs: Sequence[Job]) -> list[Outcome]:
        self.groups += 1
        try:
            self._claims.prepare(jobs)
        except sqlite3.Error as error:
            return [NotWritten(str(error)) for _ in jobs]
        return write_group(self._db, jobs)

    def _take(self) -> list[Job]:
        """Wait for a job, and take what is queued behind it; empty when the journal closes."""
        jobs: list[Job] = []
        size = 0
        while not self._closing and len(jobs) < GROUP_JOBS and size < GROUP_BYTES:
            try:
                job = self._queue.get(not jobs, self._claims.patience_s)
            except queue.Empty:
                if jobs:
                    break
                self._sync()
                continue
            if job is None:
                self._closing = True
            else:
                jobs.append(job)
                size += job.size
        return jobs

    def _tell(self, *call: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(*call)

    def _set_commits(
        self, jobs: Sequence[Job], outcomes: Sequence[Outcome], durable: Sequence[Reply[Any]]
    ) -> None:
        self._way.done(len(jobs))
        for claim in durable:
            claim.set()
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, GreenroomError):
                job.commit.set_error(outcome)
            else:
                job.commit.set(outcome)

    def _set_durable(self, claims: Sequence[Reply[Any]], outcome: Outcome) -> None:
        for claim in claims:
            if isinstance(outcome, GreenroomError):
                claim.set_error(outcome)
            else:
                claim.set()
