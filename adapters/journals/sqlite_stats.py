"""How much a SQLite journal holds, and of what, without owning it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from ...actors.ports import SessionId
from .beside import Stopped
from .lockfile import Holder, holder_of
from .sqlite_formats import format_of
from .sqlite_retention_queries import notes_of
from .sqlite_schema import connect_read_only, require_journal, unavailable

LARGEST: Final = 10
"""Sessions named as the largest."""

_BODIES: Final = ("events", "snapshots", "bases")


class Size(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session, how many events are kept of it, and their bytes."""

    session: SessionId
    events: int
    bytes: int


class JournalStats(msgspec.Struct, frozen=True, kw_only=True):
    """A journal at one instant. Sizes are in bytes, times in UTC milliseconds.

    `states` counts the sessions by their state; `deleted` ones are hidden, their `deleted_bytes`
    still there, and `erased` ones are tombstones. Of those that are not deleted, `trimmed` have a
    base in the place of their oldest events, which were `dropped` in all. `file_bytes` are those of
    the file: `event_bytes` of it are events (those of deleted sessions among them),
    `snapshot_bytes` snapshots, `base_bytes` bases, `free_bytes` free for what comes, and
    `index_bytes` all the rest: index rows, indices, and what SQLite itself needs. `log_bytes` lie
    beside the file in the write-ahead log. `oldest_ms` is when the first session of those listed
    was created, `newest_ms` when one was last updated. `owner` is the process that owns the journal
    now. `notes` are what runtimes have noted of it by name: under `retention`, what they keep.
    """

    path: str
    format: str
    owner: Holder | None
    states: dict[str, int]
    deleted: int
    deleted_bytes: int
    erased: int
    trimmed: int
    dropped: int
    events: int
    file_bytes: int
    event_bytes: int
    snapshot_bytes: int
    base_bytes: int
    index_bytes: int
    free_bytes: int
    log_bytes: int
    oldest_ms: int | None
    newest_ms: int | None
    largest: list[Size]
    notes: dict[str, str]


def stats_of(path: Path, stopped: Stopped, *, busy_s: float) -> JournalStats:
    """Count everything: this reads every event's size. Blocks.

    Raises JournalUnavailable or JournalFormat.
    """
    path = path.resolve()
    require_journal(path, busy_s=busy_s)
    with unavailable(path), closing(connect_read_only(path, busy_s=busy_s)) as db:
        db.set_progress_handler(stopped, 10_000)
        db.execute("BEGIN")
        return _count(path, db)


def _count(path: Path, db: sqlite3.Connection) -> JournalStats:
    states = db.execute(
        "SELECT state, count(*) FROM sessions WHERE deleted_ms IS NULL GROUP BY state ORDER BY 1"
    ).fetchall()
    oldest, newest = db.execute(
        "SELECT min(created_ms), max(updated_ms) FROM sessions WHERE deleted_ms IS NULL"
    ).fetchone()
    events, event_bytes = _one(db, "SELECT count(*), coalesce(sum(length(body)), 0) FROM events")
    (snapshot_bytes,) = _one(db, "SELECT coalesce(sum(length(body)), 0) FROM snapshots")
    (base_bytes,) = _one(db, "SELECT coalesce(sum(length(body)), 0) FROM bases")
    deleted, erased = _one(
        db, "SELECT count(*), coalesce(sum(erased), 0) FROM sessions WHERE deleted_ms IS NOT NULL"
    )
    trimmed, dropped = _one(
        db,
        "SELECT count(*), coalesce(sum(base), 0) FROM sessions WHERE base > 0"
        " AND deleted_ms IS NULL",
    )
    (page,), (pages,) = _one(db, "PRAGMA page_size"), _one(db, "PRAGMA page_count")
    (free,) = _one(db, "PRAGMA freelist_count")
    file_bytes, free_bytes = page * pages, page * free
    log = path.with_name(f"{path.name}-wal")
    return JournalStats(
        path=str(path),
        format=format_of(db),
        owner=holder_of(path),
        states=dict(states),
        deleted=deleted - erased,
        deleted_bytes=sum(_deleted_bytes(db, table) for table in _BODIES),
        erased=erased,
        trimmed=trimmed,
        dropped=dropped,
        events=events,
        file_bytes=file_bytes,
        event_bytes=event_bytes,
        snapshot_bytes=snapshot_bytes,
        base_bytes=base_bytes,
        index_bytes=file_bytes - event_bytes - snapshot_bytes - base_bytes - free_bytes,
        free_bytes=free_bytes,
        log_bytes=log.stat().st_size if log.exists() else 0,
        oldest_ms=oldest,
        newest_ms=newest,
        largest=_largest(db),
        notes=notes_of(db),
    )


def _deleted_bytes(db: sqlite3.Connection, table: str) -> int:
    (found,) = _one(
        db,
        f"SELECT coalesce(sum(length(body)), 0) FROM sessions JOIN {table} ON session = key"
        " WHERE deleted_ms IS NOT NULL",
    )
    return found


def _largest(db: sqlite3.Connection) -> list[Size]:
    rows = db.execute(
        "SELECT id, kept, size FROM (SELECT session, count(*) AS kept, sum(length(body)) AS size"
        " FROM events GROUP BY session ORDER BY size DESC LIMIT ?)"
        " JOIN sessions ON key = session ORDER BY size DESC",
        (LARGEST,),
    )
    return [Size(session=name, events=kept, bytes=size) for name, kept, size in rows]


def _one(db: sqlite3.Connection, query: str) -> tuple[int, ...]:
    row: tuple[int, ...] = db.execute(query).fetchone()
    return row
