"""What retention asks a SQLite journal before it drops anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import msgspec

from ...actors.ports import IndexRow, SessionId, Stale, Trimmable
from .sqlite_queries import rows_of
from .sqlite_schema import MANY


def stale_sessions(
    db: sqlite3.Connection, *, before_ms: int, limit: int, ended: bool, keep: Collection[SessionId]
) -> list[Stale]:
    """Sessions that nobody has touched for long, the longest first."""
    # 'ended' is written out, so that the index of ended sessions is used.
    only = " AND state = 'ended'" if ended else ""
    rows = db.execute(
        f"SELECT id, head, updated_ms FROM sessions WHERE deleted_ms IS NULL{only}"
        " AND updated_ms < ? AND id NOT IN (SELECT value FROM json_each(?))"
        " ORDER BY updated_ms, key LIMIT ?",
        (before_ms, msgspec.json.encode(list(keep)).decode(), limit),
    )
    return [Stale(id=name, head=head, updated_ms=at) for name, head, at in rows]


def trimmable_sessions(
    db: sqlite3.Connection, *, least: int, after: SessionId, limit: int
) -> list[Trimmable]:
    """Sessions with events from before their room history: by the index of long ones, or of all."""
    long = f" AND head - events - base >= {MANY}" if least >= MANY else ""
    rows = db.execute(
        "SELECT id, base, head - events + 1, head FROM sessions"
        f" WHERE deleted_ms IS NULL AND id > ?{long} AND head - events - base >= ?"
        " ORDER BY id LIMIT ?",
        (after, least, limit),
    )
    return [
        Trimmable(id=name, base=base, oldest=oldest, head=head) for name, base, oldest, head in rows
    ]


def due_sessions(db: sqlite3.Connection, *, limit: int) -> list[IndexRow]:
    """Sessions that want to be woken, the earliest first."""
    due = "sessions WHERE wake_ms <> 0 AND deleted_ms IS NULL ORDER BY wake_ms, key LIMIT ?"
    return rows_of(db, due, (limit,))


def notes_of(db: sqlite3.Connection) -> dict[str, str]:
    """What has been noted, by name."""
    rows = db.execute("SELECT substr(key, 6), value FROM meta WHERE substr(key, 1, 5) = 'note '")
    return dict(rows.fetchall())


def size_of(db: sqlite3.Connection) -> int:
    """Bytes of the pages in use, those in the write-ahead log instead of the file, too."""
    pages, free, page = (
        db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page)
