"""A group of jobs as one transaction, and what its failure means to each of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from ...actors.errors import (
    GreenroomError,
    InvalidInput,
    JournalError,
    JournalFailed,
    NotWritten,
    SessionDamaged,
    text_of,
)
from .sqlite_batch import Batch
from .sqlite_jobs import Append, Job

Outcome: TypeAlias = Any
"""What a job's commit is set to: its value, or a GreenroomError."""

_Way: TypeAlias = Callable[[sqlite3.Connection, Sequence[Job]], list[Outcome] | None]

_REFUSED: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)
"""Before COMMIT, these leave nothing behind."""

_REFUSED_BY_COMMIT: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY})
"""In COMMIT, only these do. FULL is how a full disk shows in a WAL: the frames are written first,
the one with the commit mark last, so what had no room has no mark (with `psow`, see
`sqlite_schema`). Want of memory, by contrast, may come after the mark has been written."""

_PECULIAR: Final = (
    ValueError,
    TypeError,
    OverflowError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
)
"""Failures of one job's values, which say nothing about the store."""

_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_corrupt(error: BaseException) -> bool:
    """Whether SQLite has met a damaged part of the file. Other parts may be whole."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in _CORRUPT


class _Failed(Exception):
    """The transaction is rolled back, because of `cause`."""

    def __init__(self, cause: BaseException, *, committing: bool) -> None:
        super().__init__(cause)
        self.cause, self.committing = cause, committing


def write_group(db: sqlite3.Connection, jobs: Sequence[Job]) -> list[Outcome]:
    """Run `jobs` in order as one transaction; the outcome of each, once it is durable.

    Never raises. A job that is refused leaves the others as they are. If the store fails, every
    job gets an error of its own: NotWritten where that is certain, else JournalFailed.
    """
    try:
        outcomes = _transact(db, jobs, _together)
        if outcomes is None:
            outcomes = _transact(db, jobs, _one_by_one)
    except _Failed as failed:
        return [_failure(failed) for _ in jobs]
    assert outcomes is not None
    return outcomes


def _transact(db: sqlite3.Connection, jobs: Sequence[Job], way: _Way) -> list[Outcome] | None:
    """Run `jobs` one `way` and commit; None, and nothing written, if the way does not work."""
    committing = False
    try:
        db.execute("BEGIN IMMEDIATE")
        outcomes = way(db, jobs)
        if outcomes is None:
            db.execute("ROLLBACK")
            return None
        committing = True
        db.execute("COMMIT")
    except BaseException as error:
        _roll_back(db)
        raise _Failed(error, committing=committing) from None
    return outcomes


def _together(db: sqlite3.Connection, jobs: Sequence[Job]) -> list[Outcome] | None:
    """All appends at once; None if one of them is refused, as nobody knows which."""
    outcomes: list[Outcome] = []
    batch = Batch()
    try:
        for job in jobs:
            if isinstance(job, Append):
                if not batch.add(job):
                    return None
                outcomes.append(job.last)
            else:
                if job.session in batch and not batch.write(db):
                    return None
                outcomes.append(_outcome(db, job))
        return outcomes if batch.write(db) else None
    except Exception as error:
        if not _is_peculiar(error):
            raise
        return None


def _one_by_one(db: sqlite3.Connection, jobs: Sequence[Job]) -> list[Outcome]:
    """Every job by itself, so that whatever is wrong with one harms no other."""
    outcomes: list[Outcome] = []
    for job in jobs:
        db.execute("SAVEPOINT job")
        try:
            outcomes.append(_outcome(db, job))
        except Exception as error:
            if not _is_peculiar(error):
                raise
            db.execute("ROLLBACK TO job")
            outcomes.append(_peculiar(job, error))
        db.execute("RELEASE job")
    return outcomes


def _outcome(db: sqlite3.Connection, job: Job) -> Outcome:
    try:
        return job.run(db)
    except GreenroomError as error:
        return error


def _is_peculiar(error: Exception) -> bool:
    return isinstance(error, _PECULIAR) or is_corrupt(error)


def _peculiar(job: Job, error: Exception) -> GreenroomError:
    if is_corrupt(error):
        return SessionDamaged(job.session, revision=0, why=str(error))
    if isinstance(error, sqlite3.IntegrityError):
        return JournalFailed(f"session {job.session} does not end where its row says: {error}")
    return InvalidInput(f"{type(job).__name__.lower()} of session", job.session, str(error))


def _failure(failed: _Failed) -> JournalError:
    code = getattr(failed.cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    refused = _REFUSED_BY_COMMIT if failed.committing else _REFUSED
    why = _why(failed.cause)
    return NotWritten(why) if code in refused else JournalFailed(why)


def _why(error: BaseException) -> str:
    name = getattr(error, "sqlite_errorname", None)
    return text_of(error) if name is None else f"{error} ({name})"


def _roll_back(db: sqlite3.Connection) -> None:
    """Leave no transaction open. SQLite has often rolled back by itself."""
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except sqlite3.Error:
        pass  # BEGIN of the next group says so again
