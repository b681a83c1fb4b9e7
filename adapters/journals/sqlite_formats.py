"""The formats a SQLite journal has had: how older ones are brought forward, and how they are read.

1: as it began. 2: events and snapshots bear checksums, and the index of sessions tells of their
records. Events that were there before have no sum; `unsummed` in `meta` is the last row of `events`
for which that is right. No row of the index is rewritten: each gets its values with its next event.
"""

from __future__ import annotations

import sqlite3
from typing import Final

FORMAT: Final = "2"
"""What `meta` says of a file written by this version."""

READABLE: Final = ("1", FORMAT)
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
}
"""What leads from a format to the next. None of it takes longer the more there is."""

_VIEWS: Final = {
    "1": (
        """CREATE TEMP VIEW events AS
        SELECT rowid AS rowid, session, revision, body, NULL AS sum FROM main.events""",
        """CREATE TEMP VIEW snapshots AS
        SELECT session, revision, body, NULL AS sum FROM main.snapshots""",
        """CREATE TEMP VIEW sessions AS SELECT *,
        '' AS title, 'en' AS language, 0 AS interactions, 0 AS feedback FROM main.sessions""",
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
