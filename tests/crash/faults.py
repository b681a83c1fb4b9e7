"""A SQLite journal whose statements fail as those of a real disk do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from greenroom.adapters.journals.sqlite import SqliteJournal

When = Literal["before", "undone", "after"]
"""The statement is not run; or it is not, and the transaction is rolled back, as SQLite does by
itself after some failures; or it is run all the same."""


class Fault(msgspec.Struct, frozen=True):
    """How one statement fails, and whether what it was to do is done."""

    name: str
    code: int
    when: When = "before"

    def error(self) -> sqlite3.OperationalError:
        error = sqlite3.OperationalError(self.name)
        error.sqlite_errorname, error.sqlite_errorcode = self.name, self.code
        return error


FULL = Fault("SQLITE_FULL", sqlite3.SQLITE_FULL)
FULL_UNDONE = Fault("SQLITE_FULL", sqlite3.SQLITE_FULL, "undone")
READ_ONLY = Fault("SQLITE_READONLY", sqlite3.SQLITE_READONLY)
NO_ENTRY = Fault("SQLITE_CANTOPEN", sqlite3.SQLITE_CANTOPEN)
NOT_ALLOWED = Fault("SQLITE_PERM", sqlite3.SQLITE_PERM)
BUSY = Fault("SQLITE_BUSY", sqlite3.SQLITE_BUSY)
BROKEN = Fault("SQLITE_IOERR_WRITE", sqlite3.SQLITE_IOERR_WRITE, "undone")
UNSURE = Fault("SQLITE_IOERR_FSYNC", sqlite3.SQLITE_IOERR_FSYNC, "after")
UNREADABLE = Fault("SQLITE_IOERR_READ", sqlite3.SQLITE_IOERR_READ)
DAMAGED = Fault("SQLITE_CORRUPT", sqlite3.SQLITE_CORRUPT, "undone")

FAULTS: tuple[tuple[str, Fault], ...] = (
    ("BEGIN", BUSY),
    ("BEGIN", READ_ONLY),
    ("BEGIN", NO_ENTRY),
    ("BEGIN", NOT_ALLOWED),
    ("UPDATE", FULL),
    ("INSERT", FULL),
    ("INSERT", FULL_UNDONE),
    ("INSERT", BROKEN),
    ("UPDATE", DAMAGED),
    ("COMMIT", FULL),
    ("COMMIT", FULL_UNDONE),
    ("COMMIT", BUSY),
    ("COMMIT", BROKEN),
    ("COMMIT", UNSURE),
)
"""At which statement, and how: the first of a group, one in the middle of it, the last."""

STUCK = (("INSERT", FULL), ("ROLLBACK", UNREADABLE))
"""What has failed cannot be undone either; it is when the next group is about to begin."""


class Faulty:
    """A connection that asks before each statement how it is to fail."""

    def __init__(
        self, db: sqlite3.Connection, faults: Callable[[str], Fault | None], disk: threading.Event
    ) -> None:
        self._db, self._faults, self._disk = db, faults, disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, sql: str, *values: Any) -> Any:
        return self._run(self._db.execute, sql, *values)

    def executemany(self, sql: str, *values: Any) -> Any:
        return self._run(self._db.executemany, sql, *values)

    def _run(self, run: Callable[..., Any], sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            self._disk.wait()
        fault = self._faults(sql)
        if fault is None:
            return run(sql, *values)
        if fault.when == "after":
            run(sql, *values)
        elif fault.when == "undone" and self._db.in_transaction:
            self._db.execute("ROLLBACK")
        raise fault.error()


class FaultyJournal(SqliteJournal):
    """The real journal over a disk that fails when it is told to.

    `fail(at, fault)` has the next statement that begins with `at` fail. While `disk` is cleared no
    transaction gets to its end.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.disk = threading.Event()
        self.disk.set()
        self.failed: list[tuple[str, Fault]] = []
        """What has failed, in order."""
        self._due: list[tuple[str, Fault]] = []

    async def open(self) -> None:
        await super().open()
        assert self._store is not None
        assert self._store.writer is not None
        writer, readers = self._store.writer, self._store.readers
        writer._db = Faulty(writer._db, self._next, self.disk)  # type: ignore[assignment]
        connect = readers._connect
        readers._connect = lambda: Faulty(  # type: ignore[assignment, return-value]
            connect(), self._next, self.disk
        )

    def fail(self, at: str, fault: Fault) -> None:
        self._due.append((at, fault))

    def repair(self) -> None:
        """From now on everything works."""
        self._due.clear()
        self.disk.set()

    @property
    def due(self) -> Sequence[tuple[str, Fault]]:
        """What is still to fail."""
        return self._due

    def _next(self, sql: str) -> Fault | None:
        if self._due and sql.startswith(self._due[0][0]):
            self.failed.append(self._due.pop(0))
            return self.failed[-1][1]
        return None
