"""Claims that are written, but not yet on the disk: when they get there."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final

from ...actors.errors import GreenroomError
from ...actors.kernel.reply import Reply
from ...actors.ports import SessionId
from .sqlite_jobs import Append, Create, Delete, Job, Take

SYNC_S: Final = 0.005
"""How long a claim is left unsynced if nothing else that is written takes it to the disk."""

_NORMAL: Final = 1


class Sync:
    """A job that changes nothing and yet writes a page, so that its commit is an fsync."""

    session: SessionId = ""
    size = 0

    def __init__(self) -> None:
        self.commit: Reply[Any] = Reply()

    def run(self, db: sqlite3.Connection) -> None:
        # An UPDATE that changes nothing would not do: SQLite leaves equal bytes alone.
        db.execute("PRAGMA user_version = 0")


_WRITING: Final = frozenset({Append, Create, Delete, Sync, Take})
"""Jobs that surely write when they succeed; a commit that writes nothing is no fsync either."""


class Claims:
    """Commits the groups that only claim without the fsync that all others get.

    A claim changes nothing but the epoch, and what is written under that is synced with all of the
    log before it. So its owner may begin at once; only what the journal never gets to see has to
    wait (`Claim.durable`). The fsync was 0.4 of the 0.9 ms of a stored session's wake, measured.

    The first group after `open`, and after one that has failed, is synced whatever it is: what
    there is by then may have been written by a process that was killed before its fsync.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        (self._level,) = db.execute("PRAGMA synchronous").fetchone()
        self._now = self._level
        self._sound = False  # all before is on the disk, but for claims
        self._waiting: list[Reply[Any]] = []
        self._since_s = 0.0

    @property
    def patience_s(self) -> float | None:
        """For how long the writer may rest before a sync is due; None if nothing waits for one."""
        if not self._waiting:
            return None
        return max(0.0, self._since_s + SYNC_S - time.monotonic())

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Set how the group of `jobs` is to be committed. Called outside a transaction."""
        lazy = self._sound and self.patience_s != 0.0
        lazy = lazy and all(type(job) is Take for job in jobs)
        level = min(self._level, _NORMAL) if lazy else self._level
        if level != self._now:
            self._db.execute(f"PRAGMA synchronous = {level}")
            self._now = level

    def settle(self, jobs: Sequence[Job], outcomes: Sequence[Any]) -> list[Reply[Any]]:
        """The claims that are durable now, when the group of `jobs` has ended so."""
        succeeded = [
            job
            for job, outcome in zip(jobs, outcomes, strict=True)
            if type(job) in _WRITING and not isinstance(outcome, GreenroomError)
        ]
        claims = [job.durable for job in succeeded if isinstance(job, Take)]
        if claims and not self._waiting:
            self._since_s = time.monotonic()
        self._waiting += claims
        full = self._now == self._level
        self._sound = bool(succeeded) and (full or self._sound)
        return self.give_up() if succeeded and full else []

    def give_up(self) -> list[Reply[Any]]:
        """All that wait; none of them does so any more."""
        waiting, self._waiting = self._waiting, []
        return waiting
