"""The formats a SQLite journal has had: how older ones are brought forward, and how they are read.

1: as it began. 2: events and snapshots bear checksums, and the index of sessions tells of their
records. Events that were there before have no sum; `unsummed` in `meta` is the last row of `events`
for which that is right. 3: what stands for events that are dropped is a base, and what is hidden is
erased. No row of the index is ever rewritten: each gets its values with its next event.
"""

from __future__ import annotations

import sqlite3
from typing import Final

FORMAT: Final = "3"
"""What `meta` says of a file written by this version."""

READABLE: Final = ("1", "2", FORMAT)
"""What this version reads. Any other file is refused, untouched."""

SUM: Final = (
    "coalesce(CAST(sum AS INTEGER), CASE WHEN events.rowid > (SELECT CAST(value AS INTEGER)"
    " FROM meta WHERE key = 'unsummed') THEN -1 END)"
)
"""The checksum of a row of `events`: NULL if it never had one, -1 (of no body) if it is lost."""

SNAPSHOT_SUM: Final = (
    "coalesce(CAST(snapshots.sum AS INTEGER), CASE WHEN (SELECT value FROM meta"
    " WHERE key = 'unsummed') = '0' THEN -1 END)"
)
"""The same for `snapshots`; in a file that began with checksums none may lack."""

BASE_SUM: Final = "coalesce(CAST(bases.sum AS INTEGER), -1)"
"""The same for `bases`: none may lack."""

BASES: Final = """CREATE TABLE bases(
    session INTEGER PRIMARY KEY, revision INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER,
    dropping INTEGER NOT NULL)"""
"""`dropping`: events that the base stands for are still there, and to be dropped."""

_STEPS: Final = {
    "1": (
        "ALTER TABLE events ADD COLUMN sum INTEGER",
        "ALTER TABLE snapshots ADD COLUMN sum INTEGER",
        "ALTER TABLE sessions ADD COLUMN title TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN language TEXT NOT NULL DEFAULT 'en'",
        "ALTER TABLE sessions ADD COLUMN interactions INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN feedback INTEGER NOT NULL DEFAULT 0",
        "INSERT INTO meta SELECT 'unsummed', coalesce(max(rowid), 0) FROM events",
        "UPDATE meta SET value = '2' WHERE key = 'format'",
    ),
    "2": (
        "ALTER TABLE sessions ADD COLUMN wake_ms INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN base INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN erased INTEGER NOT NULL DEFAULT 0",
        BASES,
        "UPDATE meta SET value = '3' WHERE key = 'format'",
    ),
}
"""What leads from a format to the next. None of it takes longer the more there is."""

_NO_BASES: Final = """CREATE TEMP VIEW bases AS
SELECT 0 AS session, 0 AS revision, x'' AS body, 0 AS sum, 0 AS dropping WHERE false"""

_VIEWS: Final = {
    "1": (
        """CREATE TEMP VIEW events AS
        SELECT rowid AS rowid, session, revision, body, NULL AS sum FROM main.events""",
        """CREATE TEMP VIEW snapshots AS
        SELECT session, revision, body, NULL AS sum FROM main.snapshots""",
        """CREATE TEMP VIEW sessions AS SELECT *,
        '' AS title, 'en' AS language, 0 AS interactions, 0 AS feedback,
        0 AS wake_ms, 0 AS base, 0 AS erased FROM main.sessions""",
        _NO_BASES,
    ),
    "2": (
        """CREATE TEMP VIEW sessions AS SELECT *,
        0 AS wake_ms, 0 AS base, 0 AS erased FROM main.sessions""",
        _NO_BASES,
    ),
}
"""What makes an older file look, to one connection, like one of this version."""


def format_of(db: sqlite3.Connection) -> str:
    """What the file says of itself."""
    row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    return str(row[0]) if row else "unknown"


def migrate(db: sqlite3.Connection) -> None:
    """Bring the file forward to this format in one transaction: a crash leaves all or nothing."""
    if format_of(db) == FORMAT:
        return
    db.execute("BEGIN IMMEDIATE")
    while (found := format_of(db)) != FORMAT:
        for statement in _STEPS[found]:
            db.execute(statement)
    db.execute("COMMIT")


def adapt(db: sqlite3.Connection) -> None:
    """Let a connection that only reads find an older file as if it were of this format."""
    for statement in _VIEWS.get(format_of(db), ()):
        db.execute(statement)
